"""C simulation against the integer reference: what `hwsr matrix --hls` covers, trained networks, and random ones."""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwsr.coverage.check import check
from hwsr.coverage.networks import UNITS, Cell, networks
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
from tests.random_models import random_model

ALL = networks()
INT8, TERNARY = "units, int8", "units, ternary"
# A network for each unit; any two of upscaling, scale and precision meet in one.
UNITS_SAMPLE = [
    (INT8, "bl", "-e x4"),
    (TERNARY, "blrn(r=2)", "x2"),
    (INT8, "blrn(r=4)", "x3"),
    (TERNARY, "blrxn(r=2,g=4)", "x4"),
    (INT8, "blm1", "-e x3"),
    (TERNARY, "bleff(r=2)", "x3"),
    (INT8, "bls1(r=2,g=4)", "x2"),
    (TERNARY, "blclc(g1=8,g2=2)", "-e x2"),
    (INT8, "bls2", "x4"),
    (TERNARY, "blm2(e=2)", "x3"),
    (INT8, "blm2(e=3)", "x2"),
]
SAMPLE = [
    *UNITS_SAMPLE,
    ("bits, bl", "w4a4 head=w8a8 body.close=w6", "x3"),
    ("skeletons of bl", "luma, attention, anchor", "int8 x4"),
    ("Vivado HLS, x2, attention", "bls1(r=2,g=4)", "ternary"),
]
QUICK = [cell for cell in ALL if (cell.table, cell.row, cell.column) in SAMPLE]
REST = [cell for cell in ALL if cell not in QUICK and not cell.rule]

TRAINED = ("bl n8", "bl n8 noca", "bl n16", "bl n16 noca", "blrn(r=2) n8", "blm1 n8 noca", "bls2 n8 noca")
PRECISIONS = ("int8", "r1", "r2")
FRAME = (14, 18)


def name(cell: Cell) -> str:
    return f"{cell.backend} {cell.network}"


def passes(cell: Cell) -> None:
    outcome = check(cell)
    assert outcome.failure is None
    assert outcome.mismatches == 0 and outcome.layers > 1
    assert outcome.pixels == 2 * 10 * 12 * parse_spec(cell.network).scale ** 2


def test_the_sample_covers_every_unit_and_every_pair() -> None:
    assert len(QUICK) == len(SAMPLE) and {row for _, row, _ in UNITS_SAMPLE} == set(map(str, UNITS))

    def pairs(table: str, column: str) -> set[tuple[str, ...]]:
        return set(combinations((table, "-e" if column.startswith("-e") else "", column[-2:]), 2))

    met = set[tuple[str, ...]]().union(*(pairs(table, column) for table, _, column in UNITS_SAMPLE))
    assert met == set[tuple[str, ...]]().union(
        *(pairs(table, f"{e}x{scale}") for table, e, scale in product((INT8, TERNARY), ("-e ", ""), (2, 3, 4)))
    )


@pytest.mark.parametrize("cell", QUICK, ids=name)
def test_sample(cell: Cell) -> None:
    passes(cell)


@pytest.mark.slow
@pytest.mark.parametrize("cell", REST, ids=name)
def test_every_other_network(cell: Cell) -> None:
    passes(cell)


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
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("network", TRAINED)
def test_trained(network: str, scale: int, backend: str, tmp_path: Path) -> None:
    """Any two of network, scale and precision meet in one."""
    precision = PRECISIONS[(TRAINED.index(network) + scale) % 3]
    unit, *options = network.split()
    spec = parse_spec(" ".join([f"{'' if precision == 'int8' else 'ST-'}{unit} x{scale} g1 b1", *options, precision]))
    recipe = replace(default_recipe(spec.precision, 20), batch=2, patch=16)
    model = load_network(train(spec, recipe, tmp_path / "run", every=20))
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
