"""Convolutions of 3x3 kernels by products of 16-bit integers, summed in 32 bits: `hwsr.reference.winograd`, compiled.

A processor multiplies twice as many of these at a time as of float32, and adds each two products, in one instruction
(pmaddwd on x86). The libraries among hwsr's dependencies do so for 8 bits at most, which what the products see exceeds.
So `hwsr.reference.tiles` spells the innermost steps out for LLVM. All of it runs in the thread that calls it.

`hwsr.reference.plan` proves that everything fits, and imports this late: numba takes long, and no float needs it.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from hwsr.ir.graph import Conv
from hwsr.reference.buffers import Buffers
from hwsr.reference.tiles import convolve
from hwsr.reference.winograd import INVERSE, OUT, PARTS, SCALE, SEEN, SIDE, WIDE, A, B

Call = Callable[[], object]


def tiled_calls(buffers: Buffers, node: Conv, rows: int) -> list[Call]:
    """What makes so many rows of a convolution that `buffers.plan` has in int16."""
    plan, source = buffers.plan, node.inputs[0]
    x, y = buffers.arrays[source], buffers.arrays[node.name]
    first, to = buffers.first(source, node) - 1, buffers.first(node.name, node)
    frac, grid = plan.graph.tensors[source].type.frac, plan.lines[node.name].grid
    weight = plan.tiles[node.name]
    unit = x.dtype.type(2.0 ** (frac - plan.lines[source].grid))
    constants = np.ldexp(np.stack([np.ones_like(node.bias), node.bias]).astype(y.dtype), grid - frac - node.weight_frac)
    work = buffers.scratch((PARTS, weight.shape[2] + OUT, WIDE), np.int32)
    return [partial(convolve, x, first, unit, weight, constants, plan.margin, work, y, to, rows)]


@cache
def exact() -> bool:
    """Whether this processor's code makes the integers that numpy makes, at the ends of both types too."""
    rng, end = np.random.default_rng(0), (1 << 15) - 1
    # Two products of the ends make an int32's end; the random ones are as many as a wide layer has.
    for channels, limit, alone in ((2, end, True), (1, end, False), (600, 900, False)):
        weight = rng.choice([-limit, limit - 1, limit], (2, PARTS, -(-channels // 2), OUT, 2)).astype(np.int16)
        weight[:, :, channels // 2 :, :, 1] = 0
        x = rng.choice([-limit, limit - 1, limit], (SIDE, SEEN, channels, WIDE + 2)).astype(np.float64)
        if alone:
            # Most of what the products see of a tile is its fifth column in the fifth row, where all else is zero.
            x[:-1], x[:, :4], x[:, 5:], x[..., 0], x[..., 2:] = 0, 0, 0, 0, 0
        y = np.zeros((SIDE, SIDE, 2 * OUT - 1, WIDE + 2))
        work = np.zeros((PARTS, weight.shape[2] + OUT, WIDE), np.int32)
        convolve(x, 0, 1.0, weight, np.ones((2, y.shape[2])), 1, work, y, 0, SIDE)
        if not np.array_equal(y[..., 1:-1], _by_numpy(x, weight)[:, :, : y.shape[2]] + 1):
            return False
    return True


def _by_numpy(x: NDArray, weight: NDArray[np.int16]) -> NDArray:
    """What `convolve` makes of x (4, 6, C, WIDE + 2) before it adds the bias: (4, 4, channels, WIDE)."""
    columns = [x[j % SIDE, :, :, 1 + j // SIDE :][..., :WIDE] for j in range(-1, SEEN - 1)]
    seen = np.einsum("ir,jw,wrct->ijct", B, B, np.array(columns).astype(np.int64)).astype(np.int16)
    kernels = weight.swapaxes(2, 3).reshape(len(weight), PARTS, OUT, -1)[..., : x.shape[2]]
    # No sum leaves what a float64 holds.
    m = kernels.astype(np.float64) @ seen.reshape(PARTS, -1, WIDE)
    by_part = m.astype(np.int64).reshape(-1, SEEN, SEEN, OUT, WIDE)
    made = np.einsum("ki,lj,gijot->lkgot", A, A, by_part, optimize=True).reshape(SIDE, SIDE, -1, WIDE)
    scale = np.multiply.outer(SCALE, SCALE)[..., None, None]
    return (made * INVERSE).astype(np.int32) * (9 / scale)
