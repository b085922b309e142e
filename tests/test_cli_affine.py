"""Affine networks through every command that leads to hardware."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsr.data.images import read_image, write_png
from hwsr.engine import Engine
from hwsr.engines import make_upscaler
from hwsr.export.qonnx import export_qonnx
from tests.export.test_qonnx import random_network
from tests.test_cli import hwsr

SPEC = "bl x2 n4 g0 b1 anchor direct int8a"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("affine") / "model.onnx"
    export_qonnx(random_network(SPEC), path, (16, 20))
    return path


def test_estimate_plan_and_simulate(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan, figures = tmp_path / "plan.json", tmp_path / "figures.json"
    assert hwsr(monkeypatch, "estimate", model, "--json", figures) == 0
    assert json.loads(figures.read_text())
    target = ("--device", "kv260", "--out", "40x32", "--fps", "100")
    assert hwsr(monkeypatch, "plan", model, *target, "-o", plan) == 0
    assert "body.0" in plan.read_text() or "body_0" in plan.read_text()
    assert hwsr(monkeypatch, "simulate", model, "--plan", plan, "--json", figures) == 0
    assert json.loads(figures.read_text())["deadlock"] == []


@pytest.mark.slow
def test_the_project_upscales_a_photograph_to_the_references_bits(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from skimage.data import astronaut

    write_png(tmp_path / "photo.png", np.ascontiguousarray(astronaut()[::3, ::3]))
    project = tmp_path / "project"
    assert hwsr(monkeypatch, "hls", model, "--out", project, "--reuse-factor", 8) == 0
    assert hwsr(monkeypatch, "hls-lint", project) == 0
    assert hwsr(monkeypatch, "csim", project, "-m", model) == 0
    assert hwsr(monkeypatch, "csim", project, "-m", model, "--dataflow") == 0
    image = read_image(tmp_path / "photo.png")
    simulated, _ = make_upscaler(Engine.CSIM, model, project)
    reference, scale = make_upscaler(Engine.REFERENCE, model)
    made = simulated(image)
    assert made.shape == (scale * image.shape[0], scale * image.shape[1], 3) and made.std() > 10
    assert np.array_equal(made, reference(image))
