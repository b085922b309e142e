"""Convolutions three columns wide by products of 16-bit integers, summed in 32 bits.

What `hwsr.reference.products` does with pairs of columns in float32, Winograd's F(2, 3), is done here in integers, of
which a processor multiplies twice as many at a time, and adds each two products, in one instruction (pmaddwd on x86).
The libraries among hwsr's dependencies do so for 8 bits at most, which sums and differences of two inputs exceed. So
the innermost loop is spelled out for LLVM, which keeps its sums in registers, and numba compiles the rest around it.
All of it runs in the thread that calls it.

`hwsr.reference.plan` proves that everything fits, and imports this late: numba takes long, and no float needs it.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from hwsr.ir.graph import Conv
from hwsr.reference.buffers import Buffers

Call = Callable[[], object]

# A tile is OUT output channels of WIDE pairs of columns: as many sums as 16 registers of 256 bits have room for.
LANES, VECTORS, OUT = 8, 2, 6
WIDE = LANES * VECTORS

_INT = ir.IntType(32)
_SUMS = ir.VectorType(_INT, LANES)
_PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
_PRODUCTS = ir.VectorType(_INT, 2 * LANES)


def paired_calls(buffers: Buffers, node: Conv, rows: int) -> list[Call]:
    """What makes so many rows of a convolution that `buffers.plan` has paired in int16."""
    plan, source = buffers.plan, node.inputs[0]
    x, y, margin = buffers.arrays[source], buffers.arrays[node.name], plan.margin
    frac, grid = plan.graph.tensors[source].type.frac, plan.lines[node.name].grid
    columns, weight = y.shape[3] - 2 * margin, packed(node.weight)
    taps, wide = node.weight.shape[2], -(-columns // WIDE) * WIDE
    d = buffers.scratch((4, rows + taps - 1, weight.shape[2] // taps, wide), np.int32)
    sums = buffers.scratch((2, weight.shape[1] * OUT, wide), np.int32)
    unit = x.dtype.type(2.0 ** (frac - plan.lines[source].grid))
    constants = np.ldexp(np.stack([np.ones_like(node.bias), node.bias]).astype(y.dtype), grid - frac - node.weight_frac)
    first = buffers.first(source, node) - taps // 2
    return [
        partial(_transform, x, first, margin, unit, columns, d),
        partial(_multiply, d, weight, constants, sums, y, buffers.first(node.name, node), margin, columns),
    ]


def packed(weight: NDArray[np.int64]) -> NDArray[np.int16]:
    """Weights (C_out, C_in, kh, 3) in halves as (4, C_out / OUT, kh * C_in / 2, OUT, 2), quotients rounded up."""
    c_out, c_in, kh, _ = weight.shape
    padded = np.zeros((4, -(-c_out // OUT) * OUT, -(-c_in // 2) * 2, kh), np.int16)
    padded[:, :c_out, :c_in] = halves(weight)
    split = padded.reshape(4, -1, OUT, padded.shape[2] // 2, 2, kh).transpose(0, 1, 5, 3, 2, 4)
    return np.ascontiguousarray(split).reshape(4, split.shape[1], -1, OUT, 2)


def halves(weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice what the four products multiply by: (C_out, C_in, kh, 3) -> (4, C_out, C_in, kh)."""
    g0, g1, g2 = np.moveaxis(weight, 3, 0)
    return np.stack([2 * g0, g0 + g1 + g2, g0 - g1 + g2, 2 * g2])


