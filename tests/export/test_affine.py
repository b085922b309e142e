"""Affine networks from torch to integers: torch and qonnx simulate in floats what the reference computes exactly."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from hwsr.export.qonnx import execute, export_qonnx
from hwsr.ir.read import AFFINE, read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import parse_spec
from hwsr.zoo.network import Network


def network(text: str) -> Network:
    made, generator = build(parse_spec(text)), torch.Generator().manual_seed(0)
    calibrate(made, [torch.rand((2, 3, 16, 16), generator=generator)])
    return made.eval()


@pytest.mark.parametrize("text", ["bl x2 n8 g0 b2 noca anchor direct int8a", "bl x2 n8 g0 b1 int8a"])
def test_floats_come_within_few_steps_of_the_integers(text: str, tmp_path: Path) -> None:
    """Not equal: a Rescale rounds twice, which moves what lies close to half a step."""
    made, path, image = network(text), tmp_path / "model.onnx", np.random.default_rng(0).integers(0, 256, (3, 12, 10))
    export_qonnx(made, path, (12, 10))
    reference, qonnx = run(read_qonnx(path), image), execute(path, image)
    with torch.no_grad():
        brevitas = made(torch.from_numpy(image)[None].float() / 256)[0].numpy() * 256
    assert reference.std() > 20
    for other in (qonnx, brevitas):
        assert np.abs(reference - other).max() <= 3 and np.abs(reference - other).mean() < 0.5


def test_the_file_says_that_it_is_affine(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_qonnx(network("bl x2 n8 g0 b1 noca direct int8a"), path, (12, 10))
    assert AFFINE in {(prop.key, prop.value) for prop in onnx.load(path).metadata_props}
    export_qonnx(network("bl x2 n8 g0 b1 noca direct int8"), path, (12, 10))
    assert AFFINE not in {(prop.key, prop.value) for prop in onnx.load(path).metadata_props}


def test_a_mean_may_be_over_any_frame(tmp_path: Path) -> None:
    """No reciprocal has to be exact in float32."""
    path = tmp_path / "model.onnx"
    export_qonnx(network("bl x2 n8 g0 b1 int8a"), path, (131, 257))
    assert read_qonnx(path).frame == (131, 257)
