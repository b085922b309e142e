"""Which nodes the hardware computes at the end of the stage that makes what they read, instead of in one of their own.

A requantization is no more than the type of a result. An affine one multiplies: it ends the convolution whose
accumulators it alone reads. What takes off the zero point of its result is a change of its own constants.
"""

import numpy as np

from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Concat,
    Conv,
    IntGraph,
    Node,
    Offset,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
)


def endings(graph: IntGraph) -> dict[str, tuple[Node, ...]]:
    """By the name of the node that a stage begins with, those that it ends with, in order; none where there are none.

    A Requantize alone, a Rescale alone, a Rescale and the Offset of its zero point, or, where the stage begins with
    that Rescale, the Offset alone.
    """
    found: dict[str, tuple[Node, ...]] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        own = () if node.name in taken else _ending(graph, node)
        if own:
            found[node.name] = own
            taken.update(each.name for each in own)
    return found


def beginnings(graph: IntGraph) -> dict[str, str]:
    """By the name of every node within a stage's ending, that of the node which the stage begins with."""
    return {each.name: name for name, ending in endings(graph).items() for each in ending}


def rescale_of(node: Node, ending: tuple[Node, ...]) -> tuple[Rescale, int] | None:
    """The Rescale of a stage that begins with `node` and ends with `ending`, and what is added to its result."""
    rescale = next((each for each in (node, *ending) if isinstance(each, Rescale)), None)
    added = sum(int(each.offset[0]) for each in ending if isinstance(each, Offset))
    return None if rescale is None else (rescale, added)


def _ending(graph: IntGraph, node: Node) -> tuple[Node, ...]:
    reader = _only_reader(graph, node)
    match node, reader:
        case Conv() | Scale() | Offset() | Add() | ChannelMul() | SpatialSum() | Concat(), Requantize():
            return (reader,)
        case Conv(), Rescale() if np.ptp(node.weight_frac) == 0:
            return (reader, *_ending(graph, reader))
        case Rescale(), Offset() if np.ptp(reader.offset) == 0 and reader.offset_frac == node.type.frac:
            return (reader,)
    return ()


def _only_reader(graph: IntGraph, node: Node) -> Node | None:
    readers = graph.consumers[node.name]
    return readers[0] if len(readers) == 1 else None
