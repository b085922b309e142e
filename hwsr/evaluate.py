"""Picture quality of an engine on a benchmark set, with bicubic beside it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.datasets import ImagePair
from hwsr.data.metrics import psnr_y, ssim_y
from hwsr.engines import Image, Upscaler
from hwsr.quant import build
from hwsr.train.checkpoint import load_model
from hwsr.zoo.accounting import count

EMBEDDED = "embedded photographs"


@dataclass(frozen=True)
class ImageScore:
    """Y-PSNR in dB and Y-SSIM of one image, and the same of bicubic upscaling."""

    name: str
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float


def evaluate(upscale: Upscaler, pairs: Sequence[ImagePair], scale: int) -> list[ImageScore]:
    """Score every image, shaving `scale` pixels off each border; the last entry is the mean."""
    scores = [score(pair, upscale(pair.lr), scale) for pair in pairs]
    return [*scores, mean(scores)]


def score(pair: ImagePair, result: Image, scale: int) -> ImageScore:
    """Score what an engine made of `pair.lr`, as `evaluate` does."""
    bicubic = resize_bicubic(pair.lr, scale)
    return ImageScore(
        pair.name,
        psnr_y(result, pair.hr, scale),
        ssim_y(result, pair.hr, scale),
        psnr_y(bicubic, pair.hr, scale),
        ssim_y(bicubic, pair.hr, scale),
    )


def mean(scores: Sequence[ImageScore]) -> ImageScore:
    """The mean of every figure."""
    means = [float(np.mean([getattr(each, key) for each in scores])) for key in list(asdict(scores[0]))[1:]]
    return ImageScore("mean", *means)


def render(scores: Sequence[ImageScore], title: str) -> Table:
    """The scores as a table."""
    table = Table("image", "bicubic dB", "dB", "gain dB", "bicubic SSIM", "SSIM", title=title)
    for score in scores:
        gain = score.psnr - score.bicubic_psnr
        cells = f"{score.bicubic_psnr:.2f} {score.psnr:.2f} {gain:+.2f} {score.bicubic_ssim:.4f} {score.ssim:.4f}"
        table.add_row(score.name, *cells.split(), end_section=score is scores[-2])
    return table


def networks_json(model: Path, benchmark: str, scores: Sequence[ImageScore]) -> list[dict[str, Any]]:
    """The mean scores beside what the network costs, as `hwsr plot` reads them; empty for a bare QONNX file."""
    if not model.is_dir():
        return []
    spec = load_model(model)[0]
    cost, mean = count(build(spec)), scores[-1]
    means = {benchmark: {"psnr": mean.psnr, "ssim": mean.ssim}}
    return [{"spec": str(spec), "params": cost.params, "mult_adds": cost.mult_adds, "scores": means}]
