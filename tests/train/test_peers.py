"""Every published network learns, in float and quantized."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwsr.spec import PEERS, Precision, parse_spec
from hwsr.train.loop import train
from hwsr.train.progress import Display
from hwsr.train.recipe import Mode, Recipe, Stage


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("precision", [Precision.FLOAT, Precision.INT8])
def test_loss_falls(
    name: str, precision: Precision, tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: dict[Mode, list[float]] = {mode: [] for mode in Mode}
    monkeypatch.setattr(Display, "step", lambda _self, _at, mode, loss, _rate: losses[mode].append(loss))
    stages = [Stage(Mode.FLOAT, 12, 1e-3)]
    stages += [Stage(Mode.QUANTIZED, 8, 5e-4)] if precision is Precision.INT8 else []
    scale = 3 if name in ("abpn", "xlsr") else 2
    word = "" if precision is Precision.FLOAT else precision
    recipe = Recipe(tuple(stages), batch=2, patch=8)
    train(parse_spec(f"{name} x{scale} {word}"), recipe, tmp_path, photographs, console=Console(file=io.StringIO()))
    assert np.mean(losses[Mode.FLOAT][-3:]) < np.mean(losses[Mode.FLOAT][:3])
    if precision is Precision.INT8:
        assert np.mean(losses[Mode.QUANTIZED][-3:]) < np.mean(losses[Mode.FLOAT][:3])
