"""Whole runs of tiny networks: learning, interruption, resumption, refusals."""

import errno
import io
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from hwsr.data import datasets
from hwsr.data.datasets import validation_images
from hwsr.data.images import Uint8Image, read_image, write_png
from hwsr.data.metrics import psnr_y
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.quant.bits import weight_layers
from hwsr.spec import ModelSpec, parse_spec
from hwsr.train.checkpoint import load_network, load_tensors
from hwsr.train.loop import Interrupted, train
from hwsr.train.progress import Display
from hwsr.train.recipe import Method, Mode, Recipe, Stage
from hwsr.train.validation import validate

INT8 = parse_spec("bl x2 n4 g0 b1 anchor direct int8")
TERNARY = parse_spec("ST-bl x2 n4 g0 b1 noca anchor direct")
FLOAT = parse_spec("bl x3 n4 g1 b1 noca")
GROUPED = parse_spec("ST-blm1 x2 n4 g0 b1 noca anchor direct")
TINY = Recipe((Stage(Mode.FLOAT, 6, 2e-3), Stage(Mode.QUANTIZED, 5, 1e-3)), batch=2, patch=8, seed=3)
THREE = replace(TINY, stages=(Stage(Mode.FLOAT, 4, 2e-3), Stage(Mode.QUANTIZED, 4, 2e-3), Stage(Mode.FROZEN, 4, 1e-3)))
TINY_FLOAT = Recipe((Stage(Mode.FLOAT, 9, 2e-3),), batch=2, patch=8)
TINY_MUON = replace(TINY, method=Method.MUON)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200, record=True)


@pytest.fixture
def signal_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, signal.Signals], None]:
    """Send this process a signal once the given number of updates is made."""
    shown = Display.step

    def arrange(step: int, number: signal.Signals) -> None:
        def show(self: Display, at: int, mode: Mode, loss: float, rate: float) -> None:
            shown(self, at, mode, loss, rate)
            if at == step:
                signal.raise_signal(number)

        monkeypatch.setattr(Display, "step", show)

    return arrange


@pytest.fixture
def stopped(tmp_path: Path, photographs: Path, signal_after: Callable[[int, signal.Signals], None]) -> Path:
    """The folder of an INT8 run stopped after step 7 of 11."""
    signal_after(7, signal.SIGINT)
    with pytest.raises(Interrupted):
        train(INT8, TINY, tmp_path / "stopped", photographs, every=4, console=quiet())
    return tmp_path / "stopped"


# Within the float stage, at its end, at the first and last steps of the quantized one, on and off saving steps.
@pytest.mark.parametrize(
    ("spec", "recipe", "stops"),
    [
        (INT8, TINY, (2, 6, 8)),
        (TERNARY, TINY, (4, 7, 10)),
        (TERNARY, TINY_MUON, (4, 7, 10)),
        (TERNARY, replace(THREE, method=Method.MUON), (6, 8, 10)),
        (FLOAT, TINY_FLOAT, (1, 2, 7)),
    ],
)
def test_three_interruptions_change_no_bit(
    tmp_path: Path,
    photographs: Path,
    signal_after: Callable[[int, signal.Signals], None],
    spec: ModelSpec,
    recipe: Recipe,
    stops: tuple[int, ...],
) -> None:
    whole = train(spec, recipe, tmp_path / "whole", photographs, every=4, console=quiet())
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    out = tmp_path / "parts"
    for step, number in zip(stops, (signal.SIGINT, signal.SIGTERM, signal.SIGINT), strict=True):
        signal_after(step, number)
        with pytest.raises(Interrupted, match=f"stopped after step {step} of {recipe.steps}; .* --resume goes on"):
            train(spec, recipe, out, photographs, resume=step != stops[0], every=4, console=quiet())
        assert load_tensors(out / "checkpoint.safetensors")[1].step == step
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    signal_after(-1, signal.SIGINT)
    assert not (out / "model.safetensors").exists()
    train(spec, recipe, out, photographs, resume=True, every=4, console=quiet())
    for name in ("model.safetensors", "model.json", "checkpoint.safetensors", "checkpoint.json"):
        assert (out / name).read_bytes() == (whole.parent / name).read_bytes()


