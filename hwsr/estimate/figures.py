"""What every estimated figure means, the law it comes from, and how far that law was found to be off.

Errors are those on csynth reports of repositories that the fit had not seen; `hwsr.estimate.fit` measures them and
docs/estimates.md has them by tool and version. Percentages are |estimate - report| / report.
"""

from dataclasses import dataclass

from hwsr.estimate.model import COVERAGE, shipped

NOTE = "estimates: nothing here was synthesized"
UNMEASURED = "not measured"


@dataclass(frozen=True)
class Figure:
    """One estimated figure: its unit, the law in words, and the law's error as measured."""

    unit: str
    law: str
    error: str


def _measured(figure: str) -> str:
    error = shipped()[figure].error
    return (
        f"convolutions in csynth reports: median {error['median']:.0%}, 90th percentile {error['p90']:.0%} "
        f"({error['reports']:.0f} reports of {error['repositories']:.0f} repositories, each left out of its fit)"
    )


FIGURES = {
    "cycles": Figure(
        "clock cycles a frame",
        "folded: padded pixels * (reuse factor + the depth of its loop); unrolled: padded pixels * the cycles that the "
        "line buffer needs; other stages one pixel a cycle; a pipeline goes at the pace of its slowest stage",
        _measured("latency_max"),
    ),
    "lut_csynth": Figure(
        "LUT in HLS's own report",
        "unrolled: a sum a nonzero weight and the shifted sums of easy products; folded: an accumulator a multiplier, "
        "the choice of inputs; line buffers in shift registers",
        _measured("lut"),
    ),
    "lut": Figure(
        "LUT after logic synthesis",
        "unrolled: 0.6 of csynth's; folded: control, 0.3 a bit of the window, 0.75 a bit of an accumulator",
        f"{UNMEASURED}: read off reports of modified kernels",
    ),
    "ff_csynth": Figure(
        "flip-flops in HLS's own report",
        "the window's bits, the stages of multipliers, the levels of sums that a cycle does not hold",
        _measured("ff"),
    ),
    "ff": Figure(
        "flip-flops after logic synthesis",
        "unrolled: 0.78 of csynth's; folded: control, 0.9 a bit of the window, an accumulator a multiplier",
        f"{UNMEASURED}: read off reports of modified kernels",
    ),
    "dsp": Figure(
        "DSP slices, in HLS's own report as after synthesis",
        "folded: products / reuse factor; unrolled: constants of 3 signed digits or more in products of more than 20 "
        "bits; ternary: none",
        _measured("dsp"),
    ),
    "bram18_csynth": Figure(
        "18 Kb block RAMs in HLS's own report",
        "weights of folded layers, tables, row buffers and deep FIFOs by their shape, 1024 x 18 or 512 x 36",
        _measured("bram18"),
    ),
    "bram18": Figure(
        "18 Kb block RAMs after logic synthesis",
        "as csynth's; weights of up to 256 steps use both ports of a block",
        f"{UNMEASURED}: equal to within 5 % in reports of modified kernels",
    ),
    "csynth_ranges": Figure(
        "low and high end of what HLS's own report would say of a stage's kernel, by figure",
        "factors around the estimate, as wide as it was off on repositories left out of the fit; null where no report "
        "of such a kernel exists",
        f"made to hold the truth in {COVERAGE:.0%} of reports of unseen repositories",
    ),
    "fps": Figure("images a second", "clock / (tiles * passes * cycles of the slowest stage)", "as cycles"),
    "counts": Figure(
        "operations and bits a frame of the hardware",
        "counted in the network, zero ternary weights left out of additions; FIFO bits by the depths given",
        "none for the operations and weights",
    ),
}
