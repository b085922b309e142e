"""What every estimated figure means, the law it comes from, and how far that law was found to be off.

Errors are those that `benchmarks/estimate_error.py` printed for csynth reports of unmodified hls4ml conv2d kernels in
public repositories (27 reports of 6 repositories; of the 10 folded ones 7 are of one), by which the coefficients were
chosen: on designs not seen expect more. Percentages are |estimate - report| / report.
"""

from dataclasses import dataclass

NOTE = "estimates: nothing here was synthesized"
UNMEASURED = "not measured"
_UNROLLED = "(11 reports)"
_FOLDED = "(10 reports, 7 of one repository)"


@dataclass(frozen=True)
class Figure:
    """One estimated figure: its unit, the law in words, and the law's error as measured."""

    unit: str
    law: str
    error: str


FIGURES = {
    "cycles": Figure(
        "clock cycles a frame",
        "folded: padded pixels * (RF + 5) + 1 (Vitis; Vivado RF + 4, above 18 bits RF + 11); unrolled: padded pixels "
        "* II + 2 (Vitis, II 1 to 6) or + 4 (Vivado); other stages one pixel a cycle; a pipeline goes at the pace of "
        "its slowest stage",
        "conv2d: median 0.0 %, 90th percentile 54 %, worst 62 % (27 reports; the worst are of Vitis HLS 2020.2, II 8)",
    ),
    "lut_csynth": Figure(
        "LUT in HLS's own report",
        "unrolled: an adder a signed digit of the weights; folded: an accumulator a multiplier; line buffers in SRLs",
        f"conv2d unrolled: median 8.4 %, worst 118 % {_UNROLLED}; folded: median 3.8 %, worst 60 % {_FOLDED}",
    ),
    "lut": Figure(
        "LUT after logic synthesis",
        "unrolled: csynth / 1.5; folded: an accumulator a multiplier and half a LUT a bit of the window",
        f"{UNMEASURED}: read off reports of modified kernels",
    ),
    "ff": Figure(
        "flip-flops in HLS's own report",
        "of the window's bits and the number of products",
        f"conv2d unrolled: median 38 %, worst 234 % {_UNROLLED}; folded: median 0.2 %, worst 57 % {_FOLDED}",
    ),
    "dsp": Figure(
        "DSP slices in HLS's own report",
        "folded: products / RF; unrolled: constants of more than 3 signed digits whose product exceeds 16 bits; "
        "ternary: none",
        f"conv2d unrolled: median 21 %, but 15 for 0, 244 for 0 and 18 for 1 {_UNROLLED}; folded: median 10 %, "
        f"worst 4 for 2 {_FOLDED}",
    ),
    "bram18": Figure(
        "18 Kb block RAMs in HLS's own report",
        "weights of folded layers, tables, row buffers and deep FIFOs by their shape, 1024 x 18 or 512 x 36",
        f"conv2d folded: median 0.0 %, worst 14 % {_FOLDED}; buffers and FIFOs {UNMEASURED}",
    ),
    "fps": Figure("images a second", "clock / (tiles * passes * cycles of the slowest stage)", "as cycles"),
    "counts": Figure(
        "operations and bits a frame of the hardware",
        "counted in the network, zero ternary weights left out of additions; FIFO bits by the depths given",
        "none for the operations and weights",
    ),
}
