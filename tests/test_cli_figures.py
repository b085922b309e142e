"""The commands that check and draw, matrix and plot, and what hls says of the device."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsr import matrix
from hwsr.data.images import read_image, write_png
from hwsr.matrix import Outcome
from hwsr.spec import parse_spec
from tests.test_cli import hwsr, refused

SPECS = [parse_spec("bl x2 n16 g1 b1 int8"), parse_spec("bl x3 n16 g1 b1 int8")]


@pytest.mark.parametrize("wrong", [False, True])
def test_matrix_writes_one_object_a_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, wrong: bool
) -> None:
    def outcome(spec: object) -> Outcome:
        return Outcome(SPECS[0], 2304, int(wrong and spec is SPECS[0]), loss_before=0.5, loss_after=0.25)

    monkeypatch.setattr(matrix, "combinations", lambda: SPECS)
    monkeypatch.setattr(matrix, "check", outcome)
    assert hwsr(monkeypatch, "matrix", "--json", tmp_path / "matrix.json") == int(wrong)
    figures = json.loads((tmp_path / "matrix.json").read_text())
    assert [row["mismatches"] for row in figures] == [int(wrong), 0]
    assert all(row.keys() >= {"spec", "precision", "pixels", "mismatches"} for row in figures)
    assert ("1 of 2,304 pixels differ" in capsys.readouterr().out) is wrong


def test_eval_writes_what_plot_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "Set5"
    photo = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
    write_png(data / "photo.png", photo)
    assert hwsr(monkeypatch, "train", "bl x2 n4 g0 b1 noca anchor direct", "--out", run, "--steps", 2) == 0
    options = ["--engine", "torch", "--data", data, "--json", tmp_path / "eval.json"]
    assert hwsr(monkeypatch, "eval", run, *options) == 0

    words = ["plot", "tradeoff", "-o", tmp_path / "chart.png", "--points", tmp_path / "eval.json"]
    assert hwsr(monkeypatch, *words, "--json", tmp_path / "chart.json") == 0
    ours = json.loads((tmp_path / "chart.json").read_text())["networks"][-1]
    score = json.loads((tmp_path / "eval.json").read_text())["images"][-1]["psnr"]
    assert (ours["label"], ours["psnr"]) == ("bl n4 g0 b1 noca anchor direct", score)
    assert read_image(tmp_path / "chart.png").shape == (1050, 1600, 3)

    words = ["plot", "crops", data / "photo.png", "--box", "8,4,20,16", "-m", run, "-m", run]
    assert hwsr(monkeypatch, *words, "-o", tmp_path / "crops.png", "--json", tmp_path / "crops.json") == 0
    crops = json.loads((tmp_path / "crops.json").read_text())
    assert [version["name"] for version in crops["versions"]] == ["HR", "bicubic x2", "run", "run"]
    assert crops["versions"][2]["psnr"] == score


@pytest.mark.parametrize(("box", "says"), [("40,0,9,5", "beyond the image of 48x40"), ("1,2,3", "not a box")])
def test_boxes_that_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, box: str, says: str
) -> None:
    write_png(tmp_path / "photo.png", np.zeros((40, 48, 3), np.uint8))
    words = ["plot", "crops", tmp_path / "photo.png", "--box", box, "-m", tmp_path, "-o", tmp_path / "crops.png"]
    refused(capsys, monkeypatch, list(words), says)


def test_charts_that_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused(capsys, monkeypatch, ["plot", "tradeoff", "-o", tmp_path / "chart.jpg"], "chart.jpg")
    refused(capsys, monkeypatch, ["plot", "tradeoff", "-o", tmp_path / "chart.png", "--set", "Set6"], "Set6")
    refused(
        capsys, monkeypatch, ["plot", "tradeoff", "-o", tmp_path / "chart.png", "--no-paper"], "no networks to draw"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("device", "fits"), [("xc7a35t", False), ("xcvu9p", True)])
def test_hls_says_where_the_device_is_too_small(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, fits: bool
) -> None:
    model = Path(__file__).parent.parent / "models" / "bl_x2_n16_b4_int8"
    assert hwsr(monkeypatch, "hls", model, "--out", tmp_path / "net", "--device", device) == 0
    shown = capsys.readouterr().out
    assert (f"on {device}, by estimate, it does not fit: short of" in shown) != fits
    assert ("hwsr plan" in shown) != fits


def test_hls_for_vivado_is_judged_by_the_board_that_it_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = Path(__file__).parent.parent / "models" / "bl_x2_n16_b4_int8"
    words = ["hls", model, "--out", tmp_path / "net", "--backend", "Vivado", "--json", tmp_path / "hls.json"]
    assert hwsr(monkeypatch, *words) == 0
    assert "on xczu7ev, by estimate, it does not fit" in capsys.readouterr().out
    assert json.loads((tmp_path / "hls.json").read_text())["part"].startswith("xczu7ev")
