"""The definition of every node: one output integer at a time, in Python's unbounded integers, as plain as it gets."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from hwsr.errors import HwsrError
from hwsr.ir.affine import rescaled
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
    made = np.empty(_shape(node, inputs), np.int64)
    for c, y, x in np.ndindex(made.shape):
        made[c, y, x] = _value(node, inputs, of, c, y, x)
    return made


def _shape(node: Node, inputs: Sequence[IntArray]) -> tuple[int, int, int]:
    channels, height, width = inputs[0].shape
    match node:
        case Conv():
            return len(node.weight), height, width
        case SpatialSum():
            return channels, 1, 1
        case PixelShuffle():
            return channels // node.factor**2, height * node.factor, width * node.factor
        case ChannelSlice():
            return node.stop - node.start, height, width
        case Concat():
            return sum(len(part) for part in inputs), height, width
        case Upsample():
            return channels, height * node.factor, width * node.factor
    return channels, height, width


def _value(node: Node, inputs: Sequence[IntArray], of: Sequence[Tensor], c: int, y: int, x: int) -> int:
    """The output integer of channel c at row y, column x."""
    first = inputs[0]
    frac = of[0].type.frac
    match node:
        case Conv():
            return _conv(node, first, c, y, x)
        case Scale():
            return int(first[c, y, x]) * int(node.factor[c]) << int(node.factor_frac.max() - node.factor_frac[c])
        case Offset():
            grid = max(frac, node.offset_frac)
            return (int(first[c, y, x]) << (grid - frac)) + (int(node.offset[c]) << (grid - node.offset_frac))
        case Add():
            grid = max(tensor.type.frac for tensor in of)
            return sum(int(q[c, y, x]) << (grid - tensor.type.frac) for q, tensor in zip(inputs, of, strict=True))
        case ChannelMul():
            return int(first[c, y, x]) * int(inputs[1][c, 0, 0])
        case Requantize():
            return requantized(int(first[c, y, x]), frac, node.type)
        case Rescale():
            q = rescaled(int(first[c, y, x]), *(int(row[c]) for row in (node.multiplier, node.left, node.right)))
            return min(max(q + node.zero_point, node.lo), node.hi)
        case Table():
            return int(node.values[int(first[c, y, x]) - of[0].type.lo])
        case SpatialSum():
            return sum(int(q) for q in first[c].flat)
        case PixelShuffle():
            s = node.factor
            return int(first[c * s * s + y % s * s + x % s, y // s, x // s])
        case ChannelShuffle():
            return int(first[c % node.groups * (len(first) // node.groups) + c // node.groups, y, x])
        case ChannelSlice():
            return int(first[node.start + c, y, x])
        case Concat():
            grid = max(tensor.type.frac for tensor in of)
            rows = [(q[y, x], tensor) for part, tensor in zip(inputs, of, strict=True) for q in part]
            return int(rows[c][0]) << (grid - rows[c][1].type.frac)
        case Upsample():
            return int(first[c, y // node.factor, x // node.factor])
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def _conv(node: Conv, q: IntArray, o: int, y: int, x: int) -> int:
    """Bias plus every tap that lies inside the image, on the finest grid of the channels."""
    c_out, c_group, kh, kw = node.weight.shape
    base = o // (c_out // node.groups) * c_group
    total = int(node.bias[o])
    for c in range(c_group):
        for i in range(kh):
            for j in range(kw):
                row, column = y + i - kh // 2, x + j - kw // 2
                if 0 <= row < q.shape[1] and 0 <= column < q.shape[2]:
                    total += int(node.weight[o, c, i, j]) * int(q[base + c, row, column])
    return total << int(node.weight_frac.max() - node.weight_frac[o])


def requantized(q: int, frac: int, to: QType) -> int:
    """saturate(round_half_even(q * 2**(to.frac - frac))) of one integer."""
    return min(max(round(Fraction(q) * Fraction(2) ** (to.frac - frac)), to.lo), to.hi)
