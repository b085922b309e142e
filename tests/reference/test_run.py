"""The reference against qonnx's own executor, on files made without hwsr."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.export.qonnx import execute
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.ir.tiling import Tiling
from hwsr.reference.run import run, run_all, upscale
from tests.random_models import Choose, random_model


def agree(choose: Choose) -> None:
    """One random network on noise and on extremes; every tensor within its proven range."""
    frame = (choose(3, 9), choose(3, 9))
    rng = np.random.default_rng(choose(0, 2**32 - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(random_model(choose, frame), path)
        graph = read_qonnx(path)
        for image in (rng.integers(0, 256, (3, *frame)), rng.choice([0, 255], (3, *frame))):
            values = run_all(graph, image)
            assert np.array_equal(run(graph, image), values[graph.output.name])
            assert np.array_equal(values[graph.output.name], execute(path, image.astype(np.uint8)))
            for name, value in values.items():
                assert graph.tensors[name].lo <= value.min() and value.max() <= graph.tensors[name].hi


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_random_networks_equal_qonnx(data: st.DataObject) -> None:
    agree(lambda lo, hi: data.draw(st.integers(lo, hi)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_random_networks_equal_qonnx(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        agree(lambda lo, hi: int(rng.integers(lo, hi + 1)))


def random_graph(seed: int, frame: tuple[int, int]) -> IntGraph:
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(random_model(lambda lo, hi: int(rng.integers(lo, hi + 1)), frame), path)
        return read_qonnx(path)


def plain_graph(seed: int = 0) -> IntGraph:
    """A random network without a spatial sum, exported at 12 x 12."""
    graphs = (random_graph(attempt, (12, 12)) for attempt in range(seed, seed + 100))
    return next(graph for graph in graphs if not graph.fixed_frame and graph.radius > 1)


@pytest.mark.parametrize("seed", [0, 40, 80])
@pytest.mark.parametrize("size", [(12, 12), (13, 31), (40, 12), (37, 29)])
def test_tiles_with_the_networks_radius_as_halo_give_the_whole_frame(seed: int, size: tuple[int, int]) -> None:
    graph = plain_graph(seed)
    image = np.random.default_rng(1).integers(0, 256, (3, *size)).astype(np.uint8)
    assert np.array_equal(upscale(graph, image, Tiling(graph.frame, graph.radius)), upscale(graph, image))


def test_an_input_that_does_not_fit_is_refused() -> None:
    graph = plain_graph()
    for image in (np.zeros((1, 5, 5), int), np.full((3, 5, 5), 256), np.zeros((5, 5), int)):
        with pytest.raises(HwsrError):
            run(graph, image)
