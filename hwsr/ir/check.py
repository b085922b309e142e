"""Checks an IntGraph and proves the range of every tensor, so that no accumulator can overflow."""

from collections.abc import Sequence
from dataclasses import replace
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
    Input,
    IntArray,
    IntGraph,
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

# numpy's int64 holds every intermediate below these: the width of an accumulator, the shift between two grids.
MAX_BITS = 62
MAX_SHIFT = 62
# No grid of an image network is finer or coarser than 2**-MAX_FRAC or 2**MAX_FRAC.
MAX_FRAC = 1000


def make_graph(nodes: Sequence[Node], frame: tuple[int, int]) -> IntGraph:
    """Check `nodes` (topological order, the input first, the output last) and prove a type for every tensor.

    frame: (H, W) in pixels, the input's size that spatial sums are taken over and hardware is built for.
    Raises HwsrError naming the node that does not fit and why.
    """
    if not nodes or not isinstance(nodes[0], Input):
        raise HwsrError("a graph starts with its input; this one does not")
    tensors: dict[str, Tensor] = {}
    consumers: dict[str, tuple[Node, ...]] = {}
    for node in nodes:
        if node.name in tensors:
            raise HwsrError(f"node '{node.name}': two nodes carry this name")
        unknown = [name for name in node.inputs if name not in tensors]
        if unknown:
            raise HwsrError(f"node '{node.name}': reads '{unknown[0]}', which no earlier node makes")
        tensors[node.name] = infer(node, [tensors[name] for name in node.inputs], frame)
        consumers[node.name] = ()
        for name in node.inputs:
            consumers[name] = (*consumers[name], node)
    unused = [node.name for node in nodes[:-1] if not consumers[node.name]]
    if unused:
        raise HwsrError(f"node '{unused[0]}': nothing reads its output; remove it from the network")
    return IntGraph(tuple(nodes), tensors, frame, consumers)


def round_half_even(q: int, shift: int) -> int:
    """q * 2**-shift rounded to the nearest integer, ties to even (shift may be negative)."""
    return round(Fraction(q) / Fraction(2) ** shift)


def infer(node: Node, inputs: list[Tensor], frame: tuple[int, int]) -> Tensor:
    """Type, proven range and shape of the tensor that `node` makes of `inputs`. Raises HwsrError naming the node."""
    _check_grids(node, inputs)
    match node:
        case Input():
            return Tensor(node.type, node.type.lo, node.type.hi, node.channels)
        case Conv():
            return _infer_conv(node, inputs[0])
        case Scale():
            _fits(node, node.factor, node.factor_bits)
            _per_channel(node, inputs[0], node.factor, node.factor_frac)
            shifts = node.factor_frac.max() - node.factor_frac
            shifted = [int(f) << int(s) for f, s in zip(node.factor, shifts, strict=True)]
            ends = [f * end for f in shifted for end in (inputs[0].lo, inputs[0].hi)]
            return _ranged(node, inputs[0], ends, inputs[0].type.frac + int(node.factor_frac.max()))
        case Offset():
            _per_channel(node, inputs[0], node.offset)
            frac = max(inputs[0].type.frac, node.offset_frac)
            up, up_offset = frac - inputs[0].type.frac, frac - node.offset_frac
            ends = [
                (end << up) + (int(offset) << up_offset)
                for offset in node.offset
                for end in (inputs[0].lo, inputs[0].hi)
            ]
            return _ranged(node, inputs[0], ends, frac)
        case Add():
            return _infer_add(node, *inputs)
        case ChannelMul():
            return _infer_channel_mul(node, *inputs)
        case Requantize():
            shift = inputs[0].type.frac - node.type.frac
            lo, hi = (
                min(max(round_half_even(end, shift), node.type.lo), node.type.hi)
                for end in (inputs[0].lo, inputs[0].hi)
            )
            return replace(inputs[0], type=node.type, lo=lo, hi=hi)
        case Rescale():
            return _infer_rescale(node, inputs[0])
        case Table():
            if len(node.values) != 1 << inputs[0].type.bits:
                raise HwsrError(f"node '{node.name}': a table of {1 << inputs[0].type.bits} values is needed")
            if node.values.min() < node.type.lo or node.values.max() > node.type.hi:
                raise HwsrError(f"node '{node.name}': the table's values do not fit {node.type}")
            return replace(inputs[0], type=node.type, lo=int(node.values.min()), hi=int(node.values.max()))
        case SpatialSum():
            count = frame[0] * frame[1] * inputs[0].upscale ** 2
            pooled = replace(inputs[0], pooled=True, upscale=1)
            return _ranged(node, pooled, [inputs[0].lo * count, inputs[0].hi * count], inputs[0].type.frac)
        case PixelShuffle():
            if node.factor < 1 or inputs[0].pooled or inputs[0].channels % node.factor**2:
                raise HwsrError(f"node '{node.name}': {inputs[0].channels} channels do not shuffle by {node.factor}")
            channels = inputs[0].channels // node.factor**2
            return replace(inputs[0], channels=channels, upscale=inputs[0].upscale * node.factor)
        case ChannelShuffle():
            if node.groups < 1 or inputs[0].channels % node.groups:
                raise HwsrError(f"node '{node.name}': {inputs[0].channels} channels do not fit {node.groups} groups")
            return inputs[0]
        case ChannelSlice():
            if not 0 <= node.start < node.stop <= inputs[0].channels:
                wanted = f"channels {node.start} to {node.stop}"
                raise HwsrError(f"node '{node.name}': takes {wanted} of {inputs[0].channels}")
            return replace(inputs[0], channels=node.stop - node.start)
        case Concat():
            return _infer_concat(node, inputs)
        case Upsample():
            if node.factor < 1 or inputs[0].pooled:
                raise HwsrError(f"node '{node.name}': upsamples by {node.factor}; it takes a whole number and an image")
            return replace(inputs[0], upscale=inputs[0].upscale * node.factor)
    raise HwsrError(f"node '{node.name}': {type(node).__name__} is not an IntGraph operation")


