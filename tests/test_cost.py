"""Networks at equal cost: the chart and its table, and widths that match."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from hwsr.adders.cost import NetworkCost
from hwsr.cost import drawn_cost, float_cost, matches
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.quant import build
from hwsr.release import RELEASE, Release
from hwsr.spec import Precision, parse_spec
from hwsr.sweep import Quality
from hwsr.train.checkpoint import save_model
from tests.export.test_qonnx import random_network
from tests.test_cli import hwsr, refused
from tests.train.test_checkpoint import CARD

FLOAT = "bl x2 n4 g0 b1 noca anchor direct"
TERNARY = "ST-bl x2 n4 g0 b1 noca anchor direct r2"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A float model and a ternary one, with scores."""
    folder = tmp_path_factory.mktemp("models")
    for name, text, psnr in (("plain", FLOAT, 33.5), ("ternary", TERNARY, 33.25)):
        network = build(parse_spec(text)) if text == FLOAT else random_network(text)
        save_model(folder / name, network, CARD.model_copy(update={"spec": text}))
        if text == TERNARY:
            export_qonnx(network, folder / name / "model.onnx", (8, 8))
        said = Release(
            spec=text,
            engine="torch" if text == FLOAT else "reference",
            made_from="",
            data="",
            steps=1,
            seconds=None,
            params=1,
            mult_adds=1,
            scores={"Set5": Quality(psnr, 0.9)},
            files={
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted((folder / name).glob("model.[so]*"))
            },
            output_sha256="",
        )
        (folder / name / RELEASE).write_text(said.model_dump_json())
    return [folder / "plain", folder / "ternary"]


def test_the_chart_and_its_table(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    written = ["-o", tmp_path / "c.png", "--table", tmp_path / "c.md", "--json", tmp_path / "c.json"]
    assert hwsr(monkeypatch, "plot", "cost", *models, "--share", *written) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    ternary, plain = json.loads((tmp_path / "c.json").read_text())["networks"]
    assert [each["label"] for each in (ternary, plain)] == ["ternary", "plain"]
    assert (ternary["psnr"], plain["psnr"]) == (33.25, 33.5)
    assert ternary["cost"]["bits"] < plain["cost"]["bits"]
    assert plain["cost"]["shared_bits"] is None and ternary["cost"]["shared_bits"] > 0
    rows = (tmp_path / "c.md").read_text().splitlines()
    assert rows[2].startswith("| ternary | 33.25 | 0.9000 |") and rows[3].startswith("| plain | 33.50 |")
    assert "ternary" in capsys.readouterr().out


def test_scores_that_are_not_there_are_named(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plot", "cost", models[0], "-o", tmp_path / "c.png"]
    refused(capsys, monkeypatch, [*words, "--set", "Set14"], "no score on Set14; it has Set5")
    (tmp_path / "bare").mkdir()
    save_model(tmp_path / "bare", build(parse_spec(FLOAT)), CARD.model_copy(update={"spec": FLOAT}))
    refused(capsys, monkeypatch, ["plot", "cost", tmp_path / "bare", "-o", tmp_path / "c.png"], "hwsr release")


def test_a_float_network_by_hand() -> None:
    cost = float_cost(build(parse_spec(FLOAT)))
    weights = 9 * (3 * 4 + 2 * 4 * 4 + 4 * 12)
    assert cost.bits == 32 * (weights + 3 * 4 + 12)
    assert (cost.multiplications, cost.additions) == (weights, weights)
    assert cost.adder_bits == weights * (24 * 24 + 24)
    with pytest.raises(HwsrError, match="is no float network"):
        float_cost(build(parse_spec(TERNARY)))


@pytest.mark.parametrize(("precision", "word"), [(Precision.FLOAT, ""), (Precision.INT8, " int8")])
@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_the_width_that_costs_as_much_is_found(precision: Precision, word: str, factor: float) -> None:
    wanted = parse_spec("bl x2 n7 g0 b1 noca anchor direct" + word)
    cost = drawn_cost(wanted)
    near = NetworkCost(round(cost.bits * factor), cost.multiplications, cost.additions, round(cost.adder_bits / factor))
    for found in matches(parse_spec(TERNARY), near, [precision]):
        assert found.spec == str(wanted)
        assert found.ratio == pytest.approx(1 / factor if found.measure == "bits" else factor, rel=1e-3)


def test_widths_that_a_unit_cannot_have_are_left_out() -> None:
    target = drawn_cost(parse_spec("blrxn(r=2,g=4) x2 n16 g0 b1 noca"))
    assert [
        found.spec for found in matches(parse_spec("blrxn(r=2,g=4) x2 n8 g0 b1 noca"), target, [Precision.FLOAT])
    ] == ["blrxn(r=2,g=4)[rg] x2 n16 g0 b1 noca"] * 2


def test_scores_of_other_weights_are_refused(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(models[0], tmp_path / "again")
    network = build(parse_spec(FLOAT))
    with torch.no_grad():
        network.head.bias.add_(1)
    save_model(tmp_path / "again", network, CARD.model_copy(update={"spec": FLOAT}))
    refused(capsys, monkeypatch, ["plot", "cost", tmp_path / "again", "-o", tmp_path / "x.png"], "or release it again")
    assert not (tmp_path / "x.png").exists()


def test_equal_of_a_file_asks_for_its_folder(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, monkeypatch, ["equal", models[1] / "model.onnx"], "give the folder of the trained model")


def test_equal_of_a_model(models: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hwsr(monkeypatch, "equal", models[1], "--json", tmp_path / "equal.json") == 0
    figures = json.loads((tmp_path / "equal.json").read_text())
    assert figures["spec"] == TERNARY
    assert [match["measure"] for match in figures["matches"]] == ["bits", "adder_bits"] * 2
    assert all(match["ratio"] > 0 for match in figures["matches"])


def test_a_published_network_has_one_width(models: list[Path]) -> None:
    with pytest.raises(HwsrError, match="has one width alone"):
        matches(parse_spec("espcn x2"), NetworkCost(1, 1, 1, 1))
