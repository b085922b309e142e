"""Convolutions of 3x3 kernels in tiles, compiled: `hwsr.reference.winograd` on 16 bits, with sums of 32.

A tile is 4 rows and one column of each of 4 phases, and WIDE tiles side by side are made at a time. numba compiles the
loops, but would make 64-bit integers of what is innermost, so that is spelled out for LLVM, with addresses as integers.
A pair is two int16, of two neighbouring input channels, in the place of one int32.

All is in one file, for numba compiles anew only what has changed in the file of what it has compiled.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from hwsr.reference.winograd import INVERSE, LARGEST_SCALE, OUT, PARTS, SCALE, SEEN, SIDE, WIDE

# 32-bit numbers of a vector, and such vectors of the tiles side by side.
LANES = 8
VECTORS = WIDE // LANES

_BYTES = 4 * LANES
_INT = ir.IntType(32)
_SUMS = ir.VectorType(_INT, LANES)
_PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
_PRODUCTS = ir.VectorType(_INT, 2 * LANES)
# To type checkers what it makes would still take the context.
_inner: Any = intrinsic


@njit(cache=True, nogil=True)
def convolve(
    x: NDArray,
    first: int,
    unit: float,
    weight: NDArray,
    constants: NDArray,
    margin: int,
    work: NDArray,
    y: NDArray,
    to: int,
    rows: int,
) -> None:
    """So many rows of y (4, rows, C, columns) from `to` on, of rows of x from `first` on: sums * constants[0] + [1].

    rows, and columns but for the margins, are multiples of 4 and WIDE; x has two rows more. unit: what x's floats are
    multiplied by to be the integers. weight and work as `_multiply` has them: weight of each OUT channels, work first d
    and then sums.
    """
    seen, made, item = x.strides[:2], y.strides[:2], y.strides[3]
    pairs = weight.shape[2]
    part, d_at = 4 * WIDE * pairs, work.ctypes.data
    sums_at = d_at + PARTS * part
    for row in range(0, rows, SIDE):
        for left in range(margin, y.shape[3] - margin, WIDE):
            x_at = x.ctypes.data + (first + row) * x.strides[1] + left * x.strides[3]
            for pair in range(pairs):
                # Where the last pair is one channel, its second meets weights of zero.
                a, b = 2 * pair, min(2 * pair + 1, x.shape[2] - 1)
                of_a, of_b = x_at + a * x.strides[2], x_at + b * x.strides[2]
                _transform(of_a, of_b, unit, seen, d_at + 4 * WIDE * pair, part)
            y_at = y.ctypes.data + (to + row) * y.strides[1] + left * item
            for c in range(y.shape[2]):
                if c % OUT == 0:
                    _multiply(weight.ctypes.data + c // OUT * weight.strides[0], d_at, part, pairs, sums_at)
                of_c = sums_at + 4 * WIDE * (c % OUT)
                _finish(of_c, constants[0, c], constants[1, c], made, y_at + c * y.strides[2])


@_inner
def _transform(_context: Any, a: Any, b: Any, unit: Any, strides: Any, d: Any, part: Any) -> Any:
    """B d B^T of WIDE tiles of two channels, times unit: pairs (36, WIDE), `part` bytes apart, at d.

    a, b: where the two channels' tiles start, in floats of unit's type (4 phases, 6 rows, columns); strides: bytes from
    phase to phase and from row to row.
    """
    return types.void(a, b, unit, strides, d, part), _generate_transform


@_inner
def _multiply(_context: Any, weight: Any, d: Any, part: Any, pairs: Any, sums: Any) -> Any:
    """sums (36, OUT, WIDE) int32: weight (36, pairs, OUT) times d (36, pairs, WIDE), its parts `part` bytes apart."""
    return types.void(weight, d, part, pairs, sums), _generate_multiply


@_inner
def _finish(_context: Any, sums: Any, factor: Any, bias: Any, strides: Any, y: Any) -> Any:
    """Outputs of WIDE tiles of one channel, sums (36, OUT, WIDE), times factor / 64 plus bias.

    y: where they start, in floats of factor's type (4 phases, 4 rows, columns); strides: bytes from phase to phase and
    from row to row.
    """
    return types.void(sums, factor, bias, strides, y), _generate_finish


def _generate_transform(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    a, b, unit, strides, d, part = arguments
    phase, row = cgutils.unpack_tuple(builder, strides)
    floats = ir.VectorType(unit.type, LANES)
    units, item = _splat(builder, unit, floats), context.get_abi_sizeof(unit.type)
    seen = cgutils.alloca_once(builder, ir.ArrayType(_PAIRS, SEEN * SEEN))
    with cgutils.for_range(builder, ir.Constant(d.type, VECTORS)) as vector:
        across = builder.mul(vector.index, ir.Constant(d.type, LANES * item))
        with cgutils.for_range(builder, ir.Constant(d.type, SEEN)) as line:
            start = builder.add(across, builder.mul(line.index, row))
            columns = []
            for j in range(-1, SEEN - 1):
                at, shift = j % SIDE, j // SIDE
                place = builder.add(start, builder.mul(phase, ir.Constant(d.type, at)))
                first, second = (
                    builder.fptosi(
                        builder.fmul(_load(builder, builder.add(side, place), shift * item, floats), units), _SUMS
                    )
                    for side in (a, b)
                )
                low = builder.and_(first, _every((1 << 16) - 1))
                columns.append(builder.bitcast(builder.or_(low, builder.shl(second, _every(16))), _PAIRS))
            for j, column in enumerate(_seen(builder, columns)):
                index = builder.add(builder.mul(line.index, ir.Constant(d.type, SEEN)), ir.Constant(d.type, j))
                builder.store(column, cgutils.gep(builder, seen, 0, index))
        target = builder.add(d, builder.mul(vector.index, ir.Constant(d.type, _BYTES)))
        for j in range(SEEN):
            rows = [builder.load(cgutils.gep(builder, seen, 0, SEEN * i + j)) for i in range(SEEN)]
            for i, made in enumerate(_seen(builder, rows)):
                _store(builder, made, builder.add(target, builder.mul(part, ir.Constant(d.type, SEEN * i + j))), 0)
    return context.get_dummy_value()


def _seen(builder: Any, d: list[Any]) -> list[Any]:
    """B d of six vectors."""
    d0, d1, d2, d3, d4, d5 = d
    add, sub = builder.add, builder.sub
    even, odd = sub(d4, _times(builder, d2, 4)), sub(d3, _times(builder, d1, 4))
    far, near = sub(d4, d2), _times(builder, sub(d3, d1), 2)
    return [
        add(_times(builder, sub(d0, d2), 4), far),
        add(even, odd),
        sub(even, odd),
        add(far, near),
        sub(far, near),
        sub(sub(d5, d3), _times(builder, near, 2)),
    ]


def _generate_multiply(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
    weight, d, part, pairs, sums = arguments
    kernel = builder.mul(pairs, ir.Constant(pairs.type, 4 * OUT))
    with cgutils.for_range(builder, ir.Constant(pairs.type, PARTS)) as loop:
        of_weight, of_d = (builder.add(x, builder.mul(loop.index, step)) for x, step in ((weight, kernel), (d, part)))
        target = builder.add(sums, builder.mul(loop.index, ir.Constant(pairs.type, 4 * OUT * WIDE)))
        for i, total in enumerate(_generate_products(builder, of_weight, of_d, pairs)):
            _store(builder, total, target, _BYTES * i)
    return context.get_dummy_value()


def _generate_products(builder: Any, weight: Any, d: Any, pairs: Any) -> list[Any]:
    """OUT * VECTORS vectors of sums: weight (pairs, OUT) times d (pairs, WIDE)."""
    totals = [cgutils.alloca_once(builder, _SUMS) for _ in range(OUT * VECTORS)]
    for total in totals:
        builder.store(_every(0), total)
    weight_at, d_at = (cgutils.alloca_once_value(builder, address) for address in (weight, d))
    with cgutils.for_range(builder, pairs):
        of_weight, of_d = builder.load(weight_at), builder.load(d_at)
        columns = [_load(builder, of_d, _BYTES * v, _PAIRS) for v in range(VECTORS)]
        for o in range(OUT):
            alike = builder.bitcast(_splat(builder, _load(builder, of_weight, 4 * o, _INT), _SUMS), _PAIRS)
            for total, column in zip(totals[o * VECTORS :], columns, strict=False):
                # LLVM makes one instruction of this, pmaddwd on x86. Sums wrap around at 32 bits.
                products = builder.mul(builder.sext(column, _PRODUCTS), builder.sext(alike, _PRODUCTS))
                a, b = (builder.shuffle_vector(products, products, _every(first, 2)) for first in (0, 1))
                builder.store(builder.add(builder.load(total), builder.add(a, b)), total)
        builder.store(builder.add(of_weight, ir.Constant(weight.type, 4 * OUT)), weight_at)
        builder.store(builder.add(of_d, ir.Constant(d.type, _BYTES * VECTORS)), d_at)
    return [builder.load(total) for total in totals]


def _generate_finish(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
    sums, factor, bias, strides, y = arguments
    phase, row = cgutils.unpack_tuple(builder, strides)
    floats, item = ir.VectorType(factor.type, LANES), context.get_abi_sizeof(factor.type)
    biases = _splat(builder, bias, floats)
    # By how much an output's scale falls short of the largest.
    factors = {
        short: _splat(builder, builder.fmul(factor, ir.Constant(factor.type, short / LARGEST_SCALE)), floats)
        for short in (1, 2, 4)
    }
    for v in range(VECTORS):
        parts = [_load(builder, sums, 4 * OUT * WIDE * i + _BYTES * v, _SUMS) for i in range(PARTS)]
        by_row = [_made(builder, parts[j::SEEN]) for j in range(SEEN)]
        for i in range(SIDE):
            for j, total in enumerate(_made(builder, [column[i] for column in by_row])):
                exact = builder.sitofp(builder.mul(total, _every(INVERSE)), floats)
                short = SCALE[0] ** 2 // (SCALE[i] * SCALE[j])
                place = builder.add(y, builder.mul(phase, ir.Constant(y.type, j)))
                place = builder.add(place, builder.mul(row, ir.Constant(y.type, i)))
                made = builder.fadd(builder.fmul(exact, factors[short]), biases)
                _store(builder, made, place, LANES * item * v)
    return context.get_dummy_value()


def _made(builder: Any, m: list[Any]) -> list[Any]:
    """A m of six vectors."""
    m0, m1, m2, m3, m4, m5 = m
    add, sub = builder.add, builder.sub
    near, turned, far, apart = add(m1, m2), sub(m1, m2), add(m3, m4), sub(m3, m4)
    return [
        add(add(m0, _times(builder, near, 2)), far),
        add(turned, apart),
        add(near, _times(builder, far, 2)),
        add(turned, _times(builder, add(_times(builder, apart, 2), m5), 2)),
    ]


def _times(builder: Any, x: Any, factor: int) -> Any:
    return builder.mul(x, ir.Constant(x.type, [factor] * x.type.count))


def _every(first: int, step: int = 0) -> ir.Constant:
    return ir.Constant(_SUMS, [first + step * i for i in range(LANES)])


def _splat(builder: Any, value: Any, of: Any) -> Any:
    vector = builder.insert_element(ir.Constant(of, ir.Undefined), value, _INT(0))
    return builder.shuffle_vector(vector, vector, _every(0))


def _pointer(builder: Any, address: Any, offset: int, of: Any) -> Any:
    return builder.inttoptr(builder.add(address, ir.Constant(address.type, offset)), of.as_pointer())


def _load(builder: Any, address: Any, offset: int, of: Any) -> Any:
    loaded = builder.load(_pointer(builder, address, offset, of))
    loaded.align = 4
    return loaded


def _store(builder: Any, value: Any, address: Any, offset: int) -> None:
    builder.store(value, _pointer(builder, address, offset, value.type)).align = 4
