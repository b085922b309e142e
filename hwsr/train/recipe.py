"""What a training run does, as values: its stages, batch, patch, seed and learning rates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, pairwise, takewhile
from math import cos, pi
from typing import TypeVar

from hwsr.errors import HwsrError
from hwsr.spec import Precision


class Mode(StrEnum):
    """How the network computes during a stage, in the order of a run's stages.

    `frozen` is `quantized` with the ternary weights held where they are: what is left to tune is their factors, the
    biases and the activation ranges, as StrassenNets ends (Tschannen et al. 2017).
    """

    FLOAT = "float"
    QUANTIZED = "quantized"
    FROZEN = "frozen"


class FloatPrecision(StrEnum):
    """Floats of a run, in Fabric's words. 16-mixed is left out: bfloat16 needs no loss scaling to be kept and resumed.

    bf16-mixed holds in float stages alone, for a fixed-point grid needs all 24 bits of a float32.
    """

    FULL = "32-true"
    MIXED = "bf16-mixed"


class Method(StrEnum):
    """What updates the weights: Adam, or Muon for convolutions and Adam for the rest (hwsr/train/optimizer.py)."""

    ADAM = "adam"
    MUON = "muon"


class Loss(StrEnum):
    """What is made small (hwsr/train/loss.py): the error of RGB, or above all that of luma, which PSNR measures."""

    RGB = "rgb"
    LUMA = "luma"


class Schedule(StrEnum):
    """How the learning rate changes during a stage: `rate_at` says."""

    ONE_CYCLE = "one_cycle"
    HALVED = "halved"
    CONSTANT = "constant"


@dataclass(frozen=True)
class Stage:
    """`steps` updates in one mode; `peak_rate` is the highest learning rate of its schedule."""

    mode: Mode
    steps: int
    peak_rate: float
    schedule: Schedule = Schedule.ONE_CYCLE

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.peak_rate < 1:
            raise HwsrError(
                f"a {self.mode} stage of {self.steps} steps at rate {self.peak_rate}: steps start at 1, "
                "rates lie between 0 and 1"
            )


@dataclass(frozen=True)
class Recipe:
    """Stages in order, and `batch` patches of `patch` x `patch` low-resolution pixels a step.

    A stage's rate is Adam's; Muon's is MUON_RATE times it, and each of its steps takes that rate times `weight_decay`
    of a weight away. `copies` are sizes in percent at which every training image is there once more.

    The seed determines the initial weights and every batch.
    """

    stages: tuple[Stage, ...]
    batch: int = 16
    patch: int = 32
    seed: int = 0
    method: Method = Method.ADAM
    loss: Loss = Loss.RGB
    weight_decay: float = 0.0
    copies: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages or self.batch < 1 or self.patch < 4 or self.seed < 0:
            raise HwsrError("a recipe needs a stage, a batch of at least 1, a patch of at least 4 and a seed from 0 up")
        if not all(1 <= size < 100 for size in self.copies):
            sizes = ", ".join(map(str, self.copies))
            raise HwsrError(f"copies of images at {sizes} percent; sizes lie between 1 and 99")

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    @property
    def first_quantized(self) -> int:
        """The step at which quantization starts; the number of steps where it never does."""
        return sum(stage.steps for stage in takewhile(lambda stage: stage.mode is Mode.FLOAT, self.stages))

    def starts(self) -> list[tuple[Stage, int]]:
        """Every stage with the step at which it starts."""
        starts = [sum(stage.steps for stage in self.stages[:i]) for i in range(len(self.stages))]
        return list(zip(self.stages, starts, strict=True))


# The default stages: each one's share of the steps, and its peak rate over the run's.
_INT8 = {Mode.FLOAT: (0.75, 1.0), Mode.QUANTIZED: (0.25, 0.25)}
_STAGES: dict[Precision, dict[Mode, tuple[float, float]]] = {
    Precision.FLOAT: {Mode.FLOAT: (1.0, 1.0)},
    Precision.INT8: _INT8,
    Precision.INT8_PER_TENSOR: _INT8,
    Precision.INT8_AFFINE: _INT8,
    Precision.TERNARY: {Mode.FLOAT: (0.35, 1.0), Mode.QUANTIZED: (0.5, 1.0), Mode.FROZEN: (0.15, 0.5)},
    Precision.LOW_BITS: {Mode.FLOAT: (0.5, 1.0), Mode.QUANTIZED: (0.5, 0.5)},
}
DEFAULT_STEPS, DEFAULT_RATE = 2000, 2e-3
# Without it Muon's steps of constant length let weights grow in long runs (docs/measured.md).
WEIGHT_DECAY = 0.1


def default_recipe(
    precision: Precision,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    peak_rate: float = DEFAULT_RATE,
    warmed_up: bool = False,
) -> Recipe:
    """By Muon for luma: float throughout, or float warm-up and then quantized, `steps` in all; ternary ends frozen.

    A network that starts `warmed_up`, from trained weights, has no float stage. Raises HwsrError for fewer than 2
    steps, or than stages.
    """
    planned = _without_warm_up(_STAGES[precision]) if warmed_up else _STAGES[precision]
    parts = _split(steps, {mode: share for mode, (share, _) in planned.items()})
    stages = [Stage(mode, part, planned[mode][1] * peak_rate) for mode, part in parts.items()]
    return Recipe(tuple(stages), seed=seed, method=Method.MUON, loss=Loss.LUMA, weight_decay=WEIGHT_DECAY)


SOURCE_EPOCH = 1000
SOURCE_RATE = 1e-4
# Epochs of each stage. The paper gives 300, and 5 more for 8 bits; it gives none for the stages of ternary networks,
# which share the 300 here as in the default recipe.
_SOURCE_INT8 = {Mode.FLOAT: 300, Mode.QUANTIZED: 5}
_SOURCE_EPOCHS = {
    Precision.FLOAT: {Mode.FLOAT: 300},
    Precision.INT8: _SOURCE_INT8,
    Precision.INT8_PER_TENSOR: _SOURCE_INT8,
    Precision.INT8_AFFINE: _SOURCE_INT8,
    Precision.TERNARY: {Mode.FLOAT: 105, Mode.QUANTIZED: 150, Mode.FROZEN: 45},
    Precision.LOW_BITS: _SOURCE_INT8,
}


def source_recipe(
    precision: Precision,
    steps: int | None = None,
    seed: int = 0,
    peak_rate: float = SOURCE_RATE,
    warmed_up: bool = False,
) -> Recipe:
    """The paper's: 48x48 patches, batch 16, rate 1e-4 halved after two thirds, 300 epochs of 1000 updates.

    Fixed-point networks are retrained at the undivided rate for 5 epochs more, for these alone where they start
    `warmed_up`, from trained weights; each stage of a ternary one is halved by itself. Fewer `steps` keep the
    proportions. One thing differs: the paper subtracts the mean RGB of DIV2K and adds it back, the networks here do so
    with mid-grey, which on 8-bit pixels costs no arithmetic. Raises HwsrError for fewer than 2 steps, or than stages.
    """
    epochs = _without_warm_up(_SOURCE_EPOCHS[precision]) if warmed_up else _SOURCE_EPOCHS[precision]
    steps = sum(epochs.values()) * SOURCE_EPOCH if steps is None else steps
    retrained = Schedule.HALVED if precision is Precision.TERNARY else Schedule.CONSTANT
    stages = [
        Stage(mode, part, peak_rate, Schedule.HALVED if mode is Mode.FLOAT else retrained)
        for mode, part in _split(steps, epochs).items()
    ]
    return Recipe(tuple(stages), batch=16, patch=48, seed=seed)


Planned = TypeVar("Planned")


def _without_warm_up(stages: Mapping[Mode, Planned]) -> dict[Mode, Planned]:
    return {mode: planned for mode, planned in stages.items() if mode is not Mode.FLOAT}


def _split(steps: int, shares: Mapping[Mode, float]) -> dict[Mode, int]:
    """`steps` in the proportions of `shares`, at least one for each stage. Raises HwsrError for too few."""
    least = max(len(shares), 2)
    if steps < least:
        raise HwsrError(f"{steps} training steps are too few; give at least {least}")
    total, ends = sum(shares.values()), [0]
    for later, reached in zip(reversed(range(len(shares))), accumulate(shares.values()), strict=True):
        ends.append(min(max(round(steps * reached / total), ends[-1] + 1), steps - later))
    return {mode: end - start for mode, (start, end) in zip(shares, pairwise(ends), strict=True)}


class Preset(StrEnum):
    """A named recipe."""

    DEFAULT = "default"
    SOURCE = "source"


@dataclass(frozen=True)
class Settings:
    """A preset and what a user wants otherwise; None leaves it to the preset."""

    recipe: Preset = Preset.DEFAULT
    steps: int | None = None
    rate: float | None = None
    batch: int | None = None
    patch: int | None = None
    seed: int = 0
    copies: str | None = None

    def make(self, precision: Precision, warmed_up: bool = False) -> Recipe:
        """The recipe of a network, which may start `warmed_up`. Raises HwsrError for values that make none."""
        match self.recipe:
            case Preset.DEFAULT:
                steps = DEFAULT_STEPS if self.steps is None else self.steps
                rate = DEFAULT_RATE if self.rate is None else self.rate
                recipe = default_recipe(precision, steps, self.seed, rate, warmed_up)
            case Preset.SOURCE:
                rate = SOURCE_RATE if self.rate is None else self.rate
                recipe = source_recipe(precision, self.steps, self.seed, rate, warmed_up)
        batch = recipe.batch if self.batch is None else self.batch
        patch = recipe.patch if self.patch is None else self.patch
        return replace(recipe, batch=batch, patch=patch, copies=_sizes(self.copies))


def _sizes(copies: str | None) -> tuple[int, ...]:
    """Numbers between commas. Raises HwsrError for other words."""
    try:
        return tuple(int(size) for size in copies.split(",")) if copies else ()
    except ValueError:
        raise HwsrError(f"copies of images at '{copies}': give sizes in percent such as 90,80,70") from None


RISE = 0.2


def rate_at(stage: Stage, step: int) -> float:
    """Learning rate of step 0 .. stage.steps - 1 of a stage: a pure function, so resuming needs no scheduler state."""
    match stage.schedule:
        case Schedule.ONE_CYCLE:
            return one_cycle(step, stage.steps, stage.peak_rate)
        case Schedule.HALVED:
            return stage.peak_rate if 3 * step < 2 * stage.steps else stage.peak_rate / 2
        case Schedule.CONSTANT:
            return stage.peak_rate


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of `step` in 0 .. steps - 1: up on a cosine from peak / 25 over the first fifth, then down to 0.

    After Smith and Topin (2019).
    """
    rise = RISE * steps
    if step < rise:
        return peak / 25 + (peak - peak / 25) * (1 - cos(pi * step / rise)) / 2
    return peak * (1 + cos(pi * (step - rise) / (steps - rise))) / 2
