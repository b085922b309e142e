"""LiteRT's multipliers and roundings, against fractions."""

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwsr.ir.affine import mean_multipliers, multipliers, quantized_multiplier, rescaled, sum_reals

REALS = st.floats(2.0**-30, 2.0**20)


@given(REALS)
def test_a_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    m, e = quantized_multiplier(real)
    assert 1 << 30 <= m < 1 << 31
    assert abs(Fraction(m) * Fraction(2) ** (e - 31) - Fraction(real)) <= Fraction(2) ** (e - 32)


def test_multipliers_at_their_ends() -> None:
    assert quantized_multiplier(1.0) == (1 << 30, 1)
    assert quantized_multiplier(0.5) == (1 << 30, 0)
    assert quantized_multiplier(1 - 2.0**-40) == (1 << 30, 1)
    assert quantized_multiplier(2.0**-32) == (1 << 30, -31)
    assert quantized_multiplier(2.0**-33) == (0, 0)
    # A tie of the 31st bit goes up.
    assert quantized_multiplier(0.5 + 2.0**-32) == ((1 << 30) + 1, 0)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 8), st.integers(0, 31))
def test_both_roundings(q: int, multiplier: int, left: int, right: int) -> None:
    first = floor(Fraction(q * multiplier << left, 2**31) + Fraction(1, 2))
    size = floor(Fraction(abs(first), 2**right) + Fraction(1, 2))
    assert rescaled(q, multiplier, left, right) == (size if first >= 0 else -size)


def test_ties_go_up_and_then_away_from_zero() -> None:
    half = 1 << 30
    assert [rescaled(q, half, 0, 0) for q in (-3, -1, 1, 3)] == [-1, 0, 1, 2]
    assert [rescaled(q, half, 1, 1) for q in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


def test_one_multiplier_a_channel_or_for_all() -> None:
    made = multipliers([0.5, 4.0], 2, left=20)
    assert made.left.tolist() == [20, 23] and made.right.tolist() == [0, 0]
    assert multipliers(np.float32(2.0**-5), 3).right.tolist() == [4, 4, 4]


def test_a_sum_of_equal_steps_is_exact() -> None:
    """Halved twice, doubled once: nothing is left to round."""
    a, b, real = sum_reals(0.25, 0.25, 0.25)
    assert (a, b, real) == (0.5, 0.5, 2.0**-19)


@given(st.integers(1, 4096), st.integers(-128, 127))
def test_the_mean_of_equal_values_is_that_value(area: int, q: int) -> None:
    made = mean_multipliers(0.5, 0.5, 2, area)
    constants = (int(row[1]) for row in (made.multiplier, made.left, made.right))
    assert abs(rescaled(q * area, *constants) - q) <= (area & (area - 1) != 0)
