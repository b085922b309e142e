"""Picture quality against cost: the paper's networks and our own on one chart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox
from pydantic import BaseModel, Field, ValidationError

from hwsr.errors import HwsrError
from hwsr.files import atomic_path
from hwsr.spec import parse_spec
from hwsr.tables import published

SUFFIXES = (".png", ".svg")
DPI = 100
OURS = "hwsr"
# Okabe and Ito's colours, which colour-blind readers tell apart; markers differ too.
STYLES = {
    "the paper's units (Table 1)": ("table1", "#0072B2", "o"),
    "the paper's recursive upscaling (Table 2)": ("table2", "#D55E00", "s"),
    "other publications (Table 3)": ("table3", "#666666", "^"),
    OURS: ("", "#009E73", "*"),
}
AXES = {"mult_adds": ("Mult-Adds for a 1280x720 output (G)", 1e9), "params": ("parameters (K)", 1e3)}
# Those of the chart at equal cost, whose sources are precisions.
PRECISION_STYLES = {
    "float": ("", "#666666", "^"),
    "int8": ("", "#0072B2", "o"),
    "int8t": ("", "#56B4E9", "o"),
    "int8a": ("", "#CC79A7", "D"),
    "low bits": ("", "#D55E00", "s"),
    "ternary": ("", "#009E73", "*"),
}
COST_AXES = {"bits": ("bits of the model (K)", 1e3), "adder_bits": ("adder bits for each input pixel (K)", 1e3)}
SHARED_AXES = COST_AXES | {"shared_bits": ("adder bits, common sums shared (K)", 1e3)}

Styles = Mapping[str, tuple[str, str, str]]
Axis = Mapping[str, tuple[str, float]]


class Plotted(Protocol):
    """What is drawn: a label, a source that decides its style, Y-PSNR in dB, and an attribute for every axis."""

    @property
    def label(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def psnr(self) -> float: ...


@dataclass(frozen=True)
class Point:
    """One network on one benchmark set: Y-PSNR in dB, parameters, Mult-Adds for a 720p output."""

    label: str
    source: str
    params: float
    mult_adds: float
    psnr: float


class _Score(BaseModel):
    psnr: float = Field(allow_inf_nan=False)


class _Network(BaseModel):
    spec: str
    params: int = Field(gt=0)
    mult_adds: int = Field(gt=0)
    scores: dict[str, _Score]


class _Figures(BaseModel):
    """What `hwsr eval --json` and `hwsr sweep --json` write, as far as a chart needs it."""

    networks: list[_Network]


def paper_points(scale: int, benchmark: str) -> list[Point]:
    """The networks of the paper's Tables 1 to 3. Raises HwsrError for a set that they do not have."""
    rows = [(source, row) for source, (table, *_) in STYLES.items() for row in published().get(table, [])]
    sets = sorted({name for _, row in rows for name in row["psnr_ssim"]})
    if benchmark not in sets:
        raise HwsrError(f"the paper has no figures on '{benchmark}'; choose one of {', '.join(sets)}")
    return [
        Point(row["model"], source, 1e3 * row["params_k"], 1e9 * row["mult_adds_g"], row["psnr_ssim"][benchmark][0])
        for source, row in rows
        if row["scale"] == scale and row["psnr_ssim"].get(benchmark, [None])[0] is not None
    ]


def own_points(path: Path, scale: int, benchmark: str) -> list[Point]:
    """Our networks in a JSON file of `hwsr eval` or `hwsr sweep`. Raises HwsrError where it has none that fits."""
    try:
        networks = _Figures.model_validate_json(path.read_bytes()).networks
    except FileNotFoundError as error:
        raise HwsrError(f"{path}: no such file; write it with 'hwsr eval MODEL --data SET --json {path}'") from error
    except ValidationError as error:
        raise HwsrError(f"{path}: holds no networks' figures; write it with 'hwsr eval MODEL --json FILE'") from error
    those = [each for each in networks if parse_spec(each.spec).scale == scale and benchmark in each.scores]
    points = [
        Point(label, OURS, network.params, network.mult_adds, network.scores[benchmark].psnr)
        for label, network in zip(short_labels([each.spec for each in those]), those, strict=True)
    ]
    if not points:
        found = sorted({f"x{parse_spec(network.spec).scale} {name}" for network in networks for name in network.scores})
        raise HwsrError(f"{path}: no network of x{scale} scored on {benchmark}; it has {', '.join(found) or 'none'}")
    return points


def short_labels(specs: Sequence[str]) -> list[str]:
    """Specs without their scale, which the chart's title says, and without the options that several all have."""
    options = [str(parse_spec(spec)).split() for spec in specs]
    shared = set.intersection(*map(set, options)) if len(options) > 1 else set()
    left_out = shared.union(("x2", "x3", "x4"))
    return [" ".join([name, *(word for word in rest if word not in left_out)]) for name, *rest in options]


