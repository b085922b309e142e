"""Adder graphs as values: ranges, widths, bits, registers, against counting by hand and trying every input."""

from itertools import product

import numpy as np
import pytest

from hwsr.ir.adder_graph import AdderGraph, Part, join, proved
from hwsr.ir.graph import IntArray


def by_hand() -> AdderGraph:
    """y = (x0 + x1, 4 (x0 + x1) - x2, 0, -(x0 + x1))."""
    sums = np.array([[0, 0, 1, 0, 1], [3, 2, 2, 0, -1]])
    outputs = np.array([[3, 0, 1], [4, 0, 1], [0, 0, 0], [3, 0, -1]])
    matrix = np.array([[1, 4, 0, -1], [1, 4, 0, -1], [0, -1, 0, 0]])
    return proved(sums, outputs, matrix, np.array([0, 0, -8]), np.array([15, 3, 7]))


def every(lo: IntArray, hi: IntArray) -> IntArray:
    return np.array(list(product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))


def test_ranges_are_those_that_inputs_reach() -> None:
    graph = by_hand()
    x = every(graph.lo[:3], graph.hi[:3])
    y = graph.evaluate(x)
    assert np.array_equal(y, x @ np.array([[1, 4, 0, -1], [1, 4, 0, -1], [0, -1, 0, 0]]))
    assert graph.lo[3:].tolist() == [y[:, 0].min(), y[:, 1].min()] == [0, -7]
    assert graph.hi[3:].tolist() == [y[:, 0].max(), y[:, 1].max()] == [18, 80]
    assert graph.output_range == (y.min(), y.max())
    assert graph.width.tolist() == [4, 2, 4, 5, 8]
    assert graph.inputs == 3 and graph.depth.tolist() == [0, 0, 0, 1, 2]


def test_a_range_counts_what_operands_share() -> None:
    # (x + y) - y is x, whatever the ranges of its operands say.
    sums = np.array([[0, 0, 1, 0, 1], [2, 0, 1, 0, -1]])
    graph = proved(sums, np.array([[3, 0, 1]]), np.array([[1], [0]]), np.array([0, 0]), np.array([15, 200]))
    assert (graph.lo[3], graph.hi[3]) == (0, 15)


def test_bits_of_adders() -> None:
    # 4 + 2 bits: as wide as the wider operand, the carry is free; 7 bits less 4: what it is taken from is shifted, and
    # all bits of what is taken count.
    assert by_hand().adder_bits.tolist() == [4, 8]
    assert by_hand().negations.tolist() == [5]
    low, high = np.array([-8, -8]), np.array([7, 7])
    for row, weights, bits in (
        ([0, 0, 1, 0, 1], (1, 1), 4),  # the fifth bit has the operands of the fourth
        ([0, 0, 1, 2, 1], (1, 4), 4),  # two low bits pass by
        ([0, 0, 1, 2, -1], (1, -4), 4),
        ([0, 2, 1, 0, 1], (4, 1), 4),
        ([0, 2, 1, 0, -1], (4, -1), 6),
    ):
        graph = proved(np.array([row]), np.array([[2, 0, 1]]), np.array(weights)[:, None], low, high)
        assert graph.adder_bits.tolist() == [bits], row


def test_registers_are_bits_times_cycles() -> None:
    graph = by_hand()
    # One adder a cycle: x2 waits a cycle; the first sum is read a cycle later and leaves with the second.
    assert graph.cycles(1) == 2 and graph.registers(1) == 4 * 1 + 5 * 2 + 8 * 1
    # Both in one: only what leaves is kept.
    assert graph.cycles(2) == 1 and graph.registers(2) == 5 + 8


def test_side_by_side() -> None:
    one = by_hand()
    order = np.array([2, 0, 4])
    lo, hi = np.array([0, -1, 0, -1, -8]), np.array([3, 1, 15, 1, 7])
    both = join([Part(one, order, np.array([1, 3, 0, 5])), Part(one, order, np.array([2, 4, 6, 7]))], lo, hi, 9)
    x = every(lo, hi)
    y = both.evaluate(x)
    part = one.evaluate(x[:, order])
    assert np.array_equal(y[:, [1, 3, 0, 5]], part) and np.array_equal(y[:, [2, 4, 6, 7]], part)
    assert not y[:, 8].any()
    assert len(both.sums) == 4 and both.depth.max() == 2
    assert both.registers(1) == 2 * (5 * 2 + 8) + 4
    assert np.array_equal(both.lo[5:], np.tile(one.lo[3:], 2))
    assert join([], lo, hi, 2).evaluate(x).tolist() == np.zeros((len(x), 2)).tolist()


@pytest.mark.parametrize(
    ("row", "output"),
    [
        ([0, 0, 2, 0, 1], [2, 0, 1]),
        ([-1, 0, 1, 0, 1], [2, 0, 1]),
        ([0, 0, 1, 0, 0], [2, 0, 1]),
        ([0, 0, 1, 30, 1], [2, 0, 1]),
        ([0, 0, 1, 0, 1], [3, 0, 1]),
        ([0, 0, 1, 0, 1], [2, -1, 1]),
    ],
)
def test_what_is_no_graph_is_refused(row: list[int], output: list[int]) -> None:
    with pytest.raises(ValueError, match="no graph of adders"):
        proved(np.array([row]), np.array([output]), np.ones((2, 1), np.int64), np.zeros(2), np.ones(2))


def test_another_matrix_is_refused() -> None:
    arguments = np.array([[0, 0, 1, 0, 1]]), np.array([[2, 0, 1]])
    with pytest.raises(ValueError, match="does not compute its matrix"):
        proved(*arguments, np.array([[1], [2]]), np.zeros(2, np.int64), np.ones(2, np.int64))
