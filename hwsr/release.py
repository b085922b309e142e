"""Releases: of one trained float network every quantized form, trained, exported, scored, and described by a file.

A released folder holds model.safetensors, its card model.json, train.log, of an integer network model.onnx, and
release.json, which says what the network scores and what its files hash to. The forms of models/NAME are
models/NAME_int8 and so on; what their trainings need to be resumed stays in a folder of its own.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.table import Table

from hwsr.data.colour import as_channels
from hwsr.data.datasets import ImagePair, validation_images
from hwsr.engine import Engine
from hwsr.engines import default_engine, make_upscaler, model_graph
from hwsr.errors import HwsrError
from hwsr.evaluate import evaluate
from hwsr.export.qonnx import DEFAULT_FRAME, export_qonnx
from hwsr.files import write_json, write_text
from hwsr.form import Form
from hwsr.quant import build
from hwsr.reference.run import upscale
from hwsr.spec import Precision, Spec, parse_spec
from hwsr.sweep import Quality, timed, training_seconds
from hwsr.train.checkpoint import Card, load_network, load_tensors, model_file, save_model
from hwsr.train.loop import train
from hwsr.train.progress import describe
from hwsr.train.recipe import FloatPrecision, Recipe, Settings
from hwsr.train.start import starts_warmed_up
from hwsr.zoo.accounting import count

RELEASE = "release.json"
EVERY = 1000


@dataclass(frozen=True)
class Budget:
    """How long a form trains, from what peak rate, and whether it learns from the float network's output as well."""

    steps: int
    rate: float
    taught: bool


BUDGETS = {
    Form.INT8: Budget(4_000, 1e-3, taught=False),
    Form.AFFINE: Budget(4_000, 1e-3, taught=False),
    Form.LOW_BITS: Budget(4_000, 1e-3, taught=True),
    # Ternary ones start close to the float network, with four terms so close that a higher rate only takes them away.
    Form.TERNARY_2: Budget(4_000, 3e-4, taught=True),
    Form.TERNARY_4: Budget(2_000, 8e-5, taught=True),
}


class Release(BaseModel):
    """What a released folder holds: release.json.

    engine: what the scores are of, by data set; made_from: the folder of its float network, where it has one; data,
    steps, seconds: its training, in words, updates and wall time; files: SHA-256 by name; output_sha256: of what the
    integer reference makes of the photograph chelsea at full size (empty for a float network).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    engine: Engine
    made_from: str
    data: str
    steps: int
    seconds: float | None
    params: int
    mult_adds: int
    scores: dict[str, Quality]
    files: dict[str, str]
    output_sha256: str


@dataclass(frozen=True)
class Order:
    """What is to be released: forms of the float `model`, trained on `data` in `work`, scored on `sets` by name.

    What `asked` leaves open of steps and rate is each form's own budget.
    """

    model: Path
    forms: tuple[Form, ...]
    data: Path | None
    sets: Mapping[str, Path | None]
    work: Path
    asked: Settings
    precision: FloatPrecision = FloatPrecision.FULL


def release(order: Order, console: Console) -> dict[str, Release]:
    """Make and write what is ordered, beside the model; returns the releases by folder name, the float model's first.

    Started again after an interruption it goes on where it was. Raises Interrupted, and HwsrError for a model that is
    not float, for a form that it has not, and for unusable data or folders.
    """
    card = load_tensors(model_file(order.model))[1]
    spec = parse_spec(card.spec)
    if spec.precision is not Precision.FLOAT:
        raise HwsrError(f"{order.model}: '{spec}' is quantized already; give the float model that it came from")
    specs = {form: spec_of(form, spec) for form in order.forms}
    with console.status("reading the data sets"):
        sets = {name: validation_images(spec.scale, path) for name, path in order.sets.items()}
    folder = order.model.resolve()
    with console.status(f"scoring {folder.name}"):
        made = {folder.name: _describe(folder, "", sets, _earlier_seconds(folder))}
    write_json(folder / RELEASE, made[folder.name].model_dump(mode="json"))
    for form, wanted in specs.items():
        console.print(f"{wanted}", highlight=False)
        target = folder.with_name(f"{folder.name}_{form}")
        work = _train(order, form, wanted, target.name, console)
        with console.status(f"scoring {target.name}"):
            _fill(target, work)
            made[target.name] = _describe(target, folder.name, sets, training_seconds(work))
        write_json(target / RELEASE, made[target.name].model_dump(mode="json"))
    return made


def spec_of(form: Form, spec: Spec) -> Spec:
    """The spec of a float network's form. Raises HwsrError where the network has no such form."""
    ternary = form in (Form.TERNARY_2, Form.TERNARY_4)
    return parse_spec(f"ST-{spec} {form}" if ternary else f"{spec} {form}")


def recipe_of(form: Form, spec: Spec, model: Path, asked: Settings) -> Recipe:
    """How the form `spec` of the float `model` is trained. Raises HwsrError."""
    budget = BUDGETS[form]
    settings = Settings(
        asked.recipe,
        budget.steps if asked.steps is None else asked.steps,
        budget.rate if asked.rate is None else asked.rate,
        asked.batch,
        asked.patch,
        asked.seed,
    )
    return settings.make(spec.precision, starts_warmed_up(model, spec))


def _train(order: Order, form: Form, spec: Spec, name: str, console: Console) -> Path:
    """Train a form to its end, or go on with its training; return the folder of that."""
    work = order.work / name
    recipe = recipe_of(form, spec, order.model, order.asked)
    started, finished = (work / "checkpoint.safetensors").exists(), (work / "model.safetensors").exists()
    teacher = order.model if BUDGETS[form].taught else None
    with nullcontext() if finished else timed(work):
        # A training that is finished is checked to be this one.
        train(
            spec,
            recipe,
            work,
            order.data,
            resume=started,
            every=EVERY,
            console=console,
            precision=order.precision,
            init=order.model,
            teacher=teacher,
        )
    return work


