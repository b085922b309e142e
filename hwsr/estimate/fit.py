"""Fits the laws' coefficients and ranges to csynth reports of hls4ml's stock kernels, and says how far off they are.

    python -m hwsr.estimate.fit                      # refits coefficients.json from calibration.json
    python -m hwsr.estimate.fit hls_reports.json     # takes the file's reports over into calibration.json first

calibration.json holds the description and the csynth results of every layer used, with the repository, commit and
path of each. Errors and ranges come from leaving out one repository at a time: its reports are predicted by
coefficients that were fitted without any of them.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from hwsr.estimate.kernel import Kernel
from hwsr.estimate.law import FIGURES, Law
from hwsr.estimate.model import SMOOTHING, Fitted, family, laws
from hwsr.estimate.predict import read_points
from hwsr.estimate.reports import DESCRIPTION, KINDS, Row, Undescribed, describe
from hwsr.files import write_text

# Below these amounts an error counts as one of so many cycles or pieces.
FLOOR = {"latency_max": 4, "interval_max": 4, "dsp": 4, "lut": 50, "ff": 50, "bram18": 4, "uram": 4}
# Weight of the priors, in reports: schedules are exact, what logic is counted for is not.
SHRINKAGE = {"latency_max": 0.02, "interval_max": 0.02, "dsp": 1, "lut": 4, "ff": 4, "bram18": 1, "uram": 1}
# A schedule's coefficients are whole cycles, or halves and quarters where several rows share them.
STEP = {"latency_max": 0.25, "interval_max": 0.25}
# Relative errors below this weigh no more, in the reweighting that makes least squares least absolute errors.
SHARPNESS = 0.003
ROUNDS = 40
# The share of known repositories' reports between a range's ends. An unknown repository lies outside more often:
# this many make the 80 % that a range claims (benchmarks/estimate_error.py measures it).
SPAN = 0.9


@dataclass(frozen=True)
class Sample:
    """One figure of one report. trusted: its description is complete and of the same revision as the report."""

    source: str
    kernel: Kernel
    law: Law
    truth: float
    trusted: bool


def calibration() -> list[Row]:
    """The rows shipped with the package."""
    text = files("hwsr.estimate").joinpath("calibration.json").read_text(encoding="utf-8")
    rows: list[Row] = json.loads(text)["points"]
    return rows


def usable(row: Row) -> bool:
    """A layer of unmodified hls4ml kernels that a csynth report is about and a model exists for."""
    return bool(row.get("upstream_kernel")) and row.get("layer_type") in KINDS and "lut" in row


def compact(row: Row) -> dict[str, Any]:
    """The columns of a row that the fit needs. "other_revision": its description is not of the report's revision."""
    kept = {"source", "commit", "path", "upstream_kernel"} | DESCRIPTION | set(FIGURES)
    changed = row.get("rf_from_report") not in (None, row.get("reuse_factor"))
    return {name: value for name, value in row.items() if name in kept} | ({"other_revision": True} if changed else {})


def samples(rows: Iterable[Row], figure: str) -> list[Sample]:
    """What the rows say of a figure, of every row that a model exists for."""
    found = []
    for row in rows:
        if row.get(figure) is None:
            continue
        try:
            kernel = describe(row)
        except Undescribed:
            continue
        law = laws(kernel).get(figure)
        if law is not None:
            found.append(Sample(str(row["source"]), kernel, law, float(row[figure]), trusted(row, kernel)))
    return found


def trusted(row: Row, kernel: Kernel) -> bool:
    typed = kernel.products is None or kernel.kind == "batchnorm" or bool(row.get("weight_t"))
    return typed and not row.get("other_revision")


