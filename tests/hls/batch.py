"""Many small networks compiled into one program by g++, which takes most of its time for what they share."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import hls4ml
import numpy as np

import hwsr.hls
from hwsr.adders.stages import chosen, graphs, solve
from hwsr.adders.which import Which
from hwsr.hls import source
from hwsr.hls.layers import HEADERS
from hwsr.hls.lower import lower
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntArray, IntGraph
from hwsr.ir.stages import Reuse, Stage

INCLUDES = (
    Path(hls4ml.__file__).parent / "templates" / "vivado" / "ap_types",
    Path(hls4ml.__file__).parent / "templates" / "vivado" / "nnet_utils",
    Path(hwsr.hls.__file__).parent / "nnet_utils",
)

# Frames are small, so that optimizing would take longer than it saves.
FLAGS = ("-O0", "-std=c++11", "-w")

PROLOGUE = "".join(f'#include "{name}"\n' for name in ("ap_fixed.h", "ap_int.h", "nnet_types.h", "nnet_stream.h"))
INPUT_AND_OUTPUT = """
#include <iostream>

template <class T> void fill(std::istream &file, hls::stream<T> &stream, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        T word;
        for (unsigned c = 0; c < T::size; c++) {
            long long value;
            file >> value;
            word[c] = value;
        }
        stream.write(word);
    }
}

template <class T> void drain(hls::stream<T> &stream) {
    while (!stream.empty()) {
        const T word = stream.read();
        for (unsigned c = 0; c < T::size; c++) {
            std::cout << (long long)word[c] << ' ';
        }
    }
    std::cout << std::endl;
}
"""
MAIN = """
int main() {
    int which;
    while (std::cin >> which) {
        switch (which) {
%s        }
    }
}
"""


class Batch:
    """A program that runs any of `graphs`, each lowered with the reuse factors beside it."""

    def __init__(
        self,
        graphs: Sequence[tuple[IntGraph, Reuse]],
        folder: Path,
        *flags: str,
        adders: Which = Which.TERNARY,
    ) -> None:
        self.graphs = [graph for graph, _ in graphs]
        self.stages = [lower(graph, reuse, graphs_of(graph, reuse, adders)) for graph, reuse in graphs]
        headers = "".join(f'#include "{name}"\n' for name in HEADERS)
        spaces = "".join(_namespace(i, stages) for i, stages in enumerate(self.stages))
        cases = "".join(f"        case {i}: graph{i}::run(); break;\n" for i in range(len(graphs)))
        (folder / "batch.cpp").write_text(PROLOGUE + headers + INPUT_AND_OUTPUT + spaces + MAIN % cases)
        self.program = folder / "batch"
        command = ["g++", *FLAGS, *flags, *(f"-I{path}" for path in INCLUDES), "batch.cpp", "-o", "batch"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]

    def run(self, frames: Sequence[Sequence[IntArray]]) -> list[list[IntArray]]:
        """Frames (C, H, W) of each graph -> the output (C, H, W) for each."""
        jobs = [(i, frame) for i, own in enumerate(frames) for frame in own]
        lines = [f"{i} {' '.join(map(str, frame.transpose(1, 2, 0).flatten().tolist()))}\n" for i, frame in jobs]
        done = subprocess.run([self.program], input="".join(lines), capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr[:2000]
        results: list[list[IntArray]] = [[] for _ in frames]
        for (i, _), line in zip(jobs, done.stdout.splitlines(), strict=True):
            assert "WARNING" not in line, line
            height, width, channels = self.stages[i][-1].shape
            results[i].append(np.array(line.split(), np.int64).reshape(height, width, channels).transpose(2, 0, 1))
        return results


def graphs_of(graph: IntGraph, reuse: Reuse, which: Which = Which.TERNARY) -> dict[str, AdderGraph]:
    """The adder graphs that a network is built with."""
    return graphs(solve(graph, chosen(graph, reuse, which)))


def _namespace(i: int, stages: Sequence[Stage]) -> str:
    """A function that runs one frame from standard input to standard output, and all that it is built with."""
    types = {stream: _type(stage) for stage in stages for stream in stage.streams}
    lines = [f'hls::stream<{name}> {stream}("{stream}");' for stream, name in types.items()]
    first, last = stages[0], stages[-1]
    lines.append(f"fill(std::cin, {first.name}, {first.shape[0] * first.shape[1]});")
    text = ""
    for stage in stages[1:]:
        if stage.kind == "Clone":
            size = int(np.prod(stage.shape))
            streams = ", ".join([stage.inputs[0], *stage.streams])
            lines.append(f"nnet::clone_stream<{types[stage.inputs[0]]}, {_type(stage)}, {size}>({streams});")
            continue
        text += source.definitions(stage)
        text += source.config(f"config_{stage.name}", stage.settings, source.types(stage))
        streams = [*stage.inputs, stage.name]
        arrays = [source.array_name(stage.name, key) for key in stage.constants]
        lines.append(
            source.call(source.kernel(stage), [types[s] for s in streams], f"config_{stage.name}", streams, arrays)
        )
    lines.append(f"drain({last.name});")
    body = "".join(f"    {line}\n" for line in lines)
    return f"namespace graph{i} {{\n{text}void run() {{\n{body}}}\n}}\n"


def _type(stage: Stage) -> str:
    return f"nnet::array<ap_{source.precision(stage.result)}, {stage.shape[2]}>"
