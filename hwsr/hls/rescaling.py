"""An affine requantization as the kernels of nnet_hwsr_rescale.h take it: widths, limits, and a word a channel."""

import numpy as np
from numpy.typing import NDArray

from hwsr.hls.convolution import signed_bits
from hwsr.ir.graph import IntArray, QType, Rescale
from hwsr.ir.stages import Settings

# Bits of a word: the multiplier, then both shifts.
_MULTIPLIER_BITS, _SHIFT_BITS = 31, 5


def settings(node: Rescale, added: int, lo: IntArray, hi: IntArray) -> Settings:
    """The integers of the config struct, every width as proved; what is rescaled in channel c is within lo[c]..hi[c].

    added: to the result, behind its saturation.
    """
    ends = np.stack([lo, hi])
    products = (ends * node.multiplier) << node.left
    nudged = products + (1 << 30)
    high = nudged >> 31
    rounded = _rounded(high, node.right) + node.zero_point
    return {
        "operand_bits": _bits(ends),
        "product_bits": _bits(products, nudged, np.array(1 << 30)),
        "high_bits": _bits(high, high - 1, high + 1),
        "moved_bits": _bits(rounded, rounded - node.zero_point, rounded + added, np.array([node.zero_point, added])),
        "max_left": int(node.left.max()),
        "max_right": int(node.right.max()),
        "zero_point": node.zero_point + added,
        "lo": max(node.lo, min(int(rounded.min()), node.hi)) + added,
        "hi": min(node.hi, max(int(rounded.max()), node.lo)) + added,
    }


def ended(convolution: Settings, rescaling: Settings) -> Settings:
    """Those of a convolution whose sums end with a rescaling, from what `settings` makes of either."""
    kept = {key: value for key, value in convolution.items() if key not in ("max_up", "shift")}
    return kept | {"rescales": 1} | rescaling


def words(node: Rescale) -> NDArray[np.uint64]:
    """(C,) words: a channel's multiplier in the lowest bits, its right shift above it, its left shift on top."""
    shifts = node.right | node.left << _SHIFT_BITS
    return (node.multiplier | shifts << _MULTIPLIER_BITS).astype(np.uint64)


def _rounded(high: IntArray, right: IntArray) -> IntArray:
    """high / 2**right, rounded, ties away from zero."""
    half = (1 << right) >> 1
    return np.sign(high) * ((np.abs(high) + half) >> right)


def _bits(*values: IntArray) -> int:
    """Of the narrowest integers with a sign that hold every value."""
    lo, hi = (int(end(np.concatenate([np.ravel(each) for each in values]))) for end in (np.min, np.max))
    return signed_bits(QType.holding(lo, hi, 0))
