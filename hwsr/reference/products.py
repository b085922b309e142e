"""Convolutions of rows by matrix products.

As a tensor's rows lie one behind another, the kh rows that an output row sees are one matrix (kh * C, W) at each of kw
places, without a copy: kw products, added up.

Kernels three columns wide take two thirds of that by Winograd's F(2, 3). Of each pair of output columns, with inputs
d0 to d3 and weights g0 to g2, it is

    even = m0 + m1 + m2     m0 = (d0 - d2) g0                   m1 = (d1 + d2) (g0 + g1 + g2) / 2
    odd  = m1 - m2 - m3     m3 = (d1 - d3) g2                   m2 = (d2 - d1) (g0 - g1 + g2) / 2

Halving is exact in floating point, and `hwsr.reference.plan` proves that every sum stays within what a float32 holds.
With even and odd columns stored apart, differences and sums are of whole rows. `hwsr.reference.int16` makes tiles of
3x3 kernels' outputs in integers.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from hwsr.ir.graph import Conv
from hwsr.reference.buffers import Buffers

# Widest matrix of a product, in pixels: BLAS is fastest on narrow ones.
COLUMNS = 640

Call = Callable[[], object]


def conv_calls(buffers: Buffers, node: Conv, y: NDArray) -> list[Call]:
    """What makes rows y (phases, rows, C, columns) of a convolution."""
    plan, source = buffers.plan, buffers.plan.lines[node.inputs[0]]
    if node.name in plan.tiles:
        # Late, for numba takes long.
        from hwsr.reference.int16 import tiled_calls

        return tiled_calls(buffers, node, y.shape[1])
    grid, frac = plan.lines[node.name].grid, plan.graph.tensors[node.inputs[0]].type.frac
    weight = np.ldexp(node.weight.astype(source.dtype), (grid - source.grid - node.weight_frac)[:, None, None, None])
    kh, kw = weight.shape[2:]
    first = buffers.first(node.inputs[0], node) - kh // 2
    window = buffers.arrays[node.inputs[0]][:, first : first + y.shape[1] + kh - 1]
    if node.name in plan.fast:
        calls = _paired(buffers, weight, window, y)
    elif kw == 1:
        calls = [
            call
            for seen, made in zip(window, y, strict=True)
            for call in _products(weight[..., 0], node.groups, seen, made)
        ]
    else:
        calls = _by_column(buffers, node, weight, window, y)
    if node.bias.any():
        bias = np.ldexp(node.bias.astype(y.dtype), grid - frac - node.weight_frac)
        calls.append(partial(np.add, y, np.repeat(bias[:, None], y.shape[3], axis=1), out=y))
    return calls


def _by_column(buffers: Buffers, node: Conv, weight: NDArray, window: NDArray, y: NDArray) -> list[Call]:
    """A product for each column of the kernel and each phase, added up."""
    phases, margin, product = buffers.plan.phases, buffers.plan.margin, buffers.scratch(y.shape, y.dtype)
    kw, side = weight.shape[3], y.shape[3] - 2 * margin
    calls: list[Call] = []
    for j in range(kw):
        out = buffers.columns(y if j == 0 else product)
        for phase in range(phases):
            shift, read = divmod(phase + j - kw // 2, phases)
            seen = window[read, :, :, margin + shift : margin + shift + side]
            calls += _products(weight[..., j], node.groups, seen, out[phase])
        if j:
            calls.append(partial(np.add, y, product, out=y))
    return calls


def _paired(buffers: Buffers, weight: NDArray, window: NDArray, y: NDArray) -> list[Call]:
    """Winograd's F(2, 3) along the rows, one of its products at a time, for what a cache holds is little.

    Rows lie one behind another, margins included, so that neighbours are one place apart in all of them at once.
    """
    d = buffers.scratch(window.shape[1:], window.dtype)
    m, m2 = buffers.scratch((2, *y.shape[1:]), y.dtype)
    rows, flat = window.reshape(len(window), -1), d.reshape(-1)
    g0, g1, g2 = np.moveaxis(weight, 3, 0)
    calls: list[Call] = []

    def times(kernel: NDArray, out: NDArray) -> list[Call]:
        return _products(kernel, 1, buffers.columns(d), buffers.columns(out))

    for phase in range(0, len(y), 2):
        even, odd, made_even, made_odd = rows[phase], rows[phase + 1], y[phase], y[phase + 1]
        # The last phase's left neighbour, and the first one's right neighbour, are one place apart.
        before, after = int(phase == 0), int(phase + 2 == len(y))
        left, right, end = rows[phase - 1], rows[(phase + 2) % len(y)], flat.size
        calls += [
            partial(np.add, even, odd, out=flat),
            *times((g0 + g1 + g2) / 2, m),
            partial(np.subtract, odd, even, out=flat),
            *times((g0 - g1 + g2) / 2, m2),
            partial(np.add, m, m2, out=made_even),
            partial(np.subtract, m, m2, out=made_odd),
            partial(np.subtract, left[: end - before], odd[before:], out=flat[before:]),
            *times(g0, m),
            partial(np.add, made_even, m, out=made_even),
            partial(np.subtract, even[: end - after], right[after:], out=flat[: end - after]),
            *times(g2, m),
            partial(np.subtract, made_odd, m, out=made_odd),
        ]
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
    return [partial(np.matmul, matrix, rows[..., part], out=out[..., part]) for part in _blocks(width)]


def _blocks(width: int) -> list[slice]:
    return [slice(left, min(left + COLUMNS, width)) for left in range(0, width, COLUMNS)]


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
