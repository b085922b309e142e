"""Models that are not what was written: every command that reads one names the file and what is wrong, in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from hwsr.data.images import write_png
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.ir.read import read_qonnx
from hwsr.ir.seal import sealed
from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.train.checkpoint import digest, load_tensors, save_model
from tests.export.test_qonnx import random_network
from tests.test_cli import hwsr, refused
from tests.train.test_checkpoint import CARD

SPEC = "bl x2 n4 g0 b1 noca anchor direct int8"
FLOAT = "bl x2 n4 g0 b1 noca anchor direct"


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported int8 model, its HLS project, a float model and a photograph."""
    folder = tmp_path_factory.mktemp("right")
    network = random_network(SPEC)
    save_model(folder / "int8", network, CARD.model_copy(update={"spec": SPEC}))
    export_qonnx(network, folder / "int8" / "model.onnx", (16, 20))
    save_model(folder / "float", build(parse_spec(FLOAT)), CARD.model_copy(update={"spec": FLOAT}))
    write_png(folder / "photo.png", np.random.default_rng(0).integers(0, 256, (24, 29, 3)).astype(np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "hls", folder / "int8", "--out", folder / "project") == 0
    return folder


@pytest.fixture
def models(right: Path, tmp_path: Path) -> Path:
    """A copy to be damaged; the project and the photograph stay where they are."""
    for name in ("int8", "float"):
        shutil.copytree(right / name, tmp_path / name)
    return tmp_path


def set_constant(network: onnx.ModelProto, name: str, value: float) -> None:
    tensor = next(item for item in network.graph.initializer if item.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = value
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def quant_of_an_activation(network: onnx.ModelProto) -> onnx.NodeProto:
    return network.graph.node[-1]


def scale(network: onnx.ModelProto) -> None:
    set_constant(network, quant_of_an_activation(network).input[1], 0.003)


def zero_point(network: onnx.ModelProto) -> None:
    set_constant(network, quant_of_an_activation(network).input[2], 3)


def not_a_number(network: onnx.ModelProto) -> None:
    set_constant(network, next(item.name for item in network.graph.initializer if len(item.dims) == 4), np.nan)


def flip_a_weight(path: Path) -> None:
    """Flip the sign bit of a weight that is not zero."""
    data = path.read_bytes()
    tensor = next(item for item in onnx.load(path).graph.initializer if len(item.dims) == 4)
    values = numpy_helper.to_array(tensor)
    assert data.count(tensor.raw_data) == 1
    at = data.index(tensor.raw_data) + 4 * int(np.flatnonzero(values)[0]) + 3
    path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])


def reading_qonnx(folder: Path, right: Path) -> dict[str, list[object]]:
    """Every command that reads an exported model."""
    model, photo, project = folder / "int8", right / "photo.png", right / "project"
    return {
        "eval": ["eval", model],
        "upscale": ["upscale", photo, "-m", model, "-o", folder / "out.png"],
        "upscale csim": [
            "upscale",
            photo,
            "-m",
            model,
            "-o",
            folder / "out.png",
            "--engine=csim",
            "--project",
            project,
        ],
        "compare": ["compare", photo, "-m", model, "-o", folder / "out.png"],
        "plot crops": ["plot", "crops", photo, "--box=0,0,9,9", "-m", model, "-o", folder / "out.png"],
        "hls": ["hls", model, "--out", folder / "out"],
        "csim": ["csim", project, "-m", model],
        "estimate": ["estimate", model],
        "accumulators": ["accumulators", model],
        "adders": ["adders", model],
    }


def reading_weights(folder: Path) -> dict[str, list[object]]:
    """Every command that reads trained weights, of the float model or of the int8 one."""
    out, train = folder / "out", ["train", FLOAT, "--steps", 2, "--out", folder / "out"]
    return {
        "quantize": ["quantize", folder / "float", "--out", out],
        "train --init": [*train, "--init", folder / "float"],
        "train --teacher": [*train, "--teacher", folder / "float"],
        "eval float": ["eval", folder / "float", "--engine=torch"],
        "export": ["export", folder / "int8"],
        "sensitivity": ["sensitivity", folder / "int8"],
        "eval torch": ["eval", folder / "int8", "--engine=torch"],
        "eval reference": ["eval", folder / "int8"],
        "hls": ["hls", folder / "int8", "--out", out],
    }


WRONG = {
    "scale": (scale, "scale 0.003 is not a power of two"),
    "zero point": (zero_point, "its zero point is not 0"),
    "NaN": (not_a_number, "holds NaN or infinite values"),
}


@pytest.mark.parametrize("command", reading_qonnx(Path(), Path()))
@pytest.mark.parametrize("wrong", [*WRONG, "flipped bit"])
def test_wrong_qonnx_files_are_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    right: Path,
    models: Path,
    command: str,
    wrong: str,
) -> None:
    path, says = models / "int8" / "model.onnx", "is not as it was exported"
    if wrong == "flipped bit":
        flip_a_weight(path)
    else:
        spoil, says = WRONG[wrong]
        network = onnx.load(path)
        spoil(network)
        path.write_bytes(sealed(network))
    refused(capsys, monkeypatch, reading_qonnx(models, right)[command], says)
    assert not (models / "out").exists() and not (models / "out.png").exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


def with_nan(path: Path) -> None:
    """A file whose digests fit, and which holds a NaN."""
    tensors, card = load_tensors(path)
    name = next(name for name in sorted(tensors) if tensors[name].ndim == 4)
    tensors[name].view(-1)[0] = torch.nan
    card = card.model_copy(update={"tensors_sha256": digest(tensors), "card_sha256": ""})
    save_file(tensors, path, metadata={"card": card.model_dump_json()})


@pytest.mark.parametrize("command", reading_weights(Path()))
@pytest.mark.parametrize(
    ("damage", "says"), [(flip, "do not match their digest"), (with_nan, "has values that are not finite")]
)
def test_wrong_weights_are_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    models: Path,
    command: str,
    damage: Callable[[Path], None],
    says: str,
) -> None:
    for name in ("int8", "float"):
        damage(models / name / "model.safetensors")
    refused(capsys, monkeypatch, reading_weights(models)[command], says)
    assert not (models / "out").exists()


def test_every_flipped_bit_of_a_qonnx_file_is_refused_or_harmless(right: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "model.onnx", (right / "int8" / "model.onnx").read_bytes()
    wanted = [vars(node) for node in read_qonnx(right / "int8" / "model.onnx").nodes]
    rng, refusals = np.random.default_rng(0), 0
    for at, bit in zip(rng.integers(0, len(data), 150), rng.integers(0, 8, 150), strict=True):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])
        try:
            nodes = [vars(node) for node in read_qonnx(path).nodes]
        except HwsrError as error:
            assert "\n" not in str(error) and "model.onnx" in str(error)
            refusals += 1
        else:
            np.testing.assert_equal(nodes, wanted)
    assert refusals > 140


@pytest.mark.parametrize(
    "words",
    [["quantize", "--to=w9a9"], ["quantize", "--data=nowhere"], ["train", FLOAT, "--steps=2", "--data=nowhere"]],
)
def test_what_is_refused_leaves_no_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, right: Path, tmp_path: Path, words: list[str]
) -> None:
    model = [right / "float"] if words[0] == "quantize" else []
    refused(capsys, monkeypatch, [words[0], *model, *words[1:], "--out", tmp_path / "deep" / "out"], "")
    assert not list(tmp_path.iterdir())
