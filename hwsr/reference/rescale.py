"""Affine requantization of rows held in floats: exact in float64, the second rounding in float32 where it is exact.

With N = q * 2**left * m, a Rescale makes h = floor(N / 2**31 + 1/2) and of it h / 2**right, rounded to the nearest with
ties away from zero. Passes over memory are what it costs, those that change the type most of all.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hwsr.ir.affine import rescaled
from hwsr.ir.graph import Rescale

Call = Callable[[], object]
# An array of the given shape and type for as long as one node is made.
Scratch = Callable[[tuple[int, ...], DTypeLike], NDArray]

# The largest integer that a float64 holds with all below it.
_EXACT = 1 << 53
# Where longer products are split: the multiplier's low bits, which leave 16 above them.
_LOW = 15
# Pushes a tie of a 32-bit integer's fraction beyond half in float64, and moves nothing else over one.
_BEYOND = 2.0**-40
# As much does 2**-(right + 9) in float32, for results of up to 9 bits and shifts of up to 13: a tie k + 1/2 moves by at
# least two of a float32's roundings, and what lies 2**-right below it by 0.501 * 2**-right at most.
_RESULT, _SHIFT = 256, 13


def rescale_calls(
    node: Rescale, x: NDArray, unit: float, reach: int, y: NDArray, scratch: Scratch = np.empty
) -> list[Call]:
    """What makes rows y (rows, C, W) of `node` from x (rows, C, W), whose integers, x * unit, are at most `reach`."""
    t = y if y.dtype == np.float64 else scratch(x.shape, np.float64)
    if _is_relu(node) and _one_sum(node, reach):
        calls = _floored_once(node, x, unit, t)
        return [*calls, *_moved(t, y), *_clipped(node, reach, y)]
    exact = reach * int(node.multiplier.max()) <= _EXACT >> 1
    calls = _rounded_up(node, x, unit, t) if exact else _rounded_up_in_parts(node, x, unit, t, scratch)
    fits = max(node.zero_point - node.lo, node.hi - node.zero_point) < _RESULT and node.right.max() <= _SHIFT
    if y.dtype == np.float32 and fits:
        # What a float32 rounds is beyond saturation.
        return [*calls, *_moved(t, y), *_rounded_away(node, 2.0 ** -(node.right + 9.0), y), *_clipped(node, reach, y)]
    beyond = np.full(len(node.right), _BEYOND)
    return [*calls, *_rounded_away(node, beyond, t), *_moved(t, y), *_clipped(node, reach, y)]


def _is_relu(node: Rescale) -> bool:
    return node.lo == node.zero_point


def _one_sum(node: Rescale, reach: int) -> bool:
    """Whether N and all that is added to it make an integer that a float64 holds."""
    return all(
        up <= 30 and reach * int(m) + ((1 + abs(node.zero_point)) << (31 + int(down)) >> int(up)) < _EXACT
        for m, up, down in zip(node.multiplier, node.left, node.right, strict=True)
    )


def _floored_once(node: Rescale, x: NDArray, unit: float, t: NDArray) -> list[Call]:
    """t = floor(N / 2**(31 + right) + halves of both roundings + zero point): right from zero up, at most zero below.

    A floor of a floor is one floor. Below zero, where the second rounding is another one, a ReLU is to follow.
    """
    halves = np.ldexp(0.5, -node.right) + np.where(node.right > 0, 0.5, 0.0)
    factor = np.ldexp(node.multiplier.astype(np.float64), node.left - 31 - node.right) * unit
    return [
        *_times(x, factor, t),
        partial(np.add, t, _constants(halves + node.zero_point), out=t),
        partial(np.floor, t, out=t),
    ]


def _rounded_up(node: Rescale, x: NDArray, unit: float, t: NDArray) -> list[Call]:
    """t = floor(N / 2**31 + 1/2)."""
    factor = np.ldexp(node.multiplier.astype(np.float64), node.left - 31) * unit
    return [*_times(x, factor, t), partial(np.add, t, 0.5, out=t), partial(np.floor, t, out=t)]


def _rounded_up_in_parts(node: Rescale, x: NDArray, unit: float, t: NDArray, scratch: Scratch) -> list[Call]:
    """The same with m = high * 2**15 + low: the whole part of the low product, half included, joins the high one."""
    parts = node.multiplier >> _LOW, node.multiplier & ((1 << _LOW) - 1)
    high, low = (np.ldexp(part.astype(np.float64), node.left)[:, None] * unit for part in parts)
    wide, u = scratch((2, *x.shape), np.float64)
    return [
        partial(np.copyto, wide, x),
        partial(np.multiply, wide, low * 2.0**-_LOW, out=t),
        partial(np.add, t, 2.0 ** (30 - _LOW), out=t),
        partial(np.floor, t, out=t),
        partial(np.multiply, wide, high, out=u),
        partial(np.add, t, u, out=t),
        partial(np.multiply, t, 2.0 ** (_LOW - 31), out=t),
        partial(np.floor, t, out=t),
    ]


def _rounded_away(node: Rescale, beyond: NDArray, h: NDArray) -> list[Call]:
    """h = h / 2**right to the nearest, ties away from zero, + zero point."""
    calls: list[Call] = []
    if node.right.any():
        second = np.where(node.right > 0, np.ldexp(1 + beyond, -node.right), 1.0)
        constants = _constants(second.astype(h.dtype))
        calls += [partial(np.multiply, h, constants, out=h), partial(np.rint, h, out=h)]
    if node.zero_point:
        calls.append(partial(np.add, h, float(node.zero_point), out=h))
    return calls


def _times(x: NDArray, factor: NDArray, t: NDArray) -> list[Call]:
    """t = x * factor; a pass that changes the type by itself is faster than a product of two types."""
    constants = _constants(factor)
    if x.dtype == t.dtype:
        return [partial(np.multiply, x, constants, out=t)]
    return [partial(np.copyto, t, x), partial(np.multiply, t, constants, out=t)]


def _constants(values: NDArray) -> NDArray:
    """(C,) constants to meet (rows, C, W): one where all are alike, for numpy's loops are longer then."""
    return values[0] if (values == values[0]).all() else values[:, None]


def _moved(t: NDArray, y: NDArray) -> list[Call]:
    return [] if t is y else [partial(np.copyto, y, t, casting="same_kind")]


def _clipped(node: Rescale, reach: int, y: NDArray) -> list[Call]:
    """Saturation, where anything reaches it."""
    rows = zip(node.multiplier, node.left, node.right, strict=True)
    ends = [rescaled(end, *map(int, row)) + node.zero_point for row in rows for end in (-reach, reach)]
    if node.lo <= min(ends) and max(ends) <= node.hi:
        return []
    return [partial(np.clip, y, y.dtype.type(node.lo), y.dtype.type(node.hi), out=y)]
