"""Rescaling of floats against the definition: at ties, at the bound of a float64, and beyond it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.ir.affine import multipliers
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Add, Conv, Input, IntArray, IntGraph, Node, Offset, QType, Rescale, Tensor
from hwsr.reference import naive
from hwsr.reference.plan import make_plan
from hwsr.reference.rescale import rescale_calls
from hwsr.reference.run import run

INT8 = QType(8, True, 0)


def rescale(name: str, source: str, real: Sequence[float], zero_point: int = 0, left: int = 0) -> Rescale:
    made = multipliers(real, len(real), left)
    rows = (made.multiplier, made.left, made.right)
    return Rescale(name, (source,), *rows, zero_point, INT8.lo, INT8.hi, INT8, 1.0)


@given(
    st.lists(st.floats(2.0**-24, 1.0), min_size=1, max_size=4),
    st.integers(-128, 127),
    st.integers(1, 31),
    st.integers(-3, 3),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_rows_of_floats(real: list[float], zero_point: int, bits: int, grid: int, seed: int) -> None:
    """Below 23 bits as one product, from there on in parts; every second multiplier a power of two."""
    rng = np.random.default_rng(seed)
    limit = 1 << (bits - 1)
    node = rescale("r", "x", [2.0 ** round(np.log2(each)) if seed % 2 else each for each in real], zero_point)
    x, of = rng.integers(-limit, limit, (3, len(real), 5)), Tensor(QType(bits, True, 0), -limit, limit - 1, len(real))
    x[0, :, 0], x[0, :, 1] = -limit, limit - 1
    dtype = np.float32 if bits < 24 else np.float64
    rows, y = (x * 2.0**-grid).astype(dtype), np.zeros(x.shape, np.float32)
    for call in rescale_calls(node, rows, 2.0**grid, limit, y):
        call()
    assert np.array_equal(y.swapaxes(0, 1), naive.evaluate(node, [x.swapaxes(0, 1)], [of]))


@pytest.mark.parametrize(("bits", "calls"), [(21, 6), (22, 6), (23, 10)])
def test_products_are_split_where_a_float64_ends(bits: int, calls: int) -> None:
    node = rescale("r", "x", [0.5 - 2.0**-20])
    x = np.zeros((1, 1, 1))
    assert len(rescale_calls(node, x, 1.0, 1 << (bits - 1), np.zeros_like(x))) == calls


def chain(nodes: list[Node]) -> IntGraph:
    return make_graph([Input("x", (), 2, QType(8, False, 0)), *nodes], (4, 4))


def defined(graph: IntGraph, image: IntArray) -> IntArray:
    values = {graph.input.name: image}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = naive.evaluate(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name]


def conv(name: str, source: str, rng: np.random.Generator) -> Conv:
    zeros = np.zeros(2, np.int64)
    return Conv(name, (source,), rng.integers(-127, 128, (2, 2, 3, 3)), 8, zeros, zeros)


@pytest.mark.parametrize(("subtracted", "merged"), [(5, True), (4, False)])
def test_a_zero_point_that_is_subtracted_at_once_is_left_out(subtracted: int, merged: bool) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        conv("first", "x", rng),
        rescale("grid", "first", [2.0**-9, 0.003], 5),
        Offset("centred", ("grid",), np.full(2, -subtracted), 0),
        conv("second", "centred", rng),
        rescale("end", "second", [2.0**-8, 0.001], -3),
    ]
    graph, image = chain(nodes), rng.integers(0, 256, (2, 6, 7))
    plan = make_plan(graph)
    assert plan and ("grid" not in plan.lines) == merged
    assert np.array_equal(run(graph, image), defined(graph, image))


def test_a_zero_point_that_another_node_reads_stays() -> None:
    rng = np.random.default_rng(1)
    nodes = [
        conv("first", "x", rng),
        rescale("grid", "first", [2.0**-9, 0.003], 5),
        Offset("centred", ("grid",), np.full(2, -5), 0),
        conv("second", "centred", rng),
        rescale("back", "second", [2.0**-8, 0.001], -3),
        Add("sum", ("back", "grid")),
    ]
    graph, image = chain(nodes), rng.integers(0, 256, (2, 6, 7))
    plan = make_plan(graph)
    assert plan and "grid" in plan.lines
    assert np.array_equal(run(graph, image), defined(graph, image))
