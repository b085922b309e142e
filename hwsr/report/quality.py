"""Picture quality on photographs: bicubic, the integer reference and, where it is known, the float network."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwsr.data.datasets import ImagePair
from hwsr.engine import Engine
from hwsr.engines import Upscaler, make_upscaler
from hwsr.errors import HwsrError
from hwsr.evaluate import EMBEDDED, ImageScore, mean, score
from hwsr.report.crops import Crop, crop
from hwsr.spec import Precision, parse_spec
from hwsr.train.checkpoint import load_tensors, model_file

# Images that a crop of is shown; the page holds their pixels.
MOST_CROPS = 6

Progress = Callable[[Sequence[ImagePair]], Iterable[ImagePair]]


@dataclass(frozen=True)
class Scored:
    """Y-PSNR in dB and Y-SSIM of one image; of the float network None where nothing is known."""

    name: str
    bicubic_psnr: float
    bicubic_ssim: float
    psnr: float
    ssim: float
    float_psnr: float | None
    float_ssim: float | None


@dataclass(frozen=True)
class Quality:
    """data: what images; floats: where the float figures come from, or why there are none."""

    data: str
    scale: int
    floats: str
    images: tuple[Scored, ...]
    mean: Scored


@dataclass(frozen=True)
class Floats:
    """The float network that a model was made of. psnr: by image, as its training measured it on the embedded ones."""

    source: str
    upscale: Upscaler | None = None
    psnr: dict[str, float] | None = None


def quality(
    model: Path, scale: int, pairs: Sequence[ImagePair], data: Path | None, progress: Progress = iter
) -> tuple[Quality, tuple[Crop, ...]]:
    """Upscale every image with the integer reference. Raises HwsrError."""
    run = make_upscaler(Engine.REFERENCE, model)[0]
    floats = float_network(model)
    scored: list[Scored] = []
    crops: list[Crop] = []
    for pair in progress(pairs):
        result = run(pair.lr)
        own = score(pair, result, scale)
        before = score(pair, floats.upscale(pair.lr), scale) if floats.upscale else None
        known = None if data or floats.psnr is None else floats.psnr.get(pair.name)
        scored.append(_scored(own, before, known))
        if len(crops) < MOST_CROPS:
            crops.append(crop(pair, result, scale))
    name = data.resolve().name if data else EMBEDDED
    source = floats.source
    if data and floats.psnr:
        source = "not known on these images: its training measured it on the embedded photographs alone"
    return Quality(name, scale, source, tuple(scored), _mean(scored)), tuple(crops)


def _scored(own: ImageScore, before: ImageScore | None, known: float | None) -> Scored:
    psnr, ssim = (before.psnr, before.ssim) if before else (known, None)
    return Scored(own.name, own.bicubic_psnr, own.bicubic_ssim, own.psnr, own.ssim, psnr, ssim)


def _mean(scored: Sequence[Scored]) -> Scored:
    """Of all images; of the float network where every image has a figure."""
    plain = mean([ImageScore(each.name, each.psnr, each.ssim, each.bicubic_psnr, each.bicubic_ssim) for each in scored])
    found = _scored(plain, None, None)
    for key in ("float_psnr", "float_ssim"):
        values = [getattr(each, key) for each in scored]
        if None not in values:
            found = replace(found, **{key: sum(values) / len(values)})
    return found


def float_network(model: Path) -> Floats:
    """What is known of the float network of a model.

    A folder beside it whose weights have the digest that the model's card started from is run itself; else the last
    score of its training's float stage is taken.
    """
    if not model.is_dir() or not model_file(model).is_file():
        return Floats("not known: a QONNX file alone does not tell of its training")
    card = load_tensors(model_file(model))[1]
    if card.init_sha256 and (folder := _folder_of(model, card.init_sha256)):
        return Floats(f"{folder.name}, which this network started from, on the same images", _torch(folder))
    if card.calibration:
        return Floats("not known: the float model that this was quantized from is in no folder beside it")
    last = [entry for entry in card.history if entry.step <= card.recipe.first_quantized]
    if not last:
        return Floats("not known: its training measured none before it was quantized")
    return Floats(
        f"the float stage of its own training after {last[-1].step:,} updates, as measured there (PSNR alone)",
        psnr=last[-1].psnr_y,
    )


def _torch(folder: Path) -> Upscaler:
    return make_upscaler(Engine.TORCH, folder)[0]


def _folder_of(model: Path, sha256: str) -> Path | None:
    """The float model of these weights in a folder beside `model`; cards are searched, weights are checked."""
    for card in sorted(model.resolve().parent.glob("*/model.json")):
        try:
            if json.loads(card.read_text(encoding="utf-8")).get("tensors_sha256") != sha256:
                continue
            found = load_tensors(model_file(card.parent))[1]
        except (HwsrError, OSError, ValueError, AttributeError):
            continue
        if found.tensors_sha256 == sha256 and parse_spec(found.spec).precision is Precision.FLOAT:
            return card.parent
    return None
