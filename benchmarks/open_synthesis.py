"""Yosys as a second witness: LUTs and flip-flops of adder graphs as it synthesizes them, beside the estimate's.

    python -m benchmarks.open_synthesis                     # layers of random weights
    python -m benchmarks.open_synthesis --model runs/NAME   # the ternary convolutions of an exported network
    python -m benchmarks.open_synthesis --levels 1 --family xc7 --json FILE --docs docs/open_synthesis.md

What is synthesized is a layer's matrix-vector product, k * k * c_in inputs and c_out sums, with a register after every
few adders: no line buffer, bias or rounding. The Verilog is da4ml's, of the graph that the HLS C++ computes.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.yosys import Cells, synthesize
from hwsr.adders.stages import chosen, solve
from hwsr.adders.which import Which
from hwsr.estimate.adders import RANGE, luts
from hwsr.files import write_json, write_text
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, Input, QType

UINT8, INT8 = QType(8, False, 8), QType(8, True, 7)
LEVELS = 2


@dataclass(frozen=True)
class Layer:
    """A convolution of random weights: ternary, a third of them zero, or 8 bits, normal with a deviation of 40."""

    name: str
    inputs: int
    outputs: int
    kernel: int = 3
    bits: int = 2
    groups: int = 1
    x: QType = INT8

    def graph(self) -> AdderGraph:
        rng = np.random.default_rng(0)
        shape = (self.outputs, self.inputs // self.groups, self.kernel, self.kernel)
        normal = np.clip(np.rint(rng.normal(0, 40, shape)), -128, 127).astype(np.int64)
        weight = rng.integers(-1, 2, shape) if self.bits == 2 else normal
        zeros = np.zeros(self.outputs, np.int64)
        conv = Conv("c", ("x",), weight, self.bits, zeros, zeros, self.groups)
        network = make_graph([Input("x", (), self.inputs, self.x), conv], (8, 8))
        return solve(network, chosen(network, 1, Which.ALL))["c"].graph


LAYERS = (
    Layer("ternary 3x3 3->8, uint8", 3, 8, x=UINT8),
    Layer("ternary 3x3 8->8", 8, 8),
    Layer("ternary 3x3 16->16", 16, 16),
    Layer("ternary 3x3 depthwise 16", 16, 16, groups=16),
    Layer("ternary 1x1 32->32", 32, 32, kernel=1),
    Layer("int8 3x3 3->8, uint8", 3, 8, bits=8, x=UINT8),
    Layer("int8 1x1 8->8", 8, 8, kernel=1, bits=8),
    Layer("int8 1x1 16->16", 16, 16, kernel=1, bits=8),
)


@dataclass(frozen=True)
class Row:
    """One layer: adders and depth of its graph, Yosys' cells, and the model's LUTs and flip-flops."""

    layer: str
    adders: int
    depth: int
    yosys: Cells
    model_lut: int
    model_ff: int

    @property
    def ratio(self) -> float:
        return self.yosys.lut / self.model_lut

    @property
    def in_range(self) -> bool:
        low, high = RANGE
        return low * self.model_lut <= self.yosys.lut <= high * self.model_lut


def compare(name: str, graph: AdderGraph, levels: int = LEVELS, family: str = "xcup") -> Row:
    """Synthesize one graph. The model's flip-flops are the estimate's and those of the inputs, which the module has."""
    cells = synthesize(graph, levels, family)
    registers = graph.registers(levels) + int(graph.width[: graph.inputs].sum())
    return Row(name, len(graph.sums), int(graph.depth.max()), cells, luts(graph), registers)


def of_model(path: Path) -> Iterator[tuple[str, AdderGraph]]:
    """The ternary convolutions of an exported network, each as it is at one clock a pixel."""
    from hwsr.engines import model_graph  # torch comes with it

    network = model_graph(path)
    every = {node.name: 1 for node in network.nodes if isinstance(node, Conv)}
    for name, solved in solve(network, chosen(network, every)).items():
        yield name, solved.graph


def render(rows: Sequence[Row], levels: int, family: str) -> Table:
    table = Table(title=f"Yosys, {family}, a register every {levels} adders; model: a LUT an adder's bit")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


HEADINGS = ("layer", "adders", "depth", "Yosys LUT", "model LUT", "ratio", "CARRY4", "Yosys FF", "model FF")


def _cells(row: Row) -> list[str]:
    yosys = row.yosys
    numbers = [f"{n:,}" for n in (row.adders, row.depth, yosys.lut, row.model_lut)]
    return [row.layer, *numbers, f"{row.ratio:.2f}", *(f"{n:,}" for n in (yosys.carry, yosys.ff, row.model_ff))]


def markdown(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, ["---"] + ["---:"] * (len(HEADINGS) - 1), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of an exported model, or a QONNX file")
    parser.add_argument("--levels", type=int, default=LEVELS, help="adders in a row between registers")
    parser.add_argument("--family", default="xcup", choices=("xcup", "xcu", "xc7"), help="UltraScale+ or 7 series")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--docs", type=Path, help="also write the table between this document's marks")
    options = parser.parse_args()
    console = Console()
    graphs = list(of_model(options.model)) if options.model else [(each.name, each.graph()) for each in LAYERS]
    work = track(graphs, "synthesizing", console=console, transient=True)
    rows = [compare(name, graph, options.levels, options.family) for name, graph in work]
    console.print(render(rows, options.levels, options.family))
    if options.json:
        write_json(options.json, [asdict(row) | {"ratio": row.ratio} for row in rows])
    if options.docs:
        marks = rf"(<!-- {options.family} {options.levels} -->\n).*?(<!-- end -->)"
        text = options.docs.read_text(encoding="utf-8")
        write_text(options.docs, re.sub(marks, lambda m: f"{m[1]}{markdown(rows)}{m[2]}", text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
