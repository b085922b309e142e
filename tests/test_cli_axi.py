"""The AXI4-Stream top function and FIFOs outside, from the command line."""

import json
from pathlib import Path

import pytest

from hwsr.export.qonnx import export_qonnx
from tests.export.test_qonnx import random_network
from tests.test_cli import hwsr


@pytest.fixture(scope="module")
def attention(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("axi") / "model.onnx"
    export_qonnx(random_network("bl x2 n16 g0 b1 int8"), path, (5, 7))
    return path


def test_a_project_with_fifos_outside_is_written_checked_and_caught(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, attention: Path, tmp_path: Path
) -> None:
    out = tmp_path / "net"
    words = ["hls", attention, "--out", out, "--tlast", "frame", "--off-chip", "--reuse-factor", 36, "--frame", "6x4"]
    assert hwsr(monkeypatch, *words, "--json", tmp_path / "hls.json") == 0
    assert "FIFOs outside" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "hls.json").read_text())
    assert manifest["frame"] == [4, 6] and manifest["tlast"] == "frame" and len(manifest["outside"]) >= 2
    assert hwsr(monkeypatch, "hls-lint", out) == 0
    header = out / "firmware" / "nnet_utils" / "nnet_hwsr_axi.h"
    header.write_text(header.read_text().replace("out.user = i == 0;", "out.user = 0;"))
    assert hwsr(monkeypatch, "csim", out, "-m", attention, "--axi", "--json", tmp_path / "csim.json") == 1
    shown = capsys.readouterr().out
    assert f"{manifest['frames']} pixels by AXI4-Stream have wrong side channels" in shown
    found = json.loads((tmp_path / "csim.json").read_text())
    assert found["frames"]["mismatches"] == found["axi"]["wrong_values"] == 0
    assert found["mismatches"] == found["axi"]["wrong_side_channels"] == manifest["frames"]


@pytest.mark.parametrize("device, written", [("kv260", True), ("zcu102", False)])
def test_a_device_without_a_block_design_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    attention: Path,
    tmp_path: Path,
    device: str,
    written: bool,
) -> None:
    assert hwsr(monkeypatch, "hls", attention, "--out", tmp_path / "net", "--device", device) == 0
    assert ("no block design for xczu9eg" in capsys.readouterr().out) != written
    assert (tmp_path / "net" / "board.tcl").exists() == written


def test_an_estimate_prices_external_memory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, attention: Path, tmp_path: Path
) -> None:
    words = ["estimate", attention, "--off-chip", "--frame", "64x36", "--json", tmp_path / "estimate.json"]
    assert hwsr(monkeypatch, *words) == 0
    estimate = json.loads((tmp_path / "estimate.json").read_text())
    assert estimate["frame"] == estimate["image"] == [36, 64] and estimate["tiles"] == 1
    found = estimate["estimates"]["off_chip"]
    assert found["fifos"] >= 2 and found["mb_per_s"] > 0
    assert f"{found['mb_per_s']:,.0f} MB/s" in " ".join(capsys.readouterr().out.split())
