"""Adder graphs as Verilog, by da4ml's code generator."""

from importlib.resources import files

import numpy as np
from da4ml.codegen.rtl.verilog import comb_logic_gen, pipeline_logic_gen
from da4ml.trace.pipeline import to_pipeline
from da4ml.types import CombLogic, Op, QInterval

from hwsr.ir.adder_graph import AdderGraph

# What the generated modules are built of.
_CELLS = ("shift_adder.v", "negative.v")


def live_outputs(graph: AdderGraph) -> list[int]:
    """The outputs that are not always zero: those that the module has."""
    return np.flatnonzero(graph.outputs[:, 2]).tolist()


def verilog(graph: AdderGraph, name: str, levels: int | None = None) -> str:
    """A module `name` with the graph's inputs in `model_inp` and its live outputs in `model_out`, the first lowest.

    Each is as wide as its range. levels: adders in a row between registers, with registers at both ends and a `clk`;
    without it there is no clock.
    """
    logic = _as_da4ml(graph)
    if levels is None:
        modules = [comb_logic_gen(logic, name)]
    else:
        pipeline = to_pipeline(logic, levels, retiming=False, verbose=False)
        modules = list(pipeline_logic_gen(pipeline, name, timescale=None).values())
    source = files("da4ml.codegen.rtl.verilog") / "source"
    return "\n".join([*((source / cell).read_text(encoding="utf-8") for cell in _CELLS), *modules])


def output_ranges(graph: AdderGraph) -> list[tuple[int, int, int]]:
    """(least, greatest, up) of every live output: the module makes integers of that range, which count 2**up."""
    ends = graph.outputs[live_outputs(graph)].tolist()
    ranges = [(int(graph.lo[value]), int(graph.hi[value]), up, sign) for value, up, sign in ends]
    return [(lo, hi, up) if sign > 0 else (-hi, -lo, up) for lo, hi, up, sign in ranges]


def latency(graph: AdderGraph, levels: int) -> int:
    """Clocks from an input of the module with registers to its output."""
    return len(to_pipeline(_as_da4ml(graph), levels, retiming=False, verbose=False).solutions) + 1


def _as_da4ml(graph: AdderGraph) -> CombLogic:
    """da4ml shifts second operands alone, also down: value i here is its own times 2**scale[i]."""
    scale = [0] * graph.inputs
    ops = [Op(i, -1, -1, 0, _interval(graph, i, 0), 0.0, 0.0) for i in range(graph.inputs)]
    bits, depth = graph.adder_bits.tolist(), graph.depth.tolist()
    for i, (a, up_a, b, up_b, sign) in enumerate(graph.sums.tolist(), graph.inputs):
        scale.append(scale[a] + up_a)
        by = scale[b] + up_b - scale[i]
        cost = float(bits[i - graph.inputs])
        ops.append(Op(a, b, int(sign < 0), by, _interval(graph, i, scale[i]), float(depth[i]), cost))
    ends = graph.outputs[live_outputs(graph)].tolist()
    return CombLogic(
        (graph.inputs, len(ends)),
        [0] * graph.inputs,
        [value for value, _, _ in ends],
        [up + scale[value] for value, up, _ in ends],
        [sign < 0 for _, _, sign in ends],
        ops,
        carry_size=-1,
        adder_size=1,
    )


def _interval(graph: AdderGraph, value: int, scale: int) -> QInterval:
    step = 2.0**-scale
    return QInterval(float(graph.lo[value]) * step, float(graph.hi[value]) * step, step)
