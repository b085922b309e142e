"""Affine requantization of rows held in floats: in float64 where that is exact, else in integers."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hwsr.ir.graph import Rescale
from hwsr.reference import kernels

Call = Callable[[], object]

# A product up to this and the half that is added to it fit the 53 bits of a float64.
_EXACT = 1 << 52
# Pushes a tie of a 32-bit integer's fraction beyond half, and moves nothing else over one.
_BEYOND = 1 + 2.0**-40


def rescale_calls(node: Rescale, x: NDArray, unit: float, reach: int, y: NDArray) -> list[Call]:
    """What makes rows y (rows, C, W) of `node` from x (rows, C, W), whose integers, x * unit, are at most `reach`."""
    if reach * int(node.multiplier.max()) > _EXACT:
        return [partial(_by_integers, node, x, unit, y)]
    t = np.empty(x.shape, np.float64)
    first = np.ldexp(node.multiplier.astype(np.float64), node.left - 31)[:, None] * unit
    second = np.ldexp(np.full(len(node.right), _BEYOND), -node.right)[:, None]
    return [
        partial(np.multiply, x, first, out=t),
        partial(np.add, t, 0.5, out=t),
        partial(np.floor, t, out=t),
        partial(np.multiply, t, second, out=t),
        partial(np.rint, t, out=t),
        *([partial(np.add, t, float(node.zero_point), out=t)] if node.zero_point else []),
        partial(np.clip, t, node.lo, node.hi, out=y),
    ]


def _by_integers(node: Rescale, x: NDArray, unit: float, y: NDArray) -> None:
    integers = (x * unit).astype(np.int64).swapaxes(0, 1)
    np.copyto(y, kernels.rescale(integers, node).swapaxes(0, 1))
