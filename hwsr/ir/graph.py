"""IntGraph: a network as integers. Every tensor is integers q with a QType; value = q * 2**-frac.

In an affine network (int8 with zero points) the integers that a Rescale makes count steps of its own `scale`, of which
frac, then 0, tells nothing: value = (q - zero_point) * scale. Zero points are subtracted by Offsets, so that every
other node stays what it is.

A node makes one tensor, which carries the node's name. The first node is the input, the last the output.
Build one with `hwsr.ir.check.make_graph`, which proves the range of every tensor.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class QType:
    """Fixed-point type: `bits` wide integers, two's complement when signed; value = q * 2**-frac."""

    bits: int
    signed: bool
    frac: int

    @property
    def lo(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @staticmethod
    def holding(lo: int, hi: int, frac: int) -> "QType":
        """The narrowest type on the grid 2**-frac that holds every integer from lo to hi."""
        if lo >= 0:
            return QType(max(int(hi).bit_length(), 1), False, frac)
        return QType(max((-int(lo) - 1).bit_length(), max(int(hi), 0).bit_length()) + 1, True, frac)

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}*2^{-self.frac}"


@dataclass(frozen=True, eq=False)
class Node:
    """One operation. `inputs` are the names of the tensors it reads."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Input(Node):
    """The image: (channels, H, W)."""

    channels: int
    type: QType


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """Convolution, stride 1, zero padding that keeps H x W; odd kernels.

    weight (c_out, c_in / groups, kh, kw) integers that fit `weight_bits` (2 means ternary);
    channel o's value is weight * 2**-weight_frac[o]; bias[o] is an integer on the channel's accumulator grid
    2**-(frac_in + weight_frac[o]). Output: sum + bias, all channels aligned to the finest of those grids.
    """

    weight: IntArray
    weight_bits: int
    weight_frac: IntArray
    bias: IntArray
    groups: int = 1

    @property
    def depthwise(self) -> bool:
        """One channel in and one out a group."""
        return 1 < self.groups == self.weight.shape[0] and self.weight.shape[1] == 1


@dataclass(frozen=True, eq=False)
class Scale(Node):
    """Multiplication by a constant a channel: factor[c] * 2**-factor_frac[c]; exact, channels aligned."""

    factor: IntArray
    factor_bits: int
    factor_frac: IntArray


@dataclass(frozen=True, eq=False)
class Offset(Node):
    """Addition of a constant a channel: offset[c] * 2**-offset_frac; exact on the finer grid."""

    offset: IntArray
    offset_frac: int


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two tensors of one shape; exact on the finer grid."""


@dataclass(frozen=True, eq=False)
class ChannelMul(Node):
    """inputs[0] (C, H, W) times the attention map inputs[1] (C, 1, 1); exact product."""


@dataclass(frozen=True, eq=False)
class Requantize(Node):
    """saturate(round_half_even(q * 2**(type.frac - frac_in))); to an unsigned type this is ReLU as well."""

    type: QType


@dataclass(frozen=True, eq=False)
class Rescale(Node):
    """Affine requantization of Jacob et al. (2017), with the roundings of LiteRT's reference kernels.

    clamp(zero_point + away(up(q * 2**left[c] * multiplier[c] / 2**31) / 2**right[c]), lo, hi) in channel c, where
    `up` rounds to the nearest integer with ties upwards, `away` with ties away from zero.
    multiplier: 31 bits, unsigned; q * 2**left fits 32 bits. [lo, hi] lies within `type`; a ReLU raises lo to the zero
    point. `scale`: the value of one step of the result.
    """

    multiplier: IntArray
    left: IntArray
    right: IntArray
    zero_point: int
    lo: int
    hi: int
    type: QType
    scale: float


@dataclass(frozen=True, eq=False)
class Table(Node):
    """Any nonlinearity: output = values[q - lo of the input's type], of type `type`."""

    values: IntArray
    type: QType


@dataclass(frozen=True, eq=False)
class SpatialSum(Node):
    """Sum over H x W: (C, H, W) -> (C, 1, 1). Only defined on the graph's own frame size."""


@dataclass(frozen=True, eq=False)
class PixelShuffle(Node):
    """(C s^2, H, W) -> (C, sH, sW) in torch's order: channel c s^2 + i s + j becomes pixel (i, j) of channel c."""

    factor: int


@dataclass(frozen=True, eq=False)
class ChannelShuffle(Node):
    """Channel (g, i) of `groups` groups becomes channel (i, g)."""

    groups: int


@dataclass(frozen=True, eq=False)
class ChannelSlice(Node):
    """Channels start <= c < stop."""

    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """The channels of every input, in order; exact on the finest of their grids."""


@dataclass(frozen=True, eq=False)
class Upsample(Node):
    """Nearest neighbour: (C, H, W) -> (C, sH, sW)."""

    factor: int


@dataclass(frozen=True)
class Tensor:
    """What is known of one tensor: its type, its proven range [lo, hi] in integers, and its shape.

    `upscale` is its height (and width) over the input's; `pooled` marks (C, 1, 1).
    `radius`: how far, in input pixels, a pixel of this tensor looks (convolutions only).
    """

    type: QType
    lo: int
    hi: int
    channels: int
    upscale: int = 1
    pooled: bool = False
    radius: float = 0.0


@dataclass(frozen=True)
class IntGraph:
    """A checked network: nodes in topological order, one Tensor a node, and the frame (H, W) it was exported at."""

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    frame: tuple[int, int]
    consumers: dict[str, tuple[Node, ...]] = field(repr=False)

    @property
    def input(self) -> Input:
        node = self.nodes[0]
        assert isinstance(node, Input)
        return node

    @property
    def output(self) -> Node:
        return self.nodes[-1]

    @property
    def scale(self) -> int:
        return self.tensors[self.output.name].upscale

    @property
    def fixed_frame(self) -> bool:
        """True where the network holds a spatial sum: it then runs on its own frame size only, image by tiles."""
        return any(isinstance(node, SpatialSum) for node in self.nodes)

    @property
    def radius(self) -> int:
        """Halo in input pixels beyond which nothing but a spatial sum reaches an output pixel."""
        return int(np.ceil(self.tensors[self.output.name].radius))

    def shape(self, name: str, height: int, width: int) -> tuple[int, int, int]:
        """(C, H, W) of a tensor for an input of height x width pixels."""
        tensor = self.tensors[name]
        if tensor.pooled:
            return tensor.channels, 1, 1
        return tensor.channels, height * tensor.upscale, width * tensor.upscale
