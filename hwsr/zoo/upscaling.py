"""Upscaling by a transposed convolution and by bicubic interpolation, as convolutions and a pixel shuffle."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from hwsr.data.bicubic import cubic
from hwsr.zoo.layers import FIXED_GRID, Layers, Shuffle, constant


class Deconvolution(nn.Module):
    """Transposed convolution c -> 1 of stride s and a 9x9 kernel, (N, c, H, W) -> (N, 1, sH, sW) on the image's grid.

    Equal to nn.ConvTranspose2d(c, 1, 9, s, padding=p, output_padding=s + 2p - 9) with p = (10 - s) // 2, the kernel
    centred on each pixel's s x s block. What is learned is its kernel; what is computed is an
    ordinary convolution to s^2 channels, one a position in the block, with zeros where the kernel ends, and a shuffle.
    """

    def __init__(self, layers: Layers, channels: int, scale: int) -> None:
        super().__init__()
        self.conv = layers.conv(channels, scale**2, Phases.kernel(scale))
        parametrize.register_parametrization(self.conv, "weight", Phases(scale))
        parametrize.register_parametrization(self.conv, "bias", Shared(scale**2))
        self.grid, self.shuffle = layers.residual(), Shuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.grid(self.conv(x)))


KERNEL = 9


def padding(scale: int) -> int:
    """How many full-size pixels the kernel reaches beyond a block's first."""
    return (KERNEL + 1 - scale) // 2


class Phases(nn.Module):
    """The kernel (1, c, 9, 9) -> the weights (s^2, c, k, k) of each position in a block, and back."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.taps = scale, self.kernel(scale)
        before = scale * (self.taps // 2) - padding(scale)
        self.inner = slice(before, before + KERNEL)

    @staticmethod
    def kernel(scale: int) -> int:
        """The odd number of low-resolution pixels that a 9-pixel kernel reaches."""
        return 2 * -(-padding(scale) // scale) + 1

    def forward(self, kernel: Tensor) -> Tensor:
        s, k = self.scale, self.taps
        ends = (self.inner.start, s * k - self.inner.stop)
        blocks = functional.pad(kernel[0], (*ends, *ends)).reshape(-1, k, s, k, s)
        return constant(blocks.flip(1, 3).permute(2, 4, 0, 1, 3).reshape(s * s, -1, k, k))

    def right_inverse(self, weight: Tensor) -> Tensor:
        s, k = self.scale, self.taps
        blocks = weight.reshape(s, s, -1, k, k).permute(2, 3, 0, 4, 1).flip(1, 3)
        return blocks.reshape(1, -1, s * k, s * k)[..., self.inner, self.inner].contiguous()


class Shared(nn.Module):
    """One bias (1,) -> one for each of `channels`, and back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, bias: Tensor) -> Tensor:
        return constant(bias.repeat(self.channels))

    def right_inverse(self, bias: Tensor) -> Tensor:
        return bias[:1].clone()


class Bicubic(nn.Module):
    """Bicubic upsampling of one channel (a = -0.5), (N, 1, H, W) -> (N, 1, sH, sW), on the image's grid.

    Rows, then columns, each rounded to 8 bits as `resize_bicubic` does; taps lie on FIXED_GRID (x2 and x4 exactly, x3
    rounded). Beyond the border lies mid-grey, as zero padding has it.
    """

    def __init__(self, layers: Layers, scale: int) -> None:
        super().__init__()
        taps = torch.from_numpy(bicubic_taps(scale)).float()
        self.rows, self.rows_grid = layers.fixed_conv(taps.reshape(scale, 1, -1, 1)), layers.residual()
        # Each row's channel to its s pixels; written as a full matrix, which every backend has a convolution for.
        columns = torch.kron(torch.eye(scale), taps).reshape(scale**2, scale, 1, -1)
        self.columns, self.grid = layers.fixed_conv(columns), layers.residual()
        self.shuffle = Shuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.grid(self.columns(self.rows_grid(self.rows(x)))))


def bicubic_taps(scale: int) -> np.ndarray:
    """Weights (s, 5) of the pixels -2 .. 2 around for each position in a block, multiples of FIXED_GRID, of sum one."""
    offsets = (np.arange(scale) + 0.5) / scale - 0.5
    exact = cubic(offsets[:, None] - np.arange(-2, 3))
    taps = np.rint(exact / FIXED_GRID)
    # What rounding took or gave goes to the largest tap, which it changes least.
    taps[np.arange(scale), exact.argmax(1)] += 1 / FIXED_GRID - taps.sum(1)
    return taps * FIXED_GRID
