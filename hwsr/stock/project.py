"""A project that hls4ml wrote for Vivado or Vitis HLS, read from its C++: kernels, settings, streams between them.

Nothing of it is compiled or run. Only the forms that hls4ml's writer has are understood.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from hwsr.errors import HwsrError
from hwsr.estimate.types import DEFAULT, parse_type

# A firmware file beyond this size is no code; weights are in files of their own.
MOST_BYTES = 1 << 26
# nnet::FUNCTION<TEMPLATE>(ARGUMENTS); // LAYER
CALL = r"nnet::(\w+)<([^;(]*)>\(([^;]*)\);[ \t]*(?://[ \t]*(\S+))?"


@dataclass(frozen=True)
class Stream:
    """Words of `channels` values of the C++ type `type`, in a FIFO of `depth` words; None at the design's own ports."""

    type: str
    channels: int
    depth: int | None

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.channels * (parse_type(self.type) or DEFAULT).bits


@dataclass(frozen=True)
class Call:
    """One kernel of the dataflow: nnet::`function` with the settings of `config`; streams by name, in order.

    layer: the network's name of it. config: empty where the kernel has none.
    """

    function: str
    layer: str
    config: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class StockProject:
    """settings: of every config, the values of its constants and the names of its types, as C++ text.

    types: what a typedef is of, as C++ text.
    """

    top: str
    backend: str
    part: str
    clock_ns: float
    streams: Mapping[str, Stream]
    calls: tuple[Call, ...]
    settings: Mapping[str, Mapping[str, str]]
    types: Mapping[str, str]


def read_stock(folder: Path) -> StockProject:
    """Raises HwsrError where the folder holds no io_stream project of hls4ml's Vivado or Vitis backend."""
    setting = dict(re.findall(r'^set (\w+) "?([^"\n]*)"?$', _text(folder / "project.tcl"), re.M))
    top, backend = setting.get("project_name", ""), setting.get("backend", "").lower()
    if not re.fullmatch(r"\w+", top) or backend not in ("vitis", "vivado", "vivadoaccelerator", "vitisaccelerator"):
        raise HwsrError(f"{folder / 'project.tcl'} names no project of hls4ml's Vivado or Vitis backend")
    try:
        clock_ns = float(setting.get("clock_period", ""))
    except ValueError:
        raise HwsrError(f"{folder / 'project.tcl'} has no clock_period in ns") from None
    firmware = folder / "firmware"
    types = {name: of for of, name in re.findall(r"typedef\s+([^;]+?)\s+(\w+)\s*;", _text(firmware / "defines.h"))}
    code = _text(firmware / f"{top}.cpp")
    streams = _streams(code, types, firmware / f"{top}.cpp")
    calls = _calls(code, streams)
    if not calls:
        raise HwsrError(f"{firmware / top}.cpp calls no kernel on streams: only io_stream projects are dataflow")
    settings = dict(_settings(_text(firmware / "parameters.h")))
    return StockProject(
        top=top,
        backend="vitis" if "vitis" in backend else "vivado",
        part=setting.get("part", ""),
        clock_ns=clock_ns,
        streams=streams,
        calls=calls,
        settings=settings,
        types=types,
    )


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise HwsrError(f"{path} has {path.stat().st_size:,} bytes, more than code that hls4ml writes")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HwsrError(
            f"cannot read {path}: {error.strerror}; give the folder that hls4ml wrote a project to"
        ) from error


def _streams(code: str, types: Mapping[str, str], path: Path) -> dict[str, Stream]:
    """Those of the top's ports and those between kernels, with the depths of their pragmas."""
    depths = {name: int(depth) for name, depth in re.findall(r"STREAM variable=(\w+) depth=(\d{1,12})\b", code)}
    found = {}
    for word, name in re.findall(r"hls::stream<\s*(\w+)\s*>\s*&?\s*(\w+)", code):
        array = re.fullmatch(r"nnet::array<\s*(.+?)\s*,\s*(\d{1,9})\s*(?:\*\s*(\d{1,9})\s*)?>", types.get(word, ""))
        if not array:
            raise HwsrError(f"{path}: stream '{name}' of '{word}', of which defines.h has no nnet::array")
        found[name] = Stream(array[1], int(array[2]) * int(array[3] or 1), depths.get(name))
    return found


def _calls(code: str, streams: Mapping[str, Stream]) -> tuple[Call, ...]:
    """In the order of the code: a kernel takes its inputs, its output, then weights; a clone has several outputs."""
    aliases = dict(re.findall(r"auto\s*&\s*(\w+)\s*=\s*(\w+)\s*;", code))
    found = []
    for function, template, arguments, layer in re.findall(CALL, code):
        names = (aliases.get(name, name) for name in re.findall(r"\w+", arguments))
        used = [name for name in names if name in streams]
        if len(used) > 1:
            inputs = 1 if function == "clone_stream" else len(used) - 1
            config = template.rsplit(",", 1)[-1].strip()
            found.append(Call(function, layer or used[inputs], config, tuple(used[:inputs]), tuple(used[inputs:])))
    return tuple(found)


def _settings(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Of every config struct: constants by name, types by the name that the struct gives them."""
    for name, body in re.findall(r"^struct (\w+)[^{;]*\{(.*?)^\};", text, re.M | re.S):
        values = dict(re.findall(r"static const(?:expr)? [\w:]+ (\w+)\s*=\s*([^;]+);", body))
        yield name, values | {alias: of for of, alias in re.findall(r"typedef (\w+) (\w+);", body)}


def number(settings: Mapping[str, str], name: str) -> int | None:
    """A constant that is a number, a product of numbers, or the name of another constant; None where it is not."""
    text = settings.get(name, "")
    if text in settings and text != name and settings[text] not in settings:
        text = settings[text]
    factors = text.split("*")
    if not all(re.fullmatch(r"\s*-?\d{1,12}\s*", factor) for factor in factors):
        return None
    return prod(map(int, factors))
