"""The training loop: stages, validation, checkpoints, interruption and exact resumption."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import track
from torch import Tensor

from hwsr import __version__
from hwsr.data.colour import as_channels
from hwsr.data.datasets import fingerprint, training_images, training_sets, validation_images
from hwsr.data.images import Uint8Image
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError, Interrupted
from hwsr.files import writable_folder
from hwsr.quant import build, calibrate, freeze, set_quantized
from hwsr.spec import Precision, Spec
from hwsr.train.checkpoint import Card, Score, Tensors, load_tensors, restore, save_model, save_tensors
from hwsr.train.fabric import Listen, accelerator, launch
from hwsr.train.loss import loss
from hwsr.train.optimizer import load_optimizer_state, make_optimizers, optimizer_state
from hwsr.train.progress import Display, display
from hwsr.train.recipe import FloatPrecision, Mode, Recipe, Stage, rate_at
from hwsr.train.start import start_from
from hwsr.train.stopping import Event
from hwsr.train.teacher import load_teacher, teach
from hwsr.train.validation import validate
from hwsr.zoo.network import Network

CALIBRATION_BATCHES = 8


@dataclass(frozen=True)
class Task:
    """What a run was asked for; the arguments of `train`."""

    spec: Spec
    recipe: Recipe
    out: Path
    data: Path | None
    resume: bool
    every: int
    precision: FloatPrecision
    init: Path | None
    teacher: Path | None


def train(
    spec: Spec,
    recipe: Recipe,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    every: int = 500,
    console: Console | None = None,
    devices: int = 1,
    precision: FloatPrecision = FloatPrecision.FULL,
    init: Path | None = None,
    teacher: Path | None = None,
) -> Path:
    """Train the network of `spec` and return `out`/model.safetensors (model.json beside it is its card).

    Every `every` steps and at the end of each stage the network is validated on the embedded photographs and the
    state is saved as `out`/checkpoint.safetensors; TensorBoard scalars go to `out`/tb. With `resume` the run goes on
    from that checkpoint and ends with the weights, to the bit, of a run never interrupted (on the same machine with
    the same packages and number of threads). `init` is a trained model whose tensors, where they fit, the run starts
    from; `teacher` one whose output is learned from beside the originals. Of several `devices` each takes an equal
    share of every batch; a run on them shows itself on the standard output in place of `console`.

    Raises Interrupted after SIGINT or SIGTERM, the state being saved; HwsrError for unusable data or output
    folder, for a checkpoint of another run, and for a loss that is not finite (the last checkpoint stays).
    """
    _check_stages(spec, recipe)
    if devices < 1 or recipe.batch % devices:
        raise HwsrError(f"a batch of {recipe.batch} has no equal shares for {devices} devices; change --devices")
    task = Task(spec, recipe, writable_folder(Path(out)), data, resume, every, precision, init, teacher)
    # A console does not travel to other processes.
    return launch(devices, _train, task, console if devices == 1 else None)


def _train(fabric: Fabric, listen: Listen, task: Task, console: Console | None) -> Path:
    console = (console or Console()) if fabric.is_global_zero else Console(quiet=True)
    run = Run(fabric, task, console)
    shown = display(console, task.out / "tb", task.recipe.steps, run.step) if fabric.is_global_zero else nullcontext()
    with _deterministic(), listen() as stop, shown as show:
        for stage, start in task.recipe.starts():
            if run.step < start + stage.steps:
                run.train_stage(stage, start, show, stop)
    return save_model(task.out, run.network, run.card()) if fabric.is_global_zero else task.out


class Run:
    """The state of one run: network, optimizer, step and scores. Of several processes the first validates and saves."""

    def __init__(self, fabric: Fabric, task: Task, console: Console) -> None:
        self.fabric, self.task, self.spec, self.recipe = fabric, task, task.spec, task.recipe
        self.checkpoint = task.out / "checkpoint.safetensors"
        progress = partial(
            track, description="reading images", console=console, transient=True, disable=not console.is_terminal
        )
        with fabric.rank_zero_first():  # it fills the cache of decoded images
            images = training_images(task.data, self.spec.scale, progress, self.recipe.copies)
        self.sampler = PatchSampler(images, self.spec.scale, self.recipe.patch, self.recipe.batch, self.recipe.seed)
        self.data = f"{training_sets(task.data)}: {self.sampler.usable} of {len(images)} images hold a patch"
        self.data_sha256 = fingerprint(images)
        self.validation = validation_images(self.spec.scale)
        self.network = build(self.spec, self.recipe.seed)
        self.init_sha256 = start_from(task.init, self.network, console) if task.init else ""
        self.teacher: Network | None = None
        self.teacher_sha256 = ""
        if task.teacher:
            self.teacher, self.teacher_sha256 = load_teacher(task.teacher, self.spec)
            fabric.to_device(self.teacher)
        self.step = 0
        self.history: tuple[Score, ...] = ()
        if not task.resume:
            _check_unfinished(self.checkpoint)
        saved = self._load(console) if task.resume else None
        # Anew after loading, which replaces the parameters of Brevitas's scales.
        self.module = fabric.setup_module(self.network)
        self.optimizers = make_optimizers(self.network, self.recipe.method, self.recipe.weight_decay)
        if saved:
            load_optimizer_state(self.optimizers, self.network, saved, self.checkpoint)

    def card(self) -> Card:
        return Card(
            hwsr=__version__,
            spec=str(self.spec),
            recipe=self.recipe,
            data=self.data,
            data_sha256=self.data_sha256,
            threads=torch.get_num_threads(),
            step=self.step,
            history=self.history,
            init_sha256=self.init_sha256,
            teacher_sha256=self.teacher_sha256,
            precision=self.task.precision,
            accelerator=accelerator(),
            devices=self.fabric.world_size,
        )

    def save(self) -> None:
        model = {f"model.{name}": tensor for name, tensor in self.network.state_dict().items()}
        save_tensors(self.checkpoint, model | optimizer_state(self.optimizers, self.network), self.card())

    def _load(self, console: Console) -> Tensors:
        """Take network, step and scores from the checkpoint, and return its tensors.

        Raises HwsrError when it is missing, damaged or of another run.
        """
        tensors, card = load_tensors(self.checkpoint)
        asked = self.card()
        for field in ("spec", "recipe", "data_sha256", "init_sha256", "teacher_sha256", "precision"):
            found, wanted = getattr(card, field), getattr(asked, field)
            if found != wanted:
                raise HwsrError(
                    f"{self.checkpoint} is of another run ({field} {found or 'none'}, not {wanted or 'none'}); "
                    "resume with what it was started with, or choose another output folder"
                )
        for field in ("threads", "accelerator", "devices"):
            found, wanted = getattr(card, field), getattr(asked, field)
            if found != wanted:
                console.print(f"note: {wanted} {field} in place of {found}, so last bits may differ")
        model = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        restore(self.network, model, self.checkpoint)
        self.step, self.history = card.step, card.history
        return tensors

    def train_stage(self, stage: Stage, start: int, show: Display | None, stop: Event) -> None:
        """Go on with `stage`, which starts at step `start`, to its end. Raises Interrupted, HwsrError."""
        self._enter(stage, start)
        end = start + stage.steps
        while self.step < end:
            rate = rate_at(stage, self.step - start)
            loss = self._update(rate, stage.mode)
            self.step += 1
            if show:
                show.step(self.step, stage.mode, loss, rate)
                if self.step % self.task.every == 0 or self.step == end:
                    self._score(stage.mode, show)
            # Of several processes the one that learns of a signal stops them all, after the same step.
            if self._mean(torch.tensor(float(stop.is_set()))) > 0 and self.step < self.recipe.steps:
                if show:
                    self.save()
                self.fabric.barrier()
                raise Interrupted(
                    f"stopped after step {self.step} of {self.recipe.steps}; state saved in "
                    f"{self.checkpoint}; the same command with --resume goes on from there"
                )

    def _score(self, mode: Mode, show: Display) -> None:
        score = Score(
            step=self.step, psnr_y=validate(self.network, self.validation, self.spec.scale, self.spec.channels)
        )
        self.history = (*self.history, score)
        show.score(score, mode)
        self.save()

    def _enter(self, stage: Stage, start: int) -> None:
        """Set the network's mode; at a stage's first step also calibrate it and forget the optimizers' moments."""
        quantized = stage.mode is not Mode.FLOAT
        if self.spec.precision is not Precision.FLOAT:
            set_quantized(self.network, quantized)
        if stage.mode is Mode.FROZEN:
            freeze(self.network)
        if self.step == start:
            if quantized and start == self.recipe.first_quantized:
                calibrate(
                    self.network.eval(), (self._batch(start + i, slice(None))[0] for i in range(CALIBRATION_BATCHES))
                )
            self.optimizers = make_optimizers(self.network, self.recipe.method, self.recipe.weight_decay)
        self.module.train()

    def _update(self, rate: float, mode: Mode) -> float:
        """One step at `rate`; returns the loss before it. Raises HwsrError when that is not finite."""
        share = slice(self.fabric.global_rank, None, self.fabric.world_size)
        lr, hr = self._batch(self.step, share)
        mixed = self.task.precision is FloatPrecision.MIXED and mode is Mode.FLOAT
        with torch.autocast(lr.device.type, torch.bfloat16, enabled=mixed):
            output = self.module(lr)
        error = loss(self.recipe.loss, output.float(), hr, teach(self.teacher, lr) if self.teacher else None)
        mean = self._mean(error.detach().clone())
        if not isfinite(mean):
            kept = f"; {self.checkpoint} stays as last saved" if self.checkpoint.exists() else ""
            raise HwsrError(f"the loss is not finite at step {self.step}{kept}; train with a lower rate")
        self.optimizers.zero_grad()
        self.fabric.backward(error)
        self.optimizers.step(rate)
        return mean

    def _mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        mean = self.fabric.all_reduce(value)
        assert isinstance(mean, Tensor)  # as what was given; its type says anything
        return mean.item()

    def _batch(self, step: int, share: slice) -> tuple[Tensor, Tensor]:
        """This process's share of the LR and HR patches of a step, in the network's image channels."""
        lr, hr = (self._to_tensor(images[share]) for images in self.sampler.batch_at(step))
        return lr, hr

    def _to_tensor(self, images: Uint8Image) -> Tensor:
        """RGB (N, 3, H, W), or its luma for a network on luma; pixel q as q / 256, on this process's device."""
        chosen = as_channels(images.transpose(0, 2, 3, 1), self.spec.channels).transpose(0, 3, 1, 2)
        return self.fabric.to_device(torch.from_numpy(chosen)).float() / 256


