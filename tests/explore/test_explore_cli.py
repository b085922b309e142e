"""`hwsr explore` on real networks: trained for a few steps, scored by the integers, planned as `hwsr plan` does."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsr.cli import main
from hwsr.data.datasets import validation_images
from hwsr.data.images import write_png
from hwsr.data.metrics import psnr_y
from hwsr.engines import model_graph
from hwsr.estimate.devices import find_device
from hwsr.plan.design import Target, plan
from hwsr.reference.run import upscale
from hwsr.train.checkpoint import load_tensors

OPTIONS = ["--out", "40x32", "--fps", 1000, "--steps", 3, "--batch", 2, "--trials", 2]
SPACE = """
units = ["bl"]
upsampling = ["direct"]
precisions = ["int8", "ternary"]
ratios = [1]
width = {least = 4, most = 4}
groups = {least = 0, most = 0}
blocks = {least = 1, most = 1}
"""


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def options(tmp_path: Path) -> list[object]:
    pixels = np.random.default_rng(1).integers(0, 256, (80, 84, 3)).astype(np.uint8)
    write_png(tmp_path / "photographs" / "1.png", pixels)
    (tmp_path / "space.toml").write_text(SPACE)
    images = ["--data", tmp_path / "photographs", "--eval", tmp_path / "photographs"]
    return [*OPTIONS, *images, "--space", tmp_path / "space.toml", "--work", tmp_path / "work"]


def test_a_search_from_end_to_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    assert hwsr(monkeypatch, "explore", *options, "--json", figures) == 0
    found = json.loads(figures.read_text())
    networks = [*found["front"], *found["others"]]
    specs = {"bl x2 n4 g0 b1 noca anchor direct int8", "ST-bl x2 n4 g0 b1 noca anchor direct r1"}
    assert {each["spec"] for each in networks} == specs
    (pair,) = validation_images(2, tmp_path / "photographs")
    for each in networks:
        folder = Path(each["folder"])
        assert load_tensors(folder / "model.safetensors")[1].step == 3
        graph = model_graph(folder)
        made = upscale(graph, np.ascontiguousarray(pair.lr.transpose(2, 0, 1))).transpose(1, 2, 0)
        assert each["psnr"] == pytest.approx(psnr_y(made, pair.hr, 2), abs=1e-9)
        planned = plan(graph, Target(find_device("kv260"), 200, (32, 40), 1000)).estimate
        resources = {name: getattr(planned.resources, name) for name in ("lut", "ff", "dsp", "bram18")}
        assert each["hardware"] == resources | {"fps": round(planned.fps, 3)}
    assert (tmp_path / "work" / "report" / "index.html").exists()
    # A worker more on another machine: the same command, the same search, nothing left to do.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "trainings").rglob("*.*")}
    capsys.readouterr()
    assert hwsr(monkeypatch, "explore", *options, "--min-psnr", 70) == 3
    said = capsys.readouterr()
    assert "no network reaches 70 dB; closest is" in said.err
    assert f"{found['study']}: " in said.out and "a new search" not in said.out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "trainings").rglob("*.*")} == before
    # Another device is another search, which trains nothing that is trained already.
    assert hwsr(monkeypatch, "explore", *options, "--device", "zcu104") == 0
    assert "a new search" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "trainings").rglob("*.*")} == before


def test_nothing_fits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert hwsr(monkeypatch, "explore", *options, "--limit", "lut=100") == 3
    said = capsys.readouterr()
    assert "no network was found" in said.err and "beyond the limits asked for" in said.err
    assert "every network of the space is tried" in said.out
    assert not (tmp_path / "work" / "trainings").exists()
    assert hwsr(monkeypatch, "explore", *options, "--limit", "lut=0") == 3
    assert "lut of 0" in capsys.readouterr().err


def test_storages_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.log").write_text("no journal\n")
    (tmp_path / "other.log").write_text('{"op_code": 99, "worker_id": "x"}\n')
    for storage, said in (
        (tmp_path / "text.log", "is no storage"),
        (tmp_path / "other.log", "is no storage"),
        ("nothing://user:secret@host/x", "storage|package"),
        (f"sqlite:///{tmp_path}/missing/x.db", "cannot be used"),
    ):
        assert hwsr(monkeypatch, "explore", *options, "--storage", storage) == 2
        error = capsys.readouterr().err
        assert said.split("|")[0] in error and "secret" not in error
