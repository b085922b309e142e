"""The command line as a user meets it: a small model through every command, and bad input refused in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from hwsr import engines
from hwsr.cli import main
from hwsr.cli.app import parse_size
from hwsr.data.images import read_image, write_png
from hwsr.errors import HwsrError
from hwsr.hls.project import load_project
from hwsr.ir.seal import sealed
from tests.hls.hls_graphs import damaged

SPEC = "ST-bl x2 n4 g0 b1 noca anchor direct r1"


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run one command; returns its exit code."""
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of four training steps, exported for 20 x 16 pixels."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--steps", 4, "--batch", 2, "--patch", 8, "--json", folder / "train.json"]
        assert hwsr(patch, "train", SPEC, "--out", folder, *options) == 0
        assert hwsr(patch, "export", folder, "--frame", "20x16") == 0
    return folder


@pytest.fixture(scope="module")
def project(model: Path) -> Path:
    folder = model.parent / "project"
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "hls", model, "--out", folder) == 0
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_png(path, np.random.default_rng(0).integers(0, 256, (24, 29, 3)).astype(np.uint8))
    return path


def test_training_by_the_sources_recipe(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    options = ["--recipe", "source", "--steps", 3, "--batch", 2, "--init", model, "--precision", "bf16-mixed"]
    spec = SPEC.replace("x2", "x3")
    assert hwsr(monkeypatch, "train", spec, "--out", tmp_path / "x3", *options, "--json", tmp_path / "x3.json") == 0
    card = json.loads((tmp_path / "x3.json").read_text())
    assert (card["recipe"]["patch"], card["recipe"]["batch"], card["precision"]) == (48, 2, "bf16-mixed")
    assert [(stage["mode"], stage["schedule"]) for stage in card["recipe"]["stages"]] == [
        ("float", "halved"),
        ("quantized", "halved"),
        ("frozen", "halved"),
    ]
    assert card["init_sha256"] == json.loads((model / "model.json").read_text())["tensors_sha256"]


def test_csim_equals_the_reference(monkeypatch: pytest.MonkeyPatch, model: Path, project: Path, photo: Path) -> None:
    figures = model / "csim.json"
    assert hwsr(monkeypatch, "csim", project, "-m", model, "--image", photo, "--json", figures) == 0
    report = json.loads(figures.read_text())
    assert report["mismatches"] == 0
    assert report["images"] == [{"name": "photo.png", "pixels": 48 * 58, "mismatches": 0, "by_tiles": None}]
    assert report["frames"]["pixels"] == report["frames"]["tiles"] * 40 * 32


def test_a_mismatch_is_shown_with_its_layer_and_ends_with_code_1(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    project: Path,
    photo: Path,
    tmp_path: Path,
) -> None:
    found = load_project(project)
    layer = [layer.name for layer in found.manifest.layers if layer.traced and layer.kind == "conv"][-1]
    damaged(found, tmp_path / "broken", layer)
    words = ["csim", tmp_path / "broken", "-m", model, "--image", photo, "--json"]
    assert hwsr(monkeypatch, *words, tmp_path / "csim.json") == 1
    shown = capsys.readouterr().out
    assert "first mismatch: test frame 0, channel" in shown and "first mismatch: photo.png, tile 0, channel" in shown
    assert shown.count(f"first wrong layer: {layer}") == 2
    report = json.loads((tmp_path / "csim.json").read_text())
    assert report["mismatches"] == report["frames"]["mismatches"] + report["images"][0]["mismatches"] > 0
    assert report["images"][0]["by_tiles"]["first"]["got"] != report["images"][0]["by_tiles"]["first"]["expected"]
    (tmp_path / "file").write_text("in the way")
    assert hwsr(monkeypatch, *words, tmp_path / "file" / "csim.json") == 2
    said = capsys.readouterr()
    assert f"cannot write {tmp_path / 'file' / 'csim.json'}" in said.err and "first mismatch" not in said.out

    def disk_full(*_: object) -> None:
        raise HwsrError("no space left")

    # A mismatch outweighs figures that cannot be written in the end.
    monkeypatch.setattr("hwsr.cli.hardware.write_figures", disk_full)
    assert hwsr(monkeypatch, *words, tmp_path / "csim.json") == 1


def test_an_export_of_other_weights_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(model, again)
    options = ["--steps", 4, "--batch", 2, "--patch", 8, "--seed", 1]
    assert hwsr(monkeypatch, "train", SPEC, "--out", again, *options) == 0
    capsys.readouterr()
    refused(capsys, monkeypatch, ["eval", again], "was exported from other weights than model.safetensors")
    with monkeypatch.context() as patched:
        patched.setattr(engines, "exported_weights", lambda path: "")
        refused(capsys, patched, ["eval", again], "does not say which weights it was exported from")
    assert hwsr(monkeypatch, "export", again, "--frame", "20x16") == 0
    assert hwsr(monkeypatch, "eval", again) == 0


def test_names_with_brackets_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "d[/rg]"
    shutil.copytree(model, folder)
    assert hwsr(monkeypatch, "export", folder, "--frame", "20x16") == 0
    assert "[/rg]/model.onnx" in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope"], "No such command 'nope'"),
        (["train", "bl x2"], "Missing option '--out'"),
        (["train", "bl x2", "--out", "x", "--steps", "abc"], "--steps"),
        (["count", "bl x2 x3"], "'x3' says again"),
        (["count", "blrn(r=²)"], "no argument of blrn"),
        (["count", "bl x2 n999999"], "not enough memory"),
    ],
)
def test_words_that_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[object], says: str
) -> None:
    refused(capsys, monkeypatch, words, says)