def fit(found: Sequence[Sample], figure: str) -> dict[str, float]:
    """Coefficients of least absolute relative error, none negative, drawn towards their priors.

    Reports of one repository and kind count together as the root of their number.
    """
    found = [sample for sample in found if sample.trusted]
    priors = {term.name: term.prior for sample in found for term in sample.law.terms}
    if not priors:
        return {}
    names = sorted(priors)
    prior = np.array([priors[name] for name in names])
    amounts = np.zeros((len(found), len(names)))
    for row, sample in zip(amounts, found, strict=True):
        for term in sample.law.terms:
            row[names.index(term.name)] += term.amount
    scale = np.maximum([sample.truth for sample in found], FLOOR[figure])
    rest = np.array([sample.truth - sample.law.fixed for sample in found]) / scale
    amounts /= scale[:, None]
    clusters = [(sample.source, sample.kernel.kind, sample.kernel.folded) for sample in found]
    share = np.array([clusters.count(cluster) ** -0.5 for cluster in clusters])
    pull = np.sqrt(SHRINKAGE[figure]) * np.diag(1 / np.where(prior > 0, prior, 1.0))
    coefficients = prior
    for _ in range(ROUNDS):
        weight = np.sqrt(share / np.maximum(np.abs(amounts @ coefficients - rest), SHARPNESS))
        before = coefficients
        coefficients, _ = nnls(
            np.vstack([amounts * weight[:, None], pull]), np.concatenate([rest * weight, pull @ prior])
        )
        if np.allclose(coefficients, before, rtol=1e-6, atol=1e-9):
            break
    if step := STEP.get(figure):
        coefficients = np.round(coefficients / step) * step
    return dict(zip(names, coefficients.tolist(), strict=True))


def held_out(found: Sequence[Sample], figure: str) -> list[float]:
    """A prediction for every sample, by coefficients fitted without its repository."""
    coefficients = {
        source: fit([sample for sample in found if sample.source != source], figure)
        for source in {sample.source for sample in found}
    }
    return [sample.law.value(coefficients[sample.source]) for sample in found]


def spread(found: Sequence[Sample], predicted: Sequence[float], figure: str) -> dict[str, tuple[float, float]]:
    """Factors between which truth / prediction lies in SPAN of the reports, by family, every repository alike."""
    smoothing = SMOOTHING[figure]
    ratios: dict[str, list[tuple[float, str]]] = {}
    for sample, value in zip(found, predicted, strict=True):
        ratio = (sample.truth + smoothing) / (max(value, 0) + smoothing)
        ratios.setdefault(family(sample.kernel), []).append((ratio, sample.source))
    return {name: _quantiles(group) for name, group in sorted(ratios.items())}


def _quantiles(group: list[tuple[float, str]]) -> tuple[float, float]:
    sources = [source for _, source in group]
    ordered = sorted((ratio, 1 / sources.count(source)) for ratio, source in group)
    ratios, weights = np.array(ordered).T
    reached = (np.cumsum(weights) - weights / 2) / weights.sum()
    tail = (1 - SPAN) / 2
    low, high = np.interp([tail, 1 - tail], reached, ratios)
    return min(float(low), 1.0), max(float(high), 1.0)


def errors(found: Sequence[Sample], predicted: Sequence[float]) -> dict[str, float]:
    """Median and 90th percentile of |prediction - truth| / max(truth, 1), with the number of reports."""
    if not found:
        return {"reports": 0, "repositories": 0}
    truth = np.array([sample.truth for sample in found])
    off = np.abs(np.round(predicted) - truth) / np.maximum(truth, 1)
    return {
        "reports": len(found),
        "repositories": len({sample.source for sample in found}),
        "median": float(np.median(off)),
        "p90": float(np.percentile(off, 90)),
    }


def fitted(rows: Sequence[Row], figure: str) -> Fitted:
    """Everything that is learnt of a figure."""
    found = samples(rows, figure)
    predicted = held_out(found, figure)
    chosen = [i for i, sample in enumerate(found) if sample.kernel.kind in ("conv", "depthwise")]
    return Fitted(
        coefficients=fit(found, figure),
        ranges=spread(found, predicted, figure),
        error=errors([found[i] for i in chosen], [predicted[i] for i in chosen]),
    )


def _written(value: object) -> str:
    """JSON with a line a row."""
    return json.dumps(value, separators=(", ", ": "), sort_keys=True)


def merged(known: Iterable[Row], more: Iterable[Row]) -> list[Row]:
    """The usable rows of both; of two of one report, the newer."""
    rows = {(row["source"], row["path"], row.get("module"), row.get("commit")): row for row in known}
    rows |= {
        (row["source"], row["path"], row.get("module"), row.get("commit")): compact(row) for row in more if usable(row)
    }
    return list(rows.values())


def main(arguments: list[str]) -> None:
    folder = Path(__file__).parent
    rows = calibration()
    if arguments:
        for path in map(Path, arguments):
            rows = merged(rows, read_points(path))
        lines = ",\n".join(_written(row) for row in rows)
        write_text(folder / "calibration.json", f'{{"points": [\n{lines}\n]}}\n')
    found = {figure: fitted(rows, figure).as_json() for figure in FIGURES}
    write_text(folder / "coefficients.json", json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
