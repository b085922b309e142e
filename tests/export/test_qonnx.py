"""Brevitas in eval mode, qonnx's executor on the exported file, and the integer reference: equal as integers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hwsr.coverage import check
from hwsr.errors import HwsrError
from hwsr.export.qonnx import execute, export_qonnx
from hwsr.ir.read import read_qonnx
from hwsr.quant import build
from hwsr.reference.run import run
from hwsr.spec import parse_spec
from hwsr.zoo.network import Network

SPECS = [
    "bl x2 n8 g1 b1 int8",
    "bl x3 n8 g1 b1 noca int8t anchor",
    "bl x4 n8 g0 b1 noca int8",
    "blrn(r=2) x2 n8 g1 b1 int8",
    "blm1[rb] x2 n8 g1 b1 noca int8",
    "ST-bl x2 n8 g1 b1 r1",
    "ST-bl x3 n8 g0 b1 noca direct anchor r2",
    "ST-blrn(r=2) x2 n8 g0 b1 r2",
    "ST-blm1 x4 n8 g0 b1 noca direct r1",
    "blrxn(r=2,g=2) x2 n8 g0 b1 int8",
    "bleff(r=2) x2 n8 g0 b1 noca direct int8",
    "bls1(r=2,g=2) x2 n8 g1 b1 noca direct int8",
    "blclc-e(g1=4,g2=2)[rg+u] x2 n8 g0 b1 noca int8",
    "bls2-e[rg+u] x3 n8 g0 b1 noca int8t",
    "blm2 x2 n8 g0 b1 noca direct int8",
    "bl-e x4 n4 g0 b1 noca int8",
    # Convolutions that an ERUM calls on inputs of several grids: their biases differ from call to call.
    "bl-e x3 n8 g0 b1 noca int8",
    "blm1-e[rg] x4 n8 g0 b1 noca int8",
    "ST-bls2 x2 n8 g0 b1 r1",
    "ST-bls1(r=2,g=2) x2 n8 g0 b1 noca direct r2",
]


def random_network(text: str, seed: int = 0) -> Network:
    """Random weights and biases, exponents calibrated on noise."""
    return check.random_network(parse_spec(text), seed)


@pytest.mark.parametrize("text", SPECS)
def test_three_engines_agree(text: str, tmp_path: Path) -> None:
    network, path, rng = random_network(text), tmp_path / "model.onnx", np.random.default_rng(0)
    export_qonnx(network, path, (9, 11))
    graph = read_qonnx(path)
    for image in (rng.integers(0, 256, (3, 9, 11)), rng.choice([0, 255], (3, 9, 11))):
        reference = run(graph, image)
        with torch.no_grad():
            brevitas = network(torch.from_numpy(image)[None].float() / 256)[0].numpy() * 256
        assert np.array_equal(reference, execute(path, image.astype(np.uint8)))
        assert np.array_equal(reference, brevitas)
        assert reference.std() > 1, "a constant picture would prove nothing"


def test_a_float_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="float network"):
        export_qonnx(build(parse_spec("bl n8 g1 b1")), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HwsrError, match="cannot write"):
        export_qonnx(random_network(SPECS[0]), tmp_path / "file" / "model.onnx")


def test_a_channel_that_died_in_training_is_exported(tmp_path: Path) -> None:
    network = random_network("ST-bl x2 n8 g0 b1 noca direct r1")
    with torch.no_grad():
        network.body[0].first.second.weight[3] = 0
        network.body[0].first.first.weight[2] = 0
    export_qonnx(network, tmp_path / "model.onnx", (9, 11))
    graph = read_qonnx(tmp_path / "model.onnx")
    image = np.random.default_rng(0).integers(0, 256, (3, 9, 11))
    assert np.array_equal(run(graph, image), execute(tmp_path / "model.onnx", image.astype(np.uint8)))
    assert max(tensor.type.bits for tensor in graph.tensors.values()) <= 32


def test_a_frame_too_large_for_an_exact_mean_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="320x180"):
        export_qonnx(random_network(SPECS[0]), tmp_path / "model.onnx", (180, 320))


def test_a_file_is_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_qonnx(random_network(SPECS[5]), tmp_path / f"{name}.onnx", (9, 11))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
