"""Sweeps: what is trained, skipped, resumed and reported."""

import io
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwsr import sweep as sweeping
from hwsr.cli import main
from hwsr.data.images import write_png
from hwsr.errors import HwsrError, Interrupted
from hwsr.plot import own_points
from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.sweep import Sweep, data_sets, read_specs, run_sweep
from hwsr.train.checkpoint import load_tensors
from hwsr.train.recipe import Settings
from hwsr.zoo.accounting import count

X2, X4 = "bl x2 n4 g0 b1 noca anchor direct", "bl x4 n4 g0 b1 noca anchor direct"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """One image of which x2 has patches of 12 pixels and x4 has none."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 44, 3)).astype(np.uint8)
    write_png(tmp_path / "photographs" / "HR" / "1.png", pixels)
    return tmp_path / "photographs"


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_one_failure_does_not_stop_the_others_and_what_is_finished_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photographs: Path
) -> None:
    figures, out = tmp_path / "sweep.json", tmp_path / "out"
    (tmp_path / "specs.txt").write_text(f"# two scales\n\n{X4}\n{X2}  # finishes\n")
    words = ["sweep", "--specs", tmp_path / "specs.txt", "--out", out, "--data", photographs, "--jobs", 2]
    words += ["--steps", 3, "--batch", 2, "--patch", 12, "--precision", "bf16-mixed"]
    words += ["--eval", tmp_path, "--json", figures]
    assert hwsr(monkeypatch, *words) == 1
    found = json.loads(figures.read_text())
    (row,), (failure,) = found["networks"], found["failed"]
    cost = count(build(parse_spec(X2)))
    assert (row["spec"], row["params"], row["mult_adds"]) == (X2, cost.params, cost.mult_adds)
    assert list(row["scores"]) == ["photographs"] and 0 < row["scores"]["photographs"]["psnr"] < 60
    assert row["seconds"] > 0
    assert load_tensors(out / parse_spec(X2).slug / "model.safetensors")[1].precision == "bf16-mixed"
    assert [point.psnr for point in own_points(figures, 2, "photographs")] == [row["scores"]["photographs"]["psnr"]]
    assert failure["spec"] == X4 and failure["error"].startswith("no training image holds a patch of 48x48 pixels")

    started: list[str] = []
    start = sweeping._Training.__init__

    def noted(self: object, sweep: Sweep, spec: object, bar: object) -> None:
        started.append(str(spec))
        start(self, sweep, spec, bar)  # type: ignore[arg-type]

    monkeypatch.setattr(sweeping._Training, "__init__", noted)
    assert hwsr(monkeypatch, *words, "--jobs", 1) == 1
    assert started == [X4]
    again = json.loads(figures.read_text())
    assert again["networks"] == found["networks"] and again["failed"] == found["failed"]


def test_a_stopped_sweep_saves_and_goes_on(tmp_path: Path, photographs: Path) -> None:
    asked = Sweep((parse_spec(X2),), Settings(steps=1500, batch=1, patch=4), tmp_path / "out", photographs, every=50)
    folder = asked.folder(asked.specs[0])
    console = Console(file=io.StringIO())

    def interrupt() -> None:
        while not (folder / "checkpoint.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        run_sweep(asked, 1, console)
    step = load_tensors(folder / "checkpoint.safetensors")[1].step
    assert 50 <= step < 1500 and not (folder / "model.safetensors").exists()
    seconds = sweeping.training_seconds(folder)
    assert run_sweep(asked, 1, console) == []
    assert load_tensors(folder / "model.safetensors")[1].step == 1500
    assert "step 50/1500" not in (folder / "log.txt").read_text()
    assert sweeping.training_seconds(folder) > seconds > 0


def test_specs_come_from_both_places_once_each(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("bl x2  # as above\n bl x3 n8\n\n")
    assert read_specs(["bl"], tmp_path / "specs") == (parse_spec("bl x2"), parse_spec("bl x3 n8"))
    for words, file, message in [
        ([], None, "no networks to train"),
        (["blx y"], None, "unknown network 'blx'"),
        ([], tmp_path / "absent", "absent: not a readable text file"),
    ]:
        with pytest.raises(HwsrError, match=message):
            read_specs(words, file)


def test_data_sets_are_those_in_edsrs_layout(tmp_path: Path, photographs: Path) -> None:
    assert data_sets(tmp_path) == {"photographs": photographs} and data_sets(None) == {"validation": None}
    for folder in (photographs, tmp_path / "absent"):
        with pytest.raises(HwsrError, match="no data sets in it"):
            data_sets(folder)
