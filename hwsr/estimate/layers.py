"""What one stage of the hardware computes, holds and takes: a node of an IntGraph, with its requantization.

Convolutions go by `hwsr.estimate.conv`. The other stages are one pixel a cycle at their output's resolution (shared
multipliers: one in reuse-factor cycles; a table: one channel a cycle), an adder or comparator bit is a LUT, and the
output word is registered. No report of these stages exists to hold that against.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from hwsr.errors import HwsrError
from hwsr.estimate import conv
from hwsr.estimate.conv import Backend, ConvLayer, Products
from hwsr.estimate.resources import Resources, fifo, luts, memory
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Conv,
    IntArray,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.stages import accumulator_range

# Counters and handshake of a stage without weights, in LUTs.
CONTROL = 60
# Cycles from a stage's first input to its first output, beside what its law says.
FILL = 2

# One stream into one node: its reader's name and which of its inputs it is.
Edge = tuple[str, int]


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
    """One stage: `name` and `kind` of its node, the cycles it takes for a frame, and its resources, FIFOs included."""

    name: str
    kind: str
    reuse_factor: int
    counts: Counts
    cycles: int
    resources: Resources


@dataclass(frozen=True)
class Site:
    """Where a node stands: its graph, the frame (H, W) that the hardware works on, its reuse factor, the tool."""

    graph: IntGraph
    frame: tuple[int, int]
    reuse_factor: int
    backend: Backend

    def shape(self, name: str) -> tuple[int, int, int]:
        """(C, H, W) of a tensor."""
        return self.graph.shape(name, *self.frame)

    def bits(self, name: str) -> int:
        return self.graph.tensors[name].type.bits


Cost = tuple[Counts, int, Resources]


def estimate_layer(node: Node, site: Site, requantize: Requantize | None, depths: Mapping[Edge, int]) -> Layer:
    """One stage. `requantize`: the one fused into it; depths: words of the streams, by edge.

    Raises HwsrError for an operation that no hardware stage is known of.
    """
    if type(node) not in _LAWS:
        raise HwsrError(f"node '{node.name}': {type(node).__name__} has no hardware stage to estimate yet")
    counts, cycles, taken = _LAWS[type(node)](node, site)
    channels, _, _ = site.shape(node.name)
    if requantize:
        taken += _requantizing(channels, site.bits(node.name), requantize.type.bits)
    for i, name in enumerate(node.inputs):
        words, width = depths[node.name, i], site.shape(name)[0] * site.bits(name)
        counts += Counts(fifo_bits=words * width)
        taken += fifo(words, width)
    return Layer(node.name, type(node).__name__, site.reuse_factor, counts, cycles, taken)


def _requantizing(channels: int, acc_bits: int, out_bits: int) -> Resources:
    """Rounding is an adder as wide as the accumulator, saturation a choice a bit of the result."""
    return luts(channels * (acc_bits + out_bits))


def _conv(node: Conv, site: Site) -> Cost:
    if node.groups != 1 and not node.depthwise:
        raise HwsrError(f"node '{node.name}': a convolution in {node.groups} groups has no hardware stage yet")
    _, _, kh, kw = node.weight.shape
    x = node.inputs[0]
    channels, height, width = site.shape(x)
    pixels = height * width
    ternary = np.abs(node.weight).max(initial=0) <= 1
    layer = ConvLayer(
        height=height + kh - 1,
        width=width + kw - 1,
        channels=channels,
        kernel=(kh, kw),
        products=Products.of(node.weight),
        x_bits=site.bits(x),
        w_bits=2 if ternary else QType.holding(int(node.weight.min()), int(node.weight.max()), 0).bits,
        acc_bits=QType.holding(*accumulator_range(node, site.graph.tensors[x]), 0).bits,
        reuse_factor=site.reuse_factor,
        backend=site.backend,
    )
    counts = Counts(
        macs=pixels * node.weight.size,
        additions=pixels * _additions(node),
        multiplications=0 if node.weight_bits == 2 else pixels * node.weight.size,
        weight_bits=node.weight.size * node.weight_bits,
        line_buffer_bits=layer.line_buffer_bits,
    )
    taken = conv.resources(layer)
    if (kh, kw) != (1, 1):
        taken += conv.padding(channels, layer.x_bits)
    return counts, conv.cycles(layer), taken


def _additions(node: Conv) -> int:
    """Additions a pixel: one less than the terms of each channel, its bias among them; ternary zeros are no terms."""
    flat = node.weight.reshape(len(node.weight), -1)
    terms = np.count_nonzero(flat, axis=1) if node.weight_bits == 2 else np.full(len(flat), flat.shape[1])
    return int(np.maximum(terms + (node.bias != 0) - 1, 0).sum())


def _stage(site: Site, name: str, counts: Counts, taken: Resources, interval: int = 1) -> Cost:
    """A stage of one word every `interval` cycles at the resolution of tensor `name`, its output word registered."""
    channels, height, width = site.shape(name)
    control = luts(CONTROL) + Resources(ff=channels * site.bits(name))
    return counts, height * width * interval + FILL, control + taken


def _scale(node: Scale, site: Site) -> Cost:
    channels, height, width = site.shape(node.name)
    counts = Counts(multiplications=channels * height * width, weight_bits=channels * node.factor_bits)
    x_bits = site.bits(node.inputs[0])
    if site.reuse_factor > 1:
        taken = _multipliers(channels // site.reuse_factor, x_bits, node.factor_bits)
    else:
        taken = _constants(node.factor, x_bits, node.factor_bits)
    return _stage(site, node.name, counts, taken, site.reuse_factor)


def _constants(factor: IntArray, x_bits: int, factor_bits: int) -> Resources:
    """Products with constants: shifts and adds, or a DSP as `conv` has it."""
    products = Products.of(factor)
    if x_bits + factor_bits <= conv.LUT_PRODUCT_BITS:
        return luts((products.digits - products.nonzero) * (x_bits + factor_bits))
    easy = (products.digits - products.hard_digits) - (products.nonzero - products.hard)
    return luts(easy * (x_bits + factor_bits)) + Resources(dsp=round(products.hard) * conv.dsps(x_bits, factor_bits))


def _multipliers(count: int, a_bits: int, b_bits: int) -> Resources:
    """Multipliers of two variables: a LUT a bit product when small, else DSPs."""
    if a_bits + b_bits <= conv.LUT_PRODUCT_BITS:
        return luts(count * a_bits * b_bits)
    return Resources(dsp=count * conv.dsps(a_bits, b_bits))


def _channel_mul(node: ChannelMul, site: Site) -> Cost:
    channels, height, width = site.shape(node.name)
    a, b = (site.bits(name) for name in node.inputs)
    taken = _multipliers(channels // site.reuse_factor, a, b)
    return _stage(site, node.name, Counts(multiplications=channels * height * width), taken, site.reuse_factor)


def _adding(node: Node, site: Site) -> Cost:
    """Add, Offset and SpatialSum: one adder a channel, at work on every pixel that comes in."""
    channels, height, width = site.shape(node.inputs[0])
    adders = luts(channels * site.bits(node.name))
    return _stage(site, node.inputs[0], Counts(additions=channels * height * width), adders)


def _requantize(node: Requantize, site: Site) -> Cost:
    channels, _, _ = site.shape(node.name)
    return _stage(site, node.name, Counts(), _requantizing(channels, site.bits(node.inputs[0]), node.type.bits))


def _table(node: Table, site: Site) -> Cost:
    channels, _, _ = site.shape(node.name)
    held = Counts(weight_bits=node.values.size * node.type.bits)
    return _stage(site, node.name, held, memory(node.values.size, node.type.bits), channels)


def _pixel_shuffle(node: PixelShuffle, site: Site) -> Cost:
    """The first of s rows leaves as it comes, the others wait in a buffer."""
    channels, _, width = site.shape(node.inputs[0])
    return _row_buffered(node, site, width, channels * (node.factor - 1) // node.factor)


def _upsample(node: Upsample, site: Site) -> Cost:
    channels, _, width = site.shape(node.inputs[0])
    return _row_buffered(node, site, width, channels)


def _row_buffered(node: Node, site: Site, width: int, channels: int) -> Cost:
    word = channels * site.bits(node.name)
    return _stage(site, node.name, Counts(line_buffer_bits=width * word), memory(width, word))


_LAWS: dict[type[Node], Callable[..., Cost]] = {
    Conv: _conv,
    Scale: _scale,
    ChannelMul: _channel_mul,
    Add: _adding,
    Offset: _adding,
    SpatialSum: _adding,
    Requantize: _requantize,
    Table: _table,
    PixelShuffle: _pixel_shuffle,
    Upsample: _upsample,
}
