"""Rescaling of floats against the definition: at ties, at the bound of a float64, and beyond it."""

from collections.abc import Sequence
from dataclasses import replace

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


def near_the_steps(real: float, limit: int, rng: np.random.Generator) -> IntArray:
    """Integers within +-limit around those where a result changes, the extremes, and a few of any size."""
    steps = (rng.integers(-140, 141, 60) - 0.5) / real
    near = np.concatenate([np.floor(steps), np.ceil(steps), np.floor(steps) - 1, rng.integers(-limit, limit + 1, 20)])
    return np.concatenate([np.clip(near, -limit, limit).astype(np.int64), [-limit, limit, 0, 1, -1]])


@given(
    st.lists(st.floats(2.0**-24, 1.0), min_size=1, max_size=4),
    st.integers(-128, 127),
    st.sampled_from([0, 1, -1]),
    st.integers(1, 30),
    st.integers(-3, 3),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=300)
def test_rows_of_floats(
    real: list[float], zero_point: int, relu: int, bits: int, grid: int, dtype: type, seed: int
) -> None:
    """Below 22 bits as one product, from there on in parts; every second multiplier a power of two, where ties are."""
    rng = np.random.default_rng(seed)
    limit = 1 << (bits - 1)
    node = rescale("r", "x", [2.0 ** round(np.log2(each)) if seed % 2 else each for each in real], zero_point)
    if relu:
        node = replace(node, zero_point=0 if relu < 0 else zero_point, lo=0 if relu < 0 else zero_point)
    x = np.stack([near_the_steps(each, limit, rng) for each in real])[None]
    of = Tensor(QType(bits + 1, True, 0), -limit, limit, len(real))
    held = np.float32 if bits <= 24 else np.float64
    rows, y = (x * 2.0**-grid).astype(held), np.zeros(x.shape, dtype)
    for call in rescale_calls(node, rows, 2.0**grid, limit, y):
        call()
    assert np.array_equal(y.swapaxes(0, 1), naive.evaluate(node, [x.swapaxes(0, 1)], [of]))


@given(st.floats(2.0**-6, 1.0), st.integers(-20, 20), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=100)
def test_operands_of_a_sum_keep_their_32_bits(real: float, zero_point: int, seed: int) -> None:
    """Shifted left by 20 bits first, rescaled to 32 bits, where nothing saturates."""
    rng = np.random.default_rng(seed)
    made, wide = multipliers([real], 1, 20), QType(32, True, 0)
    node = Rescale("r", ("x",), made.multiplier, made.left, made.right, zero_point, wide.lo, wide.hi, wide, 1.0)
    x = rng.integers(-255, 256, (1, 1, 40))
    y = np.zeros(x.shape)
    for call in rescale_calls(node, x.astype(np.float32), 1.0, 255, y):
        call()
    assert np.array_equal(y, naive.evaluate(node, [x], [Tensor(QType(9, True, 0), -255, 255, 1)]))


@pytest.mark.parametrize("right", [0, 1, 5, 9, 12, 13, 14])
def test_every_result_of_every_shift(right: int) -> None:
    """The least and the greatest multiplier, at every step that a result of 8 bits can make, in float32 and beyond."""
    for multiplier in (1 << 30, (1 << 31) - 1, 1518500250):
        row = (np.array([multiplier]), np.zeros(1, np.int64), np.array([right]))
        node = Rescale("r", ("x",), *row, 0, -128, 127, INT8, 1.0)
        limit = min(1 << (right + 9), 1 << 21)
        steps = (np.arange(-130, 131) - 0.5) * 2.0 ** (31 + right) / multiplier
        x = np.clip(np.concatenate([np.floor(steps) + shift for shift in (-1, 0, 1, 2)]), -limit, limit)
        q, y = x.astype(np.int64)[None, None], np.zeros((1, 1, x.size), np.float32)
        for call in rescale_calls(node, x.astype(np.float32)[None, None], 1.0, limit, y):
            call()
        assert np.array_equal(y, naive.evaluate(node, [q], [Tensor(QType(24, True, 0), -limit, limit, 1)]))


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