def _earlier_seconds(folder: Path) -> float | None:
    """What an earlier release.json says of the training's time, which nothing else does."""
    return read_release(folder).seconds if (folder / RELEASE).exists() else None


def _fill(target: Path, work: Path) -> None:
    """Put weights, card, log and QONNX of the finished training in `work` into the folder `target`."""
    card, network = load_tensors(model_file(work))[1], load_network(work)
    save_model(target, network, card)
    write_text(target / "train.log", training_log(card))
    export_qonnx(network, target / "model.onnx", DEFAULT_FRAME)


def training_log(card: Card) -> str:
    """A line for each validation."""
    modes = [(start + stage.steps, stage.mode) for stage, start in card.recipe.starts()]
    lines = []
    for score in card.history:
        mode = next(mode for end, mode in modes if score.step <= end)
        lines.append(describe(score, card.recipe.steps, mode))
    return "".join(f"{line}\n" for line in lines)


def _describe(folder: Path, made_from: str, sets: Mapping[str, Sequence[ImagePair]], seconds: float | None) -> Release:
    """Score and hash what is in `folder`."""
    card, engine = load_tensors(model_file(folder))[1], default_engine(folder)
    run, scale = make_upscaler(engine, folder)
    cost = count(build(parse_spec(card.spec)))
    means = {name: evaluate(run, pairs, scale)[-1] for name, pairs in sets.items()}
    return Release(
        spec=card.spec,
        engine=engine,
        made_from=made_from,
        data=card.data,
        steps=card.step,
        seconds=seconds,
        params=cost.params,
        mult_adds=cost.mult_adds,
        scores={name: Quality(mean.psnr, mean.ssim) for name, mean in means.items()},
        files=_hashes(folder, engine),
        output_sha256=output_digest(folder) if engine is Engine.REFERENCE else "",
    )


def _hashes(folder: Path, engine: Engine) -> dict[str, str]:
    names = ["model.safetensors", *(["model.onnx"] if engine is Engine.REFERENCE else [])]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def output_digest(folder: Path) -> str:
    """SHA-256 of shape and pixels that the integer reference makes of the photograph chelsea. Raises HwsrError."""
    graph = model_graph(folder)
    photograph = validation_images(graph.scale)[-1].hr
    image = np.ascontiguousarray(as_channels(photograph, graph.input.channels).transpose(2, 0, 1))
    made = upscale(graph, image)
    return hashlib.sha256(f"{made.shape}\n".encode() + made.tobytes()).hexdigest()


def read_release(folder: Path) -> Release:
    """The release.json of a folder. Raises HwsrError."""
    path = folder / RELEASE
    try:
        return Release.model_validate_json(path.read_bytes())
    except OSError as error:
        raise HwsrError(f"cannot read {path}: {error.strerror}; write it with 'hwsr release'") from error
    except ValidationError as error:
        raise HwsrError(f"{path} is damaged; write it again with 'hwsr release'") from error


def released(folder: Path) -> Release:
    """The release.json of a folder, whose files are those that were released. Raises HwsrError."""
    said = read_release(folder)
    try:
        found = _hashes(folder, said.engine)
    except OSError as error:
        raise HwsrError(f"cannot read {error.filename}: {error.strerror}; release {folder} again") from error
    for name, digest in said.files.items():
        if found.get(name) != digest:
            raise HwsrError(f"{folder / name} is not the file that was released; copy it anew, or release it again")
    return said


def check_release(folder: Path) -> Release:
    """Check a released folder by its release.json: spec, hashes, and what the reference makes of a photograph.

    Raises HwsrError with the first thing that does not fit.
    """
    said = released(folder)
    card = load_tensors(model_file(folder))[1]
    if card.spec != said.spec or card.step != card.recipe.steps:
        raise HwsrError(f"{folder}: the weights are of '{card.spec}' at step {card.step}, not of '{said.spec}'")
    if said.engine is Engine.REFERENCE and output_digest(folder) != said.output_sha256:
        raise HwsrError(
            f"{folder}: the reference no longer makes the pixels that were released; its arithmetic changed"
        )
    return said


def render(made: Mapping[str, Release]) -> Table:
    """Releases as a table; beside each score what it loses to the first, the float network."""
    first = next(iter(made.values()))
    table = Table("network", title=f"{first.spec} and its forms: Y-PSNR in dB (difference to float) / SSIM")
    for name in first.scores:
        table.add_column(name, justify="right")
    table.add_column("steps", justify="right")
    table.add_column("minutes", justify="right")
    for folder, each in made.items():
        scores = [_score(each.scores[name], first.scores[name], each is first) for name in first.scores]
        minutes = "" if each.seconds is None else f"{each.seconds / 60:.1f}"
        table.add_row(folder, *scores, f"{each.steps:,}", minutes)
    return table


def _score(own: Quality, reference: Quality, is_first: bool) -> str:
    difference = "" if is_first else f" ({own.psnr - reference.psnr:+.2f})"
    return f"{own.psnr:.2f}{difference} / {own.ssim:.4f}"


def as_json(made: Mapping[str, Release]) -> dict[str, object]:
    """The releases by folder; and as networks, which `hwsr plot` reads."""
    keys = {"spec", "params", "mult_adds", "scores"}
    return {
        "releases": {name: each.model_dump(mode="json") for name, each in made.items()},
        "networks": [each.model_dump(mode="json", include=keys) for each in made.values()],
    }
