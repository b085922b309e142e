"""Which convolutions become adder graphs, and the order of their inputs."""

import numpy as np
import pytest

from hwsr.adders import stages as module
from hwsr.adders.layers import Matrix
from hwsr.adders.shared import Found
from hwsr.adders.solve import adder_graph
from hwsr.adders.stages import chosen, describe, solve
from hwsr.adders.which import Which
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, Input, IntGraph, QType


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def network(groups: int = 1) -> IntGraph:
    """Two convolutions of the image, ternary and not; the second works on what the first makes."""
    rng = np.random.default_rng(0)
    zeros = np.zeros(4, np.int64)
    first = Conv("t", ("x",), rng.integers(-1, 2, (4, 6 // groups, 3, 5)), 2, zeros, zeros, groups)
    second = Conv("i", ("t",), rng.integers(-127, 128, (4, 4, 1, 1)), 8, zeros, zeros)
    return make_graph([Input("x", (), 6, QType(8, False, 8)), first, second], (5, 6))


def names(convs: list[Conv]) -> list[str]:
    return [conv.name for conv in convs]


def test_ternary_ones_of_one_clock_a_pixel_are_chosen() -> None:
    graph = network()
    assert names(chosen(graph, 1)) == ["t"]
    assert names(chosen(graph, 1, Which.ALL)) == ["t", "i"]
    assert chosen(graph, 1, Which.NONE) == chosen(graph, 4) == []
    assert names(chosen(graph, {"t": 2}, Which.ALL)) == ["i"]


@pytest.mark.parametrize("groups", [1, 2])
def test_inputs_are_in_the_order_of_the_window(groups: int) -> None:
    graph = network(groups)
    conv = chosen(graph, 1)[0]
    solved = solve(graph, [conv])["t"]
    window = np.random.default_rng(1).integers(0, 256, (20, 3, 5, 6))  # rows, columns, channels
    own = window.reshape(20, 3, 5, groups, -1).transpose(0, 3, 1, 2, 4)
    sums = np.concatenate(
        [
            np.einsum("srkc,ockr->so", own[:, g], weight.transpose(0, 1, 3, 2))
            for g, weight in enumerate(np.split(conv.weight, groups))
        ],
        axis=1,
    )
    assert np.array_equal(solved.graph.evaluate(own.reshape(20, -1)), sums)
    assert solved.complete and len(solved.graph.sums) < solved.unshared == np.abs(conv.weight).sum() - 4
    assert solved.as_json() == {"adders": len(solved.graph.sums), "unshared": solved.unshared, "complete": True}


def test_what_a_bound_in_time_cost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hasty(matrix: Matrix, seconds: float | None) -> Found:
        asked.append(seconds)
        return Found(adder_graph(matrix, 1), 1)

    monkeypatch.setattr(module, "shared_graph", hasty)
    graph = network(2)
    done: list[str] = []
    solved = solve(graph, chosen(graph, 1), 10, lambda convs: (done.append(conv.name) or conv for conv in convs))
    assert asked == [5, 5] and done == ["t"]
    whole, stopped = describe(solved)
    assert "adder graphs of 1 convolutions" in whole and stopped.startswith("t: not all shared in the time given")
    for number in (len(solved["t"].graph.sums), solved["t"].unshared):
        assert f"{number:,} " in stopped
    assert describe({}) == []
