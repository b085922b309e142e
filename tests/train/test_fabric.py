"""Devices and mixed precision: one device changes no bit, two agree with it and with each other."""

import io
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.nn import functional

from hwsr.data.datasets import training_images
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError, Interrupted
from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.train.checkpoint import load_tensors
from hwsr.train.fabric import launch
from hwsr.train.loop import Task, train
from hwsr.train.optimizer import make_optimizers
from hwsr.train.recipe import FloatPrecision, Method, Mode, Recipe, Schedule, Stage, one_cycle
from hwsr.zoo.skeleton import Skeleton
from tests.train.ranks import fail_on_the_first, train_and_gather

FLOAT = parse_spec("bl x2 n4 g1 b1 noca")
INT8 = parse_spec("bl x2 n4 g0 b1 anchor direct int8")
RECIPE = Recipe((Stage(Mode.FLOAT, 4, 1e-3),), batch=4, patch=8)
STAGES = Recipe((Stage(Mode.FLOAT, 2, 1e-3), Stage(Mode.QUANTIZED, 2, 1e-3)), batch=4, patch=8)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200, record=True)


def test_one_device_gives_the_bits_of_a_plain_loop(tmp_path: Path, photographs: Path) -> None:
    trained = load_tensors(train(FLOAT, RECIPE, tmp_path / "out", photographs, console=quiet()))[0]
    sampler = PatchSampler(training_images(photographs, 2), 2, RECIPE.patch, RECIPE.batch, RECIPE.seed)
    network = build(FLOAT, RECIPE.seed).train()
    optimizers = make_optimizers(network, Method.ADAM)
    for step in range(RECIPE.steps):
        lr, hr = (torch.from_numpy(images).float() / 256 for images in sampler.batch_at(step))
        optimizers.zero_grad()
        functional.l1_loss(network(lr), hr).backward()
        optimizers.step(one_cycle(step, RECIPE.steps, 1e-3))
    for name, tensor in network.state_dict().items():
        assert torch.equal(trained[name], tensor)


@pytest.mark.slow
def test_two_devices_agree_with_one(tmp_path: Path, photographs: Path) -> None:
    for devices in (1, 2):
        (tmp_path / str(devices)).mkdir()
        task = Task(INT8, STAGES, tmp_path / str(devices), photographs, False, 500, FloatPrecision.FULL, None, None)
        launch(devices, train_and_gather, task)
    alone, both = (np.load(tmp_path / str(devices) / "ranks.npy") for devices in (1, 2))
    assert alone.shape == (1, both.shape[1]) and np.array_equal(both[0], both[1])
    # A hundredth of one update.
    assert np.allclose(alone[0], both[0], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_devices_stop_on_a_signal_and_one_goes_on(tmp_path: Path, photographs: Path) -> None:
    out = tmp_path / "out"
    recipe = replace(RECIPE, stages=(Stage(Mode.FLOAT, 600, 1e-3, Schedule.CONSTANT),))

    def interrupt() -> None:
        while not (out / "checkpoint.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Interrupted, match="state saved"):
        train(FLOAT, recipe, out, photographs, every=10, devices=2)
    card = load_tensors(out / "checkpoint.safetensors")[1]
    assert card.devices == 2 and 10 <= card.step < recipe.steps
    console = quiet()
    train(FLOAT, recipe, out, photographs, resume=True, every=1000, console=console)
    assert "1 devices in place of 2" in console.export_text()
    assert load_tensors(out / "model.safetensors")[1].step == recipe.steps


def test_bad_input_in_one_process_ends_all_with_its_message() -> None:
    with pytest.raises(HwsrError, match="bad input"):
        launch(2, fail_on_the_first)


@pytest.mark.parametrize("devices", [0, 3])
def test_batches_without_equal_shares_are_refused(tmp_path: Path, photographs: Path, devices: int) -> None:
    with pytest.raises(HwsrError, match=f"no equal shares for {devices} devices"):
        train(FLOAT, RECIPE, tmp_path / "out", photographs, devices=devices)


def test_mixed_precision_is_for_float_stages(
    tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed: list[bool] = []
    forward = Skeleton.forward

    def observed(self: Skeleton, image: torch.Tensor) -> torch.Tensor:
        if self.training:
            mixed.append(torch.is_autocast_enabled("cpu"))
        return forward(self, image)

    monkeypatch.setattr(Skeleton, "forward", observed)
    options = {"data": photographs, "console": quiet(), "precision": FloatPrecision.MIXED}
    path = train(INT8, STAGES, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert mixed == [True, True, False, False]
    assert load_tensors(path)[1].precision == "bf16-mixed"
    with pytest.raises(HwsrError, match=r"another run \(precision bf16-mixed, not 32-true\)"):
        train(INT8, STAGES, tmp_path / "out", photographs, resume=True, console=quiet())


def test_mixed_precision_learns_other_bits_of_much_the_same_weights(tmp_path: Path, photographs: Path) -> None:
    full, mixed = (
        load_tensors(train(FLOAT, RECIPE, tmp_path / p, photographs, console=quiet(), precision=p))[0]
        for p in FloatPrecision
    )
    assert any(not torch.equal(full[name], mixed[name]) for name in full)
    for name in full:
        assert mixed[name].dtype == torch.float32 and torch.allclose(full[name], mixed[name], atol=4e-3)
