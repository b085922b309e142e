"""Runs a plan the way the hardware does: rows stream through all layers, each of which keeps the few lines it needs.

One step brings a few rows of the image and makes as many of every tensor, so that what one layer writes is still in
the cache when the next reads it, and memory does not grow with the image's height. A network with a spatial sum takes
its whole frame in one step.

A tensor's buffer is (rows, taps * C, W): tap j of a line holds the row shifted left by j - taps // 2 pixels. As a
line's taps and the lines of a window lie one behind another, the kh lines that an output row of a convolution sees
are one matrix (kh * taps * C, W), without a copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided
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
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.reference.plan import UPSCALING, Plan

# What one step's rows of the widest tensor fill, in bytes: a part of a core's second-level cache.
STEP_BYTES = 1 << 19
# Widest matrix of a product, in pixels: BLAS is fastest on narrow ones.
COLUMNS = 384

Call = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Buffers:
    """What one run keeps: of every tensor the rows that a step makes, after those that its readers still need."""

    plan: Plan
    shapes: dict[str, tuple[int, int, int]]  # (C, rows a step, W)
    arrays: dict[str, NDArray]

    def first(self, name: str, reader: Node) -> int:
        """Where in a tensor's buffer the rows of `reader`'s step start."""
        lines = self.plan.lines[name]
        late = 0 if isinstance(reader, UPSCALING) else self.plan.lines[reader.name].lag - lines.lag
        return lines.before - late

    def rows(self, name: str, reader: Node) -> NDArray:
        """(rows, C, W) of a tensor at `reader`'s step; the node that makes the tensor reads what it just made."""
        channels, count, _ = self.shapes[name]
        first, middle = self.first(name, reader), self.plan.lines[name].taps // 2 * channels
        return self.arrays[name][first : first + count, middle : middle + channels]


