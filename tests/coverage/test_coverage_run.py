"""Outcomes: what fails, what is kept and shown, and a run that is interrupted."""

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwsr.cli import main
from hwsr.coverage import check as checking
from hwsr.coverage import kept as keeping
from hwsr.coverage import networks as listed
from hwsr.coverage import run as running
from hwsr.coverage.check import Outcome, check
from hwsr.coverage.kept import Kept
from hwsr.coverage.networks import Cell
from hwsr.coverage.show import render
from hwsr.errors import Interrupted

CELLS = [Cell("t", f"row {i}", "int8", f"bl x2 n4 g0 b{i + 1} int8") for i in range(6)]
REFUSED = Cell("t", "srcnn", "ternary", "ST-srcnn x2")
SMALL = Cell("t", "bl", "int8", "bl x2 n4 g0 b1 noca direct int8")
GOOD = Outcome(SMALL, "int8", pixels=960, layers=7)


def pretend(cell: Cell) -> Outcome:
    """In the place of `check`, in another process."""
    if cell == REFUSED:
        return Outcome(cell, rule=cell.rule)
    return replace(GOOD, cell=cell, error="ValueError: broken" if cell == CELLS[4] else None)


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"rule": "no such network", "pixels": 0}, None),
        ({"mismatches": 3}, "3 values of 960 pixels differ"),
        ({"wrong": "n_head"}, "first wrong layer: n_head"),
        ({"pixels": 0}, "nothing was compared"),
        ({"layers": 0}, "nothing was compared"),
        ({"error": "ValueError: broken"}, "ValueError: broken"),
    ],
)
def test_what_fails(changes: dict[str, object], says: str | None) -> None:
    outcome = replace(GOOD, **changes)  # type: ignore[arg-type]  # each of its field's type
    assert outcome.failure is None if says is None else says in str(outcome.failure)
    assert outcome.as_json()["failure"] == outcome.failure


def test_values_that_differ_are_counted_and_their_layer_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_one(*args: object) -> dict[str, np.ndarray]:
        tensors = {name: np.array(values) for name, values in run_all(*args).items()}
        tensors[list(tensors)[-1]][1, 5, 7] ^= 1
        return tensors

    run_all = checking.run_all
    monkeypatch.setattr(checking, "run_all", off_by_one)
    outcome = check(SMALL)
    assert (outcome.pixels, outcome.mismatches) == (2 * 20 * 24, 2)
    assert outcome.wrong and outcome.wrong in str(outcome.failure)


def test_a_constant_picture_and_a_network_that_fails_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "run", lambda graph, frame: np.full((3, 4, 4), 128))
    assert "proves nothing" in str(check(SMALL).failure)

    def fail(*args: object) -> None:
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(checking, "read_qonnx", fail)
    assert check(SMALL).failure == "ValueError: first line"
    assert check(REFUSED).failure is None and "no ternary form" in str(check(REFUSED).rule)


def test_what_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "work" / "hls.jsonl"
    kept = Kept(path)
    assert kept.get(SMALL) is None
    wrong = replace(GOOD, cell=CELLS[0], mismatches=2)
    for outcome in (GOOD, wrong, replace(GOOD, cell=CELLS[1], error="no space left")):
        kept.add(outcome)
    path.write_text(path.read_text() + '{"key": "torn')
    again = Kept(path)
    assert again.get(SMALL) == GOOD and again.get(CELLS[0]) == wrong
    assert again.get(CELLS[1]) is None and again.get(replace(SMALL, backend="Vivado")) is None
    again.add(replace(GOOD, cell=CELLS[2]))
    assert Kept(path).get(CELLS[2]) is not None, "a torn line must not swallow the next one"
    monkeypatch.setattr(keeping, "code_hash", lambda: "other code")
    assert Kept(path).get(SMALL) is None


def test_an_interrupted_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stopping(Kept):
        def add(self, outcome: Outcome) -> None:
            super().add(outcome)
            os.kill(os.getpid(), signal.SIGINT)
            monkeypatch.setattr(Stopping, "add", Kept.add)

    monkeypatch.setattr(running, "check", pretend)
    path, console, cells = tmp_path / "hls.jsonl", Console(file=io.StringIO()), [*CELLS, REFUSED]
    with pytest.raises(Interrupted, match="goes on from there"):
        running.run(cells, Stopping(path), 1, console)
    first = Kept(path)
    done = [cell for cell in cells if first.get(cell)]
    assert done == cells[:1]
    monkeypatch.setattr(running, "_checked", lambda cells, jobs, stop: map(pretend, cells))
    outcomes = running.run(cells, Kept(path), 1, console)
    assert [outcome.cell for outcome in outcomes] == cells
    assert [outcome.cell for outcome in outcomes if outcome.failure] == [CELLS[4]]
    assert len(path.read_text().splitlines()) == 5


def test_tables_show_holes_and_rules() -> None:
    text = io.StringIO()
    outcomes = [GOOD, Outcome(REFUSED, rule=REFUSED.rule), replace(GOOD, cell=CELLS[0], error="ValueError: broken")]
    Console(file=text, width=80).print(render(outcomes))
    shown = text.getvalue()
    assert "0 / 960" in shown and "not defined: 'srcnn' has no ternary form" in shown
    assert shown.count("hole") == 4, "an error, and three places without a network"
    assert f"{CELLS[0].network}: ValueError: broken" in shown and "1 of 2 networks pass" in shown


@pytest.mark.parametrize("wrong", [False, True])
def test_the_command_writes_one_object_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: bool
) -> None:
    outcomes = [replace(GOOD, mismatches=int(wrong)), Outcome(REFUSED, rule=REFUSED.rule)]
    monkeypatch.setattr(listed, "networks", lambda: [outcome.cell for outcome in outcomes])
    for outcome in outcomes:
        Kept(tmp_path / "hls.jsonl").add(outcome)
    monkeypatch.setattr(running, "_checked", lambda cells, jobs, stop: iter(outcomes[1:]))
    words = ["matrix", "--hls", "--work", tmp_path, "--json", tmp_path / "hls.json"]
    assert hwsr(monkeypatch, *words) == int(wrong)
    first, second = json.loads((tmp_path / "hls.json").read_text())
    assert (first["spec"], first["precision"], first["pixels"], first["mismatches"]) == (
        SMALL.network,
        "int8",
        960,
        wrong,
    )
    assert bool(first["failure"]) is wrong and second["failure"] is None and "no ternary form" in second["rule"]
    assert "networks as this code left them" in capsys.readouterr().out


def test_options_of_hls_alone_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert hwsr(monkeypatch, "matrix", "--jobs", 2) == 2
    assert "--jobs is for --hls" in capsys.readouterr().err


def test_the_hash_of_the_code_is_not_of_what_numba_and_python_keep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keeping.hwsr, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "kernel.h").write_text("int x;")
    before = keeping.code_hash()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "run.nbi").write_bytes(b"compiled")
    assert keeping.code_hash() == before
    (tmp_path / "kernel.h").write_text("int y;")
    assert keeping.code_hash() != before
