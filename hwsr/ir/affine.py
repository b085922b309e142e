"""Affine arithmetic as LiteRT's reference kernels have it: real multipliers as 31-bit integers and shifts.

Scales are float32, as files hold them; a multiplier is what LiteRT makes of them in float64, or for products and a
ReLU by itself in float32.
"""

from dataclasses import dataclass
from math import frexp

import numpy as np
from numpy.typing import ArrayLike

from hwsr.ir.graph import IntArray

# What both operands of a sum are shifted by before they are rescaled.
ADD_SHIFT = 20


@dataclass(frozen=True, eq=False)
class Multipliers:
    """One real multiplier a channel as integers: multiplier * 2**(left - right - 31). The fields of a Rescale."""

    multiplier: IntArray
    left: IntArray
    right: IntArray


def rescaled(q: int, multiplier: int, left: int, right: int) -> int:
    """q * 2**left * multiplier / 2**31, rounded, ties up; that / 2**right, rounded, ties away from zero.

    gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT.
    """
    high = ((q << left) * multiplier + (1 << 30)) >> 31
    half = (1 << right) >> 1
    return (high + half) >> right if high >= 0 else -((-high + half) >> right)


def quantized_multiplier(real: float) -> tuple[int, int]:
    """(m, e) of real = m * 2**(e - 31), m in [2**30, 2**31); (0, 0) below 2**-32. LiteRT's QuantizeMultiplier."""
    mantissa, exponent = frexp(real)
    # Ties up, as std::round has them; a float64 holds the sum exactly.
    m = int(mantissa * 2.0**31 + 0.5)
    if m == 1 << 31:
        m, exponent = m >> 1, exponent + 1
    return (0, 0) if m == 0 or exponent < -31 else (m, exponent)


def multipliers(real: ArrayLike, channels: int, left: int = 0) -> Multipliers:
    """Positive real multipliers, one or one a channel, as a Rescale's constants; `left` bits are shifted in first."""
    pairs = [quantized_multiplier(float(each)) for each in np.broadcast_to(np.ravel(real), (channels,))]
    m, e = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    return Multipliers(m, np.maximum(e, 0) + left, np.maximum(-e, 0))


def sum_reals(a: float, b: float, out: float) -> tuple[float, float, float]:
    """Real multipliers of both operands, which are shifted by ADD_SHIFT bits, and of their sum."""
    twice = 2.0 * max(a, b)
    return a / twice, b / twice, twice / (2.0**ADD_SHIFT * out)


def mean_multipliers(x: float, out: float, channels: int, area: int) -> Multipliers:
    """Constants that make the mean of the sum of `area` integers: the division is part of the multiplier, cut off."""
    m, e = quantized_multiplier(x / out)
    shift = min(area.bit_length() - 1, 32, 31 + e)
    m, e = (m << shift) // area, e - shift
    rows = (m, max(e, 0), max(-e, 0))
    return Multipliers(*(np.full(channels, row, np.int64) for row in rows))
