"""Sensitivity of single layers, and the commands on precision."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hwsr.bits import Widths
from hwsr.data.datasets import ImagePair, make_pair
from hwsr.data.metrics import psnr_y
from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.quant.ptq import quantize
from hwsr.quantize import patches, quantize_model
from hwsr.sensitivity import render, sensitivity
from hwsr.spec import parse_spec
from hwsr.train.checkpoint import Card, load_network, load_tensors, save_model
from hwsr.train.recipe import default_recipe
from hwsr.train.validation import upscale
from hwsr.zoo.network import Network
from tests.test_cli import hwsr, refused

NET = "bl x2 n4 g0 b1 noca anchor direct"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The folder of a float model whose every layer matters."""
    network = build(parse_spec(NET), seed=1)
    with torch.no_grad():
        network.upsampler[0].weight.mul_(5)
    return save(network, tmp_path / "float")


@pytest.fixture
def pair() -> ImagePair:
    y, x = np.mgrid[:40, :48]
    waves = [np.sin(y / (3 + c)) * np.cos(x / (4 + c)) for c in range(3)]
    return make_pair("waves", (127 + 120 * np.stack(waves, axis=2)).astype(np.uint8), 2)


def save(network: Network, folder: Path) -> Path:
    recipe = default_recipe(network.spec.precision)
    card = Card(
        hwsr="0", spec=str(network.spec), recipe=recipe, data="none", data_sha256="", threads=1, step=7, history=()
    )
    save_model(folder, network, card)
    return folder


def test_a_quantized_model_says_where_it_comes_from(plain: Path, tmp_path: Path) -> None:
    card = quantize_model(plain, "w4a8 head=w8", tmp_path / "low", None, seed=3)
    tensors, saved = load_tensors(tmp_path / "low" / "model.safetensors")
    assert saved.spec == "bl x2 n4 g0 b1 noca anchor direct w4a8 head=w8" == card.spec
    assert saved.init_sha256 == load_tensors(plain / "model.safetensors")[1].tensors_sha256
    assert (saved.step, saved.calibration) == (7, "embedded photographs: 32 patches of 48x48, seed 3")
    assert saved.history[0].psnr_y == card.history[0].psnr_y
    # The weights of few bits are a function of the float ones, which stay.
    assert torch.equal(
        tensors["body.0.first.weight"], load_tensors(plain / "model.safetensors")[0]["body.0.first.weight"]
    )
    spec = parse_spec(saved.spec)
    again = quantize(load_network(plain), spec, patches(spec, seed=3))
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in again.state_dict().items())


def test_losses_are_those_of_the_network_with_one_word_more(plain: Path, pair: ImagePair, tmp_path: Path) -> None:
    quantize_model(plain, "int8", tmp_path / "int8", None, seed=0)
    found = sensitivity(tmp_path / "int8", Widths(2, 8), [pair], patches(parse_spec(NET)))
    assert [layer.layer for layer in found.layers] == ["head", "body.0.first", "body.0.second", "upsampler.0"]
    assert {layer.activations_loss for layer in found.layers} == {None}, "they have eight bits already"
    network = load_network(tmp_path / "int8")

    def psnr(network: Network) -> float:
        return psnr_y(upscale(network, pair.lr.transpose(2, 0, 1)).transpose(1, 2, 0), pair.hr, 2)

    assert found.psnr == psnr(network)
    for layer in found.layers:
        lowered = build(parse_spec(f"{NET} int8 {layer.layer}=w2"))
        lowered.load_state_dict(network.state_dict())
        assert layer.weights_loss == found.psnr - psnr(lowered)
    assert max(layer.weights_loss or 0 for layer in found.layers) > 0.01
    assert render(found).row_count == 4


def test_inputs_are_narrowed_one_by_one(plain: Path, pair: ImagePair, tmp_path: Path) -> None:
    quantize_model(plain, "w8a4 body.0.second=a2", tmp_path / "low", None, seed=0)
    found = sensitivity(tmp_path / "low", Widths(8, 3), [pair], patches(parse_spec(NET)))
    read = {layer.layer: (layer.read_bits, layer.activations_loss is None) for layer in found.layers}
    assert read == {
        "head": (8, False),
        "body.0.first": (4, False),
        "body.0.second": (2, True),
        "upsampler.0": (8, False),
    }
    assert max(layer.activations_loss or 0 for layer in found.layers) > 0.01


def test_only_fixed_point_models_have_a_sensitivity(plain: Path, pair: ImagePair) -> None:
    with pytest.raises(HwsrError, match=r"is float, not fixed-point; quantize a float model first \(hwsr quantize\)"):
        sensitivity(plain, Widths(4, 4), [pair], [])


def test_the_commands(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    low, figures = tmp_path / "low", tmp_path / "figures.json"
    words = ["quantize", plain, "--out", low, "--to", "int8 acc16", "--json", figures]
    assert hwsr(monkeypatch, *words) == 0
    assert json.loads(figures.read_text())["spec"] == f"{NET} int8 acc16"
    assert hwsr(monkeypatch, "export", low, "--frame", "16x16") == 0
    assert hwsr(monkeypatch, "accumulators", low, "--json", figures) == 0
    widths = {each["layer"]: each["bits"] for each in json.loads(figures.read_text())}
    assert list(widths) == ["head_conv", "body_0_first_conv", "body_0_second_conv", "upsampler_0_conv"]
    assert 8 < max(widths.values()) <= 16
    words = ["sensitivity", low, "--weights", 3, "--activations", 8, "--json", figures]
    assert hwsr(monkeypatch, *words) == 0
    found = json.loads(figures.read_text())
    assert [layer["weight_bits"] for layer in found["layers"]] == [8] * 4 and found["lowered"]["weights"] == 3
    assert "dB lost where one layer alone is lowered" in " ".join(capsys.readouterr().out.split())


def test_bad_input_is_named(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    refused(capsys, monkeypatch, ["quantize", plain, "--out", out, "--to", "int9"], "'int9'")
    refused(capsys, monkeypatch, ["quantize", plain, "--out", out, "--to", "noca"], "says again")
    refused(capsys, monkeypatch, ["quantize", plain, "--out", out, "--to", "int8 tail=w4"], "no layer of this name")
    refused(capsys, monkeypatch, ["quantize", plain, "--out", plain], "holds the float model")
    quantize_model(plain, "int8", tmp_path / "int8", None, seed=0)
    refused(capsys, monkeypatch, ["quantize", tmp_path / "int8", "--out", out], "is quantized already; give the float")
    refused(capsys, monkeypatch, ["quantize", tmp_path / "absent", "--out", out], "no such file")
    refused(capsys, monkeypatch, ["sensitivity", plain, "--weights", 1], "2 to 8 bits")
    refused(capsys, monkeypatch, ["accumulators", plain], "export the model first")
    assert not (out / "model.safetensors").exists()
