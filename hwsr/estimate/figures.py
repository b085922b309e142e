"""What every estimated figure of a design means, the law it comes from, and what is known of its error.

No tool's report of hwsr's kernels exists, so nothing is known but what is counted; docs/estimates.md has what is known
of hls4ml's stock kernels, whose coefficients these laws take.
"""

from dataclasses import dataclass

NOTE = "estimates: nothing here was synthesized"
UNFITTED = "unknown: no report of these kernels exists; the range is not fitted"


@dataclass(frozen=True)
class Figure:
    """One estimated figure: its unit, the law in words, and what is known of the law's error."""

    unit: str
    law: str
    error: str


FIGURES = {
    "off_chip": Figure(
        "FIFOs in external memory, bytes that they hold, MB/s (10^6 bytes) written and read together",
        "words of a frame, each as wide as a power of two of bits, written once and read once, times frames a second",
        "none but that of the frame rate: counted in the generated code",
    ),
    "turns": Figure(
        "turns of the stage's loop a frame",
        "convolution: fill (kh // 2 rows and kw // 2 pixels) + H * W * reuse factor; others a pixel of the larger of "
        "input and output, times the steps of a shared multiplier",
        "none: counted in the generated code",
    ),
    "cycles": Figure(
        "clock cycles from one frame to the next",
        "turns + the depth of the loop's pipeline, a turn a clock; a design goes at the pace of its slowest stage",
        f"{UNFITTED}; its low end leaves the pipeline's depth out",
    ),
    "lut_csynth": Figure(
        "LUT in HLS's own report",
        "bits of adder trees, running sums, multipliers, choices of operands, rounding, counters, each at what reports "
        "of stock kernels have a bit cost; adder graphs a LUT an adder's bit; small memories and shallow FIFOs",
        UNFITTED,
    ),
    "lut": Figure(
        "LUT after logic synthesis", "0.6 of csynth's logic; adder graphs, memories and FIFOs whole", UNFITTED
    ),
    "ff_csynth": Figure(
        "flip-flops in HLS's own report",
        "bits of the window, running sums, sums between cycles, words of memories and streams, counters; "
        "of adder graphs the bits that are kept from cycle to cycle",
        UNFITTED,
    ),
    "ff": Figure("flip-flops after logic synthesis", "0.78 of csynth's; adder graphs whole", UNFITTED),
    "dsp": Figure(
        "DSP slices, in HLS's own report as after synthesis",
        "PE * SIMD of products bound to DSPs, or beyond 20 bits; smaller ones in LUTs, on Vivado HLS one of two that "
        "are summed in a DSP; unshared: constants of 3 signed digits or more; ternary: none",
        f"{UNFITTED}; its high end has every small product in a DSP that is not bound to LUTs",
    ),
    "bram18_csynth": Figure(
        "18 Kb block RAMs in HLS's own report",
        "line and row buffers of whole pixels, weights by words of up to 64 bits, tables and deep FIFOs by their "
        "shape, 1024 x 18 or 512 x 36; none up to 1024 bits",
        UNFITTED,
    ),
    "bram18": Figure("18 Kb block RAMs after logic synthesis", "as csynth's", UNFITTED),
    "uram": Figure("UltraRAMs", "none: no memory is bound to them", "none, where HLS binds none by itself"),
    "ranges": Figure(
        "low and high end, by figure",
        "of LUT and FF, 1.5 times as wide as reports of folded stock kernels scatter, and with or without small "
        "products; of adder graphs 0.6 to 1.2 LUTs an adder's bit; of memories, those of 1 to 4 kbit in LUTs or in "
        "blocks",
        "not measured: how often they hold the truth is unknown",
    ),
    "interval": Figure(
        "clock cycles from one frame to the next, of the whole pipeline",
        "simulated clock by clock, a turn of every loop a clock",
        "unknown where HLS begins turns less often; interval_range has what the depth of pipelines changes",
    ),
    "interval_range": Figure(
        "fewest and most clock cycles from one frame to the next",
        "simulated with pipelines of no depth, as estimated, and as deep as FIFOs allow for",
        "as interval: that a turn begins every clock is assumed at both ends",
    ),
    "latency": Figure(
        "clock cycles from a frame's first pixel in to its last one out", "simulated clock by clock", "as cycles"
    ),
    "fps": Figure("images a second", "clock / (tiles * interval)", "as interval"),
    "fps_range": Figure("fewest and most images a second", "as fps, of interval_range", "as interval_range"),
    "counts": Figure(
        "operations and bits a frame of the hardware",
        "counted in the network, zero ternary weights left out of additions; FIFO bits by the depths generated",
        "none for the operations and weights",
    ),
}
