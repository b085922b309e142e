"""How far the estimates of hls4ml's stock kernels are off, on repositories that their fit has not seen.

    python -m benchmarks.estimate_error                     # by the reports shipped with hwsr
    python -m benchmarks.estimate_error hls_reports.json    # by those of a file alone; of modified kernels the trend
    python -m benchmarks.estimate_error --docs docs/estimates.md    # also writes the tables into the document
    python -m benchmarks.estimate_error --package           # also writes the totals into the package, for `hwsr report`

Every repository's reports are predicted by coefficients fitted to the other repositories alone. A range's ends come
from those others' errors too, each predicted without itself, so that its coverage is one of unseen repositories.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwsr.estimate import cross_validation
from hwsr.estimate.cross_validation import HeldOut, Off
from hwsr.estimate.fit import Sample, calibration, errors, fit, held_out, samples, spread, usable
from hwsr.estimate.model import Fitted, predicted, shipped
from hwsr.estimate.predict import estimate_point, read_points
from hwsr.estimate.reports import KINDS
from hwsr.files import write_json, write_text

FIGURES = {"latency_max": "latency", "dsp": "DSP", "lut": "LUT", "ff": "FF", "bram18": "BRAM18"}
CONVOLUTIONS = [name for name, kind in KINDS.items() if kind in ("conv", "depthwise")]
Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One figure of one report, with the prediction that did not know its repository."""

    row: Row
    sample: Sample
    value: int
    covered: bool

    @property
    def off(self) -> float:
        return abs(self.value - self.sample.truth) / max(self.sample.truth, 1)


def outcomes(rows: list[Row], figure: str) -> list[Outcome]:
    """Every report of the figure, predicted without its repository."""
    known = [row for row in rows if samples([row], figure)]
    found = samples(known, figure)
    result = []
    for source in sorted({sample.source for sample in found}):
        others = [sample for sample in found if sample.source != source]
        learnt = Fitted(fit(others, figure), spread(others, held_out(others, figure), figure), {})
        for row, sample in zip(known, found, strict=True):
            if sample.source == source:
                guess = predicted(sample.kernel, sample.law, figure, learnt)
                result.append(Outcome(row, sample, guess.value, guess.low <= sample.truth <= guess.high))
    return result


def table(found: dict[str, list[Outcome]], title: str, group: Callable[[Row], str]) -> list[str]:
    """Markdown: a row a group, a column a figure."""
    heads = [f"{name}: median, p90, in range" for name in FIGURES.values()]
    lines = [f"| {title} | reports | " + " | ".join(heads) + " |", "| --- " * (len(FIGURES) + 2) + "|"]
    groups = sorted({group(outcome.row) for parts in found.values() for outcome in parts})
    for name in groups:
        parts = {figure: [o for o in found[figure] if group(o.row) == name] for figure in FIGURES}
        cells = [_cell(parts[figure]) for figure in FIGURES]
        lines.append(f"| {name} | {max(map(len, parts.values()))} | " + " | ".join(cells) + " |")
    return lines


def _cell(found: list[Outcome]) -> str:
    if not found:
        return "none"
    off = _off(found)
    return f"{off.median:.1%}, {off.p90:.0%}, {off.in_range:.0%}"


def _off(found: list[Outcome]) -> Off:
    error = errors([o.sample for o in found], [o.value for o in found])
    return Off(error["median"], error["p90"], float(np.mean([o.covered for o in found])))


def of_types(found: dict[str, list[Outcome]], *types: str) -> dict[str, list[Outcome]]:
    """The outcomes of layers of some types; of all without any."""
    return {figure: [o for o in parts if not types or o.row["layer_type"] in types] for figure, parts in found.items()}


def by_version(row: Row) -> str:
    return f"{row['tool']} {row['tool_version']}"


def within_one(found: Iterable[Outcome]) -> str:
    """Share of BRAM18 figures within 1 or 20 % of the report."""
    return f"{np.mean([abs(o.value - o.sample.truth) <= max(1, 0.2 * o.sample.truth) for o in found]):.0%}"


def in_sample(rows: list[Row], figure: str) -> list[Outcome]:
    """Every report of the figure, predicted by what is shipped, which knows it."""
    known = [row for row in rows if samples([row], figure)]
    learnt, result = shipped()[figure], []
    for row, sample in zip(known, samples(known, figure), strict=True):
        guess = predicted(sample.kernel, sample.law, figure, learnt)
        result.append(Outcome(row, sample, guess.value, guess.low <= sample.truth <= guess.high))
    return result


