"""Charts of a search: dB against each cost, the front's networks by their numbers in its table."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from hwsr.explore.search import Found
from hwsr.explore.show import Report
from hwsr.plot import DPI, place_labels, save

COSTS = {"lut": "LUT", "dsp": "DSP", "bram18": "BRAM18", "fps": "images a second"}
FRONT, OTHERS = "the front", "other networks"
STYLES = {FRONT: ("", "#009E73", "*"), OTHERS: ("", "#888888", "o")}
SIZES = {FRONT: 190, OTHERS: 40}
MARGIN_DB, NARROW = 1.0, 0.05


@dataclass(frozen=True)
class _Point:
    label: str
    source: str
    psnr: float


def chart(report: Report, cost: str) -> Figure:
    """dB against one of COSTS, of all networks that were trained and fit."""
    mpl.use("agg")
    figure = Figure(figsize=(5.6, 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for source, those in ((OTHERS, report.others), (FRONT, report.best)):
        colour, marker = STYLES[source][1:]
        axes.scatter(
            [each.value(cost) for each in those],
            [each.psnr for each in those],
            s=SIZES[source],
            c=colour,
            marker=marker,
            label=source,
            zorder=3,
            edgecolors="white",
        )
    lowest = min((each.psnr for each in report.tally.found), default=0.0)
    # Far below all of them it would leave no room to tell them apart.
    if report.min_psnr is not None and report.min_psnr > lowest - MARGIN_DB:
        axes.axhline(report.min_psnr, color="#D55E00", linestyle="--", linewidth=1, label="asked for")
    _dress(axes, cost)
    figure.suptitle(report.title, fontsize=11)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.draw_without_rendering()  # fixes the layout, which labels are measured against
    place_labels(axes, [_named(each, str(rank), cost) for rank, each in enumerate(report.best, 1)], STYLES)
    return figure


def _named(each: Found, label: str, cost: str) -> tuple[_Point, float]:
    return _Point(label, FRONT, each.psnr), each.value(cost)


def _dress(axes: Axes, cost: str) -> None:
    axes.margins(0.09, 0.09)
    low, high = axes.get_xlim()
    if high - low < NARROW * high:  # a rate that all were made for
        axes.set_xlim((1 - NARROW) * low, (1 + NARROW) * high)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.6g}"))
    axes.set_xlabel(f"{COSTS[cost]} (estimate)")
    axes.set_ylabel("Y-PSNR (dB)")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def write_charts(report: Report, folder: Path) -> dict[str, Path]:
    """Write a PNG for each of COSTS; their paths. Raises HwsrError."""
    paths = {cost: folder / f"{cost}.png" for cost in COSTS}
    for cost, path in paths.items():
        save(chart(report, cost), path)
    return paths
