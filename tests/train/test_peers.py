"""Every published network learns, in float and quantized."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwsr.data.datasets import ImagePair, make_pair
from hwsr.data.images import Uint8Image
from hwsr.data.patches import PatchSampler
from hwsr.spec import PEERS, Precision, parse_spec
from hwsr.train import loop
from hwsr.train.progress import Display
from hwsr.train.recipe import Mode, Recipe, Stage


def small_images(scale: int) -> list[ImagePair]:
    return [make_pair("noise", np.random.default_rng(0).integers(0, 256, (36, 36, 3), dtype=np.uint8), scale)]


@pytest.mark.parametrize("name", PEERS)
def test_the_loss_on_one_batch_falls(
    name: str, tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: dict[Mode, list[float]] = {mode: [] for mode in Mode}
    draw = PatchSampler.batch_at

    def first_batch(sampler: PatchSampler, _step: int) -> tuple[Uint8Image, Uint8Image]:
        return draw(sampler, 0)

    monkeypatch.setattr(PatchSampler, "batch_at", first_batch)
    monkeypatch.setattr(loop, "validation_images", small_images)
    monkeypatch.setattr(Display, "step", lambda _self, _at, mode, loss, _rate: losses[mode].append(loss))
    recipe = Recipe((Stage(Mode.FLOAT, 12, 1e-3), Stage(Mode.QUANTIZED, 8, 5e-4)), batch=2, patch=8)
    spec = parse_spec(f"{name} x{3 if name in ('abpn', 'xlsr') else 2} {Precision.INT8}")
    loop.train(spec, recipe, tmp_path / "run", photographs, console=Console(file=io.StringIO()))
    assert losses[Mode.FLOAT][-1] < 0.99 * losses[Mode.FLOAT][0]
    assert losses[Mode.QUANTIZED][-1] < 0.99 * losses[Mode.QUANTIZED][0]
