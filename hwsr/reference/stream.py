"""Runs a plan the way the hardware does: rows stream through all layers, each of which keeps the few lines it needs.

One step brings a few rows of the image and makes as many of every tensor, so that what one layer writes is still in
the cache when the next reads it, and memory does not grow with the image's height. A network with a spatial sum takes
its whole frame in one step.

Buffers are as `hwsr.reference.buffers` has them; `hwsr.reference.products` does the convolutions.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    IntArray,
    Node,
    Offset,
    PixelShuffle,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.reference.buffers import Buffers, allocate
from hwsr.reference.plan import Plan
from hwsr.reference.products import conv_calls
from hwsr.reference.rescale import rescale_calls
from hwsr.reference.winograd import SIDE

# What one step's rows of the widest tensor fill, in bytes: a part of a core's second-level cache.
STEP_BYTES = 1 << 18

Call = Callable[[], object]


# Every value is finite, for its bound is proved; BLAS may raise flags of lanes beyond its operands all the same.
@np.errstate(invalid="ignore", over="ignore")
def stream(plan: Plan, image: NDArray[np.integer], dtype: DTypeLike = np.int64) -> NDArray:
    """Run one image (C, H, W) of the input's integers. Returns the output's integers (C, sH, sW) as `dtype`."""
    graph = plan.graph
    _, height, width = image.shape
    buffers = allocate(plan, height if graph.fixed_frame else _rows_a_step(plan, height, width), width)
    rows = {node.name: graph.shape(node.name, height, 1)[1] for node in graph.nodes}
    programs = [(node.name, _program(buffers, node, image), rows[node.name]) for node in graph.nodes]
    made = buffers.columns(buffers.rows(graph.output.name, graph.output))
    result = np.empty((made.shape[2], height * graph.scale, width * graph.scale), dtype)
    lag, written = plan.lines[graph.output.name].lag, made.shape[1]
    for step in range(-(-(result.shape[1] + lag) // written)):
        for name, program, total in programs:
            _advance(buffers, name, step, total, program)
        start = step * written - lag
        inside = slice(max(-start, 0), max(result.shape[1] - start, 0))
        for phase, kept in enumerate(made[:, inside]):
            target = result[:, max(start, 0) : max(start, 0) + len(kept), phase :: plan.phases]
            target[:] = kept[..., : target.shape[2]].swapaxes(0, 1)
    return result


def _rows_a_step(plan: Plan, height: int, width: int) -> int:
    tensors = plan.graph.tensors
    line = max(tensors[name].channels * tensors[name].upscale ** 2 for name in plan.lines)
    rows = min(max(STEP_BYTES // (4 * line * width), 1), height)
    return -(-rows // SIDE) * SIDE if plan.tiles else rows


def _advance(buffers: Buffers, name: str, step: int, total: int, program: list[Call]) -> None:
    """Make a tensor's next rows. A convolution finds zeros above the first and below the last of its `total` rows."""
    lines, buffer, count = buffers.plan.lines[name], buffers.arrays[name], buffers.shapes[name][1]
    if step and lines.before:
        buffer[:, : lines.before] = buffer[:, count : count + lines.before]
    start = step * count - lines.lag
    if start + count > 0 and start < total:
        for call in program:
            call()
    if lines.before:
        buffer[:, lines.before : lines.before + max(-start, 0)] = 0
        buffer[:, lines.before + max(total - start, 0) :] = 0


def _program(buffers: Buffers, node: Node, image: NDArray[np.integer]) -> list[Call]:
    """The calls that make one step's rows of a node's tensor."""
    y = buffers.rows(node.name, node)
    inputs = [buffers.rows(name, node) for name in node.inputs]
    match node:
        case Input():
            count = y.shape[1]
            blocks = (image[:, top : top + count].swapaxes(0, 1) for top in range(0, image.shape[1], count))
            calls: list[Call] = [partial(_read, blocks, buffers.columns(y))]
        case Conv():
            calls = conv_calls(buffers, node, y)
        case Add() | Concat() | ChannelShuffle() | ChannelSlice() | PixelShuffle() | Upsample():
            calls = _moves(buffers, node, inputs, y)
        case _:
            calls = _pointwise(buffers, node, inputs, y)
    if buffers.plan.lines[node.name].margin:
        calls += _margins(buffers, node.name, y)
    return calls


def _read(blocks: Iterator[NDArray], y: NDArray) -> None:
    """The image's next rows (rows, C, W) into y (phases, rows, C, columns)."""
    rows = next(blocks)
    for phase, place in enumerate(y):
        taken = rows[..., phase :: len(y)]
        place[: len(rows), :, : taken.shape[2]] = taken


def _margins(buffers: Buffers, name: str, y: NDArray) -> list[Call]:
    """Zeros beside the image, for convolutions that look there."""
    margin, inside = buffers.plan.margin, [buffers.inside(name, phase) for phase in range(buffers.plan.phases)]
    ends = [y[phase, ..., margin + count :] for phase, count in enumerate(inside)]
    if len(set(inside)) == 1:
        ends = [y[..., margin + inside[0] :]]
    return [partial(side.fill, 0) for side in (y[..., :margin], *ends)]


