"""The HLS C++ of every released integer model, at full size: tiles layer by layer, and whole photographs."""

from pathlib import Path

import numpy as np
import pytest

from hwsr.coverage.check import check
from hwsr.coverage.networks import released
from hwsr.data.datasets import validation_images
from hwsr.engines import model_graph
from hwsr.hls import csim
from hwsr.hls.project import write_project
from hwsr.ir.tiling import default_tiling, on_frame
from hwsr.reference.run import run, upscale
from hwsr.tiles import test_tiles as real_tiles

MODELS = Path(__file__).parents[2] / "models"
FRAME = (64, 96)


@pytest.mark.slow
@pytest.mark.parametrize("cell", released(MODELS), ids=lambda cell: Path(cell.network).name)
def test_tiles_equal_the_reference_in_every_layer(cell) -> None:
    outcome = check(cell)
    assert outcome.failure is None
    assert outcome.mismatches == 0 and outcome.layers > 10 and outcome.pixels > 2 * 24 * 24


@pytest.mark.slow
@pytest.mark.parametrize("form", ["int8", "int8a", "w4a4", "r2", "r4"])
def test_whole_photographs_equal_the_reference(form: str, tmp_path: Path) -> None:
    graph = on_frame(model_graph(MODELS / f"bl_x2_n16_b4_{form}"), FRAME)
    project = write_project(graph, tmp_path / "net", real_tiles(graph, None)[:1], lambda tile: run(graph, tile))
    for pair in validation_images(graph.scale):
        image = pair.lr.transpose(2, 0, 1)
        made = csim.upscale(project, image, default_tiling(graph))
        assert made.shape == (3, 2 * image.shape[1], 2 * image.shape[2])
        assert np.array_equal(made, upscale(graph, image))
