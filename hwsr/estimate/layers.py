"""What one stage of the hardware computes, holds and takes: a node of an IntGraph, with its requantization.

Convolutions are hls4ml's stock kernels and go by the laws that `hwsr.estimate.model` fits to reports. The other
stages are kernels of hwsr's own: one pixel a cycle at their output's resolution (shared multipliers: one in
reuse-factor cycles; a table: one channel a cycle), an adder or comparator bit is a LUT, and the output word is
registered. No report of these stages exists to hold that against.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from hwsr.errors import HwsrError
from hwsr.estimate.fabric import Backend, dsps, fabric_of
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.model import Prediction, predict
from hwsr.estimate.products import LUT_PRODUCT_BITS, Products
from hwsr.estimate.reports import NEWEST
from hwsr.estimate.resources import Resources, fifo, luts, memory, registers
from hwsr.estimate.synthesis import after_synthesis
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
    """One stage: `name` and `kind` of its node, the cycles it takes for a frame, and its resources, FIFOs included.

    ranges: low and high end of what csynth would report of its kernel, by figure; None where no report teaches any.
    """

    name: str
    kind: str
    reuse_factor: int
    counts: Counts
    cycles: int
    resources: Resources
    ranges: Ranges | None = None


@dataclass(frozen=True)
class Target:
    """What a design is built for: the part's number, its clock, the tool."""

    part: str
    clock_ns: float
    backend: Backend


@dataclass(frozen=True)
class Site:
    """Where a node stands: its graph, the frame (H, W) that the hardware works on, its reuse factor, the target."""

    graph: IntGraph
    frame: tuple[int, int]
    reuse_factor: int
    target: Target

    def shape(self, name: str) -> tuple[int, int, int]:
        """(C, H, W) of a tensor."""
        return self.graph.shape(name, *self.frame)

    def bits(self, name: str) -> int:
        return self.graph.tensors[name].type.bits


@dataclass(frozen=True)
class Cost:
    """A stage without its streams."""

    counts: Counts
    cycles: int
    resources: Resources
    ranges: Ranges | None = None


def estimate_layer(node: Node, site: Site, requantize: Requantize | None, depths: Mapping[Edge, int]) -> Layer:
    """One stage. `requantize`: the one fused into it; depths: words of the streams, by edge.

    Raises HwsrError for an operation that no hardware stage is known of.
    """
    if type(node) not in _LAWS:
        raise HwsrError(f"node '{node.name}': {type(node).__name__} has no hardware stage to estimate yet")
    cost = _LAWS[type(node)](node, site)
    counts, taken = cost.counts, cost.resources
    channels, _, _ = site.shape(node.name)
    if requantize:
        taken += _requantizing(channels, site.bits(node.name), requantize.type.bits)
    for i, name in enumerate(node.inputs):
        words, width = depths[node.name, i], site.shape(name)[0] * site.bits(name)
        counts += Counts(fifo_bits=words * width)
        taken += fifo(words, width)
    return Layer(node.name, type(node).__name__, site.reuse_factor, counts, cost.cycles, taken, cost.ranges)


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
    kernel = Kernel(
        kind="depthwise" if node.depthwise else "conv",
        backend=site.target.backend,
        version=NEWEST,
        fabric=fabric_of(site.target.part),
        clock_ns=site.target.clock_ns,
        words=(height + kh - 1) * (width + kw - 1),
        out_words=pixels,
        channels=channels,
        out_channels=len(node.weight),
        row=width + kw - 1,
        window=(kh, kw),
        products=Products.of(node.weight),
        x_bits=site.bits(x),
        w_bits=2 if ternary else QType.holding(int(node.weight.min()), int(node.weight.max()), 0).bits,
        acc_bits=QType.holding(*accumulator_range(node, site.graph.tensors[x]), 0).bits,
        reuse_factor=site.reuse_factor,
        folded=site.reuse_factor > 1,
    )
    counts = Counts(
        macs=pixels * node.weight.size,
        additions=pixels * _additions(node),
        multiplications=0 if node.weight_bits == 2 else pixels * node.weight.size,
        weight_bits=node.weight.size * node.weight_bits,
        line_buffer_bits=kernel.line_buffer_bits,
    )
    return _stock(kernel, counts, padded=(kh, kw) != (1, 1))


def _stock(kernel: Kernel, counts: Counts, padded: bool) -> Cost:
    """One of hls4ml's kernels, with the zero padding in front of it where it is `padded`, which is never slower."""
    csynth = predict(kernel)
    taken = _taken(kernel, csynth)
    if padded:
        padding = replace(
            kernel, kind="zeropad", out_words=kernel.words, out_channels=kernel.channels, out_bits=kernel.x_bits
        )
        taken += _taken(padding, predict(padding))
    ranges = {name: (found.low, found.high) for name, found in csynth.items()}
    return Cost(counts, csynth["latency_max"].value, taken, ranges)


def _taken(kernel: Kernel, csynth: Mapping[str, Prediction]) -> Resources:
    after = after_synthesis(kernel, csynth)
    return Resources(
        lut_csynth=csynth["lut"].value,
        lut=after["lut"].value,
        ff_csynth=csynth["ff"].value,
        ff=after["ff"].value,
        dsp=after["dsp"].value,
        bram18_csynth=csynth["bram18"].value,
        bram18=after["bram18"].value,
    )


def _additions(node: Conv) -> int:
    """Additions a pixel: one less than the terms of each channel, its bias among them; ternary zeros are no terms."""
    flat = node.weight.reshape(len(node.weight), -1)
    terms = np.count_nonzero(flat, axis=1) if node.weight_bits == 2 else np.full(len(flat), flat.shape[1])
    return int(np.maximum(terms + (node.bias != 0) - 1, 0).sum())


def _stage(site: Site, name: str, counts: Counts, taken: Resources, interval: int = 1) -> Cost:
    """A stage of one word every `interval` cycles at the resolution of tensor `name`, its output word registered."""
    channels, height, width = site.shape(name)
    control = luts(CONTROL) + registers(channels * site.bits(name))
    return Cost(counts, height * width * interval + FILL, control + taken)


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
    """Products with constants: shifts and adds, or a DSP as a convolution's have it."""
    products = Products.of(factor)
    if x_bits + factor_bits <= LUT_PRODUCT_BITS:
        return luts((products.digits - products.nonzero) * (x_bits + factor_bits))
    easy = (products.digits - products.hard_digits) - (products.nonzero - products.hard)
    return luts(easy * (x_bits + factor_bits)) + Resources(dsp=round(products.hard) * dsps(x_bits, factor_bits))


def _multipliers(count: int, a_bits: int, b_bits: int) -> Resources:
    """Multipliers of two variables: a LUT a bit product when small, else DSPs."""
    if a_bits + b_bits <= LUT_PRODUCT_BITS:
        return luts(count * a_bits * b_bits)
    return Resources(dsp=count * dsps(a_bits, b_bits))


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
