"""What the hardware backends agree on: what a stage is, which nodes are one, and how it shares its multipliers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Concat,
    Conv,
    IntArray,
    IntGraph,
    Node,
    Offset,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Tensor,
)

# One for every layer, or one by node name.
Reuse = int | Mapping[str, int]

# What a kernel is built with, by name.
Settings = dict[str, int]


def fused_requantizations(graph: IntGraph) -> dict[str, Requantize]:
    """Nodes whose only reader is a requantization, which then is no more than their result's type."""
    fusible = (Conv, Scale, Offset, Add, ChannelMul, SpatialSum, Concat)
    result = {}
    for node in graph.nodes:
        readers = graph.consumers[node.name]
        if isinstance(node, fusible) and len(readers) == 1 and isinstance(readers[0], Requantize):
            result[node.name] = readers[0]
    return result


@dataclass(frozen=True)
class Loops:
    """What a stage that multiplies loops over for a pixel: groups, the outputs of each, the products of an output."""

    groups: int
    outputs: int
    products: int


@dataclass(frozen=True)
class Folding:
    """What such a stage does in one clock: `outputs` sums in each of `groups` groups, `simd` products of every sum."""

    groups: int
    outputs: int
    simd: int

    @property
    def pe(self) -> int:
        """Sums that grow at a time."""
        return self.groups * self.outputs

    def reuse(self, loops: Loops) -> int:
        """Clocks a pixel, which is also how many products share a multiplier."""
        return (loops.groups * loops.outputs * loops.products) // (self.pe * self.simd)


@dataclass(frozen=True, eq=False)
class Constant:
    """An array of a stage's kernel: the C++ type of its elements, and its values."""

    c_type: str
    values: NDArray


@dataclass(frozen=True, eq=False)
class Stage:
    """One process.

    name: its C identifier; kind: its kernel, or its hls4ml layer class where that is hls4ml's own; makes: the tensor on
    its output; streams: its outputs, each with its depth in words; shape: (H, W, C) of its output; result: the type of
    its output's integers; settings, constants: what its kernel is built with; folding: of one that multiplies;
    helper: it makes no tensor of its own; adders: of a convolution whose sums an adder graph computes.
    """

    name: str
    kind: str
    makes: str
    inputs: tuple[str, ...]
    streams: dict[str, int]
    shape: tuple[int, int, int]
    result: QType
    settings: Settings = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    folding: Folding | None = None
    reuse_factor: int = 1
    helper: bool = False
    adders: AdderGraph | None = None


def loops(graph: IntGraph, node: Node) -> Loops:
    """What a convolution, or one multiplication a channel, loops over."""
    if not isinstance(node, Conv):
        return Loops(graph.tensors[node.name].channels, 1, 1)
    c_out, *window = node.weight.shape
    return Loops(node.groups, c_out // node.groups, prod(window))


def fold(work: Loops, clocks: int) -> Folding:
    """The smallest hardware that takes at most `clocks` clocks a pixel: every loop unrolls by a divisor of its length.

    Of several as small the one with the fewest sums, which need registers and rounding each, then in the fewest groups.
    """
    candidates = (
        Folding(groups, outputs, simd)
        for groups in _divisors(work.groups)
        for outputs in _divisors(work.outputs)
        for simd in _divisors(work.products)
    )
    fitting = (folding for folding in candidates if folding.reuse(work) <= clocks)
    return min(fitting, key=lambda folding: (folding.pe * folding.simd, folding.pe, folding.groups))


def foldings(graph: IntGraph, reuse: Reuse) -> dict[str, Folding]:
    """The folding of every node that multiplies, by name.

    An integer is the clocks that a pixel of the input may take: a layer behind an upscaling by s works s^2 times as
    often and gets a s^2-th, one that works once a frame gets as many as the frame has pixels. A mapping gives clocks a
    pixel of the layer itself by node name, 1 where it names none.
    Raises HwsrError for a number below 1 or a name that no node has.
    """
    given = {"": reuse} if isinstance(reuse, int) else dict(reuse)
    for name, factor in given.items():
        if factor < 1:
            raise HwsrError(f"reuse factor {factor}: it counts clocks a pixel, so 1 is the least")
        if name and name not in graph.tensors:
            raise HwsrError(f"reuse factor for '{name}': the network has no node of this name")
    multiplying = [node for node in graph.nodes if isinstance(node, Conv | Scale | ChannelMul)]
    return {node.name: fold(loops(graph, node), _clocks(graph, node, reuse)) for node in multiplying}


def _divisors(n: int) -> list[int]:
    return [divisor for divisor in range(1, n + 1) if n % divisor == 0]


def _clocks(graph: IntGraph, node: Node, reuse: Reuse) -> int:
    tensor = graph.tensors[node.name]
    if not isinstance(reuse, int):
        return reuse.get(node.name, 1)
    return prod(graph.frame) if tensor.pooled else max(reuse // tensor.upscale**2, 1)


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