@cache
def exact() -> bool:
    """Whether this processor's code makes the integers that numpy makes, at the ends of both types too."""
    rng = np.random.default_rng(0)
    # Two products of the ends make an int32's end; the random ones are as many as a wide layer has.
    for channels, limit in ((2, (1 << 15) - 1), (1, 1 << 14), (600, 900)):
        weight = rng.choice([-limit, limit - 1, limit], (4, 2, channels // 2 + channels % 2, OUT, 2)).astype(np.int16)
        d = rng.choice([-limit, limit - 1, limit], (4, 1, weight.shape[2], 2 * WIDE, 2)).astype(np.int16)
        sums, y = np.zeros((2, 2 * OUT, 2 * WIDE), np.int32), np.zeros((2, 1, 11, 2 * WIDE + 1))
        _multiply(d.view(np.int32)[..., 0], weight, np.ones((2, 11)), sums, y, 0, 1, 2 * WIDE - 1)
        m = np.einsum("pgkoi,pkji->pgoj", weight.astype(np.int64), d[:, 0].astype(np.int64)).reshape(4, 2 * OUT, -1)
        made = np.stack([m[0] + m[1] + m[2], m[1] - m[2] - m[3]]).astype(np.int32) >> 1
        if not np.array_equal(y[:, 0, :, 1:-1], made[:, :11, :-1] + 1):
            return False
    return True


def _tile(_context: Any, weight: Any, x: Any, sums: Any, pairs: Any, strides: Any) -> Any:
    """sums (2, OUT, WIDE) int32: even and odd columns of weight (4, pairs, OUT, 2) times x (4, pairs, WIDE, 2), int16.

    weight, x and sums are addresses. strides: bytes between the 4 parts of weight, those of x, the pairs of x, even and
    odd sums, and the channels of sums.
    """
    return types.void(*[types.intp] * 4, types.UniTuple(types.intp, 5)), _generate_tile


_add_up_tile: Any = intrinsic(_tile)


def _generate_tile(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
    weight, x, sums, pairs, strides = arguments
    of_weight, of_x, line, odd, channel = cgutils.unpack_tuple(builder, strides)
    parts = []
    for p in range(4):
        index = ir.Constant(weight.type, p)
        kernel, seen = (builder.add(a, builder.mul(step, index)) for a, step in ((weight, of_weight), (x, of_x)))
        parts.append(_generate_products(builder, kernel, seen, pairs, line))
    for i, (m0, m1, m2, m3) in enumerate(zip(*parts, strict=True)):
        place = builder.add(sums, builder.mul(channel, ir.Constant(channel.type, i // VECTORS)))
        even = builder.add(builder.add(m0, m1), m2)
        uneven = builder.sub(builder.sub(m1, m2), m3)
        for total, first in ((even, place), (uneven, builder.add(place, odd))):
            target = _pointer(builder, first, 4 * LANES * (i % VECTORS), _SUMS)
            builder.store(builder.ashr(total, _every(1, 0)), target).align = 4
    return context.get_dummy_value()


def _generate_products(builder: Any, weight: Any, x: Any, pairs: Any, line: Any) -> list[Any]:
    """OUT * VECTORS vectors of sums: weight (pairs, OUT, 2) times x (pairs, WIDE, 2)."""
    totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(OUT * VECTORS)]
    for total in totals:
        builder.store(_every(0, 0), total)
    weight_at, x_at = (cgutils.alloca_once_value(builder, address) for address in (weight, x))
    with cgutils.for_range(builder, pairs):
        of_weight, of_x = builder.load(weight_at), builder.load(x_at)
        columns = [_load(builder, of_x, 4 * LANES * v, _PAIRS) for v in range(VECTORS)]
        for o in range(OUT):
            pair = builder.insert_element(_every(0, 0), _load(builder, of_weight, 4 * o, _INT), _INT(0))
            alike = builder.bitcast(builder.shuffle_vector(pair, pair, _every(0, 0)), _PAIRS)
            for total, column in zip(totals[o * VECTORS :], columns, strict=False):
                # LLVM makes one instruction of this, pmaddwd on x86. Sums wrap around at 32 bits.
                products = builder.mul(builder.sext(column, _PRODUCTS), builder.sext(alike, _PRODUCTS))
                a, b = (builder.shuffle_vector(products, products, _every(first, 2)) for first in (0, 1))
                builder.store(builder.add(builder.load(total), builder.add(a, b)), total)
        builder.store(builder.add(of_weight, ir.Constant(weight.type, 4 * OUT)), weight_at)
        builder.store(builder.add(of_x, line), x_at)
    return [builder.load(total) for total in totals]


def _every(first: int, step: int) -> ir.Constant:
    return ir.Constant(_SUMS, [first + step * i for i in range(LANES)])


def _pointer(builder: Any, address: Any, offset: int, of: Any) -> Any:
    return builder.inttoptr(builder.add(address, ir.Constant(address.type, offset)), of.as_pointer())


def _load(builder: Any, address: Any, offset: int, of: Any) -> Any:
    loaded = builder.load(_pointer(builder, address, offset, of))
    loaded.align = 4
    return loaded


@njit(cache=True, nogil=True)
def _transform(x: NDArray, first: int, margin: int, unit: float, columns: int, d: NDArray) -> None:
    """d (4, rows, pairs of channels, columns): what the products read of x (2, rows, C, columns), two int16 in each."""
    for r in range(d.shape[1]):
        row = np.uintp(first + r)
        for pair in range(d.shape[2]):
            # Where the last pair is one channel, its second meets weights of zero.
            a, b = np.uintp(2 * pair), np.uintp(min(2 * pair + 1, x.shape[2] - 1))
            # Unsigned indices: numba would look at signed ones for being negative.
            even, odd, here = np.uintp(0), np.uintp(1), np.uintp(margin)
            before, after = np.uintp(margin - 1), np.uintp(margin + 1)
            for j in range(np.uintp(columns)):
                d[0, r, pair, j] = _two(
                    (x[odd, row, a, before + j] - x[odd, row, a, here + j]) * unit,
                    (x[odd, row, b, before + j] - x[odd, row, b, here + j]) * unit,
                )
            for j in range(np.uintp(columns)):
                d[1, r, pair, j] = _two(
                    (x[even, row, a, here + j] + x[odd, row, a, here + j]) * unit,
                    (x[even, row, b, here + j] + x[odd, row, b, here + j]) * unit,
                )
            for j in range(np.uintp(columns)):
                d[2, r, pair, j] = _two(
                    (x[odd, row, a, here + j] - x[even, row, a, here + j]) * unit,
                    (x[odd, row, b, here + j] - x[even, row, b, here + j]) * unit,
                )
            for j in range(np.uintp(columns)):
                d[3, r, pair, j] = _two(
                    (x[even, row, a, here + j] - x[even, row, a, after + j]) * unit,
                    (x[even, row, b, here + j] - x[even, row, b, after + j]) * unit,
                )


@njit(cache=True, nogil=True, inline="always")
def _two(a: float, b: float) -> np.signedinteger:
    """Two 16-bit integers in one of 32, the first in its low half."""
    return (np.int32(a) & 0xFFFF) | (np.int32(b) << 16)


@njit(cache=True, nogil=True)
def _multiply(
    d: NDArray, weight: NDArray, constants: NDArray, sums: NDArray, y: NDArray, to: int, margin: int, columns: int
) -> None:
    """Rows of y (2, rows, C, columns) from `to` on: sums * constants[0] + constants[1], of each channel."""
    strides = weight.strides[0], d.strides[0], d.strides[2], sums.strides[0], sums.strides[1]
    weight_at, d_at, sums_at, pairs = weight.ctypes.data, d.ctypes.data, sums.ctypes.data, weight.shape[2]
    for r in range(d.shape[1] - pairs // d.shape[2] + 1):
        for left in range(0, columns, WIDE):
            x_at = d_at + r * d.strides[1] + left * d.strides[3]
            for g in range(weight.shape[1]):
                made_at = sums_at + g * OUT * sums.strides[1] + left * sums.strides[2]
                _add_up_tile(weight_at + g * weight.strides[1], x_at, made_at, pairs, strides)
        row, first = np.uintp(to + r), np.uintp(margin)
        for phase in range(np.uintp(2)):
            for c in range(np.uintp(y.shape[2])):
                factor, bias = constants[0, c], constants[1, c]
                for j in range(np.uintp(columns)):
                    y[phase, row, c, first + j] = y.dtype.type(sums[phase, c, j]) * factor + bias
