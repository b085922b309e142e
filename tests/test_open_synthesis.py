"""The Verilog of adder graphs in Yosys: simulated against the integers, synthesized against the estimate."""

import numpy as np
import pytest

from benchmarks.open_synthesis import LAYERS, compare, markdown
from benchmarks.yosys import simulate
from hwsr.adders.layers import Matrix
from hwsr.adders.solve import adder_graph
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntArray


def extremes(graph: AdderGraph, rng: np.random.Generator) -> IntArray:
    """Inputs at both ends of their ranges, and anywhere between."""
    lo, hi = graph.lo[: graph.inputs], graph.hi[: graph.inputs]
    either = np.where(rng.random((40, graph.inputs)) < 0.5, lo, hi)
    return np.concatenate([lo[None], hi[None], either, rng.integers(lo, hi + 1, (60, graph.inputs))])


@pytest.mark.slow
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("limit", [1, 127])
def test_the_verilog_computes_the_matrix(limit: int, levels: int) -> None:
    rng = np.random.default_rng(limit)
    values = rng.integers(-limit, limit + 1, (11, 7)) * [1, 4, 1, 0, 1, 2, 1]
    values[:, 6] = -values[:, 0]
    lo, hi = rng.integers(-200, 1, 11), rng.integers(0, 200, 11)
    lo[3] = hi[4] = 0
    graph = adder_graph(Matrix(values, lo, hi), 2**15)
    x = extremes(graph, rng)
    assert np.array_equal(simulate(graph, levels, x), x @ values)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [LAYERS[0], LAYERS[1], LAYERS[5], LAYERS[6]], ids=lambda layer: layer.name)
def test_yosys_confirms_the_estimate(layer) -> None:
    graph = layer.graph()
    row = compare(layer.name, graph)
    assert row.in_range, markdown([row])
    # An adder's bit is a LUT: Yosys finds a few more than are counted, and joins or spares few.
    assert 0.95 < row.ratio < 1.2, markdown([row])
    assert 0.9 < row.yosys.ff / row.model_ff <= 1, markdown([row])
    assert f"| {row.yosys.lut:,} | {row.model_lut:,} |" in markdown([row])
    x = extremes(graph, np.random.default_rng(0))
    assert np.array_equal(simulate(graph, 2, x), graph.evaluate(x))