@pytest.mark.parametrize("spec", [TERNARY, GROUPED])
def test_frozen_ternary_weights_keep_every_bit_while_all_else_is_tuned(
    tmp_path: Path, photographs: Path, spec: ModelSpec
) -> None:
    recipe = replace(THREE, method=Method.MUON)
    quantized = replace(recipe, stages=recipe.stages[:2])
    before, after = (
        load_tensors(train(spec, each, tmp_path / str(each.steps), photographs, console=quiet()))[0]
        for each in (quantized, recipe)
    )
    ternary = {f"{name}.weight" for name, conv in weight_layers(build(spec)).items()}
    assert len(ternary) > 6 and any(name.endswith("second.weight") for name in ternary)
    kept = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert ternary <= kept
    assert not any(name.endswith((".factor", ".bias")) for name in kept)
    # A range learns from what it cuts off, which some of this network's cut nothing off.
    assert not all(name in kept for name in before if name.endswith("scaling_impl.value"))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path, photographs: Path) -> None:
    path = train(INT8, TINY, tmp_path / "out", photographs, console=quiet())
    before = path.read_bytes()
    path.unlink()
    assert train(INT8, TINY, tmp_path / "out", photographs, resume=True, console=quiet()).read_bytes() == before


def test_a_signal_in_the_last_step_does_not_stop_a_finished_run(
    tmp_path: Path, photographs: Path, signal_after: Callable[[int, signal.Signals], None]
) -> None:
    signal_after(TINY.steps, signal.SIGINT)
    assert train(INT8, TINY, tmp_path / "out", photographs, console=quiet()).exists()


