"""Convolutions by products of int16 against the definition: odd sizes, extremes, sums at the bound of 32 bits."""

import sys
from subprocess import run as run_program

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, Input, IntArray, IntGraph, Node, Offset, PixelShuffle, QType, Requantize
from hwsr.reference import int16, naive, plan, stream
from hwsr.reference.plan import make_plan, tile_magnitude
from hwsr.reference.run import run
from hwsr.reference.winograd import SCALE, A, B, G, packed, tile_operand

# Weights that leave 7 * 7 |g| within 16 bits.
LARGEST = ((1 << 15) - 1) // 49


def defined(graph: IntGraph, image: IntArray) -> IntArray:
    """The output by the definition alone."""
    values = {graph.input.name: image}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = naive.evaluate(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name]


def conv(rng: np.random.Generator, name: str, source: str, c_in: int, c_out: int, groups: int = 1) -> Conv:
    """Ternary to 11-bit weights: the ends alone, the upper end alone, or any; mostly of 3x3 kernels."""
    limit = int(rng.choice([1, 7, 127, LARGEST]))
    shape = (c_out * groups, c_in, *((1, 1), (1, 3), (5, 3), (3, 5), *20 * [(3, 3)])[rng.integers(24)])
    weight = [
        rng.choice([-limit, limit], shape),
        np.full(shape, limit),
        rng.integers(-limit, limit + 1, shape),
    ][rng.integers(3)]
    bias = rng.integers(-limit, limit + 1, len(weight)) * rng.integers(2)
    return Conv(name, (source,), weight, 2 if limit == 1 else 15, rng.integers(0, 3, len(weight)), bias, groups)


