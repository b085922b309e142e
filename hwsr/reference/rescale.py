"""Affine requantization of rows held in floats, exact in float64."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hwsr.ir.graph import Rescale

Call = Callable[[], object]

# A product up to this and the half that is added to it fit the 53 bits of a float64.
_EXACT = 1 << 52
# Where longer products are split: the multiplier's low bits, which leave 16 above them.
_LOW = 15
# Pushes a tie of a 32-bit integer's fraction beyond half, and moves nothing else over one.
_BEYOND = 1 + 2.0**-40


def rescale_calls(node: Rescale, x: NDArray, unit: float, reach: int, y: NDArray) -> list[Call]:
    """What makes rows y (rows, C, W) of `node` from x (rows, C, W), whose integers, x * unit, are at most `reach`."""
    t = np.empty(x.shape, np.float64)
    exact = reach * int(node.multiplier.max()) <= _EXACT
    calls = _rounded_up(node, x, unit, t) if exact else _rounded_up_in_parts(node, x, unit, t)
    if node.right.any():
        second = np.ldexp(np.full(len(node.right), _BEYOND), -node.right)[:, None]
        calls += [partial(np.multiply, t, second, out=t), partial(np.rint, t, out=t)]
    if node.zero_point:
        calls.append(partial(np.add, t, float(node.zero_point), out=t))
    return [*calls, partial(np.clip, t, node.lo, node.hi, out=y)]


def _rounded_up(node: Rescale, x: NDArray, unit: float, t: NDArray) -> list[Call]:
    """t = floor(q * 2**left * m / 2**31 + 1/2)."""
    factor = np.ldexp(node.multiplier.astype(np.float64), node.left - 31)[:, None] * unit
    return [partial(np.multiply, x, factor, out=t), partial(np.add, t, 0.5, out=t), partial(np.floor, t, out=t)]


def _rounded_up_in_parts(node: Rescale, x: NDArray, unit: float, t: NDArray) -> list[Call]:
    """The same with m = high * 2**15 + low: the whole part of the low product, half included, joins the high one."""
    parts = node.multiplier >> _LOW, node.multiplier & ((1 << _LOW) - 1)
    high, low = (np.ldexp(part.astype(np.float64), node.left)[:, None] * unit for part in parts)
    u = np.empty_like(t)
    return [
        partial(np.multiply, x, low * 2.0**-_LOW, out=t),
        partial(np.add, t, 2.0 ** (30 - _LOW), out=t),
        partial(np.floor, t, out=t),
        partial(np.multiply, x, high, out=u),
        partial(np.add, t, u, out=t),
        partial(np.multiply, t, 2.0 ** (_LOW - 31), out=t),
        partial(np.floor, t, out=t),
    ]
