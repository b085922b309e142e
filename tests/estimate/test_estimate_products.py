"""Weights as hardware sees them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsr.estimate.products import Products


def test_digits_are_counted() -> None:
    # 7 = 8 - 1, 85 = 64 + 16 + 4 + 1, -3 = 1 - 4
    assert Products.of(np.array([0, 1, -4, 7, 85, -3])) == Products(6, 5, 1 + 1 + 2 + 4 + 2, 1, 4, 7)


@given(st.integers(-(2**20), 2**20))
def test_digits_are_the_fewest_that_make_a_number(value: int) -> None:
    left, digits = value, 0
    while left:
        if left % 2:
            left -= 2 - left % 4
            digits += 1
        left //= 2
    assert Products.of(np.array([value])).digits == digits


@pytest.mark.parametrize(("fan_in", "frac"), [(27, 10), (144, 10), (72, 7)])
def test_expected_counts_are_those_of_random_weights(fan_in: int, frac: int) -> None:
    weights = np.random.default_rng(1).normal(0, (2 / fan_in) ** 0.5, 200_000)
    counted = Products.of(np.rint(weights * 2**frac).astype(np.int64))
    mean = Products.expected(200_000, fan_in, 16, frac)
    for name in ("nonzero", "digits", "hard", "hard_digits"):
        assert getattr(mean, name) == pytest.approx(getattr(counted, name), rel=0.02)


def test_the_smallest_weights_are_pruned_first() -> None:
    dense, pruned = (Products.expected(1000, 72, 10, 7, zeros) for zeros in (0, 500))
    assert (dense.nonzero, pruned.nonzero) == (1000, 500)
    assert pruned.hard / pruned.nonzero > dense.hard / dense.nonzero


def test_ternary_weights_have_one_digit() -> None:
    products = Products.expected(900, 9, 2, 0)
    assert products.digits == products.nonzero == pytest.approx(600, rel=0.01)
    assert products.hard == 0
    assert Products.expected(0, 9, 8, 4, 0).nonzero == 0
