"""What the hardware backends agree on: what a stage is, which nodes are one, and how it shares its multipliers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.fused import beginnings
from hwsr.ir.graph import ChannelMul, Conv, IntArray, IntGraph, Node, QType, Rescale, Scale, Table, Tensor

# What a kernel is built with, by name.
Settings = dict[str, int]


@dataclass(frozen=True)
class Loops:
    """What a stage that multiplies loops over for a pixel: groups, the outputs of each, the products of an output.

    One that looks its results up has a group a channel, with a look-up in the place of its product.
    """

    groups: int
    outputs: int
    products: int


class Multiplier(IntEnum):
    """What a product of two variables is built of; the number is what a kernel is told."""

    ANY = 0  # as the HLS tool chooses
    DSP = 1
    LUT = 2


class Weights(IntEnum):
    """What the weights of shared products are kept in; the number is what a kernel is told."""

    ANY = 0  # as the HLS tool chooses: block RAM but for the smallest
    LUT = 1


@dataclass(frozen=True)
class Folding:
    """What such a stage does in one clock: `outputs` sums in each of `groups` groups, `simd` products of every sum.

    multiplier: what makes those products, weights: what keeps their weights, where there is a choice.
    """

    groups: int
    outputs: int
    simd: int
    multiplier: Multiplier = Multiplier.ANY
    weights: Weights = Weights.ANY

    @property
    def pe(self) -> int:
        """Sums that grow at a time."""
        return self.groups * self.outputs

    def reuse(self, loops: Loops) -> int:
        """Clocks a pixel, which is also how many products share a multiplier."""
        return (loops.groups * loops.outputs * loops.products) // (self.pe * self.simd)


# Clocks for every layer, or clocks or the folding itself by node name.
Reuse = int | Mapping[str, int | Folding]


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
    """What a convolution, or one multiplication, rescaling or look-up a channel, loops over."""
    if not isinstance(node, Conv):
        return Loops(graph.tensors[node.name].channels, 1, 1)
    c_out, *window = node.weight.shape
    return Loops(node.groups, c_out // node.groups, prod(window))


def unrollings(work: Loops) -> Iterator[Folding]:
    """Every folding: each loop unrolls by a divisor of its length."""
    divisors = map(_divisors, (work.groups, work.outputs, work.products))
    return (Folding(groups, outputs, simd) for groups, outputs, simd in product(*divisors))


def fold(work: Loops, clocks: int) -> Folding:
    """The smallest hardware that takes at most `clocks` clocks a pixel.

    Of several as small the one with the fewest sums, which need registers and rounding each, then in the fewest groups.
    """
    fitting = (folding for folding in unrollings(work) if folding.reuse(work) <= clocks)
    return min(fitting, key=lambda folding: (folding.pe * folding.simd, folding.pe, folding.groups))


def multipliers(node: Node, shared: bool) -> tuple[Multiplier, ...]:
    """What may make a node's products, where they share multipliers or not.

    Weights that share none are constants, ternary ones add or subtract, and attention's are few: no choice there.
    """
    if not isinstance(node, Conv | Scale) or not shared or is_ternary(node):
        return (Multiplier.ANY,)
    return Multiplier.DSP, Multiplier.LUT


def memories(node: Node, shared: bool) -> tuple[Weights, ...]:
    """What may keep a node's weights: those of products that share no multipliers are constants, kept nowhere."""
    return tuple(Weights) if isinstance(node, Conv | Scale) and shared else (Weights.ANY,)


def is_ternary(node: Conv | Scale) -> bool:
    """Every weight, or factor, is -1, 0 or 1."""
    return bool(np.abs(node.weight if isinstance(node, Conv) else node.factor).max(initial=0) <= 1)


def foldings(graph: IntGraph, reuse: Reuse) -> dict[str, Folding]:
    """The folding of every node that multiplies, rescales in a stage of its own, or looks its results up, by name.

    An integer is the clocks that a pixel of the input may take: a layer behind an upscaling by s works s^2 times as
    often and gets a s^2-th, one that works once a frame gets as many as the frame has pixels. A mapping gives by node
    name clocks a pixel of the layer itself, or its folding as it is; where it names none one clock, and a frame's to
    look-ups and rescalings once a frame.
    Raises HwsrError for a number below 1, a name that no node has, or a folding that the node cannot have.
    """
    given: Mapping[str, int | Folding] = {"": reuse} if isinstance(reuse, int) else reuse
    fused = beginnings(graph)
    multiplying = {
        node.name: node
        for node in graph.nodes
        if isinstance(node, Conv | Scale | ChannelMul | Table | Rescale) and node.name not in fused
    }
    for name, asked in given.items():
        if name and name not in graph.tensors:
            raise HwsrError(f"reuse factor for '{name}': the network has no node of this name")
        if isinstance(asked, Folding):
            _check(graph, multiplying.get(name), name, asked)
        elif asked < 1:
            raise HwsrError(f"reuse factor {asked}: it counts clocks a pixel, so 1 is the least")
    return {name: _folding(graph, node, reuse) for name, node in multiplying.items()}


def _folding(graph: IntGraph, node: Node, reuse: Reuse) -> Folding:
    once_a_frame = graph.tensors[node.name].pooled
    if isinstance(reuse, int):
        upscale = graph.tensors[node.name].upscale
        asked: int | Folding = prod(graph.frame) if once_a_frame else max(reuse // upscale**2, 1)
    else:
        asked = reuse.get(node.name, prod(graph.frame) if once_a_frame and isinstance(node, Table | Rescale) else 1)
    return asked if isinstance(asked, Folding) else fold(loops(graph, node), asked)


def _check(graph: IntGraph, node: Node | None, name: str, folding: Folding) -> None:
    if node is None:
        raise HwsrError(f"folding of '{name}': this node multiplies nothing")
    work = loops(graph, node)
    parts = ((folding.groups, work.groups), (folding.outputs, work.outputs), (folding.simd, work.products))
    for part, whole in parts:
        if part < 1 or whole % part:
            raise HwsrError(f"folding of '{name}': {part} does not divide its loop of {whole}")
    if folding.multiplier not in (Multiplier.ANY, *multipliers(node, folding.reuse(work) > 1)):
        raise HwsrError(f"folding of '{name}': it has no shared multipliers to build of {folding.multiplier.name}s")
    if folding.weights not in memories(node, folding.reuse(work) > 1):
        raise HwsrError(f"folding of '{name}': it has no weights to keep in {folding.weights.name}s")


def _divisors(n: int) -> list[int]:
    return [divisor for divisor in range(1, n + 1) if n % divisor == 0]


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