def _check_stages(spec: Spec, recipe: Recipe) -> None:
    """A float network is trained in float alone; any other ends quantized, or frozen where it is ternary.

    Modes follow their order and never return to an earlier one.
    """
    modes = [stage.mode for stage in recipe.stages]
    match spec.precision:
        case Precision.FLOAT:
            last = [Mode.FLOAT]
        case Precision.TERNARY:
            last = [Mode.QUANTIZED, Mode.FROZEN]
        case _:
            last = [Mode.QUANTIZED]
    if modes != sorted(modes, key=list(Mode).index) or modes[-1] not in last:
        wanted = " or ".join(last)
        raise HwsrError(f"'{spec}' cannot be trained in the stages {', '.join(modes)}; the last has to be {wanted}")


def _check_unfinished(checkpoint: Path) -> None:
    """Raise HwsrError where a new run would overwrite what an interrupted one has reached."""
    try:
        card = load_tensors(checkpoint)[1]
    except HwsrError:
        return
    if card.step < card.recipe.steps:
        raise HwsrError(
            f"{checkpoint} holds a run stopped at step {card.step} of {card.recipe.steps}; go on with --resume, or "
            "remove it, or choose another output folder"
        )


@contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        # On a GPU convolutions would otherwise round their inputs to 10 bits.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
