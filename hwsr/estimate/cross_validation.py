"""How far the laws of hls4ml's stock kernels are off on repositories that their fit has not seen.

The figures were written by `python -m benchmarks.estimate_error --package`; docs/estimates.md has them in full.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE = "cross_validation.json"


@dataclass(frozen=True)
class Off:
    """|estimate - report| / max(report, 1): median and 90th percentile; in_range: share of reports inside ranges."""

    median: float
    p90: float
    in_range: float


@dataclass(frozen=True)
class HeldOut:
    """One group of layers: how many reports, and how far off each figure is, by its name."""

    layers: str
    reports: int
    off: dict[str, Off]


@cache
def cross_validation() -> tuple[HeldOut, ...]:
    """Every group that the file has."""
    rows = json.loads(files("hwsr.estimate").joinpath(FILE).read_text(encoding="utf-8"))
    return tuple(
        HeldOut(row["layers"], row["reports"], {name: Off(**off) for name, off in row["off"].items()}) for row in rows
    )
