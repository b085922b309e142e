"""The products of a layer as hardware sees them: how many, and how many signed digits their constants have."""

from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import NormalDist

import numpy as np

from hwsr.ir.graph import IntArray

# A constant of fewer signed digits is multiplied by shifts and adds, any other by a DSP.
DSP_DIGITS = 3
# Products of both factors' bits up to this many stay in LUTs.
LUT_PRODUCT_BITS = 20
# Unknown weights are taken as normal with this variance over the fan-in (He et al. 2015).
VARIANCE = 2.0
_QUANTILES = 2048


def _digits(magnitude: IntArray) -> IntArray:
    """Nonzero digits of the canonical signed form: the ones of w xor 3w."""
    return np.bitwise_count(magnitude ^ (3 * magnitude)).astype(np.int64)


@dataclass(frozen=True)
class Products:
    """The weights of a layer; a digit is a nonzero digit of the canonical signed form.

    `hard` weights have DSP_DIGITS digits or more. magnitude_bits: bits of the largest |w|. Counts are fractions where
    only their mean is known.
    """

    total: int
    nonzero: float
    digits: float
    hard: float
    hard_digits: float
    magnitude_bits: int

    @staticmethod
    def of(weight: IntArray) -> "Products":
        """Count actual weights, integers."""
        magnitude = np.abs(weight)
        return Products._counted(magnitude, weight.size, weight.size)

    @staticmethod
    def _counted(magnitude: IntArray, samples: int, total: int) -> "Products":
        digits = _digits(magnitude)
        hard = digits >= DSP_DIGITS
        each = total / samples if samples else 0
        return Products(
            total=total,
            nonzero=float(np.count_nonzero(magnitude)) * each,
            digits=float(digits.sum()) * each,
            hard=float(hard.sum()) * each,
            hard_digits=float(digits[hard].sum()) * each,
            magnitude_bits=int(magnitude.max(initial=0)).bit_length(),
        )

    @staticmethod
    def expected(total: int, fan_in: int, bits: int, frac: int, zeros: int | None = None) -> "Products":
        """Mean counts for unknown weights of `bits` bits, `frac` of them fractional, and `zeros` zeros if known.

        Weights are normal of variance 2 / fan_in, rounded to their grid; zeros beyond those are pruned, smallest first.
        """
        share = None if zeros is None else min(zeros / total, 1.0) if total else 0.0
        return _expected(total, fan_in, bits, frac, share)


@cache
def _expected(total: int, fan_in: int, bits: int, frac: int, zero_share: float | None) -> Products:
    limit = 2 ** min(max(bits - 1, 1), 40) - 1
    if bits <= 2:
        magnitude = np.ones(_QUANTILES, np.int64)
        magnitude[: round(_QUANTILES * (1 / 3 if zero_share is None else zero_share))] = 0
        return Products._counted(magnitude, _QUANTILES, total)
    scale = sqrt(VARIANCE / max(fan_in, 1)) * 2.0**frac
    middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    normal = np.array([NormalDist().inv_cdf((1 + q) / 2) for q in middles])
    magnitude = np.clip(np.rint(normal * scale), 0, limit).astype(np.int64)
    if zero_share is not None:
        pruned = middles < zero_share
        magnitude = np.where(pruned, 0, np.maximum(magnitude, 1))
    return Products._counted(magnitude, _QUANTILES, total)
