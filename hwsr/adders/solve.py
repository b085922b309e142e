"""Finding adder graphs of constant matrices: with subexpressions shared by da4ml, or with none.

Finding a graph takes a time that grows with the square of a matrix's digits: a larger matrix is solved by columns, a
bounded number of digits at a time, which share nothing between them.
"""

import time
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

import numpy as np
from da4ml.cmvm import solve
from da4ml.types import CombLogic, Pipeline

from hwsr.adders.layers import Matrix
from hwsr.errors import HwsrError
from hwsr.ir.adder_graph import AdderGraph, Part, join, proved
from hwsr.ir.graph import IntArray

# da4ml holds constants as float32.
LARGEST = 2**24
# Adders in a row beyond the least that a graph may have, if it is the smaller for it.
DEEPER = 6


class _Term(NamedTuple):
    """sign * value << exponent, by the number of the value; sign 0: nothing."""

    value: int
    exponent: int
    sign: int


_NOTHING = _Term(0, 0, 0)


class _Rows:
    """The sums of a graph under construction."""

    def __init__(self, inputs: int) -> None:
        self.next = inputs
        self.sums: list[tuple[int, int, int, int, int]] = []

    def add(self, x: _Term, y: _Term) -> _Term:
        if not x.sign or not y.sign:
            return x if x.sign else y
        if x.sign < y.sign:
            x, y = y, x
        exponent = min(x.exponent, y.exponent)
        self.sums.append((x.value, x.exponent - exponent, y.value, y.exponent - exponent, x.sign * y.sign))
        self.next += 1
        return _Term(self.next - 1, exponent, x.sign)


def adder_graph(matrix: Matrix, digits: int, until: float = inf) -> AdderGraph:
    """A graph of x @ matrix that shares sums among at most `digits` signed digits at a time.

    until: when `time.monotonic` says so, what has not been begun is left unshared. The graph is proved to compute the
    matrix. Raises HwsrError for constants of more than 24 bits.
    """
    largest = int(np.abs(matrix.values).max(initial=0))
    if largest >= LARGEST:
        raise HwsrError(f"constants up to {largest} are too large for da4ml, which takes 24 bits")
    inputs = np.arange(len(matrix.values))
    parts = []
    for columns, block in blocks(matrix, digits):
        graph = _shared(block) if time.monotonic() < until else unshared(block)
        parts.append(Part(graph, inputs, columns))
    return join(parts, matrix.lo, matrix.hi, matrix.values.shape[1])


def signed_digits(matrix: Matrix) -> int:
    """Nonzero digits of all constants, each as the shortest sum of powers of two: what its graph grows with."""
    return int(_digit_counts(matrix.values).sum())


def blocks(matrix: Matrix, most: int) -> Iterator[tuple[IntArray, Matrix]]:
    """The columns of a matrix that hold anything, in blocks of at most `most` digits (or one column)."""
    columns = np.flatnonzero(np.any(matrix.values, axis=0))
    digits = np.cumsum(_digit_counts(matrix.values[:, columns]))
    while len(columns):
        taken = max(int(np.searchsorted(digits, most, side="right")), 1)
        yield columns[:taken], Matrix(matrix.values[:, columns[:taken]], matrix.lo, matrix.hi)
        columns, digits = columns[taken:], digits[taken:] - digits[taken - 1]


def _digit_counts(values: IntArray) -> IntArray:
    """Digits of every column, each constant as the shortest sum of powers of two, signs allowed (Reitwiesner 1960)."""
    size = np.abs(values)
    return np.bitwise_count(size ^ (3 * size)).astype(np.int64).sum(0)


def _shared(matrix: Matrix) -> AdderGraph:
    """As small as da4ml finds it, unless that is more than DEEPER beyond the least: then hardly deeper at all."""
    least = int(_digit_counts(matrix.values).max() - 1).bit_length()
    graph = _solved(matrix, deeper=-1)
    return graph if graph.depth.max() <= least + DEEPER else _solved(matrix, deeper=2)


def _solved(matrix: Matrix, deeper: int) -> AdderGraph:
    """da4ml's graph; deeper: adders in a row beyond the least, -1: any number."""
    ranges = [(float(lo), float(hi), 1.0) for lo, hi in zip(matrix.lo, matrix.hi, strict=True)]
    # One adder bit costs one; depth is free. Of a matrix in another order of memory da4ml solves another one.
    found = solve(
        np.ascontiguousarray(matrix.values, dtype=np.float32),
        qintervals=ranges,
        adder_size=1,
        carry_size=-1,
        hard_dc=deeper,
        search_all_decompose_dc=False,
    )
    rows = _Rows(len(matrix.values))
    return _proved(rows, _flattened(found, rows), matrix)


def _flattened(found: Pipeline, rows: _Rows) -> list[_Term]:
    """da4ml's graph in `rows`, and its outputs."""
    terms = [_Term(i, 0, 1) for i in range(rows.next)]
    for stage in found.solutions:
        terms = _stage(stage, terms, rows)
    return terms


def _stage(stage: CombLogic, inputs: list[_Term], rows: _Rows) -> list[_Term]:
    buffer: list[_Term] = []
    for op in stage.ops:
        match op.opcode:
            case -1:
                buffer.append(_shifted(inputs[op.id0], stage.inp_shifts[op.id0], 1))
            case 0 | 1:
                other = _shifted(buffer[op.id1], op.data, 1 if op.opcode == 0 else -1)
                buffer.append(rows.add(buffer[op.id0], other))
            case _:
                raise RuntimeError(f"da4ml's graph of a constant matrix holds an operation {op.opcode}")
    ends = zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)
    return [_NOTHING if i < 0 else _shifted(buffer[i], shift, -1 if negated else 1) for i, shift, negated in ends]


def _shifted(term: _Term, by: int, sign: int) -> _Term:
    return _Term(term.value, term.exponent + int(by), term.sign * sign)


def unshared(matrix: Matrix) -> AdderGraph:
    """A graph of x @ matrix that shares nothing: every output a balanced tree over its digits."""
    rows = _Rows(len(matrix.values))
    outputs = []
    for column in matrix.values.T.tolist():
        terms = [term for i, weight in enumerate(column) for term in _digits_of(i, weight)] or [_NOTHING]
        while len(terms) > 1:
            pairs = [rows.add(*terms[i : i + 2]) for i in range(0, len(terms) - 1, 2)]
            terms = pairs + terms[len(pairs) * 2 :]
        outputs.append(terms[0])
    return _proved(rows, outputs, matrix)


def _digits_of(value: int, weight: int) -> Iterator[_Term]:
    size, sign = abs(weight), 1 if weight > 0 else -1
    for digits, own in ((3 * size & ~size, sign), (size & ~(3 * size), -sign)):
        yield from (_Term(value, place - 1, own) for place in range(digits.bit_length()) if digits >> place & 1)


def _proved(rows: _Rows, outputs: list[_Term], matrix: Matrix) -> AdderGraph:
    sums = np.array(rows.sums, np.int64).reshape(-1, 5)
    ends = np.array(outputs, np.int64).reshape(-1, 3)
    try:
        return proved(sums, ends, matrix.values, matrix.lo, matrix.hi)
    except ValueError as error:
        raise RuntimeError(f"an adder graph is wrong: {error}") from error
