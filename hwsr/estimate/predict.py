"""Predictions for a file of layers in the calibration schema, each from its description alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwsr.errors import HwsrError
from hwsr.estimate.law import FIGURES
from hwsr.estimate.model import COVERAGE, Prediction, predict
from hwsr.estimate.reports import DESCRIPTION, Row, Undescribed, assumptions, describe
from hwsr.estimate.synthesis import after_synthesis

SYNTHESIZED = ("lut", "ff", "dsp", "bram18", "uram")
NO_FRAME = "the row does not say how many words a frame has: no cycles"
FIELDS = {
    "latency_max, interval_max": "cycles a frame, as HLS csynth would report them",
    "dsp, lut, ff, bram18, uram": "as HLS csynth would report them",
    "vivado_synth": "after Vivado's synthesis; learnt from modified kernels, its ranges are not checked",
    "ranges": f"low and high ends of each figure; csynth's claim to hold the truth in {COVERAGE:.0%} of unseen "
    "repositories' reports, all kinds of layers together: of some kinds in fewer (docs/estimates.md)",
    "reason": "why a figure is null; null where none is",
    "assumed": "columns in words that are not known, and what they are taken for",
}


def read_points(path: Path) -> list[Row]:
    """The rows of a file {"points": [...]}. Raises HwsrError when it is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HwsrError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HwsrError(f"{path} is not a JSON file: {error}") from error
    points = content.get("points") if isinstance(content, dict) else None
    if not isinstance(points, list):
        raise HwsrError(f'{path} is no file of layers: it must hold {{"points": [...]}}, one object a layer')
    for number, point in enumerate(points):
        if not isinstance(point, dict):
            raise HwsrError(f"{path}: point {number} is not an object of a layer's columns")
    return points


def estimate_file(path: Path) -> dict[str, Any]:
    """Predictions of every point, in order, with an explanation of the keys. Raises HwsrError for a bad file."""
    return {"fields": FIELDS, "points": [estimate_point(point) for point in read_points(path)]}


def estimate_point(point: Row) -> dict[str, Any]:
    """One point's figures, their ranges and the figures after synthesis; null with a reason where there is no model."""
    described = {name: value for name, value in point.items() if name in DESCRIPTION}
    found: dict[str, Prediction] = {}
    after: dict[str, Prediction] = {}
    reason = None
    try:
        kernel = describe(described)
        found = predict(kernel)
        after = after_synthesis(kernel, found)
        reason = None if "latency_max" in found else NO_FRAME
    except Undescribed as undescribed:
        reason = str(undescribed)
    return {
        "layer_type": point.get("layer_type"),
        **_figures(found, FIGURES),
        "vivado_synth": _figures(after, SYNTHESIZED),
        "reason": reason,
        "assumed": assumptions(described),
    }


def _figures(found: Mapping[str, Prediction], names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: found[name].value if name in found else None for name in names}
    ranges = {name: [found[name].low, found[name].high] if name in found else None for name in names}
    return {**values, "ranges": ranges}