def random_case(rng: np.random.Generator) -> tuple[IntGraph, IntArray]:
    """Two convolutions and a pixel shuffle on a frame whose width is odd or even, within a tile or beyond one."""
    height, width = int(rng.integers(1, 10)), int(rng.choice([*range(1, 10), 31, 33, 63, 64, 65]))
    groups = int(rng.choice([1, 1, 1, 2]))
    c_in, hidden = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 4, 6, 7, 12, 13]))
    of = QType(int(rng.choice([1, 4, 8, 8, 8, 9])), bool(rng.integers(2)), 0)
    kept = QType(int(rng.choice([2, 8, 8])), bool(rng.integers(2)), int(rng.integers(-4, 3)))
    nodes: tuple[Node, ...] = (
        Input("x", (), c_in * groups, of),
        # A finer grid than the one that its sum is stored on.
        Offset("o", ("x",), rng.integers(-4, 5, c_in * groups), int(rng.integers(0, 3))),
        conv(rng, "a", "o", c_in, hidden, groups),
        Requantize("ra", ("a",), kept),
        conv(rng, "b", "ra", hidden * groups, 8),
        Requantize("rb", ("b",), QType(8, True, int(rng.integers(-6, 3)))),
        PixelShuffle("out", ("rb",), 2),
    )
    image = rng.choice([of.lo, of.hi, (of.lo + of.hi) // 2], (c_in * groups, height, width))
    return make_graph(nodes, (height, width)), image


def agree(rng: np.random.Generator) -> int:
    """Compare one random case. Returns how many of its convolutions were products of int16."""
    graph, image = random_case(rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        patch.setattr(stream, "STEP_BYTES", int(rng.choice([1, 2000, 10**6])))
        assert np.array_equal(run(graph, image), defined(graph, image))
        made = make_plan(graph)
    return list(made.fast.values()).count(np.int16) if made else 0


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_random_cases(seed: int) -> None:
    agree(np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16))
def test_sixteen_thousand_random_cases(seed: int) -> None:
    """A thousand a seed; more than a thousand of their two thousand convolutions by products of int16."""
    rng = np.random.default_rng(seed)
    assert sum(agree(rng) for _ in range(1000)) > 1000


def one_conv(weight: IntArray, of: QType, height: int, width: int) -> IntGraph:
    node = Conv("c", ("x",), weight, 16, np.zeros(len(weight), int), np.zeros(len(weight), int))
    return make_graph((Input("x", (), weight.shape[1], of), node), (height, width))


def test_the_matrices_make_a_convolution() -> None:
    rng = np.random.default_rng(0)
    d, g = rng.integers(-255, 256, (6, 6)), rng.integers(-127, 128, (3, 3))
    sums = np.array([[(d[i : i + 3, j : j + 3] * g).sum() for j in range(4)] for i in range(4)])
    assert np.array_equal(A @ ((G @ g @ G.T) * (B @ d @ B.T)) @ A.T, np.multiply.outer(SCALE, SCALE) * sums)


@given(st.integers(1, 5), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_sums_at_the_bound_of_32_bits(height: int, width: int, signed: bool, alike: bool, seed: int) -> None:
    """Weights as large as the proof lets them be, on bytes, of which the image holds the ends."""
    rng, of = np.random.default_rng(seed), QType(8, signed, 0)
    limit = 350
    weight = rng.integers(limit - 10, limit, (7, 50, 3, 3)) if alike else rng.choice([-limit, limit], (7, 50, 3, 3))
    reach = tile_magnitude(one_conv(weight, of, 3, 3).nodes[1], one_conv(weight, of, 3, 3).tensors["x"])
    channels = 50 * ((1 << 31) - 1) // reach
    weight = np.resize(weight, (7, channels, 3, 3))
    graph = one_conv(weight, of, height, width)
    assert (1 << 31) - (1 << 26) < tile_magnitude(graph.nodes[1], graph.tensors["x"]) < 1 << 31
    image = rng.choice([of.lo, of.hi], (channels, height, width), p=(0.1, 0.9) if alike else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        made = make_plan(graph)
        assert made and made.fast == {"c": np.int16} and made.lines["c"].dtype is np.float64
        assert np.array_equal(run(graph, image), defined(graph, image))


def corner(value: int) -> IntArray:
    """A kernel of one weight."""
    weight = np.zeros((1, 1, 3, 3), int)
    weight[0, 0, 0, 0] = value
    return weight


@pytest.mark.parametrize(
    ("weight", "of", "operand"),
    [
        (np.full((1, 1, 3, 3), LARGEST), QType(8, False, 0), 49 * LARGEST),
        (np.full((1, 1, 3, 3), LARGEST + 1), QType(8, False, 0), 49 * (LARGEST + 1)),
        # Of a single weight 36 times as much.
        (corner(910), QType(8, False, 0), 36 * 910),
        (corner(911), QType(8, False, 0), 36 * 911),
        # Of 36 inputs those that are multiplied by more than zero, 68 times as much, or all, 100 times.
        (corner(1), QType(8, False, 0), 68 * 255),
        (corner(1), QType(9, False, 0), 68 * 511),
        (corner(1), QType(9, True, 0), 68 * 256 + 32 * 255),
        (corner(1), QType(10, True, 0), 68 * 512 + 32 * 511),
    ],
)
def test_only_what_fits_16_bits_is_multiplied(weight: IntArray, of: QType, operand: int) -> None:
    graph = one_conv(weight, of, 5, 7)
    dtype = np.int16 if operand < 1 << 15 else np.float32
    image = np.random.default_rng(0).choice([of.lo, of.hi], (1, 5, 7))
    assert tile_operand(graph.nodes[1], graph.tensors["x"]) == operand
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        made = make_plan(graph)
        assert made and made.fast.get("c") is dtype
        assert np.array_equal(run(graph, image), defined(graph, image))


@pytest.mark.parametrize("signed", [False, True])
def test_what_the_products_see_at_the_bound_of_16_bits(signed: bool) -> None:
    """Images that make the largest of what each part of a tile sees, and the least, wherever tiles start."""
    of = QType(9, True, 0) if signed else QType(8, False, 0)
    rng = np.random.default_rng(0)
    signs = np.array([np.multiply.outer(B[i], B[j]) for i, j in ((0, 0), (0, 5), (1, 1), (2, 4), (3, 3))])
    weight = rng.choice([-LARGEST, LARGEST], (5, 5, 3, 3)) * np.eye(5, dtype=int)[..., None, None]
    graph = one_conv(weight, of, 10, 10)
    reach = tile_operand(one_conv(corner(1), of, 5, 5).nodes[1], graph.tensors["x"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        patch.setattr(stream, "STEP_BYTES", 1)
        made = make_plan(graph)
        assert made and made.fast == {"c": np.int16}
        ends = [np.where(most > 0, of.hi, of.lo) * (most != 0) for most in (signs, -signs)]
        assert max(np.abs(B @ tiles @ B.T).max() for tiles in ends) == reach
        for tiles in ends:
            for top, left in np.ndindex(4, 4):
                image = np.zeros((5, 10, 10), int)
                image[:, top : top + 6, left : left + 6] = tiles
                assert np.array_equal(run(graph, image), defined(graph, image))


def test_sums_beyond_32_bits_take_floats() -> None:
    """Channels of weights of 127 on bytes: 64 * 9 * 127 * 255 of each, 116 of which pass 2^31."""
    of = QType(8, False, 0)
    for channels, dtype in ((115, np.int16), (116, None)):
        graph = one_conv(np.full((2, channels, 3, 3), 127), of, 2, 2)
        assert (tile_magnitude(graph.nodes[1], graph.tensors["x"]) < 1 << 31) == (dtype is np.int16)
        made = make_plan(graph)
        assert made and made.fast.get("c") is dtype


@pytest.mark.parametrize("shape", [(1, 3), (5, 3), (3, 1), (3, 5)])
def test_other_kernels_are_not_made_in_tiles(shape: tuple[int, int]) -> None:
    made = make_plan(one_conv(np.ones((16, 16, *shape), int), QType(8, True, 0), 4, 4))
    assert made and not made.tiles and made.fast == ({"c": np.float32} if shape[1] == 3 else {})


def test_pairs_of_columns_beside_tiles() -> None:
    """Kernels that are not 3x3 in a network whose columns lie in four phases."""
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (3, 2), (5, 3), (4, 9), (6, 66)):
        nodes: tuple[Node, ...] = (
            Input("x", (), 2, QType(8, True, 0)),
            Conv("a", ("x",), rng.integers(-9, 9, (3, 2, 3, 3)), 8, np.zeros(3, int), np.zeros(3, int)),
            Requantize("ra", ("a",), QType(8, True, -4)),
            Conv("b", ("ra",), rng.integers(-9, 9, (4, 3, 5, 3)), 8, np.zeros(4, int), np.ones(4, int)),
            Requantize("rb", ("b",), QType(8, True, -4)),
            PixelShuffle("ps", ("rb",), 2),
            Conv("d", ("ps",), rng.integers(-9, 9, (2, 1, 1, 5)), 8, np.zeros(2, int), np.ones(2, int)),
        )
        graph = make_graph(nodes, (height, width))
        image = rng.integers(-128, 128, (2, height, width))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "LEAST_PAIRED", 1)
            made = make_plan(graph)
            assert made and made.fast == {"a": np.int16, "b": np.float32} and made.phases == 4
            assert np.array_equal(run(graph, image), defined(graph, image))


def test_weights_are_packed_in_pairs() -> None:
    weight = np.arange(1, 1 + 7 * 3 * 3 * 3).reshape(7, 3, 3, 3)
    made = packed(weight)
    assert made.shape == (2, 36, 2, 6, 2)
    # Channel 6 is the first of the second group, channel 2 the first value of the second pair.
    assert np.array_equal(made[1, :, 1, 0, 0], (G @ weight[6, 2] @ G.T).reshape(-1))
    assert np.array_equal(made[0, :, 0, 5, 1], (G @ weight[5, 1] @ G.T).reshape(-1))
    assert not made[1, :, :, 1:].any() and not made[:, :, 1, :, 1].any()


def test_what_this_processor_makes_is_compared_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    int16.exact.cache_clear()
    assert int16.exact()
    made = int16.convolve

    def saturated(*arguments: object) -> None:
        """As processors do that keep the sum of two products in 16 bits."""
        made(*arguments)
        np.minimum(arguments[7], 1 << 15, out=arguments[7])

    monkeypatch.setattr(int16, "convolve", saturated)
    int16.exact.cache_clear()
    assert not int16.exact()
    int16.exact.cache_clear()


def test_only_what_needs_it_imports_numba() -> None:
    code = "import sys, hwsr.reference.run; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert run_program([sys.executable, "-c", code], check=False).returncode == 0
