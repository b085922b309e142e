"""What one stage of the hardware computes, holds and takes.

Stages are those that the HLS backend generates code from: kernels, settings and stream depths are read off them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from hwsr.estimate import adders, folded, streams
from hwsr.estimate.fabric import Timing
from hwsr.estimate.folded import FoldedConv
from hwsr.estimate.products import Products
from hwsr.estimate.resources import Resources, fifo
from hwsr.estimate.streams import Streams
from hwsr.estimate.structure import Priced, Structure, exactly, price
from hwsr.ir.fused import beginnings, endings
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Conv,
    IntArray,
    IntGraph,
    Node,
    Offset,
    QType,
    Rescale,
    Scale,
    SpatialSum,
    Table,
)
from hwsr.ir.stages import Stage

# An affine multiplier and its shift, which has a sign.
RESCALE_BITS = 31 + 6

# (low, high) of a figure, by its name.
Ranges = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Counts:
    """Counted, for one frame: operations and bits held.

    macs: products of the kernel, zero weights included. additions, multiplications: those that hardware carries out;
    a ternary weight multiplies nothing and a zero one adds nothing. weight_bits: weights, factors and tables, without
    biases. line_buffer_bits: rows that convolutions and upscalings keep. fifo_bits: the streams into the stage.
    """

    macs: int = 0
    additions: int = 0
    multiplications: int = 0
    weight_bits: int = 0
    line_buffer_bits: int = 0
    fifo_bits: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Layer:
    """One stage: its identifier in the generated code, the node that it is, and its kernel.

    pe, simd: sums that grow at a time and products of each, or look-ups at a time, None of other stages; reuse_factor:
    clocks a pixel. turns: of its loop for a frame; cycles: from one frame to the next; resources: with FIFOs into it.
    """

    stage: str
    name: str
    kind: str
    pe: int | None
    simd: int | None
    reuse_factor: int
    counts: Counts
    turns: int
    cycles: int
    priced: Priced

    @property
    def resources(self) -> Resources:
        return self.priced.value

    @property
    def ranges(self) -> Ranges:
        return {"cycles": (self.turns, self.cycles)} | ends(self.priced)


def ends(priced: Priced) -> Ranges:
    """The least and the most of every resource, by name."""
    return {f.name: (getattr(priced.least, f.name), getattr(priced.most, f.name)) for f in fields(Resources)}


@dataclass(frozen=True)
class Stream:
    """What a stage reads: words of `channels` channels of `bits` bits, in a FIFO of `depth` words."""

    channels: int
    bits: int
    depth: int

    @property
    def width(self) -> int:
        return self.channels * self.bits


def estimate_layers(
    graph: IntGraph, stages: Sequence[Stage], timing: Timing, of: Iterable[Stage] | None = None
) -> tuple[Layer, ...]:
    """Every stage but the input, or those of `of`, which read the streams of `stages`.

    Raises HwsrError for a stage whose kernel no law is known of.
    """
    begins, ends = beginnings(graph), endings(graph)
    nodes = {node.name: node for node in graph.nodes}
    found = {
        name: Stream(stage.shape[2], stage.result.bits, depth)
        for stage in stages
        for name, depth in stage.streams.items()
    }
    return tuple(
        _layer(graph, stage, (node, *ends.get(node.name, ())), [found[name] for name in stage.inputs], timing)
        for stage in (stages if of is None else of)
        if stage.inputs
        for node in [nodes[begins.get(stage.makes, stage.makes)]]
    )


def _layer(graph: IntGraph, stage: Stage, own: Sequence[Node], read: Sequence[Stream], timing: Timing) -> Layer:
    """own: the nodes that the stage is, that which it begins with first."""
    node = own[0]
    sums = exactly(Resources())
    if stage.kind in ("conv", "adder_conv"):
        conv = _folded(node, stage, read[0], timing)
        structure, lines = folded.structure(conv), conv.line_buffer_bits
        if stage.adders:
            sums = adders.priced(stage.adders, conv.adders_a_cycle)
    else:
        structure = streams.structure(Streams(stage, tuple(stream.bits for stream in read), timing))
        lines = _row_bits(stage, structure)
    queues = [exactly(fifo(stream.depth, stream.width)) for stream in read]
    held = Counts(line_buffer_bits=lines, fifo_bits=sum(stream.depth * stream.width for stream in read))
    return Layer(
        stage=stage.name,
        name=stage.name if stage.helper else node.name,
        kind=stage.kind,
        pe=stage.folding.pe if stage.folding else None,
        simd=stage.folding.simd if stage.folding else None,
        reuse_factor=stage.reuse_factor,
        counts=held if stage.helper else held + _operations(graph, own, stage),
        turns=structure.turns,
        cycles=structure.cycles,
        priced=sum(queues, price(structure) + sums),
    )


def _folded(node: Node, stage: Stage, x: Stream, timing: Timing) -> FoldedConv:
    assert isinstance(node, Conv | Scale), f"{type(node).__name__} is no convolution"
    bias, up = stage.constants["bias"].values, stage.constants.get("up")
    return FoldedConv(
        settings=stage.settings,
        x_bits=x.bits,
        out_bits=stage.result.bits,
        products=Products.of(_weights(node)),
        bias_bits=QType.holding(int(bias.min()), int(bias.max()), 0).bits if bias.any() else 0,
        shifts=len(np.unique(up.values)) if up else 1,
        timing=timing,
        adders=stage.adders,
    )


def _weights(node: Conv | Scale) -> IntArray:
    return node.weight if isinstance(node, Conv) else node.factor


def _row_bits(stage: Stage, structure: Structure) -> int:
    upscales = stage.kind in ("pixel_shuffle", "upsample_nearest")
    return sum(words * width for words, width in structure.memories) if upscales else 0


def _operations(graph: IntGraph, own: Sequence[Node], stage: Stage) -> Counts:
    """Those of the node and of what rescales its result; of an adder graph, its adders and those of the biases."""
    found = operations(graph, own[0])
    if stage.adders:
        pixels = stage.shape[0] * stage.shape[1]
        added = len(stage.adders.sums) + int(np.count_nonzero(stage.constants["bias"].values))
        found = replace(found, additions=pixels * added, multiplications=0)
    return sum((operations(graph, each) for each in own[1:] if isinstance(each, Rescale)), found)


def operations(graph: IntGraph, node: Node) -> Counts:
    """What a node computes in a frame of the graph, and the bits of its constants."""
    channels, height, width = graph.shape(node.name, *graph.frame)
    results = channels * height * width
    match node:
        case Conv():
            pixels = height * width
            return Counts(
                macs=pixels * node.weight.size,
                additions=pixels * _additions(node),
                multiplications=0 if node.weight_bits == 2 else pixels * node.weight.size,
                weight_bits=node.weight.size * node.weight_bits,
            )
        case Scale():
            return Counts(multiplications=results, weight_bits=channels * node.factor_bits)
        case ChannelMul():
            return Counts(multiplications=results)
        case Rescale():
            return Counts(multiplications=results, weight_bits=channels * RESCALE_BITS)
        case Add() | Offset():
            return Counts(additions=results)
        case SpatialSum():
            channels, height, width = graph.shape(node.inputs[0], *graph.frame)
            return Counts(additions=channels * height * width)
        case Table():
            return Counts(weight_bits=node.values.size * node.type.bits)
    return Counts()


def _additions(node: Conv) -> int:
    """Additions a pixel: one less than the terms of each channel, its bias among them; ternary zeros are no terms."""
    flat = node.weight.reshape(len(node.weight), -1)
    terms = np.count_nonzero(flat, axis=1) if node.weight_bits == 2 else np.full(len(flat), flat.shape[1])
    return int(np.maximum(terms + (node.bias != 0) - 1, 0).sum())
