"""The fast kernels against plain loops over Python's integers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.ir.graph import Conv, IntArray, QType
from hwsr.reference import kernels
from hwsr.zoo.layers import ChannelShuffle

# Grids as far apart as an IntGraph allows.
FRACS = st.integers(-31, 31)


def naive_conv(node: Conv, x: IntArray) -> IntArray:
    """The definition: every tap of every pixel, one by one."""
    c_out, c_group, kh, kw = node.weight.shape
    height, width = x.shape[1:]
    result = np.zeros((c_out, height, width), object)
    for o in range(c_out):
        base = o // (c_out // node.groups) * c_group
        for y in range(height):
            for column in range(width):
                acc = int(node.bias[o])
                for c in range(c_group):
                    for i in range(kh):
                        for j in range(kw):
                            row, col = y + i - kh // 2, column + j - kw // 2
                            if 0 <= row < height and 0 <= col < width:
                                acc += int(node.weight[o, c, i, j]) * int(x[base + c, row, col])
                result[o, y, column] = acc << int(node.weight_frac.max() - node.weight_frac[o])
    return result.astype(np.int64)


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
    assert np.array_equal(kernels.conv(node, x, -limit, limit - 1), naive_conv(node, x))


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


def test_pixel_shuffle_is_torchs() -> None:
    import torch

    x = np.arange(2 * 9 * 4 * 5).reshape(18, 4, 5)
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(x)[None], 3)[0].numpy()
    assert np.array_equal(kernels.pixel_shuffle(x, 3), expected)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_channel_shuffle_is_the_zoos(groups: int) -> None:
    x = np.arange(6 * 2 * 3).reshape(6, 2, 3)
    wanted = ChannelShuffle(groups)(torch.from_numpy(x)[None])[0].numpy()
    assert np.array_equal(kernels.channel_shuffle(x, groups), wanted)


def test_concat_puts_every_part_on_the_finest_grid() -> None:
    parts = [np.array([[[3]]]), np.array([[[-5]], [[1]]])]
    assert kernels.concat(parts, [2, 4]).flatten().tolist() == [12, -5, 1]