def test_an_error_of_hwsr_that_speaks_of_memory_is_still_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("memory")

    monkeypatch.setattr("hwsr.spec.parse_spec", broken)
    assert hwsr(monkeypatch, "count", "bl x2") == 70
    assert "KeyError: 'memory'" in capsys.readouterr().err


def test_three_engines_upscale_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, model: Path, project: Path, photo: Path, tmp_path: Path
) -> None:
    results = []
    for engine in ("reference", "torch", "csim"):
        out = tmp_path / f"{engine}.png"
        options = ["-o", out, "--engine", engine, "--project", project]
        assert hwsr(monkeypatch, "upscale", photo, "-m", model, *options) == 0
        results.append(read_image(out))
    assert results[0].shape == (48, 58, 3)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


def test_figures_of_eval_and_estimate(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    assert hwsr(monkeypatch, "eval", model, "--json", tmp_path / "eval.json") == 0
    names = [image["name"] for image in json.loads((tmp_path / "eval.json").read_text())["images"]]
    assert names == ["astronaut", "chelsea", "mean"]
    assert hwsr(monkeypatch, "estimate", model, "--frame", "320x180", "--json", tmp_path / "estimate.json") == 0
    estimate = json.loads((tmp_path / "estimate.json").read_text())
    assert estimate["image"] == [180, 320]
    assert estimate["estimates"]["fps"] > 0


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_images_that_are_converted(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (9, 7), (200, 100, 50)).convert(mode).save(tmp_path / "in.png")
    assert hwsr(monkeypatch, "upscale", tmp_path / "in.png", "-m", model, "-o", tmp_path / "out.png") == 0
    assert read_image(tmp_path / "out.png").shape == (14, 18, 3)


def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[object], says: str
) -> None:
    assert hwsr(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert says in error


@pytest.mark.parametrize("image", ["missing", "text", "1x1", "16 bit", "truncated"])
def test_images_that_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, image: str
) -> None:
    path = tmp_path / "in.png"
    match image:
        case "text":
            path.write_text("no image")
        case "1x1":
            Image.new("RGB", (1, 1)).save(path)
        case "16 bit":
            Image.fromarray(np.zeros((9, 9), np.uint16)).save(path)
        case "truncated":
            Image.effect_noise((64, 64), 80).save(path)
            path.write_bytes(path.read_bytes()[:1500])
    refused(capsys, monkeypatch, ["upscale", path, "-m", model, "-o", tmp_path / "out.png"], "in.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("damage", ["not onnx", "truncated", "float scale", "nan weight", "unsupported op"])
@pytest.mark.parametrize("command", ["hls", "estimate", "upscale"])
def test_models_that_are_refused(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    photo: Path,
    tmp_path: Path,
    damage: str,
    command: str,
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(damaged_file((model / "model.onnx").read_bytes(), damage))
    out = tmp_path / "out"
    words = {"hls": ["hls", path, "--out", out], "estimate": ["estimate", path]}
    refused(capsys, monkeypatch, words.get(command, ["upscale", photo, "-m", path, "-o", out]), "bad.onnx")
    assert not out.exists()


def damaged_file(data: bytes, how: str) -> bytes:
    if how == "not onnx":
        return b"GIF89a and no network at all"
    if how == "truncated":
        return data[: len(data) // 2]
    network = onnx.load_model_from_string(data)
    if how == "unsupported op":
        next(node for node in network.graph.node if node.op_type == "Conv").op_type = "LRN"
        return network.SerializeToString()
    last = network.graph.node[-1].input[1]
    wanted = last if how == "float scale" else next(i.name for i in network.graph.initializer if len(i.dims) == 4)
    for tensor in network.graph.initializer:
        if tensor.name == wanted:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[0] = 0.003 if how == "float scale" else np.nan
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, wanted))
    return network.SerializeToString()


@pytest.mark.parametrize("command", ["train", "hls", "upscale"])
def test_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    photo: Path,
    tmp_path: Path,
    command: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    words = {
        "train": ["train", SPEC, "--out", out, "--steps", 3],
        "hls": ["hls", model, "--out", out],
        "upscale": ["upscale", photo, "-m", model, "-o", out],
    }
    refused(capsys, monkeypatch, words[command], "cannot write")


def test_a_project_of_another_model_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, project: Path, tmp_path: Path
) -> None:
    network = onnx.load(model / "model.onnx")
    weights = next(item for item in network.graph.initializer if len(item.dims) == 4)
    values = -onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    (tmp_path / "other.onnx").write_bytes(sealed(network))
    refused(capsys, monkeypatch, ["csim", project, "-m", tmp_path / "other.onnx"], "was not made from")


