"""Adder graphs among the choices of a plan: what each is expected to cost before it is sought, and those found."""

from collections.abc import Iterable
from dataclasses import dataclass

from hwsr.adders.stages import Progress, Solved, solve, without_sharing
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import Conv, IntGraph
from hwsr.ir.stages import is_ternary

# Of the LUTs of a graph without sharing, what da4ml leaves: a falling power of its adders, read off random ternary
# matrices of 76 to 3,428 adders (tests/plan/test_plan_adders.py).
SHARE, FALL = 1.07, 0.0975


@dataclass(frozen=True, eq=False)
class Summed:
    """A convolution's adder graph; share: of its LUTs that are expected to be left, 1 of a graph that was found."""

    graph: AdderGraph
    share: float = 1.0


def ternary(graph: IntGraph) -> list[Conv]:
    """The convolutions that adder graphs may compute in a plan."""
    return [node for node in graph.nodes if isinstance(node, Conv) and is_ternary(node)]


def expected(graph: IntGraph) -> dict[str, Summed]:
    """Of every ternary convolution, by name, before anything was sought."""
    return {conv.name: _expected(without_sharing(graph, conv)) for conv in ternary(graph)}


def _expected(graph: AdderGraph) -> Summed:
    return Summed(graph, min(SHARE * max(len(graph.sums), 1) ** -FALL, 1.0))


def solved_graphs(
    graph: IntGraph, names: Iterable[str], seconds: float | None, progress: Progress
) -> tuple[dict[str, Summed], dict[str, Solved]]:
    """The graphs of these convolutions, sought for about `seconds` each or taken from the cache."""
    wanted = set(names)
    solved = solve(graph, [conv for conv in ternary(graph) if conv.name in wanted], seconds, progress)
    return {name: Summed(each.graph) for name, each in solved.items()}, solved
