"""The pipeline under back-pressure from the command line: `hwsr simulate` and `hwsr csim --dataflow`."""

import json
import re
from pathlib import Path

import pytest

from hwsr.export.qonnx import export_qonnx
from hwsr.hls import fifo
from tests.export.test_qonnx import random_network
from tests.test_cli import hwsr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dataflow") / "model.onnx"
    export_qonnx(random_network("bl x2 n4 g0 b1 noca anchor direct int8"), path, (9, 10))
    return path


@pytest.fixture(scope="module")
def attention(model: Path) -> Path:
    path = model.parent / "attention.onnx"
    export_qonnx(random_network("bl x2 n16 g0 b1 int8"), path, (6, 7))
    return path


def test_simulate_declared_depths(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    words = ["simulate", model, "--frame", "20x12", "--clock", 100, "--json", tmp_path / "flow.json"]
    assert hwsr(monkeypatch, *words) == 0
    flow = json.loads((tmp_path / "flow.json").read_text())
    assert flow["deadlock"] == flow["waits"] == []
    assert flow["frame"] == [12, 20]
    assert flow["fps"] == 100e6 / flow["interval_clocks"]
    assert flow["latency_clocks"] > flow["interval_clocks"] >= flow["bottleneck_clocks"]
    assert flow["rate"] == flow["bottleneck_clocks"] / flow["interval_clocks"]
    assert max(stage["clocks"] for stage in flow["stages"]) == flow["bottleneck_clocks"]
    assert flow["fifo_bits"] == flow["fifo_bits_declared"] == sum(x["declared"] * x["bits"] for x in flow["fifos"])
    assert all(0 < x["peak"] <= x["declared"] and x["smallest"] is None for x in flow["fifos"])
    assert (
        hwsr(monkeypatch, "estimate", model, "--frame", "20x12", "--clock", 100, "--json", tmp_path / "estimate.json")
        == 0
    )
    estimate = json.loads((tmp_path / "estimate.json").read_text())
    assert estimate["estimates"]["cycles"] == flow["bottleneck_clocks"]


def test_simulate_smallest_depths(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, attention: Path, tmp_path: Path
) -> None:
    flows = []
    for loss in (0, 20):
        words = ["simulate", attention, "--depths", "smallest", "--loss", loss, "--json", tmp_path / "flow.json"]
        assert hwsr(monkeypatch, *words) == 0
        assert "smallest" in capsys.readouterr().out
        flows.append(json.loads((tmp_path / "flow.json").read_text()))
    strict, loose = flows
    assert strict["rate"] == 1 and 0.8 <= loose["rate"] < 1
    assert loose["fifo_bits"] < strict["fifo_bits"]
    assert all(x["peak"] <= x["smallest"] for x in strict["fifos"])


def test_a_deadlock_ends_with_code_1_and_names_the_streams(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        fifo, "depths", lambda graph, adders=None: {(n.name, i): 2 for n in graph.nodes for i in range(len(n.inputs))}
    )
    assert hwsr(monkeypatch, "simulate", model, "--json", tmp_path / "flow.json") == 1
    shown = capsys.readouterr().out
    assert "DEADLOCK" in shown and "waits to write the full n_" in shown and "waits to read the empty n_" in shown
    flow = json.loads((tmp_path / "flow.json").read_text())
    assert {wait["full"] for wait in flow["deadlock"]} == {True, False}
    assert flow["fps"] is None and flow["interval_clocks"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frame", "9x9"], "works on frames of 7x6"),
        (["--depths", "smallest", "--loss", "100"], "a loss of 100%"),
        (["--clock", "0"], "a clock of 0 MHz"),
    ],
)
def test_bad_input_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, attention: Path, words: list, message: str
) -> None:
    assert hwsr(monkeypatch, "simulate", attention, *words) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1


def test_csim_dataflow_passes_and_finds_a_skip_made_too_small(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    project, figures = tmp_path / "project", tmp_path / "csim.json"
    assert hwsr(monkeypatch, "hls", model, "--out", project) == 0
    words = ["csim", project, "-m", model, "--dataflow", "--json", figures]
    assert hwsr(monkeypatch, *words) == 0
    report = json.loads(figures.read_text())
    assert report["mismatches"] == 0
    assert [(v["in_flight"], v["mismatches"], v["deadlock"]) for v in report["dataflow"]] == [(0, 0, []), (16, 0, [])]

    top = next((project / "firmware").glob("hwsr_*.cpp"))
    text = top.read_text()
    stream, depth = next(
        found for found in re.findall(r"STREAM variable=(\w+) depth=(\d+)", text) if int(found[1]) > 20
    )
    top.write_text(text.replace(f"variable={stream} depth={depth}", f"variable={stream} depth=3"))
    capsys.readouterr()
    assert hwsr(monkeypatch, *words) == 1
    assert f"waits to write the full {stream}" in " ".join(capsys.readouterr().out.split())
    report = json.loads(figures.read_text())
    assert report["frames"]["mismatches"] == 0, "C simulation alone does not see it"
    assert all(verdict["mismatches"] for verdict in report["dataflow"])
