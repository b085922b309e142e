import pytest
import torch

from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.zoo.accounting import count, low_resolution, trade_off


def test_every_layer_of_a_small_network() -> None:
    cost = count(build(parse_spec("blm1 x2 n4 g0 b1 direct")))
    pixels = 360 * 640
    layers = {layer.name: (layer.layer, layer.params, layer.mult_adds) for layer in cost.layers}
    assert layers == {
        "head": ("3x3 3->4", 112, 108 * pixels),
        "body.0.first.depthwise": ("3x3 4->4 in 4 groups", 36, 36 * pixels),
        "body.0.first.pointwise": ("1x1 4->4", 20, 16 * pixels),
        "body.0.second.depthwise": ("3x3 4->4 in 4 groups", 36, 36 * pixels),
        "body.0.second.pointwise": ("1x1 4->4", 20, 16 * pixels),
        "body.0.attention.squeeze": ("1x1 4->1", 5, 4),
        "body.0.attention.excite": ("1x1 1->4", 8, 4),
        "upsampler.0": ("3x3 4->12", 444, 432 * pixels),
    }
    assert cost.multiplications == cost.additions == cost.mult_adds == sum(entry[2] for entry in layers.values())
    assert [layer.name for layer in cost.without_attention().layers] == [name for name in layers if "att" not in name]


def test_behind_an_upscaling_stage_a_layer_works_at_that_stages_size() -> None:
    layers = {layer.name: layer for layer in count(build(parse_spec("bl x4 n4 g0 b1 noca"))).layers}
    assert layers["upsampler.0"].mult_adds == 4 * 16 * 9 * 180 * 320
    assert layers["upsampler.3"].mult_adds == 4 * 16 * 9 * 360 * 640
    assert layers["upsampler.6"].mult_adds == 4 * 3 * 9 * 720 * 1280


def test_shared_weights_count_once_and_work_every_time() -> None:
    layers = {layer.name: layer for layer in count(build(parse_spec("bl-e x3 n4 g0 b1 noca"))).layers}
    shared = layers["upsampler.0.blocks.2.first"]
    assert (shared.calls, shared.params, shared.mult_adds) == (3, 4 * 4 * 9 + 4, 3 * 4 * 4 * 9 * 240 * 426)


@pytest.mark.parametrize("ratio", [1, 4])
def test_operations_of_an_spconv(ratio: int) -> None:
    cost = count(build(parse_spec(f"ST-bl x2 n4 g0 b1 noca direct r{ratio}")))
    layer = next(layer for layer in cost.layers if layer.name == "body.0.first")
    hidden, pixels = 4 * ratio, 360 * 640
    assert layer.multiplications == hidden * pixels
    assert layer.additions == ((9 * 4 - 1) * hidden + (hidden - 1) * 4) * pixels
    assert layer.params == 9 * 4 * hidden + hidden + hidden * 4 + 4


def test_a_grouped_spconv_is_an_spconv_a_group() -> None:
    cost = count(build(parse_spec("ST-blclc(g1=4,g2=2) x2 n8 g0 b1 noca direct r2")))
    layer = next(layer for layer in cost.layers if layer.name == "body.0.first.spatial")
    per_group = (9 * 2 - 1) * 4 + (4 - 1) * 2
    assert (layer.multiplications, layer.additions) == (16 * 360 * 640, 4 * per_group * 360 * 640)


@pytest.mark.parametrize("text", ["bl-e x3 n8 g1 b1", "bls2 x2 n8 g1 b1", "bleff-e[rg+u] x4 n8 g1 b1"])
def test_quantizing_costs_nothing(text: str) -> None:
    assert count(build(parse_spec(f"{text} int8"))) == count(build(parse_spec(text)))


def test_params_are_all_the_parameters_of_a_float_network() -> None:
    network = build(parse_spec("bls1-e[rg+u] x4 n8 g1 b1"))
    assert count(network).params == sum(parameter.numel() for parameter in network.parameters())


def test_counting_leaves_the_network_as_it_was() -> None:
    network, image = build(parse_spec("bl n4 g1 b1")), torch.rand(1, 3, 5, 5)
    before = network(image)
    count(network)
    assert torch.equal(network(image), before)
    assert not any(module._forward_hooks for module in network.modules())


def test_low_resolution_is_rounded_down() -> None:
    assert [low_resolution(scale) for scale in (2, 3, 4)] == [(360, 640), (240, 426), (180, 320)]


def test_trade_off_sums_the_losses_of_four_sets() -> None:
    sets = ("Set5", "Set14", "B100", "Urban100")
    psnr, reference = (dict.fromkeys(sets, (db, 0.9)) for db in (37.5, 38.0))
    assert trade_off(100.0, psnr, reference) == pytest.approx(0.5)
