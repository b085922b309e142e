"""What a training run does, as values: its stages, batch, patch, seed and learning rates."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile
from math import cos, pi

from hwsr.errors import HwsrError
from hwsr.spec import Precision


class Mode(StrEnum):
    """How the network computes during a stage."""

    FLOAT = "float"
    QUANTIZED = "quantized"


class FloatPrecision(StrEnum):
    """Floats of a run, in Fabric's words. 16-mixed is left out: bfloat16 needs no loss scaling to be kept and resumed.

    bf16-mixed holds in float stages alone, for a fixed-point grid needs all 24 bits of a float32.
    """

    FULL = "32-true"
    MIXED = "bf16-mixed"


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

    The seed determines the initial weights and every batch.
    """

    stages: tuple[Stage, ...]
    batch: int = 16
    patch: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages or self.batch < 1 or self.patch < 4 or self.seed < 0:
            raise HwsrError("a recipe needs a stage, a batch of at least 1, a patch of at least 4 and a seed from 0 up")

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


# Share of a run's steps that is float warm-up, and the quantized stage's peak rate over the float one's.
_WARM_UP = {
    Precision.FLOAT: (1.0, 1.0),
    Precision.INT8: (0.75, 0.25),
    Precision.INT8_PER_TENSOR: (0.75, 0.25),
    Precision.INT8_AFFINE: (0.75, 0.25),
    Precision.TERNARY: (0.35, 1.0),
}
DEFAULT_STEPS, DEFAULT_RATE = 2000, 2e-3


def default_recipe(
    precision: Precision, steps: int = DEFAULT_STEPS, seed: int = 0, peak_rate: float = DEFAULT_RATE
) -> Recipe:
    """Float throughout, or float warm-up and then quantized, `steps` in all. Raises HwsrError below 2 steps."""
    share, factor = _WARM_UP[precision]
    warm_up = _float_steps(steps, share)
    stages = [Stage(Mode.FLOAT, warm_up, peak_rate)]
    if warm_up < steps:
        stages.append(Stage(Mode.QUANTIZED, steps - warm_up, factor * peak_rate))
    return Recipe(tuple(stages), seed=seed)


SOURCE_EPOCH = 1000
SOURCE_RATE = 1e-4
# Epochs in float and epochs quantized. The paper gives 300, and 5 more for 8 bits; it gives none for the stages of
# ternary networks, which share the 300 here as in the default recipe.
_SOURCE_EPOCHS = {
    Precision.FLOAT: (300, 0),
    Precision.INT8: (300, 5),
    Precision.INT8_PER_TENSOR: (300, 5),
    Precision.INT8_AFFINE: (300, 5),
    Precision.TERNARY: (105, 195),
}


def source_recipe(
    precision: Precision, steps: int | None = None, seed: int = 0, peak_rate: float = SOURCE_RATE
) -> Recipe:
    """The paper's: 48x48 patches, batch 16, rate 1e-4 halved after two thirds, 300 epochs of 1000 updates.

    8-bit networks are retrained at the undivided rate for 5 epochs more; each stage of a ternary one is halved by
    itself. Fewer `steps` keep the proportions. One thing differs: the paper subtracts the mean RGB of DIV2K and adds
    it back, the networks here do so with mid-grey, which on 8-bit pixels costs no arithmetic. Raises HwsrError below 2.
    """
    epochs, quantized_epochs = _SOURCE_EPOCHS[precision]
    steps = (epochs + quantized_epochs) * SOURCE_EPOCH if steps is None else steps
    warm_up = _float_steps(steps, epochs / (epochs + quantized_epochs))
    stages = [Stage(Mode.FLOAT, warm_up, peak_rate, Schedule.HALVED)]
    if warm_up < steps:
        last = Schedule.HALVED if precision is Precision.TERNARY else Schedule.CONSTANT
        stages.append(Stage(Mode.QUANTIZED, steps - warm_up, peak_rate, last))
    return Recipe(tuple(stages), batch=16, patch=48, seed=seed)


def _float_steps(steps: int, share: float) -> int:
    """`share` of the steps, at least one and, where it is not all, leaving one."""
    if steps < 2:
        raise HwsrError(f"{steps} training steps are too few; give at least 2")
    return steps if share == 1 else min(max(round(share * steps), 1), steps - 1)


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

    def make(self, precision: Precision) -> Recipe:
        """The recipe of a network. Raises HwsrError for values that make none."""
        match self.recipe:
            case Preset.DEFAULT:
                steps = DEFAULT_STEPS if self.steps is None else self.steps
                rate = DEFAULT_RATE if self.rate is None else self.rate
                recipe = default_recipe(precision, steps, self.seed, rate)
            case Preset.SOURCE:
                rate = SOURCE_RATE if self.rate is None else self.rate
                recipe = source_recipe(precision, self.steps, self.seed, rate)
        batch = recipe.batch if self.batch is None else self.batch
        patch = recipe.patch if self.patch is None else self.patch
        return replace(recipe, batch=batch, patch=patch)


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
