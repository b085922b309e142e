"""Runs a plan the way the hardware does: rows stream through all layers, each of which keeps the few lines it needs.

One step brings a few rows of the image and makes as many of every tensor, so that what one layer writes is still in
the cache when the next reads it, and memory does not grow with the image's height. A network with a spatial sum takes
its whole frame in one step.

A tensor's buffer is (rows, C, margin + W + margin). As its rows lie one behind another, the kh rows that an output
row of a convolution sees are one matrix (kh * C, W) at each of kw places, without a copy.
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
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.reference.plan import UPSCALING, Plan
from hwsr.reference.rescale import rescale_calls

# What one step's rows of the widest tensor fill, in bytes: a part of a core's second-level cache.
STEP_BYTES = 3 << 16
# Widest matrix of a product, in pixels: BLAS is fastest on narrow ones.
COLUMNS = 640

Call = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Buffers:
    """What one run keeps: of every tensor the rows that a step makes, after those that its readers still need."""

    plan: Plan
    shapes: dict[str, tuple[int, int, int]]  # (C, rows a step, W)
    arrays: dict[str, NDArray]
    products: dict[str, NDArray]  # where a convolution's next product goes before it is added

    def first(self, name: str, reader: Node) -> int:
        """Where in a tensor's buffer the rows of `reader`'s step start."""
        lines = self.plan.lines[name]
        late = 0 if isinstance(reader, UPSCALING) else self.plan.lines[reader.name].lag - lines.lag
        return lines.before - late

    def rows(self, name: str, reader: Node) -> NDArray:
        """(rows, C, W with margins) of a tensor at `reader`'s step; its maker is at the rows that it makes."""
        first = self.first(name, reader)
        return self.arrays[name][first : first + self.shapes[name][1]]

    def inner(self, rows: NDArray) -> NDArray:
        """Rows without their margins."""
        return rows[..., self.plan.margin : rows.shape[-1] - self.plan.margin]