def stream(plan: Plan, image: NDArray[np.integer], dtype: DTypeLike = np.int64) -> NDArray:
    """Run one image (C, H, W) of the input's integers. Returns the output's integers (C, sH, sW) as `dtype`."""
    graph = plan.graph
    _, height, width = image.shape
    buffers = _allocate(plan, height if graph.fixed_frame else _rows_a_step(plan, height, width), width)
    programs = [(node.name, _program(buffers, node), graph.shape(node.name, height, 1)[1]) for node in graph.nodes]
    source, made = buffers.rows(graph.input.name, graph.input), buffers.rows(graph.output.name, graph.output)
    result = np.empty((made.shape[1], height * graph.scale, width * graph.scale), dtype)
    lag = plan.lines[graph.output.name].lag
    for step in range(-(-(result.shape[1] + lag) // len(made))):
        lines = image[:, step * len(source) : (step + 1) * len(source)]
        source[: lines.shape[1]] = lines.swapaxes(0, 1)
        for name, program, total in programs:
            _advance(buffers, name, step, total, program)
        start = step * len(made) - lag
        kept = made[max(-start, 0) : max(result.shape[1] - start, 0)]
        result[:, max(start, 0) : max(start, 0) + len(kept)] = kept.swapaxes(0, 1)
    return result


def _rows_a_step(plan: Plan, height: int, width: int) -> int:
    tensors = plan.graph.tensors
    line = max(tensors[name].channels * tensors[name].upscale ** 2 * lines.taps for name, lines in plan.lines.items())
    return min(max(STEP_BYTES // (4 * line * width), 1), height)


def _allocate(plan: Plan, rows: int, width: int) -> Buffers:
    shapes = {name: plan.graph.shape(name, rows, width) for name in plan.lines}
    arrays = {}
    for name, lines in plan.lines.items():
        channels, count, wide = shapes[name]
        arrays[name] = np.zeros((lines.before + count + lines.after, lines.taps * channels, wide), lines.dtype)
    return Buffers(plan, shapes, arrays)


def _advance(buffers: Buffers, name: str, step: int, total: int, program: list[Call]) -> None:
    """Make a tensor's next rows. A convolution finds zeros above the first and below the last of its `total` rows."""
    lines, buffer, count = buffers.plan.lines[name], buffers.arrays[name], buffers.shapes[name][1]
    if step and lines.before:
        buffer[: lines.before] = buffer[count : count + lines.before]
    start = step * count - lines.lag
    if start + count > 0 and start < total:
        for call in program:
            call()
    if lines.before:
        buffer[lines.before : lines.before + max(-start, 0)] = 0
        buffer[lines.before + max(total - start, 0) :] = 0


def _program(buffers: Buffers, node: Node) -> list[Call]:
    """The calls that make one step's rows of a node's tensor."""
    y = buffers.rows(node.name, node)
    inputs = [buffers.rows(name, node) for name in node.inputs]
    match node:
        case Input():
            calls = []
        case Conv():
            calls = _conv(buffers, node, y)
        case Add() | Concat() | ChannelShuffle() | ChannelSlice() | PixelShuffle() | Upsample():
            calls = _moves(buffers, node, inputs, y)
        case _:
            calls = _pointwise(buffers, node, inputs, y)
    return calls + _shifts(buffers, node.name, y)


def _shifts(buffers: Buffers, name: str, y: NDArray) -> list[Call]:
    """Copy the new rows for every tap but the middle one; what lies beside the image stays zero."""
    lines, (count, channels, width) = buffers.plan.lines[name], y.shape
    taps = buffers.arrays[name][lines.before : lines.before + count].reshape(count, lines.taps, channels, width)
    calls: list[Call] = []
    for tap in range(lines.taps):
        right, left = max(tap - lines.taps // 2, 0), max(lines.taps // 2 - tap, 0)
        if right + left:
            calls.append(partial(np.copyto, taps[:, tap, :, left : width - right], y[..., right : width - left]))
    return calls


def _conv(buffers: Buffers, node: Conv, y: NDArray) -> list[Call]:
    """One matrix product a row and block of columns, or a product a channel where each channel has its own kernels."""
    source, buffer = buffers.plan.lines[node.inputs[0]], buffers.arrays[node.inputs[0]]
    grid, frac = buffers.plan.lines[node.name].grid, buffers.plan.graph.tensors[node.inputs[0]].type.frac
    c_out, c_group, kh, kw = node.weight.shape
    count, _, width = y.shape
    scaled = np.ldexp(node.weight.astype(source.dtype), (grid - source.grid - node.weight_frac)[:, None, None, None])
    taps = np.zeros((c_out, c_group, kh, source.taps), source.dtype)
    margin = (source.taps - kw) // 2
    taps[..., margin : margin + kw] = scaled
    window = buffer[buffers.first(node.inputs[0], node) - kh // 2 :]
    line, row, item = window.strides
    calls: list[Call] = []
    if c_group == 1:
        kernels = taps.reshape(node.groups, -1, kh * source.taps)
        shape = (count, node.groups, kernels.shape[2], width)
        seen = as_strided(window, shape, (line, row, node.groups * row, item))
        calls.append(partial(np.matmul, kernels, seen, out=y.reshape(count, node.groups, -1, width)))
    else:
        matrix = _matrix(taps, node.groups)
        seen = as_strided(window, (count, matrix.shape[1], width), window.strides)
        for block in np.array_split(np.arange(width), -(-width // COLUMNS)):
            columns = slice(block[0], block[-1] + 1)
            calls.append(partial(np.matmul, matrix, seen[..., columns], out=y[..., columns]))
    if node.bias.any():
        bias = np.ldexp(node.bias.astype(y.dtype), grid - frac - node.weight_frac)
        calls.append(partial(np.add, y, np.repeat(bias[:, None], width, axis=1), out=y))
    return calls


def _matrix(taps: NDArray, groups: int) -> NDArray:
    """(C_out, C_in / groups, kh, taps) -> (C_out, kh * taps * C_in), zero where a channel is of another group."""
    c_out, c_group, kh, kw = taps.shape
    matrix = np.zeros((groups, c_out // groups, kh, kw, groups, c_group), taps.dtype)
    for group in range(groups):
        matrix[group, ..., group, :] = taps.reshape(groups, -1, c_group, kh, kw)[group].transpose(0, 2, 3, 1)
    return matrix.reshape(c_out, -1)


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
            return [partial(np.multiply, x, inputs[1], out=y)]
        case SpatialSum():
            return [partial(np.sum, x, axis=(0, 2), keepdims=True, dtype=y.dtype, out=y)]
        case Table():
            return [partial(_look_up, x, 2.0 ** (of.type.frac - given), of.type.lo, node.values.astype(y.dtype), y)]
        case Requantize():
            calls: list[Call] = []
            if given != grid:
                calls.append(partial(np.multiply, x, 2.0 ** (grid - given), out=y))
            if of.type.frac > grid:
                calls.append(partial(np.rint, y if calls else x, out=y))
            return [*calls, partial(np.clip, y if calls else x, node.type.lo, node.type.hi, out=y)]
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def _look_up(x: NDArray, scale: float, lo: int, values: NDArray, y: NDArray) -> None:
    indices: IntArray = (x * scale).astype(np.int64) - lo
    np.take(values, indices, mode="clip", out=y)


def _moves(buffers: Buffers, node: Node, inputs: list[NDArray], y: NDArray) -> list[Call]:
    """Sums, and nodes that only move values; each operand is put on the result's grid on its way."""
    grid = buffers.plan.lines[node.name].grid
    ups = [2.0 ** (grid - buffers.plan.lines[name].grid) for name in node.inputs]
    x = inputs[0]
    count, channels, width = x.shape
    match node:
        case Add():
            a, b = sorted(zip(ups, inputs, strict=True), key=lambda operand: operand[0] == 1)
            aligned: list[Call] = [partial(np.multiply, a[1], a[0], out=y)] if a[0] != 1 else []
            return [*aligned, partial(np.add, y if aligned else a[1], b[1], out=y)]
        case Concat():
            ends = np.cumsum([part.shape[1] for part in inputs])
            places = [y[:, end - part.shape[1] : end] for part, end in zip(inputs, ends, strict=True)]
            return [partial(np.multiply, *each) for each in zip(inputs, ups, places, strict=True)]
        case ChannelSlice():
            return [partial(np.copyto, y, x[:, node.start : node.stop])]
        case ChannelShuffle():
            split = x.reshape(count, node.groups, -1, width).swapaxes(1, 2)
            return [partial(np.copyto, y.reshape(split.shape), split)]
        case PixelShuffle():
            s = node.factor
            blocks = x.reshape(count, channels // s**2, s, s, width).transpose(0, 2, 1, 4, 3)
            return [partial(np.copyto, y.reshape(blocks.shape), blocks)]
        case Upsample():
            s = node.factor
            return [partial(np.copyto, y.reshape(count, s, channels, width, s), x[:, None, :, :, None])]
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")
