"""Laws of hls4ml's stock stream convolution (io_stream, line buffer), from a layer's description alone.

The description is what a csynth report's parameters say too, so that `benchmarks/estimate_error.py` can hold the
laws against real reports. Coefficients were read off the upstream conv2d reports of public repositories;
`hwsr.estimate.figures` states how far the laws are off on those very reports.
"""

from dataclasses import dataclass
from math import ceil, erf, sqrt
from typing import Literal

import numpy as np

from hwsr.estimate.resources import Resources, luts, memory, shift_register
from hwsr.ir.graph import IntArray

Backend = Literal["vitis", "vivado"]

# A constant of at most this many signed digits is multiplied by shifts and adds, any other by a DSP.
SHIFT_ADD_DIGITS = 3
# Products of constants up to this many bits (both factors together) stay in LUTs.
LUT_PRODUCT_BITS = 16
# csynth over logic synthesis in LUTs of unrolled convolutions (1.4 to 1.6 in reports that have both).
CSYNTH_EXCESS = 1.5


@dataclass(frozen=True)
class Products:
    """The weights of a layer as hardware sees them; a digit is a nonzero digit of the canonical signed form.

    `hard` weights have more than SHIFT_ADD_DIGITS digits. Counts are fractions where only their mean is known.
    """

    total: int
    nonzero: float
    digits: float
    hard: float
    hard_digits: float

    @staticmethod
    def of(weight: IntArray) -> "Products":
        """Count the digits of actual weights: the nonzero digits of w are the ones of w xor 3w."""
        magnitude = np.abs(weight)
        digits = np.bitwise_count(magnitude ^ (3 * magnitude)).astype(int)
        hard = digits > SHIFT_ADD_DIGITS
        return Products(
            total=weight.size,
            nonzero=int(np.count_nonzero(weight)),
            digits=int(digits.sum()),
            hard=int(hard.sum()),
            hard_digits=int(digits[hard].sum()),
        )

    @staticmethod
    def expected(total: int, zeros: int, bits: int) -> "Products":
        """Mean counts for unknown weights of `bits` bits: digits are about normal, mean b/3, variance 2b/27."""
        nonzero, mean = total - zeros, bits / 3
        hard = nonzero * (1 - erf((SHIFT_ADD_DIGITS + 0.5 - mean) / sqrt(2 * bits * 2 / 27))) / 2
        easy_digits = (nonzero - hard) * min(mean, SHIFT_ADD_DIGITS)
        return Products(total, nonzero, nonzero * mean, hard, max(nonzero * mean - easy_digits, hard))


@dataclass(frozen=True)
class ConvLayer:
    """A convolution. height, width: the frame that enters the kernel, padding included.

    channels: of the input, all groups together; x_bits, w_bits, acc_bits: widths of input, weights and accumulator;
    reuse_factor: products that share a multiplier, 1 unrolls them all.
    """

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    products: Products
    x_bits: int
    w_bits: int
    acc_bits: int
    reuse_factor: int
    backend: Backend

    @property
    def window_bits(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.channels * self.x_bits

    @property
    def line_buffer_bits(self) -> int:
        return (self.kernel[0] - 1) * self.width * self.channels * self.x_bits

    @property
    def multipliers(self) -> int:
        """Multipliers in hardware: every weight's when unrolled, else shared by `reuse_factor` of them."""
        return ceil(self.products.total / self.reuse_factor)


def cycles(layer: ConvLayer) -> int:
    """Cycles of a frame.

    Reuse factor RF > 1 (strategy Resource): pixels * (RF + 5) + 1 on Vitis; on Vivado RF + 4 up to 18 bits and
    RF + 11 above, where a product takes several DSPs. The pixel loop is not pipelined.
    RF = 1: Vivado pixels + 4; Vitis pixels * II + 2.
    """
    pixels = layer.height * layer.width
    if layer.reuse_factor > 1:
        wide = max(layer.x_bits, layer.w_bits) > 18
        overhead = 5 if layer.backend == "vitis" else 11 if wide else 4
        return pixels * (layer.reuse_factor + overhead) + 1
    if layer.backend == "vivado":
        return pixels + 4
    return pixels * _vitis_interval(layer) + 2


def _vitis_interval(layer: ConvLayer) -> int:
    """II of the unrolled Vitis loop: 1x1: 1; 3x3: 2 for one channel, 3 for more; 5x5: 3 and 6; others in proportion.

    From reports of 2023 at 5 ns; slower clocks reached 2 where this says 3, Vitis HLS 2020.2 needed 8.
    """
    half = max(layer.kernel) // 2
    if half == 0:
        return 1
    return half + 1 if layer.channels == 1 else 3 * half


def resources(layer: ConvLayer) -> Resources:
    """Kernel, line buffer ((k-1) rows in SRLs, a LUT per 32 pixels and bit) and weights."""
    kernel = _unrolled(layer) if layer.reuse_factor == 1 else _folded(layer)
    return kernel + shift_register(layer.width, (layer.kernel[0] - 1) * layer.channels * layer.x_bits)


def _unrolled(layer: ConvLayer) -> Resources:
    """Constants in logic: an adder per signed digit, as wide on average as halfway from input to accumulator.

    900 LUT of control; 2 flip-flops a window bit and 2.5 a product. Zero weights cost nothing.
    Adders are counted before any sharing between filters: distributed arithmetic needs about half of them.
    """
    products = layer.products
    in_dsp = layer.x_bits + layer.w_bits > LUT_PRODUCT_BITS
    adders = products.digits - (products.hard_digits - products.hard if in_dsp else 0)
    count = 900 + adders * (layer.x_bits + layer.acc_bits) / 2
    return Resources(
        lut_csynth=round(count),
        lut=round(count / CSYNTH_EXCESS),
        ff=round(150 + 2 * layer.window_bits + 2.5 * products.nonzero),
        dsp=round(products.hard * dsps(layer.x_bits, layer.w_bits)) if in_dsp else 0,
    )


def _folded(layer: ConvLayer) -> Resources:
    """Shared multipliers, each with an accumulator; weights are a ROM of `reuse_factor` words.

    csynth: 900 LUT of control, 26 a multiplier beside its accumulator. After logic synthesis: 620 LUT of control and
    half a LUT a window bit to select inputs (read off Vivado reports of one repository whose kernels are modified).
    Ternary weights select and need no multiplier; all others take DSPs, an upper bound below 9 bits, where HLS
    builds part of them from LUTs.
    """
    ternary = layer.w_bits <= 2
    each = 0 if ternary else dsps(layer.x_bits, layer.w_bits)
    kernel = Resources(
        lut_csynth=900 + layer.multipliers * (layer.acc_bits + 26),
        lut=round(620 + layer.window_bits / 2 + layer.multipliers * layer.acc_bits),
        ff=round(470 + 1.56 * layer.window_bits + layer.multipliers * (2 * layer.acc_bits + 93 * max(each - 1, 0))),
        dsp=layer.multipliers * each,
    )
    return kernel + memory(layer.reuse_factor, layer.multipliers * layer.w_bits)


def dsps(a_bits: int, b_bits: int) -> int:
    """DSP slices of one multiplier: 18 x 27 bits each."""
    small, big = sorted((a_bits, b_bits))
    return ceil(small / 18) * ceil(big / 27)


def padding(channels: int, x_bits: int) -> Resources:
    """The zero-padding stage in front of a kernel larger than 1x1 (it takes fewer cycles than the kernel)."""
    return luts(430) + Resources(ff=2 * channels * x_bits)
