"""What one kernel of an HLS design is, before any tool has seen it: all that the laws may look at."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from hwsr.estimate.fabric import Backend, Fabric, Timing
from hwsr.estimate.memories import SRL_BITS
from hwsr.estimate.products import Products

Kind = Literal[
    "conv",
    "depthwise",
    "dense",
    "pool",
    "global_pool",
    "activation",
    "hard_activation",
    "table",
    "softmax",
    "zeropad",
    "resize",
    "batchnorm",
    "concat",
]


@dataclass(frozen=True)
class Kernel:
    """One of hls4ml's stock kernels.

    version: (year, minor) of the tool. words, out_words: words of its input and output stream a frame (pixels; a word
    holds all channels), None where the description does not say. channels, out_channels: values in such a word.
    row: pixels a row of the input; window: (height, width) of a convolution or pooling.
    products: weights as hardware sees them, in convolutions, dense layers and normalizations.
    x_bits, w_bits, acc_bits, out_bits: widths of input, weights, accumulator and output.
    reuse_factor: products that share a multiplier. folded: a loop over `reuse_factor` steps a pixel (strategy
    Resource), otherwise all products of a pixel stand side by side. rounds: the output is rounded or saturates.
    adder_graph: constants share their sums (strategy distributed_arithmetic), and need no multiplier.
    encoded: the window is kept in one FIFO a value instead of a line buffer. stream: io_stream, else io_parallel.
    """

    kind: Kind
    backend: Backend
    version: tuple[int, int]
    fabric: Fabric
    clock_ns: float
    words: int | None
    out_words: int | None
    channels: int
    out_channels: int
    row: int = 1
    window: tuple[int, int] = (1, 1)
    products: Products | None = None
    x_bits: int = 16
    w_bits: int = 16
    w_frac: int = 10
    acc_bits: int = 16
    out_bits: int = 16
    reuse_factor: int = 1
    folded: bool = False
    adder_graph: bool = False
    rounds: bool = False
    encoded: bool = False
    stream: bool = True

    @property
    def timing(self) -> Timing:
        return Timing(self.fabric, self.backend, self.clock_ns)

    @property
    def inputs(self) -> int:
        """Values that one output word is made of: the window of a convolution or pooling, all of a dense layer's."""
        if self.kind == "dense":
            return self.channels * (self.words or 1)
        return self.window[0] * self.window[1] * self.channels

    @property
    def window_bits(self) -> int:
        return self.inputs * self.x_bits

    @property
    def shift_registers(self) -> int:
        """LUTs that the line buffer fills, each a shift register of SRL_BITS pixels of one bit."""
        if self.encoded:
            return 0
        return (self.window[0] - 1) * self.channels * self.x_bits * ceil(self.row / SRL_BITS)

    @property
    def multipliers(self) -> int:
        """Multipliers in hardware: every weight's when unrolled, else shared by `reuse_factor` of them."""
        return ceil(self.products.total / self.reuse_factor) if self.products else 0
