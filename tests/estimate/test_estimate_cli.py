"""The command estimate-layers."""

import json
from pathlib import Path

import pytest

from hwsr.cli import main
from hwsr.estimate.fit import calibration
from hwsr.estimate.law import FIGURES
from hwsr.estimate.reports import DESCRIPTION


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as exit_code:
        main()
    return int(exit_code.value.code or 0)


def test_a_file_without_results_gets_the_same_predictions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = calibration()
    bare = [{name: value for name, value in row.items() if name in DESCRIPTION} for row in rows]
    outputs = []
    for name, points in (("full", rows), ("bare", bare)):
        file, out = tmp_path / f"{name}.json", tmp_path / f"{name}_out.json"
        file.write_text(json.dumps({"points": points}))
        assert run(monkeypatch, "estimate-layers", file, "-o", out) == 0
        outputs.append(json.loads(out.read_text()))
    assert outputs[0] == outputs[1]
    points = outputs[0]["points"]
    assert [point["layer_type"] for point in points] == [row["layer_type"] for row in rows]
    assert sum(point["lut"] is not None for point in points) > 190
    assert all(point["reason"] for point in points if any(point[name] is None for name in FIGURES))
    assert f"of {len(rows)} layers" in capsys.readouterr().out


def test_a_bad_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.json"
    file.write_text("[1]")
    assert run(monkeypatch, "estimate-layers", file, "-o", tmp_path / "out.json") == 2
    assert "no file of layers" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
