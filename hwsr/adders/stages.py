"""The convolutions of a network that adder graphs compute, and their graphs as hardware takes them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsr.adders.layers import Matrix, matrices
from hwsr.adders.shared import MOST_DIGITS, shared_graph
from hwsr.adders.solve import signed_digits, unshared
from hwsr.adders.which import Which
from hwsr.ir.adder_graph import AdderGraph, Part, join
from hwsr.ir.graph import Conv, IntArray, IntGraph
from hwsr.ir.stages import Reuse, foldings, loops

Progress = Callable[[Iterable[Conv]], Iterable[Conv]]


@dataclass(frozen=True, eq=False)
class Solved:
    """A convolution's graph, from its window (group by group; rows, columns, channels) to its sums without biases.

    unshared: adders that it would take without sharing; complete: sums were shared as far as without a bound in time.
    """

    graph: AdderGraph
    unshared: int
    complete: bool

    def as_json(self) -> dict[str, Any]:
        return {"adders": len(self.graph.sums), "unshared": self.unshared, "complete": self.complete}


def chosen(graph: IntGraph, reuse_factor: Reuse, which: Which = Which.TERNARY) -> list[Conv]:
    """The convolutions that take one clock a pixel, and whose weights are as `which` says."""
    if which is Which.NONE:
        return []
    folded = foldings(graph, reuse_factor)
    unfolded = [
        node for node in graph.nodes if isinstance(node, Conv) and folded[node.name].reuse(loops(graph, node)) == 1
    ]
    return [node for node in unfolded if which is Which.ALL or np.abs(node.weight).max(initial=0) <= 1]


def solve(
    graph: IntGraph, convs: Iterable[Conv], seconds: float | None = None, progress: Progress = iter
) -> dict[str, Solved]:
    """The adder graphs of convolutions, by name; seconds: for each of them, about, to share sums in.

    Raises HwsrError as `shared_graph` does.
    """
    return {conv.name: _solved(graph, conv, seconds) for conv in progress(convs)}


def graphs(solved: dict[str, Solved]) -> dict[str, AdderGraph]:
    """The graphs alone, as the lowering takes them."""
    return {name: each.graph for name, each in solved.items()}


def describe(solved: dict[str, Solved]) -> Sequence[str]:
    """What was found, in a line, and a line for every convolution that the bound in time cut short."""
    if not solved:
        return []
    adders, unshared = (sum(each.as_json()[key] for each in solved.values()) for key in ("adders", "unshared"))
    lines = [f"adder graphs of {len(solved)} convolutions: {adders:,} adders, {unshared:,} without sharing"]
    for name, each in solved.items():
        if not each.complete:
            lines.append(
                f"{name}: not all shared in the time given: {len(each.graph.sums):,} adders, {each.unshared:,} without "
                "sharing; raise --adder-seconds or leave it out"
            )
    return lines


def without_sharing(graph: IntGraph, conv: Conv) -> AdderGraph:
    """The convolution's graph where no sum is shared: what sharing begins with."""
    groups = matrices(conv, graph.tensors[conv.inputs[0]])
    return _joined(conv, groups, [unshared(matrix) for matrix in groups])


def _solved(graph: IntGraph, conv: Conv, seconds: float | None) -> Solved:
    groups = matrices(conv, graph.tensors[conv.inputs[0]])
    found = [shared_graph(matrix, seconds / len(groups) if seconds else None) for matrix in groups]
    plain = sum(signed_digits(matrix) - int(np.any(matrix.values, axis=0).sum()) for matrix in groups)
    joined = _joined(conv, groups, [each.graph for each in found])
    return Solved(joined, plain, all(each.digits == MOST_DIGITS for each in found))


def _joined(conv: Conv, groups: Sequence[Matrix], found: Sequence[AdderGraph]) -> AdderGraph:
    """The graphs of the groups as one, from the convolution's window."""
    rows, columns = groups[0].values.shape
    window = _window_order(conv)
    parts = [
        Part(graph, group * rows + window, group * columns + np.arange(columns)) for group, graph in enumerate(found)
    ]
    lo, hi = (np.concatenate([getattr(matrix, end) for matrix in groups]) for end in ("lo", "hi"))
    return join(parts, lo, hi, len(conv.weight))


def _window_order(conv: Conv) -> IntArray:
    """Where in a group's window each input of its matrix lies; the matrix has channels first."""
    channels, height, width = conv.weight.shape[1:]
    return np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
