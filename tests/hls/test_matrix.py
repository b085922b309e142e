"""C simulation against the integer reference: every unit, scale, precision and backend, and random networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwsr.export.qonnx import export_qonnx
from hwsr.hls.csim import compare, compare_layers
from hwsr.hls.project import write_project
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.reference.run import run, run_all
from hwsr.spec import parse_spec
from hwsr.tiles import test_tiles as real_tiles
from hwsr.train.checkpoint import load_network
from hwsr.train.loop import train
from hwsr.train.recipe import default_recipe
from tests.export.test_qonnx import random_network
from tests.random_models import random_model

NETWORKS = ("bl n8", "bl n8 noca", "bl n16", "bl n16 noca", "blrn(r=2) n8", "blm1 n8 noca", "bls2 n8 noca")
PRECISIONS = ("int8", "r1", "r2")
FRAME = (14, 18)


def spec_text(network: str, scale: int, precision: str) -> str:
    name, *options = network.split()
    name = name if precision == "int8" else f"ST-{name}"
    return " ".join([name, f"x{scale}", "g1 b1", *options, precision])


def matches(graph: IntGraph, folder: Path, backend: str) -> None:
    """Real tiles and adversarial frames through the compiled project: not one value may differ."""
    project = write_project(graph, folder, real_tiles(graph, None)[:3], lambda tile: run(graph, tile), backend)
    report = compare(project, lambda tile: run_all(graph, tile))
    height, width = graph.frame
    assert report.pixels == project.manifest.frames * height * width * graph.scale**2
    assert report.mismatches == 0, f"first at {report.first}, first wrong layer {report.first_wrong_layer}"
    # The output may hide a wrong layer behind saturation.
    noise = np.random.default_rng(0).integers(0, 256, (graph.input.channels, height, width)).astype(np.uint8)
    layers = compare_layers(project, lambda tile: run_all(graph, tile), noise)
    assert layers and not [layer for layer in layers if layer.mismatches]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
@pytest.mark.parametrize("trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("network", NETWORKS)
def test_matrix(network: str, scale: int, precision: str, trained: bool, backend: str, tmp_path: Path) -> None:
    text = spec_text(network, scale, precision)
    if trained:
        spec = parse_spec(text)
        recipe = replace(default_recipe(spec.precision, 20), batch=2, patch=16)
        model = load_network(train(spec, recipe, tmp_path / "run", every=20))
    else:
        model = random_network(text)
    export_qonnx(model, tmp_path / "model.onnx", FRAME)
    matches(read_qonnx(tmp_path / "model.onnx"), tmp_path / "project", backend)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1000 + seed)

    def choose(lo: int, hi: int) -> int:
        return int(rng.integers(lo, hi + 1))

    def draw() -> IntGraph:
        onnx.save(random_model(choose, (choose(1, 9), choose(1, 9))), tmp_path / "model.onnx")
        return read_qonnx(tmp_path / "model.onnx")

    graph = draw()
    while not is_lively(graph):
        graph = draw()
    matches(graph, tmp_path / "project", ("Vitis", "Vivado")[seed % 2])


def is_lively(graph: IntGraph) -> bool:
    """Most of its output lies off both ends of the range, where a wrong value shows."""
    noise = np.random.default_rng(0).integers(0, 256, (graph.input.channels, *graph.frame)).astype(np.uint8)
    output = run(graph, noise)
    return bool(((output > 0) & (output < 255)).mean() > 0.5 and np.ptp(output) > 8)
