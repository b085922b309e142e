"""Affine arithmetic against LiteRT's reference kernels, and the fast kernels against their definition."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsr.data.datasets import validation_images
from hwsr.export.qonnx import export_qonnx
from hwsr.ir.graph import IntArray, IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.ir.tiling import default_tiling, run_tiled
from hwsr.quant import build, calibrate
from hwsr.reference import naive
from hwsr.reference.run import run, run_all, upscale
from hwsr.spec import parse_spec
from hwsr.zoo.network import Network
from tests.affine_models import OPERATIONS, one_operation, random_network
from tests.litert_network import Converter


def chosen(data: st.DataObject) -> Callable[[int, int], int]:
    return lambda lo, hi: data.draw(st.integers(lo, hi))


def defined(graph: IntGraph, image: IntArray) -> IntArray:
    """The output by the definition alone."""
    values = {graph.input.name: image}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = naive.evaluate(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name]


def check(model: onnx.ModelProto, frame: tuple[int, int], seed: int, folder: Path, by_definition: bool = True) -> None:
    path, rng = folder / "model.onnx", np.random.default_rng(seed)
    onnx.save_model(model, str(path))
    graph, litert = read_qonnx(path), Converter(path, frame)
    for image in (rng.integers(0, 256, (3, *frame)), rng.choice([0, 255], (3, *frame))):
        made = run(graph, image)
        if by_definition:
            assert np.array_equal(made, defined(graph, image))
        assert np.array_equal(made, run_all(graph, image)[graph.output.name])
        assert np.array_equal(made, litert.run(image))


SIZES = st.tuples(st.integers(1, 7), st.integers(1, 9))
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("kind", OPERATIONS)
@given(st.data(), SIZES, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25, suppress_health_check=QUIET)
def test_an_operation(kind: str, tmp_path: Path, data: st.DataObject, frame: tuple[int, int], seed: int) -> None:
    check(one_operation(chosen(data), frame, kind), frame, seed, tmp_path)


@given(st.data(), SIZES, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25, suppress_health_check=QUIET)
def test_a_network(tmp_path: Path, data: st.DataObject, frame: tuple[int, int], seed: int) -> None:
    check(random_network(chosen(data), frame), frame, seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*OPERATIONS, "network"])
def test_a_thousand_of_each(kind: str, tmp_path: Path) -> None:
    """Drawn by a plain generator, which is faster; the definition is left to the tests above."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        frame = (int(rng.integers(1, 8)), int(rng.integers(1, 10)))
        choose = drawn_from(rng)
        model = random_network(choose, frame) if kind == "network" else one_operation(choose, frame, kind)
        check(model, frame, seed, tmp_path, by_definition=False)


def drawn_from(rng: np.random.Generator) -> Callable[[int, int], int]:
    return lambda lo, hi: int(rng.integers(lo, hi + 1))


def random_weights(text: str) -> Network:
    """A network of random weights and biases, its ranges calibrated on noise."""
    network, generator = build(parse_spec(text)), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                module.bias.normal_(0, 0.1, generator=generator)
    calibrate(network, [torch.rand((2, network.spec.channels, 16, 16), generator=generator)])
    return network.eval()


@pytest.mark.parametrize(
    "text",
    [
        "bl x2 n8 g1 b1 int8a",
        "blrn(r=2) x2 n8 g1 b1 noca int8a",
        "blrxn(r=2,g=2) x3 n8 g0 b1 int8a",
        "blm1-e[rg+u] x4 n8 g0 b1 noca int8a",
        "bleff(r=2) x2 n8 g0 b1 noca direct luma int8a",
        "bls1(r=2,g=2) x2 n8 g1 b1 noca direct anchor int8a",
        "blclc-e(g1=4,g2=2)[rg+u] x2 n8 g0 b1 noca int8a",
        "bls2 x2 n8 g0 b1 int8a",
        "blm2 x2 n8 g0 b1 noca direct int8a",
        "espcn x3 int8a",
        "carn-m x2 int8a",
        "abpn x2 int8a",
        "xlsr x3 int8a",
    ],
)
def test_the_zoo(text: str, tmp_path: Path) -> None:
    """Every unit, upscaling and peer that has an affine form."""
    path, rng, frame = tmp_path / "model.onnx", np.random.default_rng(0), (9, 11)
    export_qonnx(random_weights(text), path, frame)
    graph, litert = read_qonnx(path), Converter(path, frame)
    for image in (
        rng.integers(0, 256, (graph.input.channels, *frame)),
        rng.choice([0, 255], (graph.input.channels, *frame)),
    ):
        made = run(graph, image)
        assert made.std() > 1
        assert np.array_equal(made, litert.run(image) + np.int64(128))


@pytest.mark.parametrize(
    ("text", "tiles"), [("bl x2 n8 g0 b2 noca anchor direct int8a", False), ("bl x2 n8 g0 b1 int8a", True)]
)
def test_whole_photographs(text: str, tiles: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(random_weights(text), path, (32, 40))
    graph = read_qonnx(path)
    for pair in validation_images(2):
        image = np.ascontiguousarray(pair.lr.transpose(2, 0, 1))
        litert = Converter(path, graph.frame if tiles else image.shape[1:])
        wanted = (
            run_tiled(lambda tile, litert=litert: pixels(litert.run(tile)), image, default_tiling(graph), 2)
            if tiles
            else pixels(litert.run(image))
        )
        assert np.array_equal(upscale(graph, image), wanted)


def pixels(int8: IntArray) -> np.ndarray:
    return (int8.astype(np.int64) + 128).astype(np.uint8)
