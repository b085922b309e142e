"""Adder graphs: constant sums of integers by shifts, additions and subtractions, with the range of every value."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from hwsr.ir.graph import IntArray

# Coefficients beyond are refused: sums of them could leave 64 bits.
LARGEST = 2**40


@dataclass(frozen=True, eq=False)
class AdderGraph:
    """Integers x -> y, both linear.

    Values are numbered: the inputs, then the sums. A row (a, up_a, b, up_b, sign) of `sums` is
    (value a << up_a) + sign * (value b << up_b); a row (value, up, sign) of `outputs` is an output, sign 0 where it is
    always zero. lo, hi: the least and the greatest of every value, which it takes for some of the inputs.
    """

    sums: IntArray
    outputs: IntArray
    lo: IntArray
    hi: IntArray

    @property
    def inputs(self) -> int:
        return len(self.lo) - len(self.sums)

    @cached_property
    def width(self) -> IntArray:
        """Bits of every value: of a natural number where it is never negative, else of two's complement."""
        return np.where(self.lo < 0, np.maximum(_bits(~self.lo), _bits(self.hi)) + 1, _bits(self.hi))

    @cached_property
    def depth(self) -> IntArray:
        """Adders on the longest way to every value."""
        found = [0] * self.inputs
        for a, _, b, _, _ in self.sums.tolist():
            found.append(max(found[a], found[b]) + 1)
        return np.array(found, np.int64)

    @property
    def output_range(self) -> tuple[int, int]:
        """The least and the greatest of all outputs."""
        ends = [
            sign * (int(end[value]) << up) for value, up, sign in self.outputs.tolist() for end in (self.lo, self.hi)
        ]
        return min(ends, default=0), max(ends, default=0)

    @property
    def adder_bits(self) -> IntArray:
        """Bits of every sum's adder: from the first place that both operands reach to the last of the wider one.

        What is shifted up is not added to the low bits of the other, unless it is what the other is taken from. A sum
        of numbers with a sign needs no adder for the bit beyond both: it has the operands of the bit before.
        """
        a, up_a, b, up_b, sign = self.sums.T
        signed = (self.lo[a] < 0) | (self.lo[b] < 0)
        own = self.width + (self.lo >= 0)
        top_a, top_b = (np.where(signed, own[x], self.width[x]) + up for x, up in ((a, up_a), (b, up_b)))
        top = np.minimum(np.maximum(top_a, top_b), self.width[self.inputs :])
        return np.maximum(top - np.where(sign > 0, np.maximum(up_a, up_b), up_b), 0)

    @property
    def negations(self) -> IntArray:
        """Bits of every output that is a value with its sign changed."""
        value, _, sign = self.outputs.T
        return self.width[value[sign < 0]]

    @property
    def digest(self) -> str:
        """SHA-256 of its sums and outputs, which all else follows from."""
        found = hashlib.sha256(f"{self.inputs} {len(self.sums)} {len(self.outputs)}".encode())
        for rows in (self.sums, self.outputs):
            found.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
        return found.hexdigest()

    def registers(self, levels: int) -> int:
        """Flip-flops of a pipeline that has so many adders in a row in a cycle, each sum as early as it can be.

        A value is kept from its own cycle to the last that reads it, an output past the last cycle of the graph.
        """
        cycle = np.maximum(self.depth - 1, 0) // levels
        last = cycle.copy()
        for column in (0, 2):
            np.maximum.at(last, self.sums[:, column], cycle[self.inputs :])
        used = self.outputs[self.outputs[:, 2] != 0, 0]
        last[used] = self.cycles(levels)
        return int(((last - cycle) * self.width).sum())

    def cycles(self, levels: int) -> int:
        """Cycles of that pipeline."""
        return -(-int(self.depth.max(initial=0)) // levels)

    def evaluate(self, x: IntArray) -> IntArray:
        """x (samples, inputs) -> y (samples, outputs), exact where no value leaves 64 bits."""
        values = [*x.T.astype(np.int64)]
        for a, up_a, b, up_b, sign in self.sums.tolist():
            values.append((values[a] << up_a) + sign * (values[b] << up_b))
        made = [sign * (values[value] << up) for value, up, sign in self.outputs.tolist()]
        return np.stack(made, axis=1) if made else np.zeros((len(x), 0), np.int64)


def _bits(values: IntArray) -> IntArray:
    """Bits of natural numbers."""
    return np.array([value.bit_length() for value in values.tolist()], np.int64)


def proved(sums: IntArray, outputs: IntArray, matrix: IntArray, lo: IntArray, hi: IntArray) -> AdderGraph:
    """A graph of x @ matrix, for inputs from lo to hi, with its values' ranges. matrix: (inputs, outputs).

    Raises ValueError when the rows are no graph, or one of something else.
    """
    inputs = len(matrix)
    _check(sums, outputs, inputs)
    coefficients = np.zeros((inputs + len(sums), inputs), np.int64)
    coefficients[:inputs] = np.eye(inputs, dtype=np.int64)
    for i, (a, up_a, b, up_b, sign) in enumerate(sums.tolist(), inputs):
        coefficients[i] = (coefficients[a] << up_a) + sign * (coefficients[b] << up_b)
        if np.abs(coefficients[i]).max(initial=0) >= LARGEST:
            raise ValueError("a coefficient is too large")
    value, up, sign = outputs.T
    if not np.array_equal((coefficients[value] * (sign << up)[:, None]).T, matrix):
        raise ValueError("the graph does not compute its matrix")
    positive, negative = np.maximum(coefficients, 0), np.minimum(coefficients, 0)
    lows, highs = positive @ lo + negative @ hi, positive @ hi + negative @ lo
    return AdderGraph(sums, outputs, lows.astype(np.int64), highs.astype(np.int64))


def _check(sums: IntArray, outputs: IntArray, inputs: int) -> None:
    """Raise ValueError unless every row refers to values before it, by shifts and signs that there are."""
    operands, ups = sums[:, [0, 2]], np.concatenate([sums[:, [1, 3]].ravel(), outputs[:, 1]])
    before = np.arange(inputs, inputs + len(sums))[:, None]
    referred = (operands >= 0).all() and (operands < before).all() and (outputs[:, 0] >= 0).all()
    referred = referred and (outputs[:, 0] < max(inputs + len(sums), 1)).all()
    signs = np.isin(sums[:, 4], (-1, 1)).all() and np.isin(outputs[:, 2], (-1, 0, 1)).all()
    if not (referred and signs and (ups >= 0).all() and (ups < 24).all()):
        raise ValueError("the rows are no graph of adders")


class Part(NamedTuple):
    """A graph within a larger one: which of the larger one's inputs and outputs are its own."""

    graph: AdderGraph
    inputs: IntArray
    outputs: IntArray


def join(parts: Sequence[Part], lo: IntArray, hi: IntArray, outputs: int) -> AdderGraph:
    """Graphs side by side, which share nothing but inputs; lo, hi: of these. Other outputs are always zero."""
    made, rows = np.zeros((outputs, 3), np.int64), []
    lows, highs, first = [lo], [hi], len(lo)
    for graph, own_inputs, own_outputs in parts:
        number = np.concatenate([own_inputs, first + np.arange(len(graph.sums))])
        moved, ends = graph.sums.copy(), graph.outputs.copy()
        moved[:, 0], moved[:, 2], ends[:, 0] = number[moved[:, 0]], number[moved[:, 2]], number[ends[:, 0]]
        made[own_outputs] = ends
        rows.append(moved)
        lows.append(graph.lo[graph.inputs :])
        highs.append(graph.hi[graph.inputs :])
        first += len(moved)
    sums = np.concatenate([np.zeros((0, 5), np.int64), *rows])
    return AdderGraph(sums, made, np.concatenate(lows), np.concatenate(highs))