def _pointwise(buffers: Buffers, node: Node, inputs: list[NDArray], y: NDArray) -> list[Call]:
    """Nodes that compute with single values."""
    lines, of, x = buffers.plan.lines, buffers.plan.graph.tensors[node.inputs[0]], inputs[0]
    grid, given = lines[node.name].grid, lines[node.inputs[0]].grid
    match node:
        case Scale():
            factor = np.ldexp(node.factor.astype(y.dtype), grid - given - node.factor_frac)
            return [partial(np.multiply, x, factor[:, None], out=y)]
        case Offset():
            offset = np.ldexp(node.offset.astype(y.dtype), grid - node.offset_frac)
            return [partial(np.add, x, offset[:, None], out=y)]
        case ChannelMul():
            return [partial(np.multiply, x, buffers.columns(inputs[1]), out=y)]
        case SpatialSum():
            of_frame, total = buffers.columns(x), buffers.columns(y)
            return [partial(np.sum, of_frame, axis=(1, 3), keepdims=True, dtype=y.dtype, out=total)]
        case Table():
            return [partial(_look_up, x, 2.0 ** (of.type.frac - given), of.type.lo, node.values.astype(y.dtype), y)]
        case Rescale():
            reach = max(abs(of.lo), abs(of.hi))
            return rescale_calls(node, x, 2.0 ** (of.type.frac - given), reach, y, buffers.scratch)
        case Requantize():
            return _requantized(buffers, node, x, 2.0 ** (grid - given), of.type.frac > grid, y)
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def _requantized(buffers: Buffers, node: Requantize, x: NDArray, up: float, rounds: bool, y: NDArray) -> list[Call]:
    """x * up, rounded where anything is to be rounded off, and saturated."""
    # Of Python's integers numpy looks at each anew.
    factor, lo, hi = x.dtype.type(up), y.dtype.type(node.type.lo), y.dtype.type(node.type.hi)
    if buffers.plan.tiles:
        # Late, as numba is imported for networks of such convolutions only.
        from hwsr.reference.passes import requantize

        rows = zip(x.reshape(len(x), -1), y.reshape(len(y), -1), strict=True)
        return [partial(requantize, seen, factor, lo, hi, made) for seen, made in rows]
    calls: list[Call] = []
    if up != 1:
        # What is to be rounded off must not be rounded to a shorter float before.
        aligned = y if x.dtype == y.dtype else buffers.scratch(x.shape, x.dtype)
        calls.append(partial(np.multiply, x, factor, out=aligned))
        x = aligned
    if rounds:
        calls.append(partial(np.rint, x, out=y))
        x = y
    return [*calls, partial(np.clip, x, lo, hi, out=y)]


def _look_up(x: NDArray, scale: float, lo: int, values: NDArray, y: NDArray) -> None:
    indices: IntArray = (x * scale).astype(np.int64) - lo
    np.take(values, indices, mode="clip", out=y)


def _moves(buffers: Buffers, node: Node, inputs: list[NDArray], y: NDArray) -> list[Call]:
    """Sums, and nodes that only move values; each operand is put on the result's grid on its way."""
    grid = buffers.plan.lines[node.name].grid
    ups = [2.0 ** (grid - buffers.plan.lines[name].grid) for name in node.inputs]
    x = inputs[0]
    phases, count, _, width = x.shape
    match node:
        case Add():
            a, b = sorted(zip(ups, inputs, strict=True), key=lambda operand: operand[0] == 1)
            aligned: list[Call] = [partial(np.multiply, a[1], a[0], out=y)] if a[0] != 1 else []
            return [*aligned, partial(np.add, y if aligned else a[1], b[1], out=y)]
        case Concat():
            ends = np.cumsum([part.shape[2] for part in inputs])
            places = [y[:, :, end - part.shape[2] : end] for part, end in zip(inputs, ends, strict=True)]
            return [partial(np.multiply, *each) for each in zip(inputs, ups, places, strict=True)]
        case ChannelSlice():
            return [partial(np.copyto, y, x[:, :, node.start : node.stop])]
        case ChannelShuffle():
            split = x.reshape(phases, count, node.groups, -1, width).swapaxes(2, 3)
            return [partial(np.copyto, y.reshape(split.shape), split)]
        case PixelShuffle() | Upsample():
            return _upscaled(buffers, node, buffers.columns(x), buffers.columns(y))
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def _upscaled(buffers: Buffers, node: PixelShuffle | Upsample, x: NDArray, y: NDArray) -> list[Call]:
    """Columns x (phases, rows, C, columns) into y, larger by a factor.

    A copy for each part of an upscaled pixel: a loop over pixels is faster than one over the parts of a pixel.
    """
    s, phases, count = node.factor, len(x), x.shape[1]
    to = y.reshape(phases, count, s, *y.shape[2:])
    calls: list[Call] = []
    for phase in range(phases):
        inside = buffers.inside(node.inputs[0], phase)
        for j in range(s):
            first, target = divmod(s * phase + j, phases)
            place = to[target, ..., first : first + s * inside : s]
            if isinstance(node, PixelShuffle):
                blocks = x[phase].reshape(count, -1, s, s, x.shape[3])
                values = blocks[:, :, :, j, :inside].swapaxes(1, 2)
            else:
                values = x[phase, :, None, :, :inside]
            calls.append(partial(np.copyto, place, values))
    return calls
