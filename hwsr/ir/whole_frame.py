"""A network with means over its frame, on a frame of another size: its means are then that frame's.

An exported constant is exact in float32 too, which means of large frames cannot be; hardware and the integer reference
have wider sums and need no such care.
"""

from dataclasses import replace

import numpy as np

from hwsr.errors import HwsrError
from hwsr.ir.check import make_graph
from hwsr.ir.graph import IntGraph, Node, Rescale, Scale, SpatialSum
from hwsr.ir.tiling import on_frame

# The constant that stands for 1 / (H W) is at least 2**MEAN_BITS, so off by 2**-(MEAN_BITS + 1) of itself at most.
MEAN_BITS = 14
# How far an exported one is off, which is a mean's and no other factor.
_EXPORTED_ERROR = 0.05


def on_whole_frame(graph: IntGraph, frame: tuple[int, int]) -> IntGraph:
    """The graph in hardware that works on frames of (H, W), means of them among its nodes.

    Raises HwsrError for a frame of no size, or a sum that is not scaled to a mean.
    """
    moved = on_frame(graph, frame)
    if moved.frame == frame:
        return moved
    return make_graph([_rescaled(graph, node, frame) for node in graph.nodes], frame)


def _rescaled(graph: IntGraph, node: Node, frame: tuple[int, int]) -> Node:
    readers = graph.consumers[node.name]
    if isinstance(node, SpatialSum) and any(isinstance(reader, Rescale) for reader in readers):
        raise HwsrError(f"node '{node.name}': an affine mean is of the exported frame; export with --frame")
    if isinstance(node, SpatialSum) and not all(isinstance(reader, Scale) for reader in readers):
        raise HwsrError(f"node '{node.name}': a sum over its frame that is no mean; export with --frame")
    sums = {other.name for other in graph.nodes if isinstance(other, SpatialSum)}
    if not isinstance(node, Scale) or node.inputs[0] not in sums:
        return node
    area = graph.frame[0] * graph.frame[1]
    if np.any(np.abs(node.factor * np.exp2(-node.factor_frac) * area - 1) > _EXPORTED_ERROR):
        raise HwsrError(f"node '{node.name}': its factor makes no mean of a sum; export with --frame")
    area = frame[0] * frame[1]
    frac = MEAN_BITS + (area - 1).bit_length()
    factor, ones = round(2**frac / area), np.ones_like(node.factor)
    return replace(node, factor=ones * factor, factor_bits=factor.bit_length() + 1, factor_frac=ones * frac)
