"""What the hardware backends agree on: which nodes are one stage, and how far a stage shares its multipliers."""

from collections.abc import Mapping
from math import prod

import numpy as np

from hwsr.errors import HwsrError
from hwsr.ir.graph import Add, ChannelMul, Conv, IntArray, IntGraph, Node, Offset, Requantize, Scale, SpatialSum, Tensor

# One for every layer, or one by node name.
Reuse = int | Mapping[str, int]


def fused_requantizations(graph: IntGraph) -> dict[str, Requantize]:
    """Nodes whose only reader is a requantization, which then is no more than their result's type."""
    fusible = (Conv, Scale, Offset, Add, ChannelMul, SpatialSum)
    result = {}
    for node in graph.nodes:
        readers = graph.consumers[node.name]
        if isinstance(node, fusible) and len(readers) == 1 and isinstance(readers[0], Requantize):
            result[node.name] = readers[0]
    return result


def valid_reuse(n_in: int, n_out: int, wanted: int, depthwise: bool = False) -> int:
    """The largest reuse factor up to `wanted` (at least 1) that hls4ml's kernels compute correctly with."""

    def fits(factor: int) -> bool:
        if depthwise:
            return n_in % factor == 0 and (factor <= n_out or factor % n_out == 0)
        return n_in % factor == 0 or (factor % n_in == 0 and (n_in * n_out) % factor == 0)

    return next(factor for factor in range(max(min(wanted, n_in * n_out), 1), 0, -1) if fits(factor))


def reuse_factors(graph: IntGraph, reuse: Reuse) -> dict[str, int]:
    """The reuse factor of every node that multiplies, by name.

    An integer is what layers at the input's resolution get; behind an upscaling by s a layer works s^2 times as often
    and gets a s^2-th, and one that works once a frame shares a single multiplier. A mapping gives factors by node
    name, 1 where it names none. Each is lowered to the next that hls4ml can build.
    Raises HwsrError for a factor below 1 or a name that no node has.
    """
    given = {"": reuse} if isinstance(reuse, int) else dict(reuse)
    for name, factor in given.items():
        if factor < 1:
            raise HwsrError(f"reuse factor {factor}: it counts multiplications on one multiplier, so 1 is the least")
        if name and name not in graph.tensors:
            raise HwsrError(f"reuse factor for '{name}': the network has no node of this name")
    multiplying = [node for node in graph.nodes if isinstance(node, Conv | Scale | ChannelMul)]
    return {node.name: _fitted(graph, node, _wanted(graph, node, reuse)) for node in multiplying}


def _wanted(graph: IntGraph, node: Node, reuse: Reuse) -> int:
    tensor = graph.tensors[node.name]
    if not isinstance(reuse, int):
        return reuse.get(node.name, 1)
    return prod(graph.frame) if tensor.pooled else max(reuse // tensor.upscale**2, 1)


def _fitted(graph: IntGraph, node: Node, wanted: int) -> int:
    if not isinstance(node, Conv):
        return valid_reuse(graph.tensors[node.name].channels, 1, wanted)
    channels = graph.tensors[node.inputs[0]].channels
    c_out, _, kh, kw = node.weight.shape
    return valid_reuse(kh * kw * channels, c_out, wanted, depthwise=node.depthwise)


def channel_ranges(node: Conv, x: Tensor) -> tuple[IntArray, IntArray]:
    """Lowest and highest sum of every channel, each on its own grid; padding puts zeros among the inputs."""
    flat = node.weight.reshape(len(node.weight), -1)
    positive, negative = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
    lo, hi = min(x.lo, 0), max(x.hi, 0)
    return positive * lo + negative * hi + node.bias, positive * hi + negative * lo + node.bias


def accumulator_range(node: Conv, x: Tensor) -> tuple[int, int]:
    """Lowest and highest sum of any channel, each on its channel's own grid."""
    lowest, highest = channel_ranges(node, x)
    return int(lowest.min()), int(highest.max())
