"""Finding adder graphs: blocks of columns, no sharing at all, and how deep a graph may be."""

import time

import numpy as np
import pytest

from hwsr.adders import solve as module
from hwsr.adders.layers import Matrix
from hwsr.adders.solve import adder_graph, blocks, signed_digits, unshared
from hwsr.ir.graph import IntArray


def matrix(values: IntArray) -> Matrix:
    return Matrix(values, np.full(len(values), -128), np.full(len(values), 127))


def digits_of(values: IntArray) -> int:
    return sum(bin(abs(value) ^ 3 * abs(value)).count("1") for value in values.flat)


def test_a_large_matrix_is_solved_by_columns() -> None:
    values = np.random.default_rng(1).integers(-7, 8, (5, 9))
    values[:, 4] = 0
    parts = list(blocks(matrix(values), 20))
    assert len(parts) > 1
    assert np.concatenate([columns for columns, _ in parts]).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    for columns, part in parts:
        assert np.array_equal(part.values, values[:, columns])
        assert digits_of(part.values) <= 20 or part.values.shape[1] == 1
    alone = [adder_graph(part, 2**15) for _, part in parts]
    whole = adder_graph(matrix(values), 20)
    assert len(whole.sums) == sum(len(graph.sums) for graph in alone)
    assert whole.depth.max() == max(graph.depth.max() for graph in alone)
    assert whole.outputs[4, 2] == 0
    x = np.random.default_rng(2).integers(-128, 128, (9, 5))
    assert np.array_equal(whole.evaluate(x), x @ values)


@pytest.mark.parametrize("limit", [1, 7, 127, 4000])
def test_without_sharing_every_digit_but_one_of_a_column_is_an_adder(limit: int) -> None:
    values = np.random.default_rng(limit).integers(-limit, limit + 1, (13, 6))
    values[:, 2] = 0
    graph = unshared(matrix(values))
    assert signed_digits(matrix(values)) == digits_of(values)
    assert len(graph.sums) == digits_of(values) - 5
    assert graph.depth.max() == max(digits_of(column) - 1 for column in values.T).bit_length()
    x = np.random.default_rng(0).integers(-128, 128, (20, 13))
    assert np.array_equal(graph.evaluate(x), x @ values)


def test_what_is_not_begun_in_time_is_left_unshared() -> None:
    values = np.random.default_rng(0).integers(-1, 2, (40, 8))
    late = adder_graph(matrix(values), 2**9, until=time.monotonic())
    assert len(late.sums) == len(unshared(matrix(values)).sums) > len(adder_graph(matrix(values), 2**9).sums)


def test_a_graph_far_deeper_than_it_must_be_is_sought_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two columns that have much in common: da4ml adds that one by one unless it is told to be quick.
    values = np.random.default_rng(0).integers(-1, 2, (200, 2))
    deep = module._solved(matrix(values), deeper=-1).depth.max()
    assert deep > 8 + module.DEEPER >= adder_graph(matrix(values), 2**15).depth.max()
    monkeypatch.setattr(module, "DEEPER", 1000)
    assert adder_graph(matrix(values), 2**15).depth.max() == deep
