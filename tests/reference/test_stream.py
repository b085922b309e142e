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
from hwsr.reference import naive, plan, products, stream
from hwsr.reference.plan import magnitude, make_plan, pair_magnitude
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
    st.sampled_from([1, 10**6]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=100)
def test_streaming_equals_the_definition(
    kernels: tuple[tuple[int, int], ...],
    height: int,
    width: int,
    bits: int,
    grouped: tuple[int, int],
    step_bytes: int,
    least_paired: int,
    int16: bool,
    seed: int,
) -> None:
    """Every node that streams; weights of 16 bits need float64, of 25 integers; from a row a step to all of them.

    With outputs made in tiles of int16, columns made in pairs of float32 where a kernel is three wide, and without.
    """
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
        patch.setattr(products, "COLUMNS", 3)
        patch.setattr(plan, "LEAST_PAIRED", least_paired)
        if not int16:
            patch.setattr(plan, "_int16_is_exact", lambda: False)
        assert np.array_equal(run(graph, image), defined(graph, image))


@pytest.mark.parametrize("int16", [False, True])
def test_a_convolution_reads_the_image_itself(int16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that it still needs are kept before the next ones of the image come."""
    monkeypatch.setattr(stream, "STEP_BYTES", 1)
    monkeypatch.setattr(plan, "_int16_is_exact", lambda: int16)
    rng = np.random.default_rng(0)
    for height in (3, 10, 11):
        graph = make_graph((Input("x", (), 3, BYTE), conv(rng, "c", "x", (2, 3, 3, 3), 4)), (height, 9))
        image = rng.integers(-128, 128, (3, height, 9))
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
    made = make_plan(graph)
    assert magnitude(graph, node) == 256 * weight + bias
    assert (made and made.lines["c"].dtype) is dtype
    image = np.array([[[-256, 255]]])
    assert np.array_equal(run(graph, image), defined(graph, image))


def test_grids_that_leave_the_exponents_of_float32_take_float64() -> None:
    node = Conv("c", ("x",), np.ones((2, 1, 1, 1), int), 2, np.array([0, 50]), np.zeros(2, int))
    graph = make_graph((Input("x", (), 1, BYTE), node, Requantize("out", ("c",), BYTE)), (1, 1))
    made = make_plan(graph)
    assert made is not None and made.lines["c"].dtype is np.float64
    image = np.array([[[-3]]])
    assert np.array_equal(run(graph, image), defined(graph, image))


@pytest.mark.parametrize("int16", [False, True])
def test_halves_that_only_a_float64_tells_apart(int16: bool) -> None:
    """100.5 and 2^-20 more or less: rounded once, to the even one, up and down."""
    nodes: tuple[Node, ...] = (
        Input("x", (), 1, QType(30, True, 20)),
        Requantize("r", ("x",), BYTE),
        Conv("c", ("r",), np.ones((1, 1, 1, 3), int), 2, np.zeros(1, int), np.zeros(1, int)),
    )
    graph = make_graph(nodes, (1, 4))
    image = np.array([[[(201 << 19), (201 << 19) + 1, (201 << 19) - 1, -(201 << 19) - 1]]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        if not int16:
            patch.setattr(plan, "_int16_is_exact", lambda: False)
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_a_factor_is_folded_into_its_convolution_only_where_it_stays_exact() -> None:
    for factor, merged in ((127, True), (1 << 20, False)):
        scale = Scale("s", ("c",), np.array([factor]), 24, np.zeros(1, int))
        node = Conv("c", ("x",), np.full((1, 1, 3, 3), 3), 8, np.zeros(1, int), np.ones(1, int))
        graph = make_graph((Input("x", (), 1, BYTE), node, scale), (3, 3))
        made = make_plan(graph)
        assert made is not None and ("c" not in made.lines) == merged
        image = np.full((1, 3, 3), -128)
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_one_prepared_network_serves_frames_of_any_size() -> None:
    rng = np.random.default_rng(0)
    graph = make_graph((Input("x", (), 1, BYTE), conv(rng, "c", "x", (2, 1, 3, 3), 4)), (4, 4))
    prepared = prepare(graph)
    for size in ((4, 4), (1, 9), (30, 2), (4, 4)):
        image = rng.integers(-128, 128, (1, *size))
        assert np.array_equal(prepared(image), defined(graph, image))


def pairs(rng: np.random.Generator, weight: IntArray, width: int, signed: bool) -> tuple[IntGraph, IntArray]:
    """A convolution of random biases on a frame of 3 rows, and an image of extremes."""
    bias, frac = rng.integers(-(1 << 12), 1 << 12, len(weight)), rng.integers(0, 3, len(weight))
    of = QType(8, signed, 0)
    node = Conv("c", ("x",), weight, 16, frac, bias)
    graph = make_graph(
        (Input("x", (), weight.shape[1], of), node, Requantize("out", ("c",), QType(20, True, 0))), (3, width)
    )
    return graph, rng.choice([of.lo, of.hi, 0], (weight.shape[1], 3, width))


@given(st.integers(1, 11), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_columns_made_in_pairs_at_the_bound_of_a_float32(width: int, signed: bool, alike: bool, seed: int) -> None:
    """Weights as large as the proof lets them be: all of one sign, where the sum of three is largest, or any."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 100, (16, 16, 3, 3)) if alike else rng.integers(-99, 100, (16, 16, 3, 3))
    graph, image = pairs(rng, weight, width, signed)
    reach = pair_magnitude(graph.nodes[1], graph.tensors["x"])
    graph, image = pairs(rng, weight * max(((1 << 24) - (1 << 14)) // reach, 1), width, signed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_int16_is_exact", lambda: False)
        made = make_plan(graph)
        assert made and made.fast == {"c": np.float32} and made.phases == 2
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_columns_are_not_made_in_pairs_beyond_a_float32() -> None:
    rng = np.random.default_rng(0)
    graph, image = pairs(rng, np.full((16, 16, 3, 3), 600), 5, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_int16_is_exact", lambda: False)
        made = make_plan(graph)
        assert made and not made.fast and made.phases == 1
        # 144 * 600 * 128 < 2^24 is exact, yet three weights times the sum of two inputs are not, in halves.
        assert made.lines["c"].dtype is np.float32
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_the_largest_number_of_a_pair_by_hand() -> None:
    """One channel of weights 1, 2, 3 over 0 to 255: in halves |1 + 2 + 3| * 510 + |1 - 2 + 3| * 255, or the sum's."""
    node = Conv("c", ("x",), np.array([[[[1, 2, 3]]]]), 8, np.zeros(1, int), np.zeros(1, int))
    graph = make_graph((Input("x", (), 1, QType(8, False, 0)), node), (1, 4))
    assert pair_magnitude(node, graph.tensors["x"]) == 6 * 510 + 2 * 255
