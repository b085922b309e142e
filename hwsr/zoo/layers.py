"""The layers that networks are built from. `FloatLayers` are torch's own; `hwsr.quant` has the quantized ones.

A unit or block is written once, over these. Between layers flow tensors on a grid; `conv` returns accumulators,
which a `relu` or `requantize` puts back on a grid (in float both grids are the reals).
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

# Kernel size: one side of a square, or (height, width).
Kernel = int | tuple[int, int]

# The step of constants that are never learned.
FIXED_GRID = 2.0**-10


def same_padding(kernel: Kernel) -> Kernel:
    """The zero padding that keeps the size; kernels are odd."""
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


class Layers(Protocol):
    """Makes the layers of one arithmetic. Every method returns a module of one input."""

    def conv(self, c_in: int, c_out: int, kernel: Kernel = 3, groups: int = 1, bias: bool = True) -> nn.Module:
        """Convolution, stride 1, size kept; grid -> accumulators."""

    def pooled_conv(self, c_in: int, c_out: int) -> nn.Module:
        """1x1 convolution of a (N, C, 1, 1) tensor (channel attention)."""

    def fixed_conv(self, weight: Tensor) -> nn.Module:
        """Convolution by constants (c_out, c_in, kh, kw) on FIXED_GRID; grid -> accumulators."""

    def relu(self) -> nn.Module:
        """ReLU; accumulators -> grid."""

    def requantize(self) -> nn.Module:
        """Accumulators -> grid."""

    def operand(self) -> nn.Module:
        """What is to be added or shuffled, as this arithmetic can: accumulators as they are, or on a grid."""

    def mean(self) -> nn.Module:
        """Mean over the frame: (N, C, H, W) grid -> (N, C, 1, 1) accumulators."""

    def sigmoid(self) -> nn.Module:
        """Sigmoid of accumulators -> unsigned grid."""

    def tanh(self) -> nn.Module:
        """Tanh of accumulators -> grid over [-1, 1)."""

    def prelu(self, channels: int) -> nn.PReLU:
        """PReLU with a slope a channel; accumulators -> grid."""

    def image_in(self) -> nn.Module:
        """Image in [0, 1) -> grid around mid-grey, [-0.5, 0.5)."""

    def residual(self) -> nn.Module:
        """Accumulators -> the image's grid around mid-grey."""

    def image_out(self) -> nn.Module:
        """Grid around mid-grey -> image."""


@runtime_checkable
class SumProduct(Protocol):
    """A layer of ternary convolutions around one factor a hidden channel (SP-conv)."""

    def operations(self) -> tuple[int, int]:
        """Multiplications (one a factor) and additions that one output pixel takes."""


class FloatLayers:
    """torch's layers; every grid is the reals."""

    def conv(self, c_in: int, c_out: int, kernel: Kernel = 3, groups: int = 1, bias: bool = True) -> nn.Module:
        return nn.Conv2d(c_in, c_out, kernel, padding=same_padding(kernel), groups=groups, bias=bias)

    def pooled_conv(self, c_in: int, c_out: int) -> nn.Module:
        return nn.Conv2d(c_in, c_out, 1)

    def fixed_conv(self, weight: Tensor) -> nn.Module:
        c_out, c_in, height, width = weight.shape
        conv = self.conv(c_in, c_out, (height, width), bias=False)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        return conv

    def relu(self) -> nn.Module:
        return nn.ReLU()

    def requantize(self) -> nn.Module:
        return nn.Identity()

    def operand(self) -> nn.Module:
        return nn.Identity()

    def mean(self) -> nn.Module:
        return nn.AdaptiveAvgPool2d(1)

    def sigmoid(self) -> nn.Module:
        return nn.Sigmoid()

    def tanh(self) -> nn.Module:
        return nn.Tanh()

    def prelu(self, channels: int) -> nn.PReLU:
        return nn.PReLU(channels)

    def image_in(self) -> nn.Module:
        return AddConstant(-0.5)

    def residual(self) -> nn.Module:
        return nn.Identity()

    def image_out(self) -> nn.Module:
        return AddConstant(0.5)


class AddConstant(nn.Module):
    """x + constant."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, x: Tensor) -> Tensor:
        return value(x) + self.constant


def reciprocal(area: int) -> float:
    """1 / area as a constant that hardware multiplies by: the nearest p / 2**k with few bits in p.

    p is small enough that the product with a sum of `area` signed 8-bit integers stays within 2**24, where float32
    is exact too. A power of two is met exactly, tiles of up to 64x64 within 3 %; the network trains with the constant.
    """
    limit = max(2**24 // (128 * area), 1)
    shift = area.bit_length() - 1
    while round(2 ** (shift + 1) / area) <= limit and 2**shift % area:
        shift += 1
    return round(2**shift / area) / 2**shift


class GlobalMean(nn.Module):
    """(N, C, H, W) -> (N, C, 1, 1): the sum times the `reciprocal` of H W."""

    def forward(self, x: Tensor) -> Tensor:
        total = torch.sum(x, (2, 3), keepdim=True)
        return total * reciprocal(int(x.shape[2]) * int(x.shape[3]))


class Shuffle(nn.Module):
    """Pixel shuffle by `factor`."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(x, self.factor)


class ChannelShuffle(nn.Module):
    """Channel (g, i) of `groups` groups becomes channel (i, g): what follows in groups sees every group."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = (int(size) for size in x.shape)
        split = x.reshape(batch, self.groups, channels // self.groups, height, width)
        return split.transpose(1, 2).reshape(batch, channels, height, width)


def value(x: Tensor) -> Tensor:
    """The plain tensor in x, which quantized layers hand on with its scale."""
    return x if isinstance(x, Tensor) else x.value


def stored(conv: nn.Conv2d, name: str) -> Tensor:
    """What is learned of a convolution's 'weight' or 'bias': the parameter itself, or the one it is made from."""
    if parametrize.is_parametrized(conv, name):
        return conv.parametrizations[name].original  # type: ignore[index,union-attr]  # by its name
    tensor: Tensor = getattr(conv, name)
    return tensor


def constant(x: Tensor) -> Tensor:
    """x; during export as a constant: through numpy the tracer does not see the graph that made it."""
    return torch.from_numpy(x.detach().numpy()) if torch.onnx.is_in_onnx_export() else x