def tradeoff(points: Sequence[Plotted], title: str, costs: Axis = AXES, styles: Styles = STYLES) -> Figure:
    """PSNR against each of `costs` on logarithmic axes, every network by name; those that lack a cost are left out."""
    mpl.use("agg")
    figure = Figure(figsize=(8 * len(costs), 10.5), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(costs), sharey=True)
    figure.suptitle(title, fontsize=14)
    handles: dict[str, Artist] = {}
    for axes, (key, (name, unit)) in zip(panels, costs.items(), strict=True):
        for source, (_, colour, marker) in styles.items():
            those = [point for point in points if point.source == source and getattr(point, key) is not None]
            if those:
                x, y = [getattr(point, key) / unit for point in those], [point.psnr for point in those]
                size = 190 if marker == "*" else 45
                handles[source] = axes.scatter(
                    x, y, s=size, c=colour, marker=marker, label=source, zorder=3, edgecolors="white"
                )
        axes.set_xscale("log")
        axes.margins(0.09, 0.07)
        plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
        axes.xaxis.set_major_formatter(plain)
        low, high = axes.get_xlim()
        # Within a decade there may be no power of ten to name.
        axes.xaxis.set_minor_formatter(NullFormatter() if high >= 10 * low else plain)
        axes.set_xlabel(name, fontsize=12)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Y-PSNR (dB)", fontsize=12)
    shown = [source for source in styles if source in handles]
    figure.legend(
        [handles[source] for source in shown],
        shown,
        loc="outside lower center",
        ncols=len(styles),
        frameon=False,
        fontsize=11,
    )
    figure.draw_without_rendering()  # fixes the layout, which labels are measured against
    for axes, (key, (_, unit)) in zip(panels, costs.items(), strict=True):
        drawn = [(point, getattr(point, key)) for point in points if getattr(point, key) is not None]
        place_labels(axes, [(point, cost / unit) for point, cost in drawn], styles)
    return figure


def save(figure: Figure, out: Path) -> None:
    """Write a chart as PNG or SVG. Raises HwsrError."""
    check_suffix(out)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, dpi=DPI)


def check_suffix(out: Path) -> None:
    """Raise HwsrError where `out` does not say PNG or SVG."""
    if out.suffix.lower() not in SUFFIXES:
        raise HwsrError(f"{out}: a chart is written as {' or '.join(SUFFIXES)}; choose such a name")


# Labels are tried around their point, near ones first; beyond this distance in pixels a line leads to the point.
RADII, DIRECTIONS, LEADER = (5, 9, 14, 20, 28, 38, 50, 64, 80, 100, 125, 160, 200), 24, 12
MARKER, CROWD = 6, 120


def place_labels(axes: Axes, points: Sequence[tuple[Plotted, float]], styles: Styles) -> None:
    """Name every point, at the nearest place where the name covers no point, no other name and no line to one."""
    at = [tuple(axes.transData.transform((x, point.psnr))) for point, x in points]
    taken = [Bbox.from_bounds(x - MARKER, y - MARKER, 2 * MARKER, 2 * MARKER) for x, y in at]
    # The most crowded points choose first.
    crowds = [sum(abs(x - u) + abs(y - v) < CROWD for u, v in at) for x, y in at]
    for _, (point, x), centre in sorted(zip(crowds, points, at, strict=True), key=lambda item: -item[0]):
        colour, bold = styles[point.source][1], point.source == OURS
        text = axes.annotate(
            point.label,
            (x, point.psnr),
            (0, 0),
            textcoords="offset pixels",
            fontsize=9,
            fontweight="bold" if bold else "normal",
            color=colour,
            zorder=4,
        )
        text.set_in_layout(False)
        size = text.get_window_extent()
        radius, box = min(
            _candidates(centre, size.width, size.height),
            key=lambda each: (_clashes(each[1], centre, each[0], taken, axes.bbox), each[0]),
        )
        text.set_position((box.x0 - size.x0, box.y0 - size.y0))
        taken.append(box.padded(2))
        if radius > LEADER:
            end = _nearest(box, centre)
            taken += [Bbox.from_bounds(px - 1, py - 1, 2, 2) for px, py in _along(centre, end)]
            ends = axes.transData.inverted().transform([centre, end])
            axes.plot(*ends.T, color=colour, linewidth=0.6, zorder=2, scalex=False, scaley=False)


def _candidates(centre: tuple[float, float], width: float, height: float) -> Iterator[tuple[int, Bbox]]:
    """(distance, box of the label) around a point."""
    for radius in RADII:
        for k in range(DIRECTIONS):
            dx, dy = cos(2 * pi * k / DIRECTIONS), sin(2 * pi * k / DIRECTIONS)
            x, y = centre[0] + dx * (MARKER + radius + width / 2), centre[1] + dy * (MARKER + radius + height / 2)
            yield radius, Bbox.from_bounds(x - width / 2, y - height / 2, width, height)


def _clashes(box: Bbox, centre: tuple[float, float], radius: int, taken: Sequence[Bbox], frame: Bbox) -> int:
    """How many things a label at `box` would cover, its own line included; leaving the frame counts as one."""
    outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    line = list(_along(centre, _nearest(box, centre)))[2:] if radius > LEADER else []
    crossed = sum(any(other.contains(x, y) for x, y in line) for other in taken)
    return box.count_overlaps(taken) + crossed + outside


def _nearest(box: Bbox, centre: tuple[float, float]) -> tuple[float, float]:
    """The point of a box that is nearest to `centre`."""
    return min(max(centre[0], box.x0), box.x1), min(max(centre[1], box.y0), box.y1)


def _along(start: tuple[float, float], end: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Twelve points of a line."""
    for k in range(12):
        yield start[0] + (end[0] - start[0]) * k / 11, start[1] + (end[1] - start[1]) * k / 11