def trend(rows: list[Row]) -> list[str]:
    """How figures after synthesis lie on convolutions of modified kernels, which is where their numbers are from."""
    ratios: dict[str, list[float]] = {}
    inside: dict[str, list[bool]] = {}
    count = 0
    for row in rows:
        if row.get("layer_type") != "conv2d" or row.get("upstream_kernel") or not row.get("vivado_synth"):
            continue
        # Their reuse factor is only known from what they took.
        point = estimate_point({**row, "reuse_factor": row.get("reuse_factor", row.get("reuse_factor_derived"))})
        if point["lut"] is None:
            continue
        count += 1
        for name in ("lut", "ff", "dsp", "bram18"):
            truth, guess = row["vivado_synth"].get(name), point["vivado_synth"]
            if truth is not None:
                ratios.setdefault(name, []).append((guess[name] + 1) / (truth + 1))
                inside.setdefault(name, []).append(guess["ranges"][name][0] <= truth <= guess["ranges"][name][1])
    if not count:
        return []
    lines = [f"| after synthesis, {count} modified conv2d | estimate / report: 10 %, median, 90 % | in range |"]
    lines.append("| --- | --- | --- |")
    for name, values in ratios.items():
        low, middle, high = np.percentile(values, (10, 50, 90))
        lines.append(f"| {name} | {low:.2f}, {middle:.2f}, {high:.2f} | {np.mean(inside[name]):.0%} |")
    return lines


def tables(found: dict[str, list[Outcome]]) -> list[str]:
    """By tool and version, by repository and by type of layer, as lines of markdown."""
    conv2d = of_types(found, "conv2d")
    return [
        "Convolutions (1D, 2D, pointwise, depthwise), by tool and version:",
        "",
        *table(of_types(found, *CONVOLUTIONS), "tool", by_version),
        "",
        "conv2d alone, by tool and version:",
        "",
        *table(conv2d, "tool", by_version),
        "",
        "conv2d alone, by repository:",
        "",
        *table(conv2d, "repository", lambda row: row["source"].removeprefix("github:")),
        "",
        "All layers, by tool and version:",
        "",
        *table(found, "tool", by_version),
        "",
        "All layers, by type:",
        "",
        *table(found, "layer", lambda row: row["layer_type"]),
    ]


def totals(found: dict[str, list[Outcome]]) -> list[str]:
    """All reports of conv2d, of convolutions and of layers, as lines of markdown."""
    conv2d = of_types(found, "conv2d")
    return [
        *table(conv2d, "layers", lambda row: "conv2d"),
        *table(of_types(found, *CONVOLUTIONS), "", lambda row: "convolutions")[2:],
        *table(found, "", lambda row: "all layers")[2:],
        "",
        f"BRAM18 of conv2d within 1 or 20 % of the report: {within_one(conv2d['bram18'])}.",
    ]


def held_out_totals(found: dict[str, list[Outcome]]) -> list[HeldOut]:
    """What the package holds: conv2d, convolutions and all layers."""
    groups = {"conv2d": of_types(found, "conv2d"), "convolutions": of_types(found, *CONVOLUTIONS), "all layers": found}
    return [
        HeldOut(
            name,
            max(map(len, parts.values())),
            {title: _off(parts[figure]) for figure, title in FIGURES.items()},
        )
        for name, parts in groups.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="?", type=Path, help="file of reports [those shipped with hwsr]")
    parser.add_argument("--docs", type=Path, help="document whose tables of the same source to replace")
    parser.add_argument("--package", action="store_true", help="write the totals of the shipped reports into hwsr")
    options = parser.parse_args()
    if options.package and options.reports:
        parser.error("--package takes the reports shipped with hwsr alone")
    points = [dict(row) for row in (read_points(options.reports) if options.reports else calibration())]
    rows = [row for row in points if usable(row)]
    found = {figure: outcomes(rows, figure) for figure in FIGURES}
    seen = {figure: in_sample(rows, figure) for figure in FIGURES}
    lines = [
        "Each repository by a fit to the others:",
        "",
        *totals(found),
        "",
        "By the shipped coefficients, whose fit has seen these reports (no test of anything):",
        "",
        *totals(seen),
        "",
        *(trend(points) if options.reports else tables(found)),
    ]
    text = "\n".join(lines)
    print(text)
    if options.package:
        figures = [asdict(group) for group in held_out_totals(found)]
        write_json(Path(cross_validation.__file__).with_name(cross_validation.FILE), figures)
    if options.docs:
        mark = rf"(<!-- {'file' if options.reports else 'shipped'} -->\n).*?(<!-- end -->)"
        document = options.docs.read_text(encoding="utf-8")
        write_text(options.docs, re.sub(mark, lambda block: f"{block[1]}{text}\n{block[2]}", document, flags=re.S))


if __name__ == "__main__":
    main()
