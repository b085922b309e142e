"""The training loop: stages, validation, checkpoints, interruption and exact resumption."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

from hwsr import __version__
from hwsr.data.datasets import ImagePair, fingerprint, training_images, validation_images
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError
from hwsr.files import writable_folder
from hwsr.quant import build, calibrate, set_quantized
from hwsr.spec import ModelSpec, Precision
from hwsr.train.checkpoint import Card, Score, Tensors, load_tensors, restore, save_model, save_tensors
from hwsr.train.progress import Progress, training_progress
from hwsr.train.recipe import Mode, Recipe, Stage, one_cycle
from hwsr.train.validation import validate
from hwsr.zoo.skeleton import Network

CALIBRATION_BATCHES = 8


class Interrupted(Exception):
    """Training was stopped by a signal after saving its state; the message says how to go on."""


def train(
    spec: ModelSpec,
    recipe: Recipe,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    every: int = 500,
    console: Console | None = None,
) -> Path:
    """Train the network of `spec` and return `out`/model.safetensors (its card is model.json beside it).

    Every `every` steps, and at the end of each stage, the network is validated on the embedded astronaut and
    chelsea and the state saved as `out`/checkpoint.safetensors; TensorBoard scalars go to `out`/tb. With `resume`
    the run goes on from the checkpoint and ends with the weights, to the bit, of one never interrupted (same
    machine, versions and number of threads).

    Raises Interrupted after SIGINT or SIGTERM, when the state is saved; HwsrError for unusable data or output
    folder, a checkpoint of another run, and a loss that is not finite (the last checkpoint then stays).
    """
    check_stages(spec, recipe)
    out = writable_folder(Path(out))
    images = training_images(data, spec.scale)
    sampler = PatchSampler(images, spec.scale, recipe.patch, recipe.batch, recipe.seed)
    card = Card(
        hwsr=__version__,
        spec=str(spec),
        recipe=recipe,
        data=f"{data or 'embedded photographs'}: {sampler.usable} of {len(images)} images hold a patch",
        data_sha256=fingerprint(images),
        threads=torch.get_num_threads(),
        step=0,
        history=(),
    )
    run = Run(spec, recipe, sampler, validation_images(spec.scale), out, every, build(spec, recipe.seed), card)
    console = console or Console()
    if resume:
        run.load(console)
    with deterministic(), stop_on_signals() as stop, SummaryWriter(str(out / "tb"), purge_step=run.card.step) as log:
        with training_progress(console, recipe.steps, run.card.step) as progress:
            run.train(stop, log, progress)
    return save_model(out, run.network, run.card)


def check_stages(spec: ModelSpec, recipe: Recipe) -> None:
    """A float network is trained in float alone; any other must end quantized and never return to float."""
    modes = [stage.mode for stage in recipe.stages]
    wanted = Mode.FLOAT if spec.precision is Precision.FLOAT else Mode.QUANTIZED
    if modes != sorted(modes) or modes[-1] is not wanted:
        raise HwsrError(f"'{spec}' cannot be trained in the stages {', '.join(modes)}; the last has to be {wanted}")


@dataclass
class Run:
    """One training run: what it was asked for, its network, and a card that says how far it has come."""

    spec: ModelSpec
    recipe: Recipe
    sampler: PatchSampler
    validation: Sequence[ImagePair]
    out: Path
    every: int
    network: Network
    card: Card
    # Adam's state from the checkpoint, by parameter name.
    adam: Tensors