def test_mapped_images_train_to_the_same_bits(
    tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = train(INT8, TINY, tmp_path / "held", photographs, console=quiet())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    mapped = train(INT8, TINY, tmp_path / "mapped", photographs, console=quiet())
    assert len(list((tmp_path / "cache").rglob("*.npy"))) >= 4
    assert mapped.read_bytes() == held.read_bytes()


def test_another_seed_gives_other_weights(tmp_path: Path, photographs: Path) -> None:
    paths = [train(INT8, replace(TINY, seed=s), tmp_path / str(s), photographs, console=quiet()) for s in (3, 4)]
    a, b = (load_tensors(path)[0] for path in paths)
    assert not torch.equal(a["head.weight"], b["head.weight"])


def test_a_second_signal_acts_as_before(tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def batch_at(self: PatchSampler, step: int) -> tuple[Uint8Image, Uint8Image]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal was swallowed")

    monkeypatch.setattr(PatchSampler, "batch_at", batch_at)
    # What a shell runs in the background starts with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(INT8, TINY, tmp_path / "out", photographs, console=quiet())
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("spec", [INT8, TERNARY])
def test_a_short_run_learns_and_its_model_is_the_one_that_was_scored(tmp_path: Path, spec: ModelSpec) -> None:
    recipe = Recipe((Stage(Mode.FLOAT, 40, 5e-3), Stage(Mode.QUANTIZED, 40, 5e-3)), batch=8, patch=16)
    console = quiet()
    path = train(spec, recipe, tmp_path, every=30, console=console)
    card = load_tensors(path)[1]
    assert [score.step for score in card.history] == [30, 40, 60, 80]
    assert (card.step, card.spec, card.data) == (80, str(spec), "embedded photographs: 6 of 6 images hold a patch")
    pairs = validation_images(2)
    assert validate(load_network(tmp_path), pairs, 2) == card.history[-1].psnr_y
    # Untrained, a network with an anchor is nearest-neighbour upscaling.
    nearest = [psnr_y(pair.lr.repeat(2, 0).repeat(2, 1), pair.hr, 2) for pair in pairs]
    assert card.history[-1].mean > sum(nearest) / len(nearest) + 0.1
    printed = console.export_text()
    assert f"step 80/80 quantized: {card.history[-1].mean:.2f} dB (astronaut" in printed


def test_tensorboard_gets_loss_rate_and_scores_once_each(tmp_path: Path, photographs: Path, stopped: Path) -> None:
    train(INT8, TINY, stopped, photographs, resume=True, every=4, console=quiet())
    events = EventAccumulator(str(stopped / "tb"))
    events.Reload()
    assert [event.step for event in events.Scalars("psnr_y/astronaut")] == [4, 6, 8, 11]
    assert [event.step for event in events.Scalars("loss")] == [event.step for event in events.Scalars("rate")] == [10]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, photographs: Path, stopped: Path) -> None:
    write_png(tmp_path / "other" / "1.png", 255 - read_image(photographs / "1.png"))
    for spec, recipe, data, field in [
        (parse_spec("bl x2 n8 g0 b1 anchor direct int8"), TINY, photographs, "spec"),
        (INT8, replace(TINY, seed=9), photographs, "recipe"),
        (INT8, TINY, tmp_path / "other", "data_sha256"),
    ]:
        with pytest.raises(HwsrError, match=rf"is of another run \({field} .*; resume with what it was started with"):
            train(spec, recipe, stopped, data, resume=True, console=quiet())


def test_resuming_wants_a_whole_checkpoint(tmp_path: Path, photographs: Path, stopped: Path) -> None:
    with pytest.raises(HwsrError, match=r"checkpoint.safetensors: no such file"):
        train(INT8, TINY, tmp_path / "new", photographs, resume=True, console=quiet())
    path = stopped / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(HwsrError, match=r"checkpoint.safetensors: damaged"):
        train(INT8, TINY, stopped, photographs, resume=True, console=quiet())


def test_another_number_of_threads_is_noted(photographs: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started_with = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: started_with + 1)
    console = quiet()
    train(INT8, TINY, stopped, photographs, resume=True, console=console)
    assert f"{started_with + 1} threads in place of {started_with}" in console.export_text()


def test_a_diverging_run_keeps_its_last_checkpoint(tmp_path: Path, photographs: Path) -> None:
    wild = Recipe((Stage(Mode.FLOAT, 40, 0.999),), batch=2, patch=8)
    with pytest.raises(HwsrError, match=r"not finite.*train with a lower rate"):
        train(replace(FLOAT, blocks=30), wild, tmp_path, photographs, every=1, console=quiet())
    assert 0 < load_tensors(tmp_path / "checkpoint.safetensors")[1].step < 40


def test_a_new_run_does_not_overwrite_an_interrupted_one(photographs: Path, stopped: Path) -> None:
    before = (stopped / "checkpoint.safetensors").read_bytes()
    with pytest.raises(HwsrError, match=r"stopped at step 7 of 11; go on with --resume, or remove it"):
        train(INT8, TINY, stopped, photographs, console=quiet())
    assert (stopped / "checkpoint.safetensors").read_bytes() == before


def test_a_log_that_cannot_be_written_does_not_end_the_training(
    tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    console = quiet()
    assert train(INT8, TINY, tmp_path, photographs, every=4, console=console).exists()
    assert console.export_text().count("TensorBoard's log ends here") == 1


def test_unwritable_output_and_unfitting_stages_fail_before_any_work(tmp_path: Path, photographs: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HwsrError, match=r"cannot write .*; choose another output folder"):
        train(INT8, TINY, tmp_path / "file", photographs, console=quiet())
    unfitting = [(FLOAT, TINY), (INT8, TINY_FLOAT), (INT8, replace(TINY, stages=TINY.stages[::-1])), (INT8, THREE)]
    for spec, recipe in [*unfitting, (TERNARY, replace(THREE, stages=(THREE.stages[2], THREE.stages[1])))]:
        with pytest.raises(HwsrError, match="cannot be trained in the stages"):
            train(spec, recipe, tmp_path / "out", photographs, console=quiet())
    assert not (tmp_path / "out").exists()
