"""A project that hls4ml wrote for Vivado or Vitis HLS, read from its C++: kernels, settings, streams between them.

Nothing of it is compiled or run. Only what hls4ml's writer makes is understood, line by line as it writes it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from hwsr.errors import HwsrError
from hwsr.estimate.types import DEFAULT, parse_type

# A firmware file beyond this size is no code; weights are in files of their own.
MOST_BYTES = 4 << 20
# Words of a frame beyond which nothing is simulated.
MOST_WORDS = 1 << 26

# Each matches a whole line, without a choice of where one part ends and the next begins.
TYPEDEF = r"typedef (.*\S) (\w+);"
ARRAY = r"nnet::array<(.*\S) ?, (\d{1,6})\*(\d{1,6})>"
STREAM = r"hls::stream<(\w+)> (&?)(\w+)(?:\(.*\);|,?|;)"
DEPTH = r"#pragma HLS STREAM variable=(\w+) depth=(\d{1,9})"
ALIAS = r"auto& (\w+) = (\w+);"
# NAMESPACE::FUNCTION<TEMPLATE>(ARGUMENTS); // LAYER
CALL = r"(\w+)::(\w+)<([^()]*)>\(([^()]*)\);(?: // (\S+))?"
STRUCT = r"struct (\w+)(?: : nnet::\w+)? \{"
CONSTANT = r"static const(?:expr)? [\w:]+ (\w+) = ([^;]*);"


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

    layer: the network's name of it. config: the last of its template's arguments.
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
    tcl = folder / "project.tcl"
    setting = {name: value for line in _lines(tcl) for name, value in re.findall(r'^set (\w+) "?([^"]*)"?$', line)}
    top, backend = setting.get("project_name", ""), setting.get("backend", "").lower()
    if not re.fullmatch(r"\w{1,200}", top) or backend not in ("vitis", "vivado"):
        raise HwsrError(f"{tcl} names no project of hls4ml's Vivado or Vitis backend; others are not known")
    clock = setting.get("clock_period", "")
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", clock) or float(clock) < 0.01:
        raise HwsrError(f"{tcl} has no clock_period from 0.01 to below 1000 ns")
    firmware = folder / "firmware"
    types = {found[2]: found[1] for line in _lines(firmware / "defines.h") if (found := re.fullmatch(TYPEDEF, line))}
    code = firmware / f"{top}.cpp"
    lines = _lines(code)
    streams, ports = _streams(code, lines, types)
    calls = _calls(lines, streams)
    _check(code, calls, streams, ports)
    settings = dict(_settings(firmware / "parameters.h"))
    return StockProject(top, backend, setting.get("part", ""), float(clock), streams, calls, settings, types)


def _lines(path: Path) -> list[str]:
    """Without the blanks around them. Raises HwsrError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise HwsrError(f"{path} has {path.stat().st_size:,} bytes, more than code that hls4ml writes")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HwsrError(
            f"cannot read {path}: {error.strerror}; give the folder that hls4ml wrote a project to"
        ) from error
    return [line.strip() for line in text.splitlines()]


def _streams(code: Path, lines: Sequence[str], types: Mapping[str, str]) -> tuple[dict[str, Stream], set[str]]:
    """All of them, and the names of the top's ports."""
    depths: dict[str, int] = {}
    declared: dict[str, str] = {}
    ports = set()
    for line in lines:
        if found := re.fullmatch(DEPTH, line):
            depths[found[1]] = int(found[2])
        elif found := re.fullmatch(STREAM, line):
            declared[found[3]] = found[1]
            ports |= {found[3]} if found[2] else set()
    streams = {}
    for name, word in declared.items():
        array = re.fullmatch(ARRAY, types.get(word, ""))
        if not array or not int(array[2]) * int(array[3]):
            raise HwsrError(f"{code}: stream '{name}' of '{word}', of which defines.h has no nnet::array")
        streams[name] = Stream(array[1], int(array[2]) * int(array[3]), depths.get(name))
    return streams, ports


def _calls(lines: Sequence[str], streams: Mapping[str, Stream]) -> tuple[Call, ...]:
    """In the order of the code: a kernel takes its inputs, its output, then weights; a clone has several outputs."""
    aliases: dict[str, str] = {}
    found = []
    for line in lines:
        if alias := re.fullmatch(ALIAS, line):
            aliases[alias[1]] = aliases.get(alias[2], alias[2])
        elif call := re.fullmatch(CALL, line):
            space, function, template, arguments, layer = call.groups()
            names = (aliases.get(name, name) for name in re.findall(r"\w+", arguments))
            used = [name for name in names if name in streams]
            if len(used) > 1:
                inputs = 1 if function == "clone_stream" else len(used) - 1
                config = template.rpartition(",")[2].strip()
                function = function if space == "nnet" else f"{space}::{function}"
                ends = tuple(used[:inputs]), tuple(used[inputs:])
                found.append(Call(function, layer or used[inputs], config, *ends))
    return tuple(found)


def _check(code: Path, calls: tuple[Call, ...], streams: Mapping[str, Stream], ports: set[str]) -> None:
    """Raise where a kernel was not understood: then a stream lacks an end."""
    if not calls:
        raise HwsrError(f"{code} calls no kernel on streams: only io_stream projects are dataflow")
    layers = Counter(call.layer for call in calls)
    if max(layers.values()) > 1:
        raise HwsrError(f"{code} calls two kernels of layer '{layers.most_common(1)[0][0]}'")
    reads, writes = (Counter(name for call in calls for name in getattr(call, way)) for way in ("inputs", "outputs"))
    for name in streams:
        ends = (reads[name], writes[name])
        if ends not in ({(1, 0), (0, 1)} if name in ports else {(1, 1)}):
            what = f"read by {ends[0]} and written by {ends[1]} of the kernels that are understood"
            raise HwsrError(
                f"{code}: stream '{name}' is {what}; this is no code that hls4ml writes of kernels known here"
            )
    if not any(reads[name] for name in ports) or not any(writes[name] for name in ports):
        raise HwsrError(f"{code}: its top has no stream in or none out")


def _settings(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Of every config struct: constants by name, types by the name that the struct gives them."""
    name, values = "", dict[str, str]()
    for line in _lines(path):
        if found := re.fullmatch(STRUCT, line):
            name, values = found[1], {}
        elif found := re.fullmatch(CONSTANT, line):
            values[found[1]] = found[2]
        elif found := re.fullmatch(TYPEDEF, line):
            values[found[2]] = found[1]
        elif line == "};" and name:
            yield name, values
            name = ""


def number(settings: Mapping[str, str], name: str) -> int | None:
    """A constant that is a number, a product of some, or another constant's name; else, or where too large, None."""
    text = settings.get(name, "")
    factors = settings.get(text, text).split("*")
    if len(factors) > 4 or not all(re.fullmatch(r" ?-?\d{1,9} ?", factor) for factor in factors):
        return None
    value = prod(map(int, factors))
    return value if abs(value) <= 1 << 40 else None
