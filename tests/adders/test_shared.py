"""Adder graphs of constant matrices."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.adders import shared as module
from hwsr.adders.layers import Matrix
from hwsr.adders.shared import Adders, adder_graph, blocks, evaluate, shared, together
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


def never(_: Matrix) -> None:
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
    graph = adder_graph(Matrix(values, np.full(shape[0], -128), np.full(shape[0], 127)))
    assert np.array_equal(evaluate(graph, x), x @ values)


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


def test_a_large_matrix_is_solved_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(-7, 8, (5, 9))
    values[:, 4] = 0
    monkeypatch.setattr(module, "MOST_DIGITS", 20)
    parts = list(blocks(matrix(values)))
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([part.values for part in parts], axis=1), np.delete(values, 4, axis=1))
    for part in parts:
        digits = sum(bin(abs(v) ^ 3 * abs(v)).count("1") for v in part.values.flat)
        assert digits <= 20 or part.values.shape[1] == 1
    wanted = [shared(part) for part in parts]
    assert shared(matrix(values)) == together(wanted)
    assert together(wanted).adders == sum(each.adders for each in wanted)
    assert together(wanted).depth == max(each.depth for each in wanted)


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


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"adders": -1, "bits": 0, "depth": 0}', b"\xff", b"[]"])
def test_a_damaged_entry_is_found_anew(cache: Path, damage: bytes) -> None:
    found = shared(matrix([[3, 1], [1, 1]]))
    (path,) = cache.iterdir()
    path.write_bytes(damage)
    assert shared(matrix([[3, 1], [1, 1]])) == found
    assert Adders(**json.loads(path.read_text())) == found


def test_what_cannot_be_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HwsrError, match="constants up to 16777216 are too large for da4ml"):
        shared(matrix([[2**24]]))
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in the folder's place")
    with pytest.raises(HwsrError, match=r"cannot write .*; free space there, or set XDG_CACHE_HOME"):
        shared(matrix([[3]]))


def test_a_graph_that_is_wrong_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.solve
    monkeypatch.setattr(module, "solve", lambda kernel, **options: right(-kernel, **options))
    with pytest.raises(RuntimeError, match="does not compute its matrix"):
        shared(matrix([[3, 1], [1, 1]]))
