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
from hwsr.reference.plan import make_plan, pair_magnitude, pair_operand
from hwsr.reference.run import run

# Weights that leave |g0 + g1 + g2| and 2 |g| within 16 bits.
LARGEST = ((1 << 15) - 1) // 3


def defined(graph: IntGraph, image: IntArray) -> IntArray:
    """The output by the definition alone."""
    values = {graph.input.name: image}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = naive.evaluate(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name]


def conv(rng: np.random.Generator, name: str, source: str, c_in: int, c_out: int, groups: int = 1) -> Conv:
    """Ternary to 14-bit weights: the ends alone, the upper end alone, or any; mostly three columns wide."""
    limit = int(rng.choice([1, 7, 127, LARGEST]))
    shape = (c_out * groups, c_in, int(rng.choice([1, 1, 3, 3, 5])), int(rng.choice([1, 3, 3, 3, 3, 3, 3, 5])))
    weight = [
        rng.choice([-limit, limit], shape),
        np.full(shape, limit),
        rng.integers(-limit, limit + 1, shape),
    ][rng.integers(3)]
    bias = rng.integers(-limit, limit + 1, len(weight)) * rng.integers(2)
    return Conv(name, (source,), weight, 2 if limit == 1 else 15, rng.integers(0, 3, len(weight)), bias, groups)


def random_case(rng: np.random.Generator) -> tuple[IntGraph, IntArray]:
    """Two convolutions and a pixel shuffle on a frame whose width is odd or even, within a tile or beyond one."""
    height, width = int(rng.integers(1, 4)), int(rng.choice([*range(1, 10), 31, 33, 34]))
    groups = int(rng.choice([1, 1, 1, 2]))
    c_in, hidden = int(rng.integers(1, 4)), int(rng.integers(1, 8))
    of = QType(int(rng.choice([1, 4, 8, 8, 8, 12])), bool(rng.integers(2)), 0)
    kept = QType(int(rng.choice([2, 8, 8])), bool(rng.integers(2)), int(rng.integers(-4, 3)))
    nodes: tuple[Node, ...] = (
        Input("x", (), c_in * groups, of),
        # A finer grid than the one that its sum is stored on.
        Offset("o", ("x",), rng.integers(-4, 5, c_in * groups), int(rng.integers(0, 3))),
        conv(rng, "a", "o", c_in, hidden, groups),
        Requantize("ra", ("a",), kept),
        conv(rng, "b", "ra", hidden * groups, 4),
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
    return list(made.paired.values()).count(np.int16) if made else 0


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


def one_conv(weight: IntArray, of: QType, width: int) -> IntGraph:
    node = Conv("c", ("x",), weight, 16, np.zeros(len(weight), int), np.zeros(len(weight), int))
    return make_graph((Input("x", (), weight.shape[1], of), node), (3, width))


@given(st.integers(1, 35), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_sums_at_the_bound_of_32_bits(width: int, signed: bool, alike: bool, seed: int) -> None:
    """Weights as large as the proof lets them be, on inputs of 13 bits, of which the image holds the ends."""
    rng, of = np.random.default_rng(seed), QType(13, signed, 0)
    weight = rng.integers(90, 100, (7, 3, 3, 3)) if alike else rng.choice([-99, 99], (7, 3, 3, 3))
    reach = pair_magnitude(one_conv(weight, of, width).nodes[1], one_conv(weight, of, width).tensors["x"])
    graph = one_conv(weight * (((1 << 31) - 1) // reach), of, width)
    assert pair_magnitude(graph.nodes[1], graph.tensors["x"]) > 1 << 30
    image = rng.choice([of.lo, of.hi], (3, 3, width), p=(0.1, 0.9) if alike else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        made = make_plan(graph)
        assert made and made.paired == {"c": np.int16} and made.lines["c"].dtype is np.float64
        assert np.array_equal(run(graph, image), defined(graph, image))


@pytest.mark.parametrize(
    ("weights", "of", "dtype"),
    [
        ((LARGEST,) * 3, QType(8, False, 0), np.int16),
        ((1 << 14, 0, 0), QType(8, False, 0), np.float32),
        (((1 << 14) - 1, 1, -1), QType(8, False, 0), np.int16),
        ((LARGEST, LARGEST, LARGEST + 2), QType(8, False, 0), None),
        # Sums of two inputs: 2 * 2^14 does not fit, 2 * (2^14 - 1) does.
        ((1, 1, 1), QType(15, True, 0), np.float32),
        ((1, 1, 1), QType(14, False, 0), np.int16),
    ],
)
def test_only_what_fits_16_bits_is_multiplied(weights: tuple[int, ...], of: QType, dtype: type | None) -> None:
    graph = one_conv(np.array(weights).reshape(1, 1, 1, 3), of, 5)
    fits = pair_operand(graph.nodes[1], graph.tensors["x"]) < 1 << 15
    image = np.random.default_rng(0).choice([of.lo, of.hi], (1, 3, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LEAST_PAIRED", 1)
        made = make_plan(graph)
        assert made and made.paired.get("c") is dtype and fits == (dtype is np.int16)
        assert np.array_equal(run(graph, image), defined(graph, image))


def test_sums_beyond_32_bits_take_floats() -> None:
    """Channels of weights of 127 on bytes: in halves 3 * 127 * 510 + 127 * 255 of each, 9,474 of which pass 2^31."""
    of = QType(8, False, 0)
    for channels, dtype in ((9473, np.int16), (9474, None)):
        graph = one_conv(np.full((1, channels, 1, 3), 127), of, 2)
        assert (pair_magnitude(graph.nodes[1], graph.tensors["x"]) < 1 << 31) == (dtype is np.int16)
        made = make_plan(graph)
        assert made and made.paired.get("c") is dtype


def test_weights_are_packed_in_halves() -> None:
    weight = np.arange(1, 1 + 7 * 3 * 2 * 3).reshape(7, 3, 2, 3)
    packed = int16.packed(weight)
    assert packed.shape == (4, 2, 4, 6, 2)
    g0, g1, g2 = weight[6, 1, 1]
    # Channel 6 is the first of the second group; row 1 and channel 1 are the second value of the third pair.
    assert packed[:, 1, 2, 0, 1].tolist() == [2 * g0, g0 + g1 + g2, g0 - g1 + g2, 2 * g2]
    assert not packed[:, 1, :, 1:].any() and not packed[:, :, 1::2, :, 1].any()


def test_what_this_processor_makes_is_compared_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    int16.exact.cache_clear()
    assert int16.exact()
    made = int16._multiply

    def saturated(*arguments: object) -> None:
        """As processors do that keep the sum of two products in 16 bits."""
        made(*arguments)
        np.minimum(arguments[4], 1 << 15, out=arguments[4])

    monkeypatch.setattr(int16, "_multiply", saturated)
    int16.exact.cache_clear()
    assert not int16.exact()
    int16.exact.cache_clear()


def test_only_what_needs_it_imports_numba() -> None:
    code = "import sys, hwsr.reference.run; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert run_program([sys.executable, "-c", code], check=False).returncode == 0
