"""The top function of a project, read from its C++: the streams with the depths they declare, and the processes."""

import re
from dataclasses import dataclass
from pathlib import Path

from hwsr.errors import HwsrError

# What HLS gives a stream between processes that declares no depth.
UNDECLARED = 2

# Names of the processes that feed and empty the top function, and of FIFOs outside, which are numbered; no layer's
# starts with an underscore.
SOURCE, SINK, MEMORY = "_input", "_output", "_memory"

_PORT = re.compile(r"hls::stream<(\w+)> &(\w+),?")
_STREAM = re.compile(r'hls::stream<(\w+)> (\w+)\("(\w+)"\);')
_DEPTH = re.compile(r"#pragma HLS STREAM variable=(\w+) depth=(\d+)")
_CALL = re.compile(r"(nnet::\w+<[^;()]*>\(([\w, ]+)\);) // (\w+)")
# What the simulation of C alone does between the calls, and what says nothing of streams.
_OTHER = re.compile(
    r"#ifndef __SYNTHESIS__|#endif|nnet::save_layer_output<.*|#pragma HLS (INTERFACE|DATAFLOW|INLINE).*|//.*|"
    r"#include .*|void \w+\(|\) \{|\}|"
)


@dataclass(frozen=True)
class Stream:
    """type: of a word, as the C++ names it; depth: words that it holds."""

    type: str
    depth: int


@dataclass(frozen=True)
class Call:
    """One process: the layer's name, the call as it is written, and the streams that it reads and writes."""

    name: str
    text: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Top:
    """The top function. Its ports, which are no FIFOs of its own, are among the streams with the depth of those that
    declare none. The first input and output are the frames'; every other pair are the ends of a FIFO outside.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    streams: dict[str, Stream]
    calls: tuple[Call, ...]

    @property
    def input(self) -> str:
        return self.inputs[0]

    @property
    def output(self) -> str:
        return self.outputs[0]

    @property
    def ends(self) -> dict[str, tuple[str, str]]:
        """The writer and the reader of every stream."""
        outside = [f"{MEMORY}{place}" for place in range(len(self.inputs) - 1)]
        writers = {stream: call.name for call in self.calls for stream in call.writes}
        readers = {stream: call.name for call in self.calls for stream in call.reads}
        writers |= dict(zip(self.inputs, (SOURCE, *outside), strict=True))
        readers |= dict(zip(self.outputs, (SINK, *outside), strict=True))
        return {stream: (writers[stream], readers[stream]) for stream in self.streams}


def read_top(path: Path) -> Top:
    """Read the C++ file of a top function that hls4ml wrote.

    Raises HwsrError for a line that is not understood, which might be one that matters, and for a stream without one
    writer and one reader.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HwsrError(f"{path}: it cannot be read; write the project again with 'hwsr hls'") from error
    ports: list[str] = []
    types: dict[str, str] = {}
    depths: dict[str, int] = {}
    calls: list[Call] = []
    seen: set[str] = set()
    for line in map(str.strip, text.splitlines()):
        if found := _PORT.fullmatch(line):
            types[found[2]] = found[1]
            ports.append(found[2])
        elif found := _STREAM.fullmatch(line):
            types[found[2]] = found[1]
        elif found := _DEPTH.fullmatch(line):
            depths[found[1]] = int(found[2])
        elif found := _CALL.fullmatch(line):
            own = [name for name in found[2].split(", ") if name in types]
            # Calls stand in the order of the data, so that a stream is first written and then read.
            writes = [name for name in own if name not in seen and name not in ports[::2]]
            calls.append(Call(found[3], found[1], tuple(name for name in own if name not in writes), tuple(writes)))
            seen.update(writes)
        elif not _OTHER.fullmatch(line):
            raise HwsrError(f"{path}: '{line}' is not understood; write the project again with 'hwsr hls'")
    streams = {name: Stream(type_, depths.get(name, UNDECLARED)) for name, type_ in types.items()}
    return _checked(path, ports, streams, calls)


def _checked(path: Path, ports: list[str], streams: dict[str, Stream], calls: list[Call]) -> Top:
    inputs, outputs = tuple(ports[::2]), tuple(ports[1::2])
    if not ports or len(inputs) != len(outputs) or not calls:
        raise HwsrError(
            f"{path}: no top function of one input and one output, or of several pairs; write the project again"
        )
    written = [name for call in calls for name in call.writes]
    read = [name for call in calls for name in call.reads]
    for name, stream in streams.items():
        if written.count(name) != (name not in inputs) or read.count(name) != (name not in outputs):
            raise HwsrError(f"{path}: stream '{name}' needs one writer and one reader; write the project again")
        if stream.depth < 1:
            raise HwsrError(f"{path}: stream '{name}' of depth {stream.depth}; a FIFO holds 1 word at least")
    return Top(inputs, outputs, streams, tuple(calls))
