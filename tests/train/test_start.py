"""Starting from another model's weights."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.quant.bits import activation_layers, scaling
from hwsr.quant.build import set_quantized
from hwsr.spec import parse_spec
from hwsr.train.checkpoint import load_network, load_tensors
from hwsr.train.loop import train
from hwsr.train.recipe import Mode, Recipe, Settings, Stage
from hwsr.train.start import start_from, starts_warmed_up

RECIPE = Recipe((Stage(Mode.FLOAT, 2, 1e-3),), batch=2, patch=8, seed=7)
BODY = "bl {} n4 g1 b1 noca"


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200, record=True)


@pytest.fixture
def x2(tmp_path: Path, photographs: Path) -> Path:
    """A trained x2."""
    train(parse_spec(BODY.format("x2")), RECIPE, tmp_path / "x2", photographs, console=quiet())
    return tmp_path / "x2"


@pytest.mark.parametrize("scale", [3, 4])
def test_other_scales_take_all_but_the_upsampler(x2: Path, scale: int) -> None:
    trained, card = load_tensors(x2 / "model.safetensors")
    network, console = build(parse_spec(BODY.format(f"x{scale}"))), quiet()
    drawn = build(parse_spec(BODY.format(f"x{scale}"))).state_dict()
    assert start_from(x2, network, console) == card.tensors_sha256
    for name, tensor in network.state_dict().items():
        fits = name in trained and trained[name].shape == tensor.shape
        assert torch.equal(tensor, trained[name] if fits else drawn[name])
        assert fits or name.startswith("upsampler")
    assert " tensors" in console.export_text()


def test_quantized_networks_start_from_float_ones(x2: Path) -> None:
    network = build(parse_spec(BODY.format("x2") + " int8"))
    start_from(x2, network, quiet())
    assert torch.equal(network.state_dict()["head.weight"], load_tensors(x2 / "model.safetensors")[0]["head.weight"])


def test_what_does_not_fit_is_refused(x2: Path, tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="a network of 4 features, not of 8 features; start from"):
        start_from(x2, build(parse_spec("bl x2 n8 g1 b1 noca")), quiet())
    with pytest.raises(HwsrError, match="has no tensor that fits"):
        network = build(parse_spec(BODY.format("x2")))
        network.state_dict = dict  # type: ignore[assignment,method-assign]  # a network without tensors
        start_from(x2, network, quiet())
    with pytest.raises(HwsrError, match="no such file"):
        start_from(tmp_path / "absent", build(parse_spec("bl x2 n8")), quiet())


def test_the_card_tells_and_resuming_checks(x2: Path, tmp_path: Path, photographs: Path) -> None:
    spec = parse_spec(BODY.format("x3"))
    train(spec, RECIPE, tmp_path / "x3", photographs, console=quiet(), init=x2)
    card = load_tensors(tmp_path / "x3" / "model.safetensors")[1]
    assert card.init_sha256 == load_tensors(x2 / "model.safetensors")[1].tensors_sha256
    with pytest.raises(HwsrError, match=r"of another run \(init_sha256 [0-9a-f]{64}, not none\)"):
        train(spec, RECIPE, tmp_path / "x3", photographs, resume=True, console=quiet())
    train(spec, RECIPE, tmp_path / "x3", photographs, resume=True, console=quiet(), init=x2)


@pytest.mark.parametrize(
    ("text", "warm"),
    [
        (BODY.format("x2") + " int8", True),
        (BODY.format("x2") + " w4a4 head=w8 acc16", True),
        (BODY.format("x2"), False),
        (BODY.format("x3") + " int8", False),
        ("bl x2 n4 g1 b2 noca int8", False),
        ("ST-" + BODY.format("x2") + " r1", True),
        ("ST-" + BODY.format("x2") + " r4", True),
        ("ST-" + BODY.format("x3") + " r4", False),
    ],
)
def test_only_the_same_network_starts_warmed_up(x2: Path, text: str, warm: bool) -> None:
    assert starts_warmed_up(x2, parse_spec(text)) is warm


def test_ternary_networks_start_from_the_ternary_terms_of_float_weights(
    x2: Path, tmp_path: Path, photographs: Path
) -> None:
    """The picture is the float network's from the start; what the 1x1 adds up stays."""
    spec = parse_spec("ST-" + BODY.format("x2") + " r4")
    network, trained = build(spec), load_network(x2)
    start_from(x2, network, quiet())
    image = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    set_quantized(network, False)
    with torch.no_grad():
        made, wanted = network(image), trained(image)
    # Each layer keeps all but a thousandth of its weights' power.
    assert (made - wanted).square().mean() < 5e-3 * (wanted - wanted.mean()).square().mean()
    before = network.state_dict()
    recipe = Settings(steps=4, batch=2, patch=8).make(spec.precision, starts_warmed_up(x2, spec))
    assert [stage.mode for stage in recipe.stages] == [Mode.QUANTIZED, Mode.FROZEN]
    train(spec, recipe, tmp_path / "ternary", photographs, console=quiet(), init=x2)
    after = load_tensors(tmp_path / "ternary" / "model.safetensors")[0]
    for name in (name for name in before if name.endswith(("first.weight", "second.weight"))):
        is_sum = before[name].shape[2:] == (1, 1)
        assert torch.equal(before[name], after[name]) is is_sum, name


def test_no_network_starts_warmed_up_from_a_ternary_one(x2: Path, tmp_path: Path, photographs: Path) -> None:
    spec = parse_spec("ST-" + BODY.format("x2") + " r1")
    recipe = Settings(steps=2, batch=2, patch=8).make(spec.precision, warmed_up=True)
    train(spec, recipe, tmp_path / "ternary", photographs, console=quiet(), init=x2)
    assert not starts_warmed_up(tmp_path / "ternary", spec)
    assert not starts_warmed_up(tmp_path / "ternary", parse_spec(BODY.format("x2") + " int8"))


def test_fine_tuning_starts_from_the_float_weights_and_calibrated_ranges(
    x2: Path, tmp_path: Path, photographs: Path
) -> None:
    spec = parse_spec(BODY.format("x2") + " w4a4")
    recipe = Settings(steps=3, rate=2e-4, batch=2, patch=8).make(spec.precision, starts_warmed_up(x2, spec))
    train(spec, recipe, tmp_path / "low", photographs, console=quiet(), init=x2)
    tensors, card = load_tensors(tmp_path / "low" / "model.safetensors")
    trained = load_tensors(x2 / "model.safetensors")[0]
    assert [stage.mode for stage in card.recipe.stages] == [Mode.QUANTIZED]
    # Three small steps away from the float weights; a fresh network lies far from them.
    assert (tensors["head.weight"] - trained["head.weight"]).abs().max() < 0.01
    network = build(spec)
    network.load_state_dict(tensors)
    # Calibrated to half steps, then learned: near them but off them. Uncalibrated ranges start at 2**0.
    thresholds = [float(scaling(module).value.detach()) for module in activation_layers(network).values()]
    assert all(abs(threshold % 1 - 0.5) < 0.01 for threshold in thresholds)
    assert any(threshold % 1 != 0.5 for threshold in thresholds)
