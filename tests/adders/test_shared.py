"""Adder graphs of constant matrices."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.adders import shared as module
from hwsr.adders import solve as solving
from hwsr.adders.layers import Matrix
from hwsr.adders.shared import MOST_DIGITS, Adders, cost, shared, shared_graph, together
from hwsr.errors import HwsrError
from hwsr.ir.graph import IntArray


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hwsr" / "adders"


def matrix(values: IntArray | list[list[int]], lo: int = -128, hi: int = 127) -> Matrix:
    values = np.array(values, np.int64)
    return Matrix(values, np.full(len(values), lo), np.full(len(values), hi))


def never(*_: object) -> None:
    raise AssertionError("solved again")


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 8)),
    limit=st.sampled_from([1, 7, 127]),
    seed=st.integers(0, 2**20),
    transposed=st.booleans(),
)
def test_a_graph_computes_the_product_in_integers(
    shape: tuple[int, int], limit: int, seed: int, transposed: bool
) -> None:
    rng = np.random.default_rng(seed)
    # In either order of memory: what a convolution's weights give is a transposed view.
    values = rng.integers(-limit, limit + 1, shape[::-1]).T if transposed else rng.integers(-limit, limit + 1, shape)
    values[0, 0] = limit
    x = rng.integers(-128, 128, (20, shape[0]))
    x[0], x[1] = -128, 127
    graph = shared_graph(Matrix(values, np.full(shape[0], -128), np.full(shape[0], 127))).graph
    assert np.array_equal(graph.evaluate(x), x @ values)


@pytest.mark.parametrize(
    ("values", "adders", "depth"),
    [
        ([[1], [1], [0], [-1]], 2, 2),  # a sum of three
        ([[1, 1], [1, 1], [1, -1]], 3, 2),  # the sum of the first two serves both
        ([[1, 1, 0], [1, 1, 0], [0, 1, 0]], 2, 2),  # a column within another, and one of zeros
        ([[5]], 1, 1),  # 4 x + x
        ([[64]], 0, 0),  # a shift
        ([[7, 0], [0, 3]], 2, 1),  # 8 x - x; 2 y + y
        ([[0, 0], [0, 0]], 0, 0),
    ],
)
def test_small_graphs_are_as_small_as_by_hand(values: list[list[int]], adders: int, depth: int) -> None:
    cost = shared(matrix(values))
    assert (cost.adders, cost.depth) == (adders, depth)


def test_adder_bits_follow_the_range_of_the_inputs() -> None:
    # x + y: the adder is as wide as what the two overlap in and the sum beyond.
    narrow, wide = (shared(matrix([[1], [1]], 0, hi)).bits for hi in (15, 255))
    assert 4 <= narrow <= 5 and 8 <= wide <= 9


def test_sharing_saves_and_never_costs() -> None:
    values = np.random.default_rng(0).integers(-1, 2, (36, 8))
    alone = int((np.abs(values).sum(0) - 1).sum())
    assert 0 < shared(matrix(values)).adders < 0.8 * alone


def test_what_was_found_is_kept_by_content(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(-1, 2, (9, 4))
    found = shared(matrix(values))
    (path,) = cache.iterdir()
    assert len(path.stem) == 2 * hashlib.sha256().digest_size
    monkeypatch.setattr(module, "adder_graph", never)
    assert shared(matrix(np.asfortranarray(values))) == found
    for other in (matrix(-values), matrix(values, hi=128), matrix(values.reshape(4, 9))):
        with pytest.raises(AssertionError, match="solved again"):
            shared(other)


WHOLE = {"digits": MOST_DIGITS, "sums": [[0, 0, 1, 0, 1], [0, 1, 2, 0, 1]], "outputs": [[3, 0, 1], [2, 0, 1]]}
DAMAGES = [
    *(b"", b"{}", b"\xff", b"[]"),
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0, -1], [0, 1, 2, 0, 1]]}).encode(),  # another matrix
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0, 1], [0, 1, 3, 0, 1]]}).encode(),  # a sum of itself
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0, 1], [0, -1, 2, 0, 1]]}).encode(),
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0, 1], [0, 1, 2, 0, 2]]}).encode(),
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0, 1], [0, 2**70, 2, 0, 1]]}).encode(),
    json.dumps(WHOLE | {"sums": [[0, 23, 0, 23, 1]] + [[i, 23, i, 23, 1] for i in range(2, 9)]}).encode(),
    json.dumps(WHOLE | {"sums": [[0, 0, 1, 0]]}).encode(),
    json.dumps(WHOLE | {"outputs": [[3, 0, 1], [4, 0, 1]]}).encode(),
    json.dumps(WHOLE | {"outputs": [[3, 0, 1]]}).encode(),
    json.dumps(WHOLE | {"outputs": []}).encode(),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_found_anew(cache: Path, damage: bytes) -> None:
    found = shared(matrix([[3, 1], [1, 1]]))
    (path,) = cache.iterdir()
    path.write_bytes(damage)
    assert shared(matrix([[3, 1], [1, 1]])) == found
    assert path.read_bytes() != damage and shared(matrix([[3, 1], [1, 1]])) == found


def test_what_is_kept_is_taken_as_it_is(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared(matrix([[3, 1], [1, 1]]))
    (path,) = cache.iterdir()
    path.write_text(json.dumps(WHOLE))
    monkeypatch.setattr(module, "adder_graph", never)
    assert shared_graph(matrix([[3, 1], [1, 1]])).graph.sums.tolist() == WHOLE["sums"]


def test_what_cannot_be_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HwsrError, match="constants up to 16777216 are too large for da4ml"):
        shared(matrix([[2**24]]))
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the folder's place")
    with pytest.raises(HwsrError, match=r"cannot write .*; free space there, or set XDG_CACHE_HOME"):
        shared(matrix([[3]]))


def test_a_graph_that_is_wrong_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    right = solving.solve
    monkeypatch.setattr(solving, "solve", lambda kernel, **options: right(-kernel, **options))
    with pytest.raises(RuntimeError, match="does not compute its matrix"):
        shared(matrix([[3, 1], [1, 1]]))


def test_graphs_side_by_side() -> None:
    parts = [Adders(3, 20, 2), Adders(4, 40, 5)]
    assert together(parts) == Adders(7, 60, 5) and together([]) == Adders(0, 0, 0)


def ternary(inputs: int = 100, outputs: int = 40) -> Matrix:
    return matrix(np.random.default_rng(3).integers(-1, 2, (inputs, outputs)))


def test_a_bound_in_time_that_suffices_costs_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = shared_graph(ternary(), 1000)
    assert bounded.digits == MOST_DIGITS
    monkeypatch.setattr(module, "adder_graph", never)
    # It serves without a bound, and under any.
    for seconds in (None, 1000, 0.1):
        assert np.array_equal(shared_graph(ternary(), seconds).graph.sums, bounded.graph.sums)
    assert len(list(cache.iterdir())) == 1


def test_a_bound_in_time_ends_the_search(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def too_slow(_: Matrix, digits: int, seconds: float) -> None:
        asked.append((digits, seconds))

    monkeypatch.setattr(module, "_in_process", too_slow)
    bounded = shared_graph(ternary(), 1000)
    digits, seconds = zip(*asked, strict=True)
    assert digits == (MOST_DIGITS, MOST_DIGITS // 16)  # all digits are fewer than the limit between
    assert all(400 < each <= 500 for each in seconds)
    assert bounded.digits == module.QUICK_DIGITS
    x = np.random.default_rng(0).integers(-128, 128, (9, 100))
    assert np.array_equal(bounded.graph.evaluate(x), x @ ternary().values)
    # Kept under the bound that it was found with, so that it is the same the next time.
    monkeypatch.setattr(module, "_in_process", never)
    assert np.array_equal(shared_graph(ternary(), 1000).graph.sums, bounded.graph.sums)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    whole = shared_graph(ternary())
    assert len(whole.graph.sums) < len(bounded.graph.sums) < len(solving.unshared(ternary()).sums)
    assert cost(shared_graph(ternary(), 1000).graph) == cost(whole.graph)


def test_a_small_matrix_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_in_process", never)
    assert shared_graph(ternary(9, 4), 0.1).digits == MOST_DIGITS


def test_a_process_is_stopped_in_time() -> None:
    assert module._in_process(ternary(), MOST_DIGITS, 0.01) is None


def test_a_process_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    with pytest.raises(HwsrError, match=r"the process that shares sums failed: .*; try without a bound in time"):
        shared_graph(ternary(), 60)
