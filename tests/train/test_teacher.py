"""Learning from a trained network."""

import io
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hwsr.errors import HwsrError, Interrupted
from hwsr.spec import parse_spec
from hwsr.train.checkpoint import load_network, load_tensors
from hwsr.train.loop import train
from hwsr.train.progress import Display
from hwsr.train.recipe import Mode, Recipe, Stage
from hwsr.train.teacher import load_teacher, teach

FLOAT = parse_spec("bl x2 n4 g0 b1 noca anchor direct")
TERNARY = parse_spec("ST-bl x2 n4 g0 b1 noca anchor direct")
RECIPE = Recipe((Stage(Mode.FLOAT, 8, 2e-3),), batch=2, patch=8, seed=7)
STAGES = (Stage(Mode.FLOAT, 3, 2e-3), Stage(Mode.QUANTIZED, 3, 2e-3), Stage(Mode.FROZEN, 3, 1e-3))
THREE = replace(RECIPE, stages=STAGES)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200, record=True)


@pytest.fixture
def teacher(tmp_path: Path, photographs: Path) -> Path:
    """The folder of a float model."""
    train(FLOAT, RECIPE, tmp_path / "teacher", photographs, console=quiet())
    return tmp_path / "teacher"


def test_a_teacher_is_fixed_and_whole(teacher: Path) -> None:
    network, digest = load_teacher(teacher, TERNARY)
    assert digest == load_tensors(teacher / "model.safetensors")[1].tensors_sha256
    assert not network.training
    image = torch.rand(2, 3, 8, 8)
    taught = teach(network, image)
    assert not taught.requires_grad
    assert torch.equal(taught, load_network(teacher)(image))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ST-bl x3 n4 g0 b1 noca", "a teacher of x2 of 3 image channels for a network of x3 of 3 image channels"),
        (
            "bl x2 n4 g0 b1 noca luma int8",
            "a teacher of x2 of 3 image channels for a network of x2 of 1 image channels",
        ),
    ],
)
def test_a_teacher_of_other_images_is_refused(teacher: Path, spec: str, words: str) -> None:
    with pytest.raises(HwsrError, match=f"{words}; choose one of the same kind"):
        load_teacher(teacher, parse_spec(spec))


def test_a_missing_teacher_is_refused(tmp_path: Path, photographs: Path) -> None:
    with pytest.raises(HwsrError, match="no such file"):
        train(TERNARY, THREE, tmp_path / "out", photographs, console=quiet(), teacher=tmp_path / "absent")


@pytest.mark.parametrize("precision", ["", "int8", "w4a4"])
def test_any_precision_learns_from_a_teacher(tmp_path: Path, photographs: Path, teacher: Path, precision: str) -> None:
    spec = parse_spec(f"{FLOAT} {precision}")
    recipe = RECIPE if not precision else replace(RECIPE, stages=STAGES[:2])
    folders = [tmp_path / "alone", tmp_path / "taught"]
    models = [
        load_tensors(train(spec, recipe, folder, photographs, console=quiet(), teacher=given))
        for folder, given in zip(folders, (None, teacher), strict=True)
    ]
    assert [card.teacher_sha256 for _, card in models] == [
        "",
        load_tensors(teacher / "model.safetensors")[1].tensors_sha256,
    ]
    assert not torch.equal(*(tensors["head.weight"] for tensors, _ in models))


def test_a_taught_network_comes_closer_to_its_teacher_than_one_alone(
    tmp_path: Path, photographs: Path, teacher: Path
) -> None:
    image = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    wanted = load_network(teacher)(image)
    recipe = replace(RECIPE, stages=(Stage(Mode.FLOAT, 40, 2e-3),), seed=1)
    distances = []
    for given in (None, teacher):
        train(FLOAT, recipe, tmp_path / str(given is None), photographs, console=quiet(), teacher=given)
        network = load_network(tmp_path / str(given is None))
        distances.append(float((network(image) - wanted).abs().mean().detach()))
    alone, taught = distances
    assert taught < alone


def test_a_taught_run_resumes_to_the_same_bits_with_its_own_teacher_alone(
    tmp_path: Path, photographs: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(TERNARY, THREE, tmp_path / "whole", photographs, console=quiet(), teacher=teacher)
    shown, stop = Display.step, [7]

    def show(self: Display, at: int, mode: Mode, error: float, rate: float) -> None:
        shown(self, at, mode, error, rate)
        if at in stop:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "step", show)
    out = tmp_path / "parts"
    with pytest.raises(Interrupted, match="stopped after step 7 of 9"):
        train(TERNARY, THREE, out, photographs, console=quiet(), teacher=teacher)
    stop.clear()
    with pytest.raises(HwsrError, match=r"of another run \(teacher_sha256 [0-9a-f]{64}, not none\)"):
        train(TERNARY, THREE, out, photographs, resume=True, console=quiet())
    with pytest.raises(HwsrError, match=r"of another run \(teacher_sha256 [0-9a-f]{64}, not [0-9a-f]{64}\)"):
        train(TERNARY, THREE, out, photographs, resume=True, console=quiet(), teacher=whole.parent)
    train(TERNARY, THREE, out, photographs, resume=True, console=quiet(), teacher=teacher)
    for name in ("model.safetensors", "model.json", "checkpoint.safetensors"):
        assert (out / name).read_bytes() == (whole.parent / name).read_bytes()
