"""A sweep: many networks trained by one recipe, each in a process of its own, and a table of what they came to.

Each network has a folder, OUT/slug, with the output of its training in `log.txt`. A sweep started again skips what is
finished and resumes the rest.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwsr.data.datasets import ImagePair, fingerprint, training_images, validation_images
from hwsr.engine import Engine
from hwsr.engines import make_upscaler, needs_tiles
from hwsr.errors import HwsrError, Interrupted
from hwsr.evaluate import evaluate
from hwsr.export.qonnx import export_qonnx
from hwsr.files import writable_folder, write_json
from hwsr.quant import build
from hwsr.spec import Spec, parse_spec
from hwsr.train.checkpoint import Card, load_network, load_tensors
from hwsr.train.recipe import FloatPrecision, Settings
from hwsr.train.stopping import Event, stop_on_signals
from hwsr.zoo.accounting import count

POLL_SECONDS = 0.2
# The frame that networks which work on tiles are scored with.
FRAME = (48, 48)


@dataclass(frozen=True)
class Sweep:
    """What to train: the specs, one recipe for all, and where to. `data` None: the embedded photographs."""

    specs: tuple[Spec, ...]
    settings: Settings
    out: Path
    data: Path | None = None
    every: int = 500
    precision: FloatPrecision = FloatPrecision.FULL

    def folder(self, spec: Spec) -> Path:
        return self.out / spec.slug


@dataclass(frozen=True)
class Quality:
    """Mean Y-PSNR in dB and Y-SSIM over a data set."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Row:
    """One trained network; `seconds` of training in all, over every part of it."""

    spec: str
    params: int
    mult_adds: int
    scores: dict[str, Quality]
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A network whose training failed, and the last line of its log."""

    spec: str
    error: str


def read_specs(words: Sequence[str], file: Path | None) -> tuple[Spec, ...]:
    """The specs of the command line and of a file with one a line (# starts a comment), each once. Raises HwsrError."""
    try:
        text = file.read_text(encoding="utf-8") if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise HwsrError(f"{file}: not a readable text file; give one spec a line") from error
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    specs = tuple(dict.fromkeys(parse_spec(line) for line in [*words, *filter(None, lines)]))
    if not specs:
        raise HwsrError("no networks to train; give specs as arguments or with --specs FILE")
    return specs


def run_sweep(sweep: Sweep, jobs: int, console: Console) -> list[Failure]:
    """Train what is not finished, `jobs` at a time. Raises Interrupted after SIGINT or SIGTERM, HwsrError."""
    # Bad settings are found before the first hour of training.
    recipes = {spec: sweep.settings.make(spec.precision) for spec in sweep.specs}
    writable_folder(sweep.out)
    with console.status("looking for what is finished"):
        fingerprints = {
            scale: fingerprint(training_images(sweep.data, scale, copies=copies))
            for scale, copies in {spec.scale: recipe.copies for spec, recipe in recipes.items()}.items()
        }
        waiting = [spec for spec in sweep.specs if not _is_finished(sweep, spec, fingerprints[spec.scale])]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with stop_on_signals() as stop, Progress(*columns, console=console) as bar:
        whole = bar.add_task("networks", total=len(sweep.specs), completed=len(sweep.specs) - len(waiting))
        failures = []
        for failure in _train_all(sweep, waiting, jobs, bar, stop):
            bar.advance(whole)
            if failure:
                failures.append(failure)
                bar.console.print(f"failed: {failure.spec}: {failure.error}", markup=False, highlight=False)
    return failures


def _is_finished(sweep: Sweep, spec: Spec, data_sha256: str) -> bool:
    """Whether the folder holds the model that this sweep would train, to its last step."""
    try:
        card = load_tensors(sweep.folder(spec) / "model.safetensors")[1]
    except HwsrError:
        return False
    recipe = sweep.settings.make(spec.precision)
    wanted = (str(spec), recipe, sweep.precision, data_sha256, recipe.steps)
    return (card.spec, card.recipe, card.precision, card.data_sha256, card.step) == wanted


def _train_all(sweep: Sweep, specs: Sequence[Spec], jobs: int, bar: Progress, stop: Event) -> Iterator[Failure | None]:
    """Train `specs` and yield how each ended. Raises Interrupted when `stop` is set, all processes having ended."""
    waiting, running = list(specs), list[_Training]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Training(sweep, waiting.pop(0), bar))
            for training in [training for training in running if training.process.poll() is not None]:
                running.remove(training)
                yield training.finish()
            for training in running:
                training.show()
            if stop.is_set():
                raise Interrupted(f"stopped; {sweep.out} keeps every state; the same command goes on from there")
            time.sleep(POLL_SECONDS)
    finally:
        for training in running:
            training.process.terminate()  # on SIGTERM a training saves its state
        for training in running:
            training.process.wait()
            training.finish()


