"""How stages that multiply are folded: exact clocks, the smallest hardware, rates that follow the resolution."""

from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.ir.stages import Folding, Loops, Multiplier, fold, foldings, loops
from tests.hls.hls_graphs import grouped_net, x4_net

sizes = st.integers(1, 24)


@settings(deadline=None)  # a loaded machine says nothing about foldings
@given(st.builds(Loops, sizes, sizes, sizes), st.integers(1, 5000))
def test_folding_is_the_smallest_hardware_in_time(work: Loops, clocks: int) -> None:
    chosen = fold(work, clocks)
    parts = [(chosen.groups, work.groups), (chosen.outputs, work.outputs), (chosen.simd, work.products)]
    assert all(whole % part == 0 for part, whole in parts)
    assert chosen.reuse(work) == prod(whole // part for part, whole in parts) <= clocks
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (work.groups, work.outputs, work.products)]
    smaller = [
        f for f in map(Folding, *zip(*product(*divisors), strict=True)) if f.pe * f.simd < chosen.pe * chosen.simd
    ]
    assert all(folding.reuse(work) > clocks for folding in smaller)


def test_one_clock_unrolls_everything() -> None:
    assert fold(Loops(4, 6, 9), 1) == Folding(4, 6, 9)
    assert fold(Loops(4, 6, 9), 10**9) == Folding(1, 1, 1)


def test_products_unroll_before_sums() -> None:
    assert fold(Loops(1, 16, 144), 16) == Folding(1, 1, 144)
    assert fold(Loops(1, 16, 144), 4) == Folding(1, 4, 144)


def test_clocks_balance_over_resolutions() -> None:
    graph = x4_net()
    folded = foldings(graph, 64)
    clocks = {
        node.name: folded[node.name].reuse(loops(graph, node)) * graph.tensors[node.name].upscale ** 2
        for node in graph.nodes
        if node.name in folded
    }
    assert max(clocks.values()) <= 64
    assert {name: clocks[name] for name in ("up 1", "up 2", "tail")} == {"up 1": 64, "up 2": 64, "tail": 64}


def test_groups_and_factors_are_folded_alike() -> None:
    graph = grouped_net()
    by_name = {node.name: node for node in graph.nodes}
    assert loops(graph, by_name["3x3 groups"]) == Loops(2, 4, 54)
    assert foldings(graph, {"3x3 groups": 8})["3x3 groups"] == Folding(1, 1, 54)


def test_foldings_are_taken_as_they_are() -> None:
    graph = grouped_net()
    chosen = Folding(2, 2, 9, Multiplier.DSP)
    folded = foldings(graph, {"3x3 groups": chosen, "head": 6})
    assert folded["3x3 groups"] == chosen
    node = next(node for node in graph.nodes if node.name == "head")
    assert folded["head"] == fold(loops(graph, node), 6)
    assert folded["middle"].reuse(Loops(1, 4, 72)) == 1


@pytest.mark.parametrize(
    "reuse, message",
    [
        (0, "reuse factor 0"),
        ({"nobody": 2}, "no node of this name"),
        ({"nobody": Folding(1, 1, 1)}, "no node of this name"),
        ({"shuffled": Folding(1, 1, 1)}, "multiplies nothing"),
        ({"3x3 groups": Folding(1, 1, 7)}, "7 does not divide its loop of 54"),
        ({"3x3 groups": Folding(1, 1, -1)}, "-1 does not divide"),
        ({"3x3 groups": Folding(2, 4, 54, Multiplier.DSP)}, "no shared multipliers to build of DSPs"),
        ({"ternary groups": Folding(1, 1, 1, Multiplier.LUT)}, "no shared multipliers to build of LUTs"),
    ],
)
def test_bad_requests_are_named(reuse, message: str) -> None:
    with pytest.raises(HwsrError, match=message):
        foldings(grouped_net(), reuse)
