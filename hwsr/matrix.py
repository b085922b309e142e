"""Every network of the zoo through the whole pipeline: build, run, train, export, read, and compare as integers."""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.console import Group
from rich.table import Table
from rich.text import Text
from torch import Tensor
from torch.nn import functional

from hwsr.data.datasets import training_images, validation_images
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError
from hwsr.export.qonnx import execute, export_qonnx
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import SCALES, SP_RATIOS, UNIT_ARGS, ModelSpec, Precision, Unit
from hwsr.train.optimizer import make_optimizers
from hwsr.train.recipe import Method, one_cycle
from hwsr.zoo.network import Network

# The paper's arguments, but for clcNet's groups, of which 16 features hold no 32.
SMALL = {name: Unit(name, tuple(args.items())) for name, args in UNIT_ARGS.items()} | {
    "blclc": Unit("blclc", (("g1", 8), ("g2", 2)))
}
STEPS, BATCH, PATCH, PEAK_RATE = 20, 4, 16, 2e-3
TILE = 24
# Float sums depend on their order: what two orders may differ by, as a share of the picture's largest value.
FLOAT_SHARE = 1e-5


@dataclass(frozen=True)
class Outcome:
    """One network: output pixels compared, those that differ, the loss before and after training, what went wrong.

    Losses are None where nothing was trained (float); `error` is None where the network went all the way.
    """

    spec: ModelSpec
    pixels: int = 0
    mismatches: int = 0
    loss_before: float | None = None
    loss_after: float | None = None
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """What keeps this network from passing, in words; None where it passes."""
        if self.error or not self.pixels:
            return self.error or "nothing was compared"
        if self.mismatches:
            return f"{self.mismatches:,} of {self.pixels:,} pixels differ"
        if self.spec.precision is Precision.FLOAT:
            return None
        if self.loss_before is None or self.loss_after is None or not self.loss_after < self.loss_before:
            return f"the loss did not fall: {self.loss_before} -> {self.loss_after}"
        return None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"spec": str(self.spec), "precision": str(self.spec.precision), "failure": self.failure}


def combinations() -> list[ModelSpec]:
    """Every unit, plain and with ERUMs, at every scale: int8 and small, and float as in the paper; ternary by r."""
    options = [(erum, scale) for erum in (False, True) for scale in SCALES]
    small: dict[str, Any] = {"n": 16, "groups": 1, "blocks": 1}

    def spec(unit: Unit, erum: bool, scale: int, **rest: Any) -> ModelSpec:
        # The plain convolution replaces nothing, wherever it stands.
        place = "rg+u" if erum and unit.name != "bl" else "rg"
        return ModelSpec(unit=unit, place=place, erum=erum, scale=scale, **rest)

    int8 = [spec(unit, *each, precision=Precision.INT8, **small) for unit in SMALL.values() for each in options]
    ternary = [ModelSpec(precision=Precision.TERNARY, sp_ratio=ratio, **small) for ratio in SP_RATIOS]
    units = [Unit(name, tuple(args.items())) for name, args in UNIT_ARGS.items()]
    return [*int8, *ternary, *(spec(unit, *each) for unit in units for each in options)]


def check(spec: ModelSpec) -> Outcome:
    """Take one network all the way. Never raises: what went wrong is in the outcome."""
    try:
        return _check_float(spec) if spec.precision is Precision.FLOAT else _check_quantized(spec)
    except Exception as error:  # whatever stops one network must not stop the others
        return Outcome(spec, error=f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}")


