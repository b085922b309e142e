"""What a training run does, as values: its stages, batch, patch, seed and learning rates."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from math import cos, pi

from hwsr.errors import HwsrError
from hwsr.spec import Precision


class Mode(StrEnum):
    """How the network computes during a stage."""

    FLOAT = "float"
    QUANTIZED = "quantized"


@dataclass(frozen=True)
class Stage:
    """`steps` updates in one mode; the learning rate makes one cycle up to `peak_rate`."""

    mode: Mode
    steps: int
    peak_rate: float

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
_WARM_UP = {Precision.INT8: (0.75, 0.25), Precision.INT8_PER_TENSOR: (0.75, 0.25), Precision.TERNARY: (0.35, 1.0)}


def default_recipe(precision: Precision, steps: int, seed: int = 0, peak_rate: float = 2e-3) -> Recipe:
    """Float throughout, or float warm-up and then quantized, `steps` in all. Raises HwsrError below 2 steps."""
    if steps < 2:
        raise HwsrError(f"{steps} training steps are too few; give at least 2")
    if precision is Precision.FLOAT:
        return Recipe((Stage(Mode.FLOAT, steps, peak_rate),), seed=seed)
    share, factor = _WARM_UP[precision]
    warm_up = min(max(round(share * steps), 1), steps - 1)
    stages = (Stage(Mode.FLOAT, warm_up, peak_rate), Stage(Mode.QUANTIZED, steps - warm_up, factor * peak_rate))
    return Recipe(stages, seed=seed)


RISE = 0.2


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of `step` in 0 .. steps - 1: up on a cosine from peak / 25 over the first fifth, then down to 0.

    After Smith and Topin (2019). A pure function of the step, so that a resumed run needs no scheduler state.
    """
    rise = RISE * steps
    if step < rise:
        return peak / 25 + (peak - peak / 25) * (1 - cos(pi * step / rise)) / 2
    return peak * (1 + cos(pi * (step - rise) / (steps - rise))) / 2
