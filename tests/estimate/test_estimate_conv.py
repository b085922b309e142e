"""The laws of the convolution."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsr.estimate.conv import ConvLayer, Products, cycles, dsps, resources

# 8 -> 4 channels, 3x3, of random 8-bit weights.
WEIGHTS = np.random.default_rng(0).integers(-128, 128, (4, 8, 3, 3))
LAYER = ConvLayer(
    height=10,
    width=34,
    channels=8,
    kernel=(3, 3),
    products=Products.of(WEIGHTS),
    x_bits=8,
    w_bits=8,
    acc_bits=20,
    reuse_factor=1,
    backend="vitis",
)


@pytest.mark.parametrize(
    ("reuse", "backend", "expected"),
    [
        (1, "vitis", 340 * 3 + 2),
        (1, "vivado", 340 + 4),
        (4, "vitis", 340 * 9 + 1),
        (4, "vivado", 340 * 8 + 1),
    ],
)
def test_cycles_of_a_frame(reuse: int, backend: str, expected: int) -> None:
    assert cycles(replace(LAYER, reuse_factor=reuse, backend=backend)) == expected


def test_cycles_of_wide_products_and_small_kernels() -> None:
    assert cycles(replace(LAYER, reuse_factor=72, backend="vivado", x_bits=32, w_bits=32)) == 340 * 83 + 1
    assert cycles(replace(LAYER, channels=1)) == 340 * 2 + 2
    assert cycles(replace(LAYER, kernel=(1, 1))) == 340 + 2
    assert cycles(replace(LAYER, kernel=(5, 5))) == 340 * 6 + 2


def test_digits_are_counted() -> None:
    # 7 = 8 - 1, 85 = 64 + 16 + 4 + 1, -3 = 1 - 4
    assert Products.of(np.array([0, 1, -4, 7, 85, -3])) == Products(6, 5, 1 + 1 + 2 + 4 + 2, 1, 4)


@given(st.integers(-(2**20), 2**20))
def test_digits_are_the_fewest_that_make_a_number(value: int) -> None:
    left, digits = value, 0
    while left:
        if left % 2:
            left -= 2 - left % 4
            digits += 1
        left //= 2
    assert Products.of(np.array([value])).digits == digits


def test_expected_digits_are_those_of_random_weights() -> None:
    weights = np.random.default_rng(1).integers(-(2**15), 2**15, 20000)
    counted, mean = Products.of(weights), Products.expected(20000, 20000 - np.count_nonzero(weights), 16)
    assert mean.digits == pytest.approx(counted.digits, rel=0.03)
    assert mean.hard == pytest.approx(counted.hard, rel=0.05)


def test_unrolled_int8_needs_no_dsp_and_wide_products_do() -> None:
    assert resources(LAYER).dsp == 0
    assert resources(replace(LAYER, x_bits=9)).dsp == LAYER.products.hard > 0


def test_folded_layers_share_multipliers() -> None:
    taken = resources(replace(LAYER, reuse_factor=36))
    assert taken.dsp == 288 // 36
    # 36 words of 8 weights, 8 bits each: two block RAMs of 512 x 36
    assert taken.bram18 == 2


def test_ternary_layers_take_no_dsp() -> None:
    ternary = replace(LAYER, w_bits=2, products=Products.of(np.sign(WEIGHTS)))
    assert resources(ternary).dsp == resources(replace(ternary, reuse_factor=36)).dsp == 0
    assert resources(ternary).lut < resources(LAYER).lut


def test_zero_weights_cost_nothing_when_unrolled() -> None:
    sparse = WEIGHTS.copy()
    sparse[:2] = 0
    assert resources(replace(LAYER, products=Products.of(sparse))).lut < resources(LAYER).lut


def test_line_buffer_takes_a_lut_for_32_pixels_of_a_bit() -> None:
    assert LAYER.line_buffer_bits == 2 * 34 * 8 * 8
    longer = resources(replace(LAYER, width=65))
    assert longer.lut - resources(LAYER).lut == 2 * 8 * 8 * (3 - 2)


@pytest.mark.parametrize("backend", ["vitis", "vivado"])
@pytest.mark.parametrize("w_bits", [2, 8, 16])
def test_a_higher_reuse_factor_is_slower_and_takes_less(backend: str, w_bits: int) -> None:
    shared = [replace(LAYER, reuse_factor=reuse, backend=backend, w_bits=w_bits) for reuse in (2, 4, 8, 36, 72, 288)]
    for fast, slow in pairwise(shared):
        assert cycles(replace(LAYER, backend=backend)) < cycles(fast) < cycles(slow)
        for name in ("lut", "lut_csynth", "ff", "dsp"):
            assert getattr(resources(fast), name) >= getattr(resources(slow), name)


def test_dsps_of_a_multiplier() -> None:
    assert [dsps(8, 8), dsps(18, 27), dsps(27, 18), dsps(19, 27), dsps(32, 32)] == [1, 1, 1, 2, 4]
