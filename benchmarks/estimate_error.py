"""Prints how far the convolution laws of hwsr.estimate are off on real csynth reports.

    python benchmarks/estimate_error.py hls_reports.json

The file holds {"points": [...]}: one dict a layer with its description (in_height, n_chan, filt_height, weight_t,
reuse_factor ...) and its csynth results (latency_max, dsp, lut, ff, bram18). Used are conv2d layers of unmodified
hls4ml kernels; predictions come from the description alone. The coefficients were read off these same reports,
so the errors on reports not seen will be larger.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwsr.estimate.conv import Backend, ConvLayer, Products, cycles, resources

Point = dict[str, Any]
# hls4ml's default type, for what a report does not record.
DEFAULT_BITS = 16


def width(type_name: str | None) -> int:
    """Bits of an ap_fixed<W,I> type."""
    found = re.search(r"<(\d+)", type_name or "")
    return int(found.group(1)) if found else DEFAULT_BITS


def describe(point: Point) -> ConvLayer:
    """The layer that a report is about, without a look at its results."""
    backend: Backend = "vitis" if point["tool"].startswith("Vitis") else "vivado"
    bits = width(point.get("weight_t"))
    return ConvLayer(
        height=point["in_height"],
        width=point["in_width"],
        channels=point["n_chan"],
        kernel=(point["filt_height"], point["filt_width"]),
        products=Products.expected(point["mults"], point.get("n_zeros") or 0, bits),
        x_bits=width(point.get("data_type")),
        w_bits=bits,
        acc_bits=width(point.get("accum_t")),
        reuse_factor=min(point["reuse_factor"], point["mults"]),
        backend=backend,
    )


def report(title: str, points: list[Point], measured: str, predict: Callable[[ConvLayer], int]) -> None:
    """One line: median, 90th percentile and worst of |predicted - reported| / max(reported, 1), and the bias."""
    truth = np.array([point[measured] for point in points])
    ours = np.array([predict(describe(point)) for point in points])
    error = np.abs(ours - truth) / np.maximum(truth, 1)
    bias = np.median(ours / np.maximum(truth, 1))
    print(
        f"{title:28} {len(points):3} reports: median {np.median(error):6.1%}, "
        f"90th percentile {np.percentile(error, 90):6.1%}, worst {error.max():8.1%}, estimate/report {bias:.2f}"
    )


def estimated(name: str) -> Callable[[ConvLayer], int]:
    """The law of one resource."""
    return lambda layer: int(getattr(resources(layer), name))


def main(path: Path) -> None:
    points = [p for p in json.loads(path.read_text())["points"] if p["layer_type"] == "conv2d" and p["upstream_kernel"]]
    folded = [p for p in points if p["reuse_factor"] > 1]
    # Without the number of zero weights nothing can be said about unrolled logic.
    unrolled = [p for p in points if p["reuse_factor"] == 1 and p.get("n_zeros") is not None]
    report("cycles", points, "latency_max", cycles)
    for kind, chosen in (("unrolled", unrolled), ("folded", folded)):
        for figure, name in (("LUT (csynth)", "lut_csynth"), ("FF", "ff"), ("DSP", "dsp"), ("BRAM18", "bram18")):
            measured = name.removesuffix("_csynth")
            report(f"{figure}, {kind}", chosen, measured, estimated(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