def _check_quantized(spec: ModelSpec) -> Outcome:
    """Trained, exported, and the reference held against qonnx's executor and Brevitas in eval mode."""
    network = build(spec)
    before, after = _train(network)
    tile = _tile(spec.scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_qonnx(network, path, tile.shape[1:])
        reference, other = run(read_qonnx(path), tile), execute(path, tile)
    if reference.std() < 1:
        raise HwsrError("the picture is all but constant, which proves nothing")
    with torch.no_grad():
        brevitas = network(_to_tensor(tile[None]))[0].numpy() * 256
    differs = ((reference != other) | (reference != brevitas)).any(axis=0)
    return Outcome(spec, differs.size, int(differs.sum()), before, after)


def _check_float(spec: ModelSpec) -> Outcome:
    """Untrained: torch held against ONNX Runtime on the exported network, but for float rounding."""
    network, image = build(spec), _to_tensor(_tile(spec.scale)[None])
    with torch.no_grad():
        result = network(image)[0].numpy()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns of every constant that it is meant to see as one.
        warnings.simplefilter("ignore")
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(network, (image,), path, input_names=["image"], dynamo=False)
        other = onnxruntime.InferenceSession(path).run(None, {"image": image.numpy()})[0][0]
    differs = ~(np.abs(result - other) <= FLOAT_SHARE * np.abs(other).max()).all(axis=0)
    return Outcome(spec, differs.size, int(differs.sum()))


def _train(network: Network) -> tuple[float, float]:
    """20 quantized steps; the loss before and after, quantized in both cases, of a batch that no step sees."""
    sampler = _sampler(network.spec.scale)

    def loss(step: int) -> Tensor:
        lr, hr = map(_to_tensor, sampler.batch_at(step))
        return functional.l1_loss(network(lr), hr)

    def unseen() -> float:
        network.eval()
        with torch.no_grad():
            return loss(STEPS).item()

    calibrate(network, [_to_tensor(sampler.batch_at(0)[0])])
    before = unseen()
    network.train()
    optimizers = make_optimizers(network, Method.ADAM)
    for step in range(STEPS):
        optimizers.zero_grad()
        loss(step).backward()
        optimizers.step(one_cycle(step, STEPS, PEAK_RATE))
    return before, unseen()


@cache
def _sampler(scale: int) -> PatchSampler:
    return PatchSampler(training_images(None, scale), scale, PATCH, BATCH, seed=0)


@cache
def _tile(scale: int) -> NDArray[np.uint8]:
    """The middle of the photograph astronaut, reduced: uint8 (3, 24, 24)."""
    image = validation_images(scale)[0].lr.transpose(2, 0, 1)
    y, x = ((side - TILE) // 2 for side in image.shape[1:])
    return np.ascontiguousarray(image[:, y : y + TILE, x : x + TILE])


def _to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Pixel q as q / 256."""
    return torch.from_numpy(image).float() / 256


def render(outcomes: Sequence[Outcome]) -> Group:
    """A table for each precision: units down, upscaling and scale across; then every failure by name."""
    names = {Precision.INT8: "int8", Precision.TERNARY: "ternary", Precision.FLOAT: "float, as in the paper"}
    parts: list[Text | str | Table] = []
    for precision, name in names.items():
        those = [outcome for outcome in outcomes if outcome.spec.precision is precision]
        note = "" if precision is Precision.FLOAT else ", loss before → after"
        title = Text.assemble("\n", (name, "bold"), f": pixels that differ / compared{note}")
        parts += [title, _table(those)] if those else []
    return Group(*parts, "", *map(Text, _verdict(outcomes)))


def _table(outcomes: Sequence[Outcome]) -> Table:
    cells: dict[str, dict[str, Text]] = {}
    for outcome in outcomes:
        row, column = _place(outcome.spec)
        cells.setdefault(row, {})[column] = _cell(outcome)
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits in 80 columns
    table.add_column("unit", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, found in cells.items():
        table.add_row(name, *(found.get(column, "hole") for column in columns))
    return table


def _place(spec: ModelSpec) -> tuple[str, str]:
    """Row and column of a network."""
    ratio = f" r{spec.sp_ratio}" if spec.precision is Precision.TERNARY else ""
    return str(spec.unit), f"{'-e ' if spec.erum else ''}x{spec.scale}{ratio}"


def _cell(outcome: Outcome) -> Text:
    if outcome.error:
        return Text("error", "red")
    compared = Text(f"{outcome.mismatches:,} / {outcome.pixels:,}", "red" if outcome.failure else "green")
    if outcome.loss_before is None:
        return compared
    return Text.assemble(compared, f"\n{outcome.loss_before:.2f}→{outcome.loss_after:.2f}")


def _verdict(outcomes: Sequence[Outcome]) -> Iterator[str]:
    failed = [outcome for outcome in outcomes if outcome.failure]
    for outcome in failed:
        yield f"{outcome.spec}: {outcome.failure}"
    pixels = sum(outcome.pixels for outcome in outcomes)
    yield f"{len(outcomes) - len(failed)} of {len(outcomes)} networks pass, {pixels:,} output pixels compared"
