"""Predictions: the laws with the coefficients that are shipped, each with its range."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hwsr.estimate import matvec, stages
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.law import Law

# A range holds the truth in this share of reports of repositories that the fit has not seen.
COVERAGE = 0.8
# Added to both sides of a ratio, so that a few pieces more or less are no large factor.
SMOOTHING = {"latency_max": 1, "interval_max": 1, "dsp": 1, "lut": 20, "ff": 20, "bram18": 1, "uram": 1}


@dataclass(frozen=True)
class Fitted:
    """What was learnt of one figure.

    coefficients: by the name of a term. ranges: by family of kernels, the factors around a prediction. error: of
    convolutions of repositories left out of the fit: reports, repositories, median, p90.
    """

    coefficients: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    error: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Prediction:
    """An estimate and the range that should hold the truth in COVERAGE of cases."""

    value: int
    low: int
    high: int

    def __add__(self, other: "Prediction") -> "Prediction":
        return Prediction(self.value + other.value, self.low + other.low, self.high + other.high)


def laws(kernel: Kernel) -> dict[str, Law]:
    """The law of every figure; cycles only where the length of the frame is known."""
    multiplies = kernel.kind in ("conv", "depthwise", "dense")
    found = (matvec if multiplies else stages).laws(kernel)
    if kernel.words is None or (kernel.out_words is None and kernel.kind in ("zeropad", "resize")):
        return {name: law for name, law in found.items() if name not in ("latency_max", "interval_max")}
    return found


def family(kernel: Kernel) -> str:
    """Kernels whose estimates are off alike."""
    if kernel.kind in ("conv", "depthwise", "dense"):
        return "folded" if kernel.folded else "unrolled"
    return "stage"


@cache
def shipped() -> Mapping[str, Fitted]:
    """By figure."""
    text = files("hwsr.estimate").joinpath("coefficients.json").read_text(encoding="utf-8")
    return {figure: Fitted(**value) for figure, value in json.loads(text).items()}


def predict(kernel: Kernel, learnt: Mapping[str, Fitted] | None = None) -> dict[str, Prediction]:
    """Every figure that the kernel's description allows, by name: what csynth would report of it."""
    learnt = shipped() if learnt is None else learnt
    return {figure: predicted(kernel, law, figure, learnt[figure]) for figure, law in laws(kernel).items()}


def predicted(kernel: Kernel, law: Law, figure: str, learnt: Fitted) -> Prediction:
    value = max(law.value(learnt.coefficients), 0.0)
    low, high = learnt.ranges.get(family(kernel), (1.0, 1.0))
    smoothing = SMOOTHING[figure]
    ends = ((value + smoothing) * factor - smoothing for factor in (low, high))
    least, most = (max(round(end), 0) for end in ends)
    return Prediction(round(value), min(least, round(value)), max(most, round(value)))
