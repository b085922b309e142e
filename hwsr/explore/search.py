"""What a search is asked for, as a value, and what came of one trial of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hwsr.data.datasets import fingerprint, training_images, validation_images
from hwsr.explore.hardware import Hardware
from hwsr.explore.space import Space
from hwsr.plan.design import Target
from hwsr.spec import Spec, parse_spec
from hwsr.train.recipe import Settings


@dataclass(frozen=True)
class Search:
    """What workers that share trials agree on, but for `work`, `data` and `scored_on`, which are where things are here.

    limits: the most of each resource by name; work: the folder of trainings; data, scored_on: images to train and to
    score on, None for the embedded photographs; data_sha256: of both.
    """

    target: Target
    scale: int
    space: Space
    settings: Settings
    limits: Mapping[str, int]
    work: Path
    data: Path | None
    scored_on: Path | None
    data_sha256: str

    @property
    def name(self) -> str:
        """Of the study: another target, space, recipe or data set is another search."""
        target, recipe = asdict(self.target), asdict(self.settings)
        asked = [target, self.scale, self.space.model_dump(), recipe, dict(self.limits), self.data_sha256]
        return f"hwsr-{_digest(asked)[:16]}"

    def folder(self, spec: Spec) -> Path:
        """Where a network's training is: the same for every search that trains and scores it in the same way."""
        recipe = asdict(self.settings.make(spec.precision))
        return self.work / "trainings" / f"{spec.slug[:80]}_{_digest([str(spec), recipe, self.data_sha256])[:12]}"

    @property
    def objectives(self) -> dict[str, str]:
        """What is sought, and whether the most or the least of it; more than a rate that is asked is worth nothing."""
        wanted = {"psnr": "maximize", "lut": "minimize", "dsp": "minimize", "bram18": "minimize"}
        return wanted | ({} if self.target.fps else {"fps": "maximize"})


@dataclass(frozen=True)
class Found:
    """A network that was trained and fits. Estimates are those of `hwsr plan` with its trained weights.

    number: of the trial; psnr, ssim: of the integer reference; seconds: of training; host, folder: where its weights
    are.
    """

    number: int
    spec: str
    psnr: float
    ssim: float
    hardware: Hardware
    seconds: float
    host: str
    folder: str

    def value(self, objective: str) -> float:
        """What it has of an objective."""
        return self.psnr if objective == "psnr" else float(getattr(self.hardware, objective))

    @property
    def slug(self) -> str:
        return parse_spec(self.spec).slug


@dataclass(frozen=True)
class Rejected:
    """A network that was not trained, or does not fit with its trained weights, and why; violation: by how much."""

    number: int
    spec: str
    reason: str
    violation: float


@dataclass(frozen=True)
class Tally:
    """All trials of a search: what was found, what cannot be, and how many are under way or wait for a worker."""

    found: tuple[Found, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    running: int = 0
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


def data_digest(data: Path | None, scored_on: Path | None, scale: int) -> str:
    """Of the images to train and to score on. Raises HwsrError."""
    return fingerprint([*training_images(data, scale), *validation_images(scale, scored_on)])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
