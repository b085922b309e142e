"""The command plan, and hls, csim and estimate by its file."""

import json
from pathlib import Path

import pytest

from hwsr.cli import main
from hwsr.export.qonnx import export_qonnx
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.project import load_project
from tests.export.test_qonnx import random_network

# Clocks for a frame of 20 x 16 pixels at 200 MHz and this rate: 8 a pixel, which is no divisor of every layer's work.
RATE, OUT = 74_000, "40x32"


def hwsr(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["hwsr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module", params=["bl x2 n4 g0 b1 noca anchor direct int8", "ST-bl x2 n4 g0 b1 noca direct r1"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of random weights, exported for another frame than the plan's."""
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    export_qonnx(random_network(request.param), path, (9, 11))
    return path


@pytest.fixture(scope="module")
def planned(model: Path) -> Path:
    path = model.parent / "plan.json"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--device", "kv260", "--out", OUT, "--fps", RATE, "--clock", 200]
        assert hwsr(patch, "plan", model, *options, "-o", path, "--json", model.parent / "planned.json") == 0
    return path


def test_the_project_of_a_plan_equals_the_reference(
    monkeypatch: pytest.MonkeyPatch, model: Path, planned: Path, tmp_path: Path
) -> None:
    plan = json.loads(planned.read_text())
    assert len({stage["reuse_factor"] for stage in plan["stages"]}) > 1
    assert hwsr(monkeypatch, "hls", model, "--plan", planned, "--out", tmp_path / "p") == 0
    manifest = load_project(tmp_path / "p").manifest
    assert (manifest.frame, manifest.clock_ns, manifest.backend) == ((16, 20), 5.0, "Vitis")
    built = {
        layer.name: (
            layer.reuse_factor,
            layer.folding.pe,
            layer.folding.simd,
            layer.folding.multiplier.name.lower(),
            layer.folding.weights.name.lower(),
        )
        for layer in manifest.layers
        if layer.folding
    }
    assert list(built.values()) == [
        (
            stage["reuse_factor"],
            stage["groups"] * stage["outputs"],
            stage["simd"],
            stage["multiplier"],
            stage["weights"],
        )
        for stage in plan["stages"]
    ]
    declared = {stream: depth for layer in manifest.layers for stream, depth in layer.streams.items()}
    assert plan["depths"].items() <= declared.items()
    words = ["csim", tmp_path / "p", "-m", model, "--dataflow", "--json", tmp_path / "csim.json"]
    assert hwsr(monkeypatch, *words) == 0
    report = json.loads((tmp_path / "csim.json").read_text())
    assert report["mismatches"] == 0
    assert [verdict["in_flight"] for verdict in report["dataflow"]] == [0, IN_FLIGHT]
    read = sorted(plan["depths"].values())
    for verdict in report["dataflow"]:
        # Beside those of the plan the output, which is as deep as the C++ says.
        bounded = sorted(each["depth"] for each in verdict["streams"].values())
        assert not verdict["deadlock"] and len(bounded) == len(read) + 1
        assert not set(read) - set(bounded)
    assert report["frames"]["pixels"] == report["frames"]["tiles"] * 32 * 40 > 0


def test_the_estimate_of_a_plan_is_the_plans(
    monkeypatch: pytest.MonkeyPatch, model: Path, planned: Path, tmp_path: Path
) -> None:
    assert hwsr(monkeypatch, "estimate", model, "--plan", planned, "--json", tmp_path / "e.json") == 0
    figures, plan = json.loads((tmp_path / "e.json").read_text()), json.loads(planned.read_text())
    assert figures["simulated"]
    assert figures["estimates"] == plan["estimates"]
    assert (figures["frame"], figures["clock_mhz"], figures["device"]["part"]) == ([16, 20], 200, "xck26")
    assert figures["estimates"]["fps"] >= RATE
    clocks = {layer["name"]: layer["reuse_factor"] for layer in figures["layers"]}
    assert {stage["node"]: stage["reuse_factor"] for stage in plan["stages"]}.items() <= clocks.items()


def test_the_simulation_of_a_plan_has_its_depths_and_interval(
    monkeypatch: pytest.MonkeyPatch, model: Path, planned: Path, tmp_path: Path
) -> None:
    assert hwsr(monkeypatch, "simulate", model, "--plan", planned, "--json", tmp_path / "s.json") == 0
    figures, plan = json.loads((tmp_path / "s.json").read_text()), json.loads(planned.read_text())
    assert {fifo["stream"]: fifo["declared"] for fifo in figures["fifos"]} == plan["depths"]
    assert figures["interval_clocks"] == plan["estimates"]["interval"] >= figures["bottleneck_clocks"]


def test_figures_and_facts_are_written(model: Path, planned: Path) -> None:
    plan, figures = (json.loads(path.read_text()) for path in (planned, model.parent / "planned.json"))
    assert plan.items() <= figures.items()
    assert figures["met"] and figures["short"] == {}
    assert {"pace", "scarcest"} <= {fact["what"] for fact in figures["facts"]}


def test_a_small_frame_has_the_same_foldings(
    monkeypatch: pytest.MonkeyPatch, model: Path, planned: Path, tmp_path: Path
) -> None:
    assert hwsr(monkeypatch, "hls", model, "--plan", planned, "--frame", "8x6", "--out", tmp_path / "p") == 0
    manifest = load_project(tmp_path / "p").manifest
    plan = json.loads(planned.read_text())
    assert manifest.frame == (6, 8)
    assert [layer.reuse_factor for layer in manifest.layers if layer.folding] == [
        stage["reuse_factor"] for stage in plan["stages"]
    ]


@pytest.mark.parametrize(
    ("rate", "short"), [(["--out", "3840x2160", "--fps", 60], "clock_mhz"), (["--out", "1280x720", "--fps", 60], "lut")]
)
def test_what_cannot_fit_ends_with_code_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rate: list[object], short: str
) -> None:
    model = tmp_path / "wide.onnx"
    export_qonnx(random_network("bl x2 n16 g0 b1 noca direct int8"), model, (9, 11))
    words = ["plan", model, "--device", "arty a7-35t", *rate, "-o", tmp_path / "no.json"]
    assert hwsr(monkeypatch, *words, "--json", tmp_path / "why.json") == 3
    assert not (tmp_path / "no.json").exists()
    shown = capsys.readouterr()
    assert "error: xc7a35t" in shown.err and "short of" in shown.err
    assert "estimates: nothing here was synthesized" in shown.out
    figures = json.loads((tmp_path / "why.json").read_text())
    assert not figures["met"] and figures["short"][short] > 0


def test_limits_are_all_that_a_plan_may_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    written = tmp_path / "figures.json"
    words = ["plan", model, "--device", "kv260", "--out", OUT, "--json", written]
    assert hwsr(monkeypatch, *words, "--limit", "lut=5%", "--limit", "bram18=100") == 0
    figures = json.loads(written.read_text())
    assert figures["limits"] == {"lut": 5856, "bram18": 100}
    taken = figures["estimates"]["resources"]
    assert taken["lut"] <= 5856 and taken["bram18"] <= 100
    assert figures["estimates"]["usage"]["lut"] == taken["lut"] / 5856
    assert "limited to 5,856 lut, 100 bram18" in " ".join(capsys.readouterr().out.split())
    assert hwsr(monkeypatch, *words, "--limit", "lut=10") == 3
    assert "of 10)" in capsys.readouterr().err
    assert json.loads(written.read_text())["short"]["lut"] > 0


def test_attention_keeps_the_frame_that_it_was_exported_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, path = tmp_path / "model.onnx", tmp_path / "plan.json"
    export_qonnx(random_network("bl x2 n4 g0 b1 direct int8"), model, (20, 24))
    assert hwsr(monkeypatch, "plan", model, "--out", "320x180", "-o", path) == 0
    assert "tiles of 24x20 an image" in capsys.readouterr().out
    assert hwsr(monkeypatch, "hls", model, "--plan", path, "--frame", "24x20", "--out", tmp_path / "p") == 0
    assert hwsr(monkeypatch, "hls", model, "--plan", path, "--frame", "8x6", "--out", tmp_path / "p") == 2
    assert "export it with --frame 8x6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["estimate", "{model}", "--plan", "{plan}", "--device", "zcu102"], "--device beside --plan"),
        (["hls", "{model}", "--plan", "{plan}", "--out", "x", "--reuse-factor", "3"], "--reuse-factor beside --plan"),
        (["hls", "{model}", "--plan", "none.json", "--out", "x"], "none.json"),
        (["simulate", "{model}", "--plan", "{plan}", "--adders", "none"], "--adders beside --plan"),
        (["hls", "{model}", "--plan", "{plan}", "--out", "x", "--adder-seconds", "9"], "--adder-seconds beside --plan"),
        (["plan", "{model}", "--out", "40by32"], "is not a size"),
        (["plan", "{model}", "--out", OUT, "--fps", "0"], "images a second"),
        (["plan", "{model}", "--out", OUT, "--device", "none"], "unknown device"),
        (["plan", "{model}", "--out", OUT, "--device", ""], "unknown device ''"),
        (["estimate", "{model}", "--device", ""], "unknown device ''"),
        (["plan", "{model}", "--out", OUT, "--limit", "lut=101%"], "a limit of 118,291 lut; xck26 (KV260) has 1 to"),
        (["plan", "{model}", "--out", OUT, "--limit", "luts=9"], "'luts=9' is no limit"),
        (["plan", "{model}", "--out", OUT, "--clock", "0"], "clock of 0 MHz"),
        (["plan", "{model}", "--out", OUT, "--clock", "0", "-o", "/"], "cannot write /: it is a folder"),
        (["plan", "{model}", "--out", OUT, "--clock", "0", "--json", "/"], "cannot write /: it is a folder"),
        (["hls", "{model}", "--out", "x", "--part", 'a"; exec b'], "is no part number"),
    ],
)
def test_bad_requests_are_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    planned: Path,
    words: list[str],
    complaint: str,
) -> None:
    assert hwsr(monkeypatch, *(word.format(model=model, plan=planned) for word in words)) == 2
    shown = capsys.readouterr().err
    assert complaint in shown and shown.count("\n") == 1
