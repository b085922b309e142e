"""Networks of few bits, of mixed bits and of bounded accumulators: Brevitas, qonnx and the reference agree."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hwsr.data.colour import as_channels
from hwsr.data.datasets import validation_images
from hwsr.errors import HwsrError
from hwsr.export import qonnx
from hwsr.export.qonnx import execute, export_qonnx
from hwsr.ir.accumulators import Accumulator, accumulators
from hwsr.ir.check import check_image_network
from hwsr.ir.graph import Conv
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import parse_spec
from hwsr.zoo.layers import stored
from hwsr.zoo.network import Network

SPECS = [
    "bl x2 n8 g0 b2 noca anchor direct w4a4",
    "bl x2 n8 g1 b1 w2a2",
    "bl x3 n8 g0 b1 noca w2a8 body.0.second=w5a3 head=w2",
    "bl x2 n8 g0 b2 noca anchor direct int8t body=w3a6",
    "bl x2 n8 g0 b1 noca direct int8 acc16",
    "bl x2 n8 g0 b1 w4a4 acc11 head=w4a4 upsampler=a4",
    "bl-e x2 n4 g0 b1 noca w4a4 acc13",
    "bls1(r=2,g=2) x2 n8 g1 b1 noca direct w3a5",
    "bls2 x2 n8 g0 b1 noca w4a4",
    "blm2 x4 n8 g0 b1 noca direct w7a7",
    "fsrcnn-s x2 w4a4 acc14 deconvolution=w8",
    "sesr-m5 x2 w3a5",
    "xlsr x2 w4a4",
    "espcn x3 w2a4",
    "srcnn x2 w6a2",
]


def random_network(text: str) -> Network:
    """Random weights and biases, ranges calibrated on noise."""
    network, generator = build(parse_spec(text)), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                stored(module, "bias").normal_(0, 0.1, generator=generator)
    calibrate(network, [torch.randint(0, 256, (2, network.spec.channels, 16, 16), generator=generator) / 256])
    return network.eval()


@pytest.mark.parametrize("text", SPECS)
def test_three_engines_agree(text: str, tmp_path: Path) -> None:
    network, path, rng = random_network(text), tmp_path / "model.onnx", np.random.default_rng(0)
    channels = network.spec.channels
    export_qonnx(network, path, (9, 11))
    graph = read_qonnx(path)
    check_image_network(graph)
    picture = as_channels(validation_images(2)[0].lr, channels).transpose(2, 0, 1)[:, 30:39, 33:44]
    for image in (picture, rng.integers(0, 256, (channels, 9, 11)), rng.choice([0, 255], (channels, 9, 11))):
        image = np.ascontiguousarray(image).astype(np.uint8)
        reference = run(graph, image)
        with torch.no_grad():
            brevitas = network(torch.from_numpy(image)[None].float() / 256)[0].numpy() * 256
        assert np.array_equal(reference, execute(path, image))
        assert np.array_equal(reference, brevitas)
    assert reference.std() > 1, "a constant picture would prove nothing"


def test_the_file_declares_the_bits_of_the_spec(tmp_path: Path) -> None:
    export_qonnx(random_network(SPECS[2]), tmp_path / "model.onnx", (9, 11))
    graph = read_qonnx(tmp_path / "model.onnx")
    convs = {node.name: node for node in graph.nodes if isinstance(node, Conv)}
    weights = {name: conv.weight_bits for name, conv in convs.items()}
    assert weights == {
        "head_conv": 2,
        "body_0_first_conv": 2,
        "body_0_second_conv": 5,
        "upsampler_0_conv": 2,
        "upsampler_3_conv": 8,
    }
    assert graph.tensors[convs["body_0_second_conv"].inputs[0]].type.bits == 3


def test_sums_wider_than_asked_are_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = [Accumulator("head", "int8", 8, -(2**17), 2**17, 19)]
    monkeypatch.setattr(qonnx, "accumulators", lambda graph: wide)
    network = random_network("bl x2 n8 g0 b1 noca direct int8 acc16")
    with pytest.raises(HwsrError, match="'head' needs an accumulator of 19 bits, more than acc16"):
        export_qonnx(network, tmp_path / "model.onnx", (9, 11))
    assert not list(tmp_path.iterdir())


def test_bicubic_interpolation_needs_its_bits(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="acc19 or more"):
        parse_spec("srcnn x2 int8 acc16")
    export_qonnx(random_network("srcnn x2 int8 acc19"), tmp_path / "model.onnx", (9, 11))
    assert max(each.bits for each in accumulators(read_qonnx(tmp_path / "model.onnx"))) == 19


@pytest.mark.parametrize("text", [text for text in SPECS if parse_spec(text).bits.accumulator])
def test_accumulators_keep_their_bound(text: str, tmp_path: Path) -> None:
    network = random_network(text)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                stored(module, "bias").mul_(50)  # biases saturate rather than break it
    export_qonnx(network, tmp_path / "model.onnx", (9, 11))
    found = accumulators(read_qonnx(tmp_path / "model.onnx"))
    assert max(each.bits for each in found) <= (network.spec.bits.accumulator or 0)
