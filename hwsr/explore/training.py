"""One network: trained briefly, exported, scored by the integer reference; what was done once is never done again."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console

from hwsr.data.datasets import validation_images
from hwsr.engine import Engine
from hwsr.engines import make_upscaler, model_graph
from hwsr.errors import HwsrError
from hwsr.evaluate import evaluate
from hwsr.explore.search import Search
from hwsr.export.qonnx import export_qonnx
from hwsr.files import write_json
from hwsr.ir.graph import IntGraph
from hwsr.spec import Spec
from hwsr.sweep import timed, training_seconds
from hwsr.train.checkpoint import load_network
from hwsr.train.loop import train

RESULT = "result.json"
# Trainings are saved, for whoever goes on with one, so often.
PARTS = 4


class _Result(BaseModel):
    """What result.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    spec: str
    psnr: float = Field(allow_inf_nan=False)
    ssim: float = Field(allow_inf_nan=False)
    seconds: float = Field(ge=0)


@dataclass(frozen=True)
class Trained:
    """psnr, ssim: means of Y over the images scored on; seconds: that training took; graph: the trained integers."""

    psnr: float
    ssim: float
    seconds: float
    graph: IntGraph


def trained(search: Search, spec: Spec, console: Console) -> Trained:
    """Train `spec`, or go on with its training, or take what an earlier one came to.

    The network is trained as `hwsr train` does it: a float warm-up, then quantized, in one run.
    Raises Interrupted, the state being kept; HwsrError for a loss that is not finite.
    """
    folder = search.folder(spec)
    known = _read(folder, spec)
    if known is None:
        known = _train(search, spec, folder, console)
    return Trained(known.psnr, known.ssim, known.seconds, model_graph(folder))


def _read(folder: Path, spec: Spec) -> _Result | None:
    """The result in a folder; None where there is none, or not all of it."""
    try:
        found = _Result.model_validate_json((folder / RESULT).read_bytes())
        model_graph(folder)  # a folder that lost its export is filled again
    except (OSError, ValidationError, HwsrError):
        return None
    return found if found.spec == str(spec) else None


def _train(search: Search, spec: Spec, folder: Path, console: Console) -> _Result:
    recipe = search.settings.make(spec.precision)
    every = max(recipe.steps // PARTS, 1)
    started = (folder / "checkpoint.safetensors").exists()
    with timed(folder):
        train(spec, recipe, folder, search.data, resume=started, every=every, console=console)
    export_qonnx(load_network(folder), folder / "model.onnx")
    upscale, scale = make_upscaler(Engine.REFERENCE, folder)
    mean = evaluate(upscale, validation_images(scale, search.scored_on), scale)[-1]
    result = _Result(spec=str(spec), psnr=mean.psnr, ssim=mean.ssim, seconds=round(training_seconds(folder), 2))
    write_json(folder / RESULT, result.model_dump())
    return result