def _check_grids(node: Node, inputs: list[Tensor]) -> None:
    """Raise where a shift from one grid to another would leave int64."""
    grids = [tensor.type.frac for tensor in inputs]
    match node:
        case Conv():
            grids = list(map(int, node.weight_frac))
        case Scale():
            grids = list(map(int, node.factor_frac))
        case Offset():
            grids.append(node.offset_frac)
        case Requantize():
            grids.append(node.type.frac)
    if grids and (max(grids) - min(grids) > MAX_SHIFT or max(map(abs, grids)) > MAX_FRAC):
        raise HwsrError(f"node '{node.name}': its scales lie too far apart (2^-{max(grids)} to 2^-{min(grids)})")


def align(values: IntArray, frac: IntArray) -> IntArray:
    """Integers on grids 2**-frac[c] -> the same values on the finest of those grids."""
    return values << (frac.max() - frac)


def _infer_conv(node: Conv, x: Tensor) -> Tensor:
    c_out, c_group, kh, kw = node.weight.shape
    if c_out < 1:
        raise HwsrError(f"node '{node.name}': has no output channel")
    if kh % 2 == 0 or kw % 2 == 0:
        raise HwsrError(f"node '{node.name}': kernel {kh}x{kw} is even; only odd kernels keep the size")
    if node.groups < 1 or c_group * node.groups != x.channels or c_out % node.groups:
        raise HwsrError(f"node '{node.name}': {x.channels} -> {c_out} channels do not fit {node.groups} groups")
    _fits(node, node.weight, node.weight_bits)
    if node.bias.shape != (c_out,) or node.weight_frac.shape != (c_out,):
        raise HwsrError(f"node '{node.name}': bias and weight scales must be one a channel")
    flat = node.weight.reshape(c_out, -1)
    positive, negative = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
    # Padding puts zeros among the inputs, so the range of what a weight sees holds zero.
    x_lo, x_hi = min(x.lo, 0), max(x.hi, 0)
    rows = [
        (int(p), int(n), int(b), int(s))
        for p, n, b, s in zip(positive, negative, node.bias, node.weight_frac.max() - node.weight_frac, strict=True)
    ]
    lo = [(p * x_lo + n * x_hi + b) << s for p, n, b, s in rows]
    hi = [(p * x_hi + n * x_lo + b) << s for p, n, b, s in rows]
    radius = x.radius if x.pooled else x.radius + max(kh // 2, kw // 2) / x.upscale
    shaped = replace(x, channels=c_out, radius=radius)
    return _ranged(node, shaped, lo + hi, x.type.frac + int(node.weight_frac.max()))


def _infer_add(node: Add, a: Tensor, b: Tensor) -> Tensor:
    if (a.channels, a.upscale, a.pooled) != (b.channels, b.upscale, b.pooled):
        raise HwsrError(f"node '{node.name}': adds two tensors of different shapes")
    frac = max(a.type.frac, b.type.frac)
    up_a, up_b = frac - a.type.frac, frac - b.type.frac
    ends = [(a.lo << up_a) + (b.lo << up_b), (a.hi << up_a) + (b.hi << up_b)]
    return _ranged(node, replace(a, radius=max(a.radius, b.radius)), ends, frac)


def _infer_concat(node: Concat, inputs: list[Tensor]) -> Tensor:
    if len({(x.upscale, x.pooled) for x in inputs}) != 1:
        raise HwsrError(f"node '{node.name}': joins tensors of different sizes")
    frac = max(x.type.frac for x in inputs)
    ends = [end << (frac - x.type.frac) for x in inputs for end in (x.lo, x.hi)]
    joined = replace(inputs[0], channels=sum(x.channels for x in inputs), radius=max(x.radius for x in inputs))
    return _ranged(node, joined, ends, frac)


def _infer_channel_mul(node: ChannelMul, x: Tensor, attention: Tensor) -> Tensor:
    if x.pooled or not attention.pooled or x.channels != attention.channels:
        raise HwsrError(f"node '{node.name}': needs a (C, H, W) tensor and a (C, 1, 1) map of as many channels")
    ends = [p * q for p in (x.lo, x.hi) for q in (attention.lo, attention.hi)]
    return _ranged(node, x, ends, x.type.frac + attention.type.frac)


# What LiteRT's kernels compute in.
_INT32 = QType(32, True, 0)


def _infer_rescale(node: Rescale, x: Tensor) -> Tensor:
    _per_channel(node, x, node.multiplier, node.left, node.right)
    constants = [
        (int(m), int(up), int(down)) for m, up, down in zip(node.multiplier, node.left, node.right, strict=True)
    ]
    if not all(0 <= m <= _INT32.hi and 0 <= up < 32 and 0 <= down < 32 for m, up, down in constants):
        raise HwsrError(f"node '{node.name}': its multipliers are no 31-bit integers, or its shifts not below 32")
    if node.type.bits > 32 or not node.type.lo <= node.lo <= node.zero_point <= node.hi <= node.type.hi:
        limits = f"[{node.lo}, {node.hi}]"
        raise HwsrError(f"node '{node.name}': zero point {node.zero_point}, {limits} and {node.type} do not fit")
    up = max(int(node.left.max()), 0)
    if x.lo << up < _INT32.lo or x.hi << up > _INT32.hi:
        raise HwsrError(f"node '{node.name}': its accumulator needs more than the 32 bits of affine arithmetic")
    ends = [rescaled(end, *row) + node.zero_point for row in constants for end in (x.lo, x.hi)]
    made = [min(max(end, node.lo), node.hi) for end in ends]
    return replace(x, type=node.type, lo=min(made), hi=max(made))


def check_image_network(graph: IntGraph) -> None:
    """Raise HwsrError unless the network takes and makes 8-bit RGB images, or luma alone, pixel q as q / 256."""
    pixels, channels = QType(8, False, 8), graph.input.channels
    for name in (graph.input.name, graph.output.name):
        made = graph.tensors[name]
        if made.type != pixels or made.channels not in (1, 3) or made.channels != channels or made.pooled:
            wanted = f"an image has 3 of {pixels}, or 1 (luma), as many out as in"
            raise HwsrError(f"node '{name}': makes {made.channels} channels of {made.type}; {wanted}")


def _ranged(node: Node, like: Tensor, ends: list[int], frac: int) -> Tensor:
    lo, hi = min(ends), max(ends)
    qtype = QType.holding(lo, hi, frac)
    if qtype.bits > MAX_BITS:
        raise HwsrError(
            f"node '{node.name}': its accumulator needs {qtype.bits} bits, {MAX_BITS} are supported; "
            "the scales of its channels lie too far apart"
        )
    return replace(like, type=qtype, lo=lo, hi=hi)


def _fits(node: Node, values: IntArray, bits: int) -> None:
    """Raise unless every value is a two's complement integer of `bits` bits."""
    allowed = QType(bits, True, 0)
    if values.size and (values.min() < allowed.lo or values.max() > allowed.hi):
        raise HwsrError(f"node '{node.name}': its constants do not fit the {bits} bits they declare")


def _per_channel(node: Node, x: Tensor, *constants: IntArray) -> None:
    if any(constant.shape != (x.channels,) for constant in constants):
        raise HwsrError(f"node '{node.name}': its constants are not one a channel ({x.channels})")
