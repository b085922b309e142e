"""A float model of four steps, released in every form: what is written is what was trained, nothing else passes."""

import json
import shutil
from pathlib import Path

import pytest

from hwsr.engines import model_graph
from hwsr.errors import HwsrError
from hwsr.form import Form
from hwsr.release import RELEASE, check_release, read_release
from hwsr.train.checkpoint import load_tensors
from tests.test_cli import hwsr, refused

FLOAT = "bl x2 n4 g0 b1 noca anchor direct"
SMALL = ["--steps", 4, "--batch", 2, "--patch", 8]
SPECS = {form: f"{FLOAT} {form}" for form in ("int8", "int8a", "w4a4")} | {
    form: f"ST-{FLOAT} {form}" for form in ("r2", "r4")
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/tiny, its five forms, and the figures that the command wrote."""
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "train", FLOAT, "--out", folder / "models" / "tiny", *SMALL) == 0
        words = ["release", folder / "models" / "tiny", *SMALL, "--work", folder / "work"]
        assert hwsr(patch, *words, "--json", folder / "figures.json") == 0
    return folder


def test_every_form_is_written_and_is_what_its_release_says(released: Path) -> None:
    models = released / "models"
    assert sorted(path.name for path in models.iterdir()) == ["tiny", *sorted(f"tiny_{form}" for form in SPECS)]
    float_digest = load_tensors(models / "tiny" / "model.safetensors")[1].tensors_sha256
    for form, spec in SPECS.items():
        said = check_release(models / f"tiny_{form}")
        card = load_tensors(models / f"tiny_{form}" / "model.safetensors")[1]
        assert (said.spec, said.made_from, said.engine, said.steps) == (spec, "tiny", "reference", 4)
        ternary = spec.startswith("ST-")
        assert card.init_sha256 == float_digest
        assert card.teacher_sha256 == (float_digest if ternary or form == "w4a4" else "")
        assert (models / f"tiny_{form}" / "train.log").read_text().splitlines()[-1].startswith("step 4/4 ")
        assert said.output_sha256 and said.scores["validation"].psnr > 15
        files = ["model.json", "model.onnx", "model.safetensors", RELEASE, "train.log"]
        assert sorted(path.name for path in (models / f"tiny_{form}").iterdir()) == files
    assert check_release(models / "tiny").output_sha256 == ""


def test_the_figures_are_those_of_the_folders(released: Path) -> None:
    figures = json.loads((released / "figures.json").read_text())
    assert list(figures["releases"]) == ["tiny", *(f"tiny_{form}" for form in Form)]
    for name, figure in figures["releases"].items():
        assert figure == json.loads((released / "models" / name / RELEASE).read_text())
    assert [network["spec"] for network in figures["networks"]] == [FLOAT, *SPECS.values()]


def test_started_again_it_trains_nothing_anew(released: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(released, tmp_path / "again")
    folder = tmp_path / "again"
    shutil.rmtree(folder / "models" / "tiny_int8")
    monkeypatch.setattr("hwsr.train.loop.Run._update", lambda *_: pytest.fail("a training step"))
    words = ["release", folder / "models" / "tiny", *SMALL, "--work", folder / "work", "--form", "int8"]
    assert hwsr(monkeypatch, *words) == 0
    before, after = (read_release(root / "models" / "tiny_int8") for root in (released, folder))
    assert after == before


def test_other_settings_are_refused_where_a_training_is(
    released: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["release", released / "models" / "tiny", "--steps", 5, "--work", released / "work", "--form", "int8"]
    refused(capsys, monkeypatch, words, "is of another run")


def test_a_quantized_model_has_no_forms(
    released: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, monkeypatch, ["release", released / "models" / "tiny_int8"], "is quantized already")


@pytest.mark.parametrize("damage", ["weights", "onnx", "arithmetic", "spec", "missing", "json"])
def test_what_is_not_as_released_is_named(released: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(released / "models" / "tiny_int8", folder)
    said = json.loads((folder / RELEASE).read_text())
    match damage:
        case "weights" | "onnx":
            other = "model.safetensors" if damage == "weights" else "model.onnx"
            shutil.copy(released / "models" / "tiny_r2" / other, folder / other)
            words = f"{other} is not the file that was released"
        case "arithmetic":
            said["output_sha256"] = "0" * 64
            words = "no longer makes the pixels"
        case "spec":
            said["spec"] = FLOAT
            words = "not of 'bl x2"
        case "missing":
            (folder / "model.onnx").unlink()
            words = "cannot read .*model.onnx"
        case _:
            said = {"spec": 3}
            words = "release.json is damaged"
    (folder / RELEASE).write_text(json.dumps(said))
    with pytest.raises(HwsrError, match=words):
        check_release(folder)


def test_the_qonnx_file_is_of_the_weights(released: Path) -> None:
    assert model_graph(released / "models" / "tiny_r4").scale == 2
