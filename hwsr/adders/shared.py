"""Adder graphs of constant matrices: every product by shifts and additions, subexpressions shared by da4ml.

Finding a graph takes a time that grows with the square of a matrix's digits: a larger matrix is solved by columns, a
bounded number of digits at a time, which share nothing between them. What was found is kept on disk under a name made
of all that it follows from.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import da4ml
import numpy as np
from da4ml.cmvm import solve
from da4ml.types import Pipeline
from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from hwsr.adders.layers import Matrix
from hwsr.errors import HwsrError
from hwsr.files import cache_folder, write_text
from hwsr.ir.graph import IntArray

# Signed binary digits solved at a time: under a minute.
MOST_DIGITS = 2**15
# da4ml holds constants as float32.
LARGEST = 2**24
# Changes whenever what is found for the same matrix would.
VERSION = f"1 da4ml {da4ml.__version__} {MOST_DIGITS}"


@dataclass(frozen=True)
class Adders:
    """A graph of additions and subtractions, its bits (of all its adders) and its depth in adders."""

    adders: NonNegativeInt
    bits: NonNegativeInt
    depth: NonNegativeInt


_STORED: TypeAdapter[Adders] = TypeAdapter(Adders)


def shared(matrix: Matrix) -> Adders:
    """The cost of an adder graph that computes x @ matrix, as da4ml finds it or found it before.

    Raises HwsrError for constants of more than 24 bits, and when the cache cannot be written.
    """
    path = cache_folder("adders") / f"{_key(matrix)}.json"
    try:
        return _STORED.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        pass  # absent or damaged
    cost = together([_cost(adder_graph(block)) for block in blocks(matrix)])
    try:
        write_text(path, _STORED.dump_json(cost).decode())
    except HwsrError as error:
        raise HwsrError(f"{error}; free space there, or set XDG_CACHE_HOME to a folder on a larger disk") from error
    return cost


def together(parts: Sequence[Adders]) -> Adders:
    """The cost of graphs side by side."""
    adders, bits = sum(part.adders for part in parts), sum(part.bits for part in parts)
    return Adders(adders, bits, max((part.depth for part in parts), default=0))


def blocks(matrix: Matrix) -> Iterator[Matrix]:
    """The columns of a matrix that hold anything, in blocks of at most MOST_DIGITS (or one column)."""
    columns = np.flatnonzero(np.any(matrix.values, axis=0))
    digits = np.cumsum(np.bitwise_count(_signed_digits(matrix.values[:, columns])).sum(0))
    while len(columns):
        taken = max(int(np.searchsorted(digits, MOST_DIGITS, side="right")), 1)
        yield Matrix(matrix.values[:, columns[:taken]], matrix.lo, matrix.hi)
        columns, digits = columns[taken:], digits[taken:] - digits[taken - 1]


def _signed_digits(values: IntArray) -> IntArray:
    """A bit for every digit of the shortest sum of powers of two, signs allowed (Reitwiesner 1960)."""
    size = np.abs(values)
    return size ^ (3 * size)


def adder_graph(matrix: Matrix) -> Pipeline:
    """An adder graph of x @ matrix, checked to compute it. Raises HwsrError for constants of more than 24 bits."""
    largest = int(np.abs(matrix.values).max())
    if largest >= LARGEST:
        raise HwsrError(f"constants up to {largest} are too large for da4ml, which takes 24 bits")
    ranges = [(float(lo), float(hi), 1.0) for lo, hi in zip(matrix.lo, matrix.hi, strict=True)]
    # One adder bit costs one; depth is free. Of a matrix in another order of memory da4ml solves another one.
    graph = solve(
        np.ascontiguousarray(matrix.values, dtype=np.float32),
        qintervals=ranges,
        adder_size=1,
        carry_size=-1,
        hard_dc=-1,
        search_all_decompose_dc=False,
    )
    if not np.array_equal(evaluate(graph, np.eye(len(matrix.values), dtype=np.int64)), matrix.values):
        raise RuntimeError("da4ml's adder graph does not compute its matrix")
    return graph


def evaluate(graph: Pipeline, x: IntArray) -> IntArray:
    """What an adder graph makes of x (samples, inputs): (samples, outputs), exact below 2**53."""
    columns = np.empty(x.shape[1], dtype=object)
    for i, column in enumerate(x.T.astype(np.float64)):
        columns[i] = column
    return np.stack([np.broadcast_to(each, len(x)) for each in graph(columns)], axis=1).astype(np.int64)


def _cost(graph: Pipeline) -> Adders:
    operations = [op for stage in graph.solutions for op in stage.ops if op.opcode != -1]
    assert all(op.opcode in (0, 1) for op in operations), "a constant matrix takes additions and subtractions alone"
    return Adders(len(operations), round(sum(op.cost for op in operations)), round(graph.latency[1]))


def _key(matrix: Matrix) -> str:
    digest = hashlib.sha256(f"{VERSION} {matrix.values.shape}".encode())
    for values in (matrix.values, matrix.lo, matrix.hi):
        digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return digest.hexdigest()
