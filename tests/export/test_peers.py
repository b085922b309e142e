"""Every published network, quantized: Brevitas, qonnx's executor and the reference agree on a real crop."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hwsr.data.colour import as_channels
from hwsr.data.datasets import validation_images
from hwsr.export.qonnx import execute, export_qonnx
from hwsr.ir.check import check_image_network
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.quant.layers import Int8Layers
from hwsr.reference.run import run
from hwsr.spec import PEERS, parse_spec

# CARN-M's 122 nodes take qonnx's executor twenty seconds a scale.
SLOW = [pytest.param("carn-m", scale, marks=pytest.mark.slow) for scale in (2, 4)]
CASES = [(name, scale) for name in PEERS for scale in (2, 3, 4) if (name, scale) not in (("carn-m", 2), ("carn-m", 4))]


@pytest.mark.parametrize(("name", "scale"), [*CASES, *SLOW])
def test_three_engines_agree(name: str, scale: int, tmp_path: Path) -> None:
    network, path = build(parse_spec(f"{name} x{scale} int8")), tmp_path / "model.onnx"
    picture = as_channels(validation_images(scale)[0].lr, network.spec.channels).transpose(2, 0, 1)
    calibrate(network, [torch.from_numpy(picture[None, :, 20:44, 20:44].copy()).float() / 256])
    crop = np.ascontiguousarray(picture[:, 30:41, 33:46])
    export_qonnx(network.eval(), path, crop.shape[1:])
    graph = read_qonnx(path)
    check_image_network(graph)
    reference = run(graph, crop)
    with torch.no_grad():
        brevitas = network(torch.from_numpy(crop)[None].float() / 256)[0].numpy() * 256
    assert np.array_equal(reference, brevitas)
    assert np.array_equal(reference, execute(path, crop))
    assert reference.std() > 1, "a constant picture would prove nothing"


def test_slopes_pass_what_is_positive_and_scale_the_rest() -> None:
    """The quantized PReLU keeps every integer from 0 up; below, it is slope times x, rounded half to even."""
    act = Int8Layers().prelu(3)
    with torch.no_grad():
        act.weight.copy_(torch.tensor([0.25, -0.3, 1.7]))
    x = torch.arange(-128, 128).float()[None, None, :, None].expand(1, 3, 256, 1) / 128
    y = (act.eval()(x).value.detach() * 128).squeeze().numpy()
    q = np.arange(-128, 128)
    for channel, slope in enumerate((32, -38, 127)):
        expected = np.where(q < 0, np.clip(np.rint(q * slope / 128), -128, 127), q)
        assert np.array_equal(y[channel], expected)
