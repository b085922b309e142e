"""The command report: a real simulation's verdict, and what happens to it when the model or the hardware changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwsr.cli import main
from hwsr.export.qonnx import export_qonnx
from tests.export.test_qonnx import random_network
from tests.report.html import Page
from tests.report.test_report_page import images

SPEC = "bl x2 n2 g0 b1 noca direct int8"


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of random weights beside the figures of a simulation of its project."""
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "model.onnx"
    export_qonnx(random_network(SPEC), path, (10, 12))
    images(folder / "photos", "one")
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "hls", path, "--out", folder / "p") == 0
        assert hwsr(patch, "csim", folder / "p", "-m", path, "--json", folder / "csim.json") == 0
    return path


def page_of(patch: pytest.MonkeyPatch, model: Path, out: Path, *words: object) -> tuple[dict[str, Any], Page]:
    options = ["--data", model.parent / "photos", "--out", out / "page.html", "--json", out / "page.json"]
    assert hwsr(patch, "report", model, *options, *words) == 0
    return json.loads((out / "page.json").read_text()), Page((out / "page.html").read_text(encoding="utf-8"))


def test_a_simulation_beside_the_model_is_found(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    figures, page = page_of(monkeypatch, model, tmp_path)
    simulated = json.loads((model.parent / "csim.json").read_text())
    assert figures["verdict"]["status"] == "equal" and "equal bit for bit" in page.text
    assert figures["verdict"]["compared"][0]["count"] == simulated["frames"]["values"] > 0
    tested = [claim["what"] for claim in figures["claims"] if claim["kind"] == "tested"]
    assert "the generated C++ computes the reference's integers, bit for bit" in tested
    given, _ = page_of(monkeypatch, model, tmp_path, "--csim", model.parent / "csim.json", "--reuse-factor", 4)
    assert given["verdict"] == figures["verdict"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["--reuse-factor", 1], "other foldings"), (["--backend", "Vivado", "--device", "zcu104"], "for Vitis")],
)
def test_a_simulation_of_other_hardware_is_none(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, words: list[object], reason: str
) -> None:
    figures, page = page_of(monkeypatch, model, tmp_path, *words)
    assert figures["verdict"]["status"] == "not run" and reason in figures["verdict"]["reason"]
    assert "equal bit for bit" not in page.text and reason in page.text


def test_a_simulation_of_an_earlier_model_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    anew = tmp_path / "model.onnx"
    export_qonnx(random_network(SPEC, seed=1), anew, (10, 12))
    images(tmp_path / "photos", "one")
    figures, page = page_of(monkeypatch, anew, tmp_path, "--csim", model.parent / "csim.json")
    assert figures["verdict"]["status"] == "not run" and "another model" in figures["verdict"]["reason"]
    assert "equal bit for bit" not in page.text and "csim: not run" in capsys.readouterr().out


def test_a_plan_decides_the_hardware(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    assert hwsr(monkeypatch, "plan", model, "--out", "40x32", "--fps", 60_000, "--clock", 200, "-o", plan) == 0
    figures, page = page_of(monkeypatch, model, tmp_path, "--plan", plan)
    hardware = figures["hardware"]
    assert (hardware["frame"], hardware["image"], hardware["clock_mhz"]) == ([16, 20], [16, 20], 200.0)
    assert hardware["fps"] >= 60_000 and "20×16" in page.text
    assert len({row["taken"]["reuse_factor"] for row in figures["rows"]}) > 1


def test_bad_input_leaves_the_page_that_was_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    out.write_text("kept")
    for words, said in (
        (["--csim", tmp_path / "none.json"], "none.json: no such file"),
        (["--device", "abacus"], "unknown device"),
        (["--reuse-factor", 0], "reuse factor 0"),
        (["--data", tmp_path / "none"], "no such folder"),
    ):
        assert hwsr(monkeypatch, "report", model, "--out", out, *words) == 2
        assert said in capsys.readouterr().err
    assert out.read_text() == "kept"
