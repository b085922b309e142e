"""The training loop: stages, validation, checkpoints, interruption and exact resumption."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from hwsr import __version__
from hwsr.data.colour import as_channels
from hwsr.data.datasets import fingerprint, training_images, validation_images
from hwsr.data.images import Uint8Image
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError, Interrupted
from hwsr.files import writable_folder
from hwsr.quant import build, calibrate, set_quantized
from hwsr.spec import Precision, Spec
from hwsr.train.checkpoint import Card, Score, load_tensors, restore, save_model, save_tensors
from hwsr.train.optimizer import adam_state, load_adam_state, make_adam
from hwsr.train.progress import Display, display
from hwsr.train.recipe import Mode, Recipe, Stage, one_cycle
from hwsr.train.validation import validate

CALIBRATION_BATCHES = 8


def train(
    spec: Spec,
    recipe: Recipe,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    every: int = 500,
    console: Console | None = None,
) -> Path:
    """Train the network of `spec` and return `out`/model.safetensors (model.json beside it is its card).

    Every `every` steps and at the end of each stage the network is validated on the embedded photographs and the
    state is saved as `out`/checkpoint.safetensors; TensorBoard scalars go to `out`/tb. With `resume` the run goes on
    from that checkpoint and ends with the weights, to the bit, of a run never interrupted (on the same machine with
    the same packages and number of threads).

    Raises Interrupted after SIGINT or SIGTERM, the state being saved; HwsrError for unusable data or output
    folder, for a checkpoint of another run, and for a loss that is not finite (the last checkpoint stays).
    """
    _check_stages(spec, recipe)
    run = _Run(spec, recipe, writable_folder(Path(out)), data, every)
    console = console or Console()
    if resume:
        run.load(console)
    with _deterministic(), _stop_on_signals() as stop, display(console, run.out / "tb", recipe.steps, run.step) as show:
        for stage, start in recipe.starts():
            if run.step < start + stage.steps:
                run.train_stage(stage, start, show, stop)
    return save_model(run.out, run.network, run.card())


class _Run:
    """The state of one run: network, optimizer, step and scores, and what it was asked for."""

    def __init__(self, spec: Spec, recipe: Recipe, out: Path, data: Path | None, every: int) -> None:
        self.spec, self.recipe, self.out, self.every = spec, recipe, out, every
        self.checkpoint = out / "checkpoint.safetensors"
        images = training_images(data, spec.scale)
        self.sampler = PatchSampler(images, spec.scale, recipe.patch, recipe.batch, recipe.seed)
        self.data = f"{data or 'embedded photographs'}: {self.sampler.usable} of {len(images)} images hold a patch"
        self.data_sha256 = fingerprint(images)
        self.validation = validation_images(spec.scale)
        self.network = build(spec, recipe.seed)
        self.adam = make_adam(self.network)
        self.step = 0
        self.history: tuple[Score, ...] = ()

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
        )

    def save(self) -> None:
        model = {f"model.{name}": tensor for name, tensor in self.network.state_dict().items()}
        save_tensors(self.checkpoint, model | adam_state(self.adam, self.network), self.card())

    def load(self, console: Console) -> None:
        """Go on from the checkpoint. Raises HwsrError when it is missing, damaged or of another run."""
        tensors, card = load_tensors(self.checkpoint)
        asked = self.card()
        for field in ("spec", "recipe", "data_sha256"):
            found, wanted = getattr(card, field), getattr(asked, field)
            if found != wanted:
                raise HwsrError(
                    f"{self.checkpoint} is of another run ({field} {found}, not {wanted}); "
                    "resume with what it was started with, or choose another output folder"
                )
        if card.threads != asked.threads:
            console.print(f"note: {asked.threads} threads in place of {card.threads}, so last bits may differ")
        model = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        restore(self.network, model, self.checkpoint)
        self.adam = make_adam(self.network)  # anew, for loading replaces the parameters of Brevitas's scales
        load_adam_state(self.adam, self.network, tensors, self.checkpoint)
        self.step, self.history = card.step, card.history

    def train_stage(self, stage: Stage, start: int, show: Display, stop: threading.Event) -> None:
        """Go on with `stage`, which starts at step `start`, to its end. Raises Interrupted, HwsrError."""
        self._enter(stage, start)
        end = start + stage.steps
        while self.step < end:
            rate = one_cycle(self.step - start, stage.steps, stage.peak_rate)
            loss = self._update(rate)
            self.step += 1
            show.step(self.step, stage.mode, loss, rate)
            if self.step % self.every == 0 or self.step == end:
                score = Score(step=self.step, psnr_y=self._validate())
                self.history = (*self.history, score)
                show.score(score, stage.mode)
                self.save()
            if stop.is_set() and self.step < self.recipe.steps:
                self.save()
                raise Interrupted(
                    f"stopped after step {self.step} of {self.recipe.steps}; state saved in "
                    f"{self.checkpoint}; the same command with --resume goes on from there"
                )

    def _enter(self, stage: Stage, start: int) -> None:
        """Set the network's mode; at a stage's first step also calibrate it and forget Adam's moments."""
        quantized = stage.mode is Mode.QUANTIZED
        if self.spec.precision is not Precision.FLOAT:
            set_quantized(self.network, quantized)
        if self.step == start:
            if quantized and start == self.recipe.first_quantized:
                calibrate(self.network.eval(), (self._batch(start + i)[0] for i in range(CALIBRATION_BATCHES)))
            self.adam = make_adam(self.network)
        self.network.train()

    def _update(self, rate: float) -> float:
        """One step of Adam at `rate`; returns the loss before it. Raises HwsrError when that is not finite."""
        lr, hr = self._batch(self.step)
        loss = functional.l1_loss(self.network(lr), hr)
        if not bool(torch.isfinite(loss)):
            kept = f"; {self.checkpoint} stays as last saved" if self.checkpoint.exists() else ""
            raise HwsrError(f"the loss is not finite at step {self.step}{kept}; train with a lower rate")
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        return loss.item()

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The LR and HR patches of a step, in the network's image channels."""
        lr, hr = (_to_tensor(image, self.spec.channels) for image in self.sampler.batch_at(step))
        return lr, hr

    def _validate(self) -> dict[str, float]:
        return validate(self.network, self.validation, self.spec.scale, self.spec.channels)


def _check_stages(spec: Spec, recipe: Recipe) -> None:
    """A float network is trained in float alone; any other ends quantized and never returns to float."""
    modes = [stage.mode for stage in recipe.stages]  # float sorts before quantized
    wanted = Mode.FLOAT if spec.precision is Precision.FLOAT else Mode.QUANTIZED
    if modes != sorted(modes) or modes[-1] is not wanted:
        raise HwsrError(f"'{spec}' cannot be trained in the stages {', '.join(modes)}; the last has to be {wanted}")


def _to_tensor(images: Uint8Image, channels: int) -> Tensor:
    """RGB (N, 3, H, W), or its luma where `channels` is 1; pixel q as q / 256."""
    chosen = as_channels(images.transpose(0, 2, 3, 1), channels).transpose(0, 3, 1, 2)
    return torch.from_numpy(chosen).float() / 256


@contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets; a second signal acts as it did before."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
