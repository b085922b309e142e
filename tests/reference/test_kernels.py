"""The whole-tensor kernels against their definition, and requantization against fractions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.ir.affine import multipliers
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    IntArray,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Tensor,
    Upsample,
)
from hwsr.reference import kernels, naive
from hwsr.zoo import layers

# Grids as far apart as an IntGraph allows.
FRACS = st.integers(-31, 31)
# Grids on which sums of 31 bits fit int64.
NEAR = st.integers(-15, 15)


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([(1, 1), (3, 3), (1, 3), (3, 1), (5, 3)]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([8, 16, 26]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_conv(
    c_in: int, c_out: int, kernel: tuple[int, int], height: int, width: int, groups: int, bits: int, seed: int
) -> None:
    """Widths of 26 bits take the integer path, 16 the float64 one; extreme values every second time."""
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1)
    shape = (c_out * groups, c_in, *kernel)
    weight = rng.choice([-limit, limit - 1], shape) if seed % 2 else rng.integers(-limit, limit, shape)
    x = rng.choice([-limit, limit - 1], (c_in * groups, height, width))
    frac, bias = rng.integers(0, 4, len(weight)), rng.integers(-(2**20), 2**20, len(weight))
    node = Conv("c", ("x",), weight, bits, frac, bias, groups)
    of = [Tensor(QType(bits, True, 0), -limit, limit - 1, len(x))]
    assert np.array_equal(kernels.evaluate(node, [x], of), naive.evaluate(node, [x], of))


@pytest.mark.parametrize(("bound", "dtype"), [(2**24, np.float32), (2**24 + 1, np.float64), (2**53 + 1, np.int64)])
def test_the_fastest_exact_dtype(bound: int, dtype: type) -> None:
    assert kernels.exact_dtype(bound) is dtype


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20), FRACS, st.integers(1, 16), st.booleans(), FRACS)
def test_requantize(values: list[int], frac: int, bits: int, signed: bool, to_frac: int) -> None:
    to = QType(bits, signed, to_frac)
    expected = [min(max(round(Fraction(q) * Fraction(2) ** (to_frac - frac)), to.lo), to.hi) for q in values]
    assert kernels.requantize(np.array(values), frac, to).tolist() == expected


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(-12, 12), st.integers(-12, 12))
def test_add_and_offset_are_exact_on_the_finer_grid(a: int, b: int, frac_a: int, frac_b: int) -> None:
    grid = Fraction(2) ** max(frac_a, frac_b)
    expected = (Fraction(a) / Fraction(2) ** frac_a + Fraction(b) / Fraction(2) ** frac_b) * grid
    cube_a, cube_b = np.full((1, 2, 2), a), np.full((1, 2, 2), b)
    assert (kernels.add(cube_a, frac_a, cube_b, frac_b) == int(expected)).all()
    assert (kernels.offset(cube_a, frac_a, np.array([b]), frac_b) == int(expected)).all()


@given(st.data(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=150)
def test_every_other_node_equals_its_definition(data: st.DataObject, seed: int) -> None:
    """Odd sizes; values at the ends of their range every second time."""
    rng = np.random.default_rng(seed)
    groups, s, height, width = (data.draw(st.integers(1, 3)) for _ in range(4))
    channels = groups * s**2 * data.draw(st.integers(1, 2))
    lo, hi = data.draw(st.sampled_from([(-(2**30), 2**30 - 1), (-128, 127), (0, 255)]))
    fracs = data.draw(st.tuples(NEAR, NEAR))
    of = [Tensor(QType.holding(lo, hi, frac), lo, hi, channels) for frac in fracs]

    def integers(*shape: int) -> IntArray:
        return rng.choice([lo, hi], shape) if seed % 2 else rng.integers(lo, hi + 1, shape)

    x, other = integers(channels, height, width), integers(channels, height, width)
    constant, frac = rng.integers(-128, 128, channels), rng.integers(0, 9, channels)
    to = QType(data.draw(st.integers(2, 16)), data.draw(st.booleans()), data.draw(FRACS))
    small = Tensor(QType(8, True, 0), -128, 127, channels)
    for node, inputs, known in (
        (Scale("n", ("x",), constant, 8, frac), [x], of[:1]),
        (Offset("n", ("x",), constant, fracs[1]), [x], of[:1]),
        (Add("n", ("x", "y")), [x, other], of),
        (Concat("n", ("x", "y")), [x, other], of),
        (ChannelMul("n", ("x", "y")), [x, integers(channels, 1, 1)], of),
        (Requantize("n", ("x",), to), [x], of[:1]),
        (Table("n", ("x",), rng.integers(0, 256, 256), QType(8, False, 8)), [np.clip(x, -128, 127)], [small]),
        (SpatialSum("n", ("x",)), [x], of[:1]),
        (PixelShuffle("n", ("x",), s), [x], of[:1]),
        (ChannelShuffle("n", ("x",), groups), [x], of[:1]),
        (ChannelSlice("n", ("x",), channels // 2, channels), [x], of[:1]),
        (Upsample("n", ("x",), s), [x], of[:1]),
    ):
        made = kernels.evaluate(node, inputs, known)
        assert made.dtype == np.int64
        assert np.array_equal(made, naive.evaluate(node, inputs, known)), node


@given(
    st.lists(st.floats(2.0**-33, 2.0**8), min_size=1, max_size=4),
    st.integers(0, 20),
    st.integers(-128, 127),
    st.sampled_from([2**9, 2**20, 2**31]),
    st.integers(0, 2**32 - 1),
)
def test_rescale(real: list[float], left: int, zero_point: int, limit: int, seed: int) -> None:
    """Shifted left as far as 32 bits go; every second multiplier a power of two, so that ties come up."""
    rng = np.random.default_rng(seed)
    made = multipliers([2.0 ** round(np.log2(each)) if seed % 2 else each for each in real], len(real), left)
    limit = min(limit, 2**31 >> int(made.left.max()))
    node = Rescale("r", ("x",), made.multiplier, made.left, made.right, zero_point, -128, 127, QType(8, True, 0), 1.0)
    x = rng.integers(-limit, limit, (len(real), 3, 4))
    of = [Tensor(QType(32, True, 0), -limit, limit - 1, len(x))]
    assert np.array_equal(kernels.evaluate(node, [x], of), naive.evaluate(node, [x], of))


def test_a_node_without_a_kernel_is_named() -> None:
    x, of = np.zeros((1, 1, 1), np.int64), [Tensor(QType(8, True, 0), 0, 0, 1)]
    for evaluate in (kernels.evaluate, naive.evaluate):
        with pytest.raises(HwsrError, match="'odd'"):
            evaluate(Node("odd", ("x",)), [x], of)


def test_pixel_shuffle_is_torchs() -> None:
    import torch

    x = np.arange(2 * 9 * 4 * 5).reshape(18, 4, 5)
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(x)[None], 3)[0].numpy()
    assert np.array_equal(kernels.pixel_shuffle(x, 3), expected)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_channel_shuffle_is_the_zoos(groups: int) -> None:
    x = np.arange(6 * 2 * 3).reshape(6, 2, 3)
    wanted = layers.ChannelShuffle(groups)(torch.from_numpy(x)[None])[0].numpy()
    assert np.array_equal(kernels.channel_shuffle(x, groups), wanted)


def test_concat_puts_every_part_on_the_finest_grid() -> None:
    parts = [np.array([[[3]]]), np.array([[[-5]], [[1]]])]
    assert kernels.concat(parts, [2, 4]).flatten().tolist() == [12, -5, 1]
