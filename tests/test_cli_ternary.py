"""The commands for ternary networks: a teacher in training, and the adders of what was trained."""

import json
from pathlib import Path

import pytest

from hwsr.train.recipe import Mode
from tests.test_cli import hwsr, refused

FLOAT, TERNARY = "bl x2 n4 g0 b1 noca anchor direct", "ST-bl x2 n4 g0 b1 noca anchor direct r1"
TINY = ["--batch", 2, "--patch", 8]


def test_from_a_teacher_to_adders(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    teacher, run, figures = tmp_path / "teacher", tmp_path / "run", tmp_path / "adders.json"
    assert hwsr(monkeypatch, "train", FLOAT, "--out", teacher, "--steps", 2, *TINY) == 0
    wrong = ["train", "ST-bl x3 n4 g0 b1 noca", "--out", tmp_path / "x3", "--steps", 3, "--teacher", teacher]
    refused(capsys, monkeypatch, wrong, "a teacher of x2 of 3 image channels")
    assert hwsr(monkeypatch, "train", TERNARY, "--out", run, "--steps", 3, *TINY, "--teacher", teacher) == 0
    card = json.loads((run / "model.json").read_text())
    assert card["teacher_sha256"] == json.loads((teacher / "model.json").read_text())["tensors_sha256"]
    assert [stage["mode"] for stage in card["recipe"]["stages"]] == list(Mode)

    refused(capsys, monkeypatch, ["adders", run], "export the model first")
    assert hwsr(monkeypatch, "export", run, "--frame", "20x16") == 0
    assert hwsr(monkeypatch, "adders", run, "--json", figures) == 0
    written = json.loads(figures.read_text())
    assert [layer["name"] for layer in written["layers"]] == ["head", "body_0_first", "body_0_second", "upsampler_0"]
    for key in ("weights", "zeros", "multiplications", "additions", "adder_bits"):
        assert written["total"][key] == sum(layer[key] for layer in written["layers"]) > 0
    assert f"{written['total']['adder_bits']:,}" in capsys.readouterr().out
