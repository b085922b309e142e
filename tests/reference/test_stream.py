"""The streaming engine against the definition of every node, where its floats are at their bound and beyond."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.ir.check import make_graph
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    IntArray,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.reference import naive, stream
from hwsr.reference.plan import magnitude, make_plan
from hwsr.reference.run import prepare, run

BYTE = QType(8, True, 0)


def defined(graph: IntGraph, image: IntArray) -> IntArray:
    """The output by the definition alone."""
    values = {graph.input.name: image}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = naive.evaluate(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name]


def conv(rng: np.random.Generator, name: str, source: str, shape: tuple[int, ...], bits: int, groups: int = 1) -> Conv:
    limit = 1 << (bits - 1)
    frac = rng.integers(0, 4, shape[0])
    bias = rng.integers(-limit, limit, shape[0]) * rng.integers(0, 2)
    return Conv(name, (source,), rng.choice([-limit, 1, limit - 1], shape), bits, frac, bias, groups)


KERNELS = st.sampled_from([(1, 1), (3, 3), (1, 3), (3, 1), (5, 3), (3, 7)])


@given(
    st.tuples(KERNELS, KERNELS, KERNELS),
    st.integers(1, 9),
    st.integers(1, 7),
    st.sampled_from([2, 8, 16, 25]),
    st.sampled_from([(1, 3), (2, 2), (4, 1)]),
    st.sampled_from([1, 200, 10**6]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_streaming_equals_the_definition(
    kernels: tuple[tuple[int, int], ...],
    height: int,
    width: int,
    bits: int,
    grouped: tuple[int, int],
    step_bytes: int,
    seed: int,
) -> None:
    """Every node that streams; weights of 16 bits need float64, of 25 integers; from a row a step to all of them."""
    rng = np.random.default_rng(seed)
    (groups, c_group), at = grouped, [int(frac) for frac in rng.integers(-3, 4, 3)]
    c = groups * c_group
    nodes: tuple[Node, ...] = (
        Input("x", (), 3, BYTE),
        Offset("o", ("x",), np.array([-128, 127, 1]), at[0]),
        Requantize("ro", ("o",), BYTE),
        conv(rng, "a", "ro", (c, 3, *kernels[0]), bits),
        Scale("s", ("a",), rng.integers(-7, 8, c), 4, rng.integers(0, 4, c)),
        Requantize("ra", ("s",), QType(8, False, at[1])),
        ChannelShuffle("cs", ("ra",), groups),
        conv(rng, "b", "cs", (c, c_group, *kernels[1]), bits, groups),
        Add("sum", ("b", "ra")),
        Requantize("rb", ("sum",), QType(6, True, at[2])),
        ChannelSlice("sl", ("rb",), 0, 1),
        Concat("cat", ("sl", "ra")),
        Add("twice", ("cat", "cat")),
        Requantize("rc", ("twice",), BYTE),
        conv(rng, "d", "rc", (12, c + 1, *kernels[2]), bits),
        Requantize("rd", ("d",), BYTE),
        PixelShuffle("ps", ("rd",), 2),
        Upsample("up", ("x",), 2),
        Add("both", ("up", "ps")),
        conv(rng, "e", "both", (3, 3, *kernels[0]), 4),
        Requantize("out", ("e",), BYTE),
    )
    graph = make_graph(nodes, (height, width))
    image = rng.choice([-128, 0, 127], (3, height, width))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "STEP_BYTES", step_bytes)
        patch.setattr(stream, "COLUMNS", 3)
        assert np.array_equal(run(graph, image), defined(graph, image))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_attention_takes_the_whole_frame(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes: tuple[Node, ...] = (
        Input("x", (), 3, BYTE),
        conv(rng, "a", "x", (4, 3, 3, 3), 8),
        Requantize("ra", ("a",), BYTE),
        SpatialSum("sum", ("ra",)),
        conv(rng, "b", "sum", (4, 4, 3, 3), 8),
        Requantize("rb", ("b",), BYTE),
        Table("t", ("rb",), rng.integers(0, 256, 256), QType(8, False, 8)),
        ChannelMul("m", ("ra", "t")),
        conv(rng, "c", "m", (3, 4, 3, 3), 4),
        Requantize("out", ("c",), BYTE),
    )
    graph = make_graph(nodes, (height, width))
    image = rng.integers(-128, 128, (3, height, width))
    assert np.array_equal(run(graph, image), defined(graph, image))


@pytest.mark.parametrize(
    ("weight", "bias", "dtype"),
    [
        (1 << 16, 0, np.float32),
        ((1 << 16) - 1, 256, np.float32),
        (1 << 16, 1, np.float64),
        (1 << 45, 0, np.float64),
        ((1 << 45) + 1, 0, None),
    ],
)
def test_sums_at_the_bound_of_a_type(weight: int, bias: int, dtype: type | None) -> None:
    """256 times the weight, plus the bias: 2^24 and 2^53 are the last sums that float32 and float64 hold."""
    node = Conv("c", ("x",), np.array([[[[weight]]], [[[-weight]]]]), 50, np.zeros(2, int), np.full(2, bias))
    graph = make_graph((Input("x", (), 1, QType(9, True, 0)), node), (1, 2))
    plan = make_plan(graph)
    assert magnitude(graph, node) == 256 * weight + bias
    assert (plan and plan.lines["c"].dtype) is dtype
    image = np.array([[[-256, 255]]])
    assert np.array_equal(run(graph, image), defined(graph, image))


def test_grids_that_leave_the_exponents_of_float32_take_float64() -> None:
    node = Conv("c", ("x",), np.ones((2, 1, 1, 1), int), 2, np.array([0, 50]), np.zeros(2, int))
    graph = make_graph((Input("x", (), 1, BYTE), node, Requantize("out", ("c",), BYTE)), (1, 1))
    plan = make_plan(graph)
    assert plan is not None and plan.lines["c"].dtype is np.float64
    image = np.array([[[-3]]])
    assert np.array_equal(run(graph, image), defined(graph, image))


def test_a_factor_is_folded_into_its_convolution_only_where_it_stays_exact() -> None:
    for factor, merged in ((127, True), (1 << 20, False)):
        scale = Scale("s", ("c",), np.array([factor]), 24, np.zeros(1, int))
        node = Conv("c", ("x",), np.full((1, 1, 3, 3), 3), 8, np.zeros(1, int), np.ones(1, int))
        graph = make_graph((Input("x", (), 1, BYTE), node, scale), (3, 3))
        plan = make_plan(graph)
        assert plan is not None and ("c" not in plan.lines) == merged
        image = np.full((1, 3, 3), -128)
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_one_prepared_network_serves_frames_of_any_size() -> None:
    rng = np.random.default_rng(0)
    graph = make_graph((Input("x", (), 1, BYTE), conv(rng, "c", "x", (2, 1, 3, 3), 4)), (4, 4))
    prepared = prepare(graph)
    for size in ((4, 4), (1, 9), (30, 2), (4, 4)):
        image = rng.integers(-128, 128, (1, *size))
        assert np.array_equal(prepared(image), defined(graph, image))
