"""Integer kernels in numpy, one a node, on whole tensors: what `hwsr.reference.naive` defines, fast enough for a frame.

Tensors are (C, H, W) int64 arrays. Convolutions go through BLAS where the proven bound makes floating point
exact (float32 below 2**24, float64 below 2**53), and through integers otherwise.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.check import align
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    IntArray,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Tensor,
    Upsample,
)


def evaluate(node: Node, inputs: Sequence[IntArray], of: Sequence[Tensor]) -> IntArray:
    """The integers (C, H, W) that `node` makes of its inputs' integers, (C, H, W) each. of: what is known of them.

    Raises HwsrError for a node that is none of the IntGraph's operations.
    """
    match node:
        case Conv():
            return conv(node, inputs[0], of[0].lo, of[0].hi)
        case Scale():
            return scale(inputs[0], node.factor, node.factor_frac)
        case Offset():
            return offset(inputs[0], of[0].type.frac, node.offset, node.offset_frac)
        case Add():
            return add(inputs[0], of[0].type.frac, inputs[1], of[1].type.frac)
        case ChannelMul():
            return inputs[0] * inputs[1]
        case Requantize():
            return requantize(inputs[0], of[0].type.frac, node.type)
        case Rescale():
            return rescale(inputs[0], node)
        case Table():
            return table(inputs[0], of[0].type.lo, node.values)
        case SpatialSum():
            return spatial_sum(inputs[0])
        case PixelShuffle():
            return pixel_shuffle(inputs[0], node.factor)
        case ChannelShuffle():
            return channel_shuffle(inputs[0], node.groups)
        case ChannelSlice():
            return inputs[0][node.start : node.stop]
        case Concat():
            return concat(inputs, [tensor.type.frac for tensor in of])
        case Upsample():
            return upsample(inputs[0], node.factor)
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def exact_dtype(bound: int) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """The fastest dtype whose sums of products are exact while every partial sum stays within `bound`."""
    if bound <= 1 << 24:
        return np.float32
    if bound <= 1 << 53:
        return np.float64
    return np.int64


def accumulator_bound(weight: IntArray, x_lo: int, x_hi: int) -> int:
    """Largest |partial sum| of any channel, in any order of summation: sum |w| * max |x|."""
    reach = max(abs(x_lo), abs(x_hi))
    return int(np.abs(weight).reshape(len(weight), -1).sum(1).max(initial=0)) * reach


def conv(node: Conv, x: IntArray, x_lo: int, x_hi: int) -> IntArray:
    """Convolve x (C_in, H, W), whose values lie in [x_lo, x_hi]. Returns the aligned accumulators (C_out, H, W)."""
    c_out, c_group, kh, kw = node.weight.shape
    _, height, width = x.shape
    dtype = exact_dtype(accumulator_bound(node.weight, x_lo, x_hi))
    # Rows are padded on the right only as far as needed, so that a tap is one flat offset into a channel and
    # each tap is a single matrix product over a view; columns that wrap around are cut off at the end.
    wide = width + kw - 1
    padded = np.zeros((len(x), height + kh, wide), dtype)
    padded[:, kh // 2 : kh // 2 + height, kw // 2 : kw // 2 + width] = x
    flat = padded.reshape(node.groups, c_group, -1)
    weight = node.weight.astype(dtype).reshape(node.groups, c_out // node.groups, c_group, kh, kw)
    total = np.zeros((node.groups, c_out // node.groups, height * wide), dtype)
    for i in range(kh):
        for j in range(kw):
            start = i * wide + j
            total += _product(weight[..., i, j], flat[..., start : start + height * wide])
    acc = total.reshape(c_out, height, wide)[..., :width].astype(np.int64)
    acc += node.bias[:, None, None]
    acc <<= (node.weight_frac.max() - node.weight_frac)[:, None, None]
    return acc


def _product(weight: NDArray, x: NDArray) -> NDArray:
    """(G, O, I) times (G, I, N); a depthwise product needs no matrix."""
    if weight.shape[2] == 1:
        return weight * x
    # Every value is finite, for its bound is proved; BLAS may raise flags of lanes beyond its operands all the same.
    with np.errstate(invalid="ignore", over="ignore"):
        return np.matmul(weight, x)


def scale(x: IntArray, factor: IntArray, factor_frac: IntArray) -> IntArray:
    """Multiply each channel by its constant, all channels on the finest grid."""
    return x * align(factor, factor_frac)[:, None, None]


def offset(x: IntArray, frac: int, constant: IntArray, constant_frac: int) -> IntArray:
    """Add a constant to each channel on the finer of both grids."""
    grid = max(frac, constant_frac)
    return (x << (grid - frac)) + (constant << (grid - constant_frac))[:, None, None]


def add(a: IntArray, frac_a: int, b: IntArray, frac_b: int) -> IntArray:
    """Sum on the finer of both grids."""
    grid = max(frac_a, frac_b)
    return (a << (grid - frac_a)) + (b << (grid - frac_b))


def channel_shuffle(x: IntArray, groups: int) -> IntArray:
    """Channel (g, i) of `groups` groups becomes channel (i, g)."""
    return x.reshape(groups, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def concat(parts: Sequence[IntArray], fracs: Sequence[int]) -> IntArray:
    """The channels of every part on the finest of their grids."""
    return np.concatenate([part << (max(fracs) - frac) for part, frac in zip(parts, fracs, strict=True)])


def requantize(x: IntArray, frac: int, to: QType) -> IntArray:
    """saturate(round_half_even(x * 2**(to.frac - frac)))."""
    shift = frac - to.frac
    if shift > 0:
        # Adding half less one, plus the bit that decides a tie, carries exactly where half-to-even rounds up.
        x = (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift
    elif shift < 0:
        # Saturating first keeps the left shift within 64 bits.
        x = np.clip(x, to.lo >> -shift, -(-to.hi >> -shift)) << -shift
    return np.clip(x, to.lo, to.hi)


def rescale(x: IntArray, node: Rescale) -> IntArray:
    """Multiply by each channel's multiplier, round twice, add the zero point, saturate; x (C, H, W)."""
    multiplier, left, right = (row[:, None, None] for row in (node.multiplier, node.left, node.right))
    high = ((x << left) * multiplier + (1 << 30)) >> 31
    # Half a step, less one below zero, so that ties go away from it; nothing where nothing is shifted out.
    half = (1 << right >> 1) - ((high < 0) & (right > 0))
    return np.clip(((high + half) >> right) + node.zero_point, node.lo, node.hi)


def table(x: IntArray, lo: int, values: IntArray) -> IntArray:
    """Look every integer up: values[x - lo]."""
    return values[x - lo]


def spatial_sum(x: IntArray) -> IntArray:
    """(C, H, W) -> (C, 1, 1)."""
    return x.sum(axis=(1, 2), keepdims=True)


def pixel_shuffle(x: IntArray, s: int) -> IntArray:
    """(C s^2, H, W) -> (C, sH, sW) in torch's channel order."""
    c, height, width = x.shape
    blocks = x.reshape(c // s**2, s, s, height, width)
    return np.ascontiguousarray(blocks.transpose(0, 3, 1, 4, 2)).reshape(c // s**2, height * s, width * s)


def upsample(x: IntArray, s: int) -> IntArray:
    """Nearest neighbour, (C, H, W) -> (C, sH, sW)."""
    return x.repeat(s, axis=1).repeat(s, axis=2)