# Every value is finite, for its bound is proved; BLAS may raise flags of lanes beyond its operands all the same.
@np.errstate(invalid="ignore", over="ignore")
def stream(plan: Plan, image: NDArray[np.integer], dtype: DTypeLike = np.int64) -> NDArray:
    """Run one image (C, H, W) of the input's integers. Returns the output's integers (C, sH, sW) as `dtype`."""
    graph = plan.graph
    _, height, width = image.shape
    buffers = _allocate(plan, height if graph.fixed_frame else _rows_a_step(plan, height, width), width)
    programs = [(node.name, _program(buffers, node), graph.shape(node.name, height, 1)[1]) for node in graph.nodes]
    source, made = (buffers.inner(buffers.rows(node.name, node)) for node in (graph.input, graph.output))
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
    line = max(tensors[name].channels * tensors[name].upscale ** 2 for name in plan.lines)
    return min(max(STEP_BYTES // (4 * line * width), 1), height)


def _allocate(plan: Plan, rows: int, width: int) -> Buffers:
    """Tensors that no later step reads share memory, as soon as their last reader in a step is done."""
    graph = plan.graph
    buffers = Buffers(plan, {name: graph.shape(name, rows, width) for name in plan.lines}, {}, {})
    free: dict[tuple[object, ...], list[NDArray]] = {}

    def take(name: str) -> NDArray:
        lines, (channels, count, wide) = plan.lines[name], buffers.shapes[name]
        shape = (lines.before + count + lines.after, channels, wide + 2 * plan.margin)
        spare = free.get((shape, lines.dtype), [])
        return spare.pop() if spare and not lines.before else np.zeros(shape, lines.dtype)

    def give(array: NDArray) -> None:
        free.setdefault((array.shape, array.dtype.type), []).append(array)

    last_readers = {name: node for node in graph.nodes for name in node.inputs}
    for node in graph.nodes:
        array = buffers.arrays[node.name] = take(node.name)
        if isinstance(node, Conv):
            buffers.products[node.name] = np.zeros_like(array)
        for name in set(node.inputs):
            if last_readers[name] is node and not plan.lines[name].before:
                give(buffers.arrays[name])
    return buffers


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
            calls: list[Call] = []
        case Conv():
            calls = _conv(buffers, node, y)
        case Add() | Concat() | ChannelShuffle() | ChannelSlice() | PixelShuffle() | Upsample():
            calls = _moves(buffers, node, inputs, y)
        case _:
            calls = _pointwise(buffers, node, inputs, y)
    if buffers.plan.lines[node.name].margin:
        margin = buffers.plan.margin
        calls += [partial(side.fill, 0) for side in (y[..., :margin], y[..., y.shape[-1] - margin :])]
    return calls


def _conv(buffers: Buffers, node: Conv, y: NDArray) -> list[Call]:
    """A matrix product for each row, column of the kernel and block of columns, added up."""
    plan, source = buffers.plan, buffers.plan.lines[node.inputs[0]]
    grid, frac = plan.lines[node.name].grid, plan.graph.tensors[node.inputs[0]].type.frac
    weight = np.ldexp(node.weight.astype(source.dtype), (grid - source.grid - node.weight_frac)[:, None, None, None])
    kh, kw = weight.shape[2:]
    first = buffers.first(node.inputs[0], node) - kh // 2
    window = buffers.arrays[node.inputs[0]][first : first + len(y) + kh - 1]
    product = buffers.products[node.name][: len(y)]
    calls: list[Call] = []
    for j in range(kw):
        left = plan.margin + j - kw // 2
        seen = window[..., left : left + buffers.shapes[node.name][2]]
        out = y if j == 0 else product
        calls += _products(weight[..., j], node.groups, seen, buffers.inner(out))
        if j:
            calls.append(partial(np.add, y, product, out=y))
    if node.bias.any():
        bias = np.ldexp(node.bias.astype(y.dtype), grid - frac - node.weight_frac)
        calls.append(partial(np.add, y, np.repeat(bias[:, None], y.shape[2], axis=1), out=y))
    return calls


def _products(weight: NDArray, groups: int, seen: NDArray, out: NDArray) -> list[Call]:
    """(C_out, C_in / groups, kh) kernels times `seen` (rows + kh - 1, C_in, W) into `out` (rows, C_out, W)."""
    (count, _, width), (line, row, item) = out.shape, seen.strides
    c_out, c_group, kh = weight.shape
    if c_group == 1:
        windows = as_strided(seen, (count, groups, kh, width), (line, row, line, item))
        by_group = as_strided(out, (count, groups, c_out // groups, width), _split(out.strides, c_out // groups))
        return [partial(np.matmul, weight.reshape(groups, -1, kh), windows, out=by_group)]
    matrix = _matrix(weight, groups)
    rows = as_strided(seen, (count, matrix.shape[1], width), seen.strides)
    blocks = [slice(left, min(left + COLUMNS, width)) for left in range(0, width, COLUMNS)]
    return [partial(np.matmul, matrix, rows[..., block], out=out[..., block]) for block in blocks]


def _split(strides: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The strides of (rows, C, W) where C is split into groups of `size` channels."""
    line, row, item = strides
    return line, size * row, row, item


def _matrix(weight: NDArray, groups: int) -> NDArray:
    """(C_out, C_in / groups, kh) -> (C_out, kh * C_in), zero where a channel is of another group."""
    c_out, c_group, kh = weight.shape
    matrix = np.zeros((groups, c_out // groups, kh, groups, c_group), weight.dtype)
    for group, kernels in enumerate(weight.reshape(groups, -1, c_group, kh)):
        matrix[group, :, :, group] = kernels.transpose(0, 2, 1)
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
            return [partial(np.multiply, x, buffers.inner(inputs[1]), out=y)]
        case SpatialSum():
            return [partial(np.sum, buffers.inner(x), axis=(0, 2), keepdims=True, dtype=y.dtype, out=buffers.inner(y))]
        case Table():
            return [partial(_look_up, x, 2.0 ** (of.type.frac - given), of.type.lo, node.values.astype(y.dtype), y)]
        case Rescale():
            return rescale_calls(node, x, 2.0 ** (of.type.frac - given), max(abs(of.lo), abs(of.hi)), y)
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
            blocks = buffers.inner(x).reshape(count, channels // s**2, s, s, -1).transpose(0, 2, 1, 4, 3)
            return _interleave(buffers.inner(y).reshape(blocks.shape), blocks)
        case Upsample():
            s = node.factor
            spread = buffers.inner(x)[:, None, :, :, None]
            return _interleave(
                buffers.inner(y).reshape(count, s, channels, -1, s), np.broadcast_to(spread, (*spread.shape[:4], s))
            )
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def _interleave(to: NDArray, values: NDArray) -> list[Call]:
    """Copy by the last axis, which is short: a loop over pixels is faster than one over an upscaled pixel's parts."""
    return [partial(np.copyto, to[..., j], values[..., j]) for j in range(to.shape[-1])]
