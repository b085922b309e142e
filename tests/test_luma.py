"""A network on luma alone, from training to three engines: colour in, colour out, scored on its own Y."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsr.data.colour import as_channels
from hwsr.data.datasets import validation_images
from hwsr.data.images import read_image, write_png
from hwsr.data.metrics import psnr_y
from hwsr.engine import Engine
from hwsr.engines import make_upscaler
from tests.test_cli import hwsr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FSRCNN-s of six training steps, exported for 16 x 12 pixels."""
    folder = tmp_path_factory.mktemp("runs") / "fsrcnn_s"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--steps", 6, "--batch", 2, "--patch", 8]
        assert hwsr(patch, "train", "FSRCNN-s x2 int8", "--out", folder, *options) == 0
        assert hwsr(patch, "export", folder, "--frame", "16x12") == 0
    return folder


@pytest.fixture(scope="module")
def project(model: Path) -> Path:
    folder = model.parent / "project"
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "hls", model, "--out", folder) == 0
    return folder


def test_csim_equals_the_reference(monkeypatch: pytest.MonkeyPatch, model: Path, project: Path) -> None:
    figures = model / "csim.json"
    assert hwsr(monkeypatch, "csim", project, "-m", model, "--json", figures) == 0
    report = json.loads(figures.read_text())
    assert report["mismatches"] == 0
    assert report["frames"]["pixels"] == report["frames"]["tiles"] * 32 * 24


def test_three_engines_upscale_colour_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, model: Path, project: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    write_png(photo, validation_images(2)[1].lr[40:60, 50:73])
    results = []
    for engine in ("reference", "torch", "csim"):
        out = tmp_path / f"{engine}.png"
        options = ["-o", out, "--engine", engine, "--project", project]
        assert hwsr(monkeypatch, "upscale", photo, "-m", model, *options) == 0
        results.append(read_image(out))
    assert results[0].shape == (40, 46, 3)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    assert np.ptp(results[0], axis=2).mean() > 5, "the photograph is coloured"


def test_scores_are_of_the_networks_own_y(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    assert hwsr(monkeypatch, "eval", model, "--json", tmp_path / "eval.json") == 0
    scored = json.loads((tmp_path / "eval.json").read_text())["images"][0]
    pair = validation_images(2)[0]
    run, scale = make_upscaler(Engine.TORCH, model)
    result = run(pair.lr)
    assert result.shape == (*pair.hr.shape[:2], 1) and scale == 2
    assert scored["psnr"] == psnr_y(result, pair.hr, 2)
    assert np.array_equal(run(as_channels(pair.lr, 3)), result)
    assert hwsr(monkeypatch, "compare", "-m", model, "-o", tmp_path / "comparison.png") == 0
    assert (tmp_path / "comparison.png").stat().st_size > 0