def test_sizes_are_width_by_height() -> None:
    assert parse_size("320x180") == (180, 320)
    for text in ("320", "0x5", "axb", "5x-1", "1000000x1"):
        with pytest.raises(HwsrError, match="not a size"):
            parse_size(text)


def test_count_writes_every_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hwsr(monkeypatch, "count", "blm1-e[rg+u] x2 n8 g1 b1", "--json", tmp_path / "count.json") == 0
    figures = json.loads((tmp_path / "count.json").read_text())
    assert figures["spec"] == "blm1-e[rg+u] x2 n8 g1 b1"
    assert figures["mult_adds"] == sum(layer["mult_adds"] for layer in figures["layers"])
    assert "blm1-e[rg+u]" in capsys.readouterr().out


def test_tables_are_written_in_the_papers_layout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hwsr(monkeypatch, "tables", "--json", tmp_path / "tables.json") == 0
    figures = json.loads((tmp_path / "tables.json").read_text())
    assert list(figures) == ["table1", "table2", "table3", "table4", "table5"]
    assert figures["table1"][0].keys() >= {"model", "scale", "params_k", "mult_adds_g"}


@pytest.mark.parametrize("clock", ["0", "-5", "nan", "inf"])
def test_clocks_that_are_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, clock: str
) -> None:
    for words in (["hls", model, "--out", tmp_path / "p"], ["estimate", model]):
        refused(capsys, monkeypatch, [*words, f"--clock={clock}"], "MHz")
    assert not (tmp_path / "p").exists()


def test_an_error_of_our_own_is_not_taken_for_a_mismatch(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setattr("hwsr.engines.read_qonnx", lambda path: 1 // 0)
    assert hwsr(monkeypatch, "estimate", model) == 70