class _Training:
    """One running `hwsr train`, of one thread."""

    def __init__(self, sweep: Sweep, spec: Spec, bar: Progress) -> None:
        self.spec, self.folder, self.bar = spec, sweep.folder(spec), bar
        self.steps = sweep.settings.make(spec.precision).steps
        self.task = bar.add_task(str(spec), total=self.steps)
        self.started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "hwsr", "train", str(spec), f"--out={self.folder}", f"--every={sweep.every}"]
        words += [f"--precision={sweep.precision}"]
        words += [f"--data={sweep.data}"] if sweep.data else []
        words += [f"--{name}={value}" for name, value in asdict(sweep.settings).items() if value is not None]
        words += ["--resume"] if (self.folder / "checkpoint.safetensors").exists() else []
        with (self.folder / "log.txt").open("w") as log:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )

    def show(self) -> None:
        """Show the step of the last checkpoint."""
        with suppress(OSError, ValueError):  # none yet, or not ours: the training itself says so
            card = Card.model_validate_json((self.folder / "checkpoint.json").read_bytes())
            self.bar.update(self.task, completed=card.step)

    def finish(self) -> Failure | None:
        """Add up the time, and say what went wrong if the process failed."""
        self.bar.remove_task(self.task)
        seconds = training_seconds(self.folder) + time.monotonic() - self.started
        write_json(self.folder / "seconds.json", seconds)
        if self.process.returncode == 0:
            return None
        lines = (self.folder / "log.txt").read_text(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), f"exit code {self.process.returncode}")
        return Failure(str(self.spec), last.removeprefix("error: "))


@contextmanager
def timed(folder: Path) -> Iterator[None]:
    """Add the wall time of the block, however it ends, to what the training in `folder` has taken."""
    start = time.monotonic()
    try:
        yield
    finally:
        if folder.is_dir():
            write_json(folder / "seconds.json", training_seconds(folder) + time.monotonic() - start)


def training_seconds(folder: Path) -> float:
    """Wall time of a network's processes so far, those that were stopped or failed included. Raises HwsrError."""
    path = folder / "seconds.json"
    try:
        return float(json.loads(path.read_text())) if path.exists() else 0.0
    except (ValueError, TypeError) as error:
        raise HwsrError(f"{path}: not a number of seconds; remove it, and the time counts from zero") from error


def data_sets(folder: Path | None) -> dict[str, Path | None]:
    """The data sets to score on by name: those in `folder` in EDSR's layout, or the embedded photographs."""
    if folder is None:
        return {"validation": None}
    found: dict[str, Path | None] = {}
    if folder.is_dir():
        found = {path.name: path for path in sorted(folder.iterdir()) if (path / "HR").is_dir()}
    if not found:
        raise HwsrError(f"{folder}: no data sets in it; give a folder of NAME/HR folders, such as Set5/HR")
    return found


def collect(sweep: Sweep, failures: Sequence[Failure], sets: dict[str, Path | None], console: Console) -> list[Row]:
    """Cost, quality (by the torch engine) and training time of every network that did not fail. Raises HwsrError."""
    failed = {failure.spec for failure in failures}
    rows = []
    pairs: dict[tuple[str, int], list[ImagePair]] = {}
    with console.status("scoring") as status:
        for spec in sweep.specs:
            if str(spec) in failed:
                continue
            status.update(f"scoring {spec}")
            for name, path in sets.items():
                if (name, spec.scale) not in pairs:
                    pairs[name, spec.scale] = validation_images(spec.scale, path)
            scores = {name: _quality(sweep.folder(spec), spec, pairs[name, spec.scale]) for name in sets}
            cost = count(build(spec))
            rows.append(Row(str(spec), cost.params, cost.mult_adds, scores, training_seconds(sweep.folder(spec))))
    return rows


def _quality(folder: Path, spec: Spec, pairs: Sequence[ImagePair]) -> Quality:
    if needs_tiles(spec):
        export_qonnx(load_network(folder), folder / "model.onnx", FRAME)
    upscale, scale = make_upscaler(Engine.TORCH, folder)
    mean = evaluate(upscale, pairs, scale)[-1]
    return Quality(mean.psnr, mean.ssim)


def render_sweep(rows: Sequence[Row]) -> Table:
    """The table of a sweep."""
    sets = list(rows[0].scores) if rows else []
    table = Table("network", "params", "Mult-Adds G", *(f"{name} dB / SSIM" for name in sets), "seconds")
    for row in rows:
        cells = [f"{row.scores[name].psnr:.2f} / {row.scores[name].ssim:.4f}" for name in sets]
        table.add_row(row.spec, f"{row.params:,}", f"{row.mult_adds / 1e9:.2f}", *cells, f"{row.seconds:.0f}")
    return table
