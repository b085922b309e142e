"""Quantization after training."""

import pytest
import torch
from torch import Tensor

from hwsr.errors import HwsrError
from hwsr.quant import build, calibrate
from hwsr.quant.bits import activation_layers, scaling, weight_layers
from hwsr.quant.ptq import quantize
from hwsr.spec import parse_spec
from hwsr.zoo.layers import stored, value
from hwsr.zoo.network import Network

NET = "bl x2 n8 g0 b1 noca anchor direct"


def images(seed: int, channels: int = 3) -> list[Tensor]:
    """Smooth random pictures, on the pixel grid."""
    noise = torch.rand(3, channels, 3, 3, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(noise, size=(20, 20), mode="bicubic")
    return [(smooth.clamp(0, 0.99) * 256).floor() / 256]


def float_network(text: str) -> Network:
    network = build(parse_spec(text), seed=1)
    with torch.no_grad():
        for conv in (module for module in network.modules() if isinstance(module, torch.nn.Conv2d)):
            if conv.bias is not None:
                stored(conv, "bias").normal_(0, 0.1, generator=torch.Generator().manual_seed(2))
    return network


def error(network: Network, plain: Network, batches: list[Tensor]) -> float:
    with torch.no_grad():
        return float(sum((network(x) - plain(x).clamp(0, 255 / 256)).square().mean() for x in batches))


@pytest.mark.parametrize("words", ["int8", "w4a4", "w3a8 body=w8", "int8 acc16"])
def test_is_closer_to_the_float_network_than_calibration_alone(words: str) -> None:
    plain, batches = float_network(NET), images(0)
    made = quantize(plain, parse_spec(f"{NET} {words}"), batches)
    calibrated = build(parse_spec(f"{NET} {words}"))
    calibrated.load_state_dict(calibrated.state_dict() | plain.state_dict())
    calibrate(calibrated.eval(), batches)
    assert error(made, plain, images(1)) < error(calibrated, plain, images(1))
    assert not made.training


def test_every_layer_has_the_channel_means_of_float() -> None:
    plain, batches = float_network(NET), images(0)
    made = quantize(plain, parse_spec(f"{NET} w3a4"), batches)
    means: dict[str, Tensor] = {}
    for network in (plain, made):
        for name, conv in network.named_modules():
            if isinstance(conv, torch.nn.Conv2d):
                conv.register_forward_hook(
                    lambda _m, _i, y, name=name: means.__setitem__(name, value(y).mean((0, 2, 3)) - means.get(name, 0))
                )
    with torch.no_grad():
        plain(batches[0])
        made(batches[0])
    assert set(means) == set(weight_layers(made))
    for name, difference in means.items():
        # A bias lies on the grid of its accumulators, here no coarser than 2**-5.
        assert difference.abs().max() < 2**-6, name


def test_a_range_is_moved_where_the_output_gains() -> None:
    plain, batches = float_network(NET), images(0)
    made = quantize(plain, parse_spec(f"{NET} w8a2"), batches)
    kept = error(made, plain, batches)
    for module in activation_layers(made).values():
        threshold = scaling(module).value
        assert threshold.item() % 1 == 0.5, "the middle of what rounds to its exponent"
    assert kept < plain(batches[0]).var()


def test_a_bias_that_channels_share_stays_shared() -> None:
    plain = float_network("fsrcnn-s x2")
    made = quantize(plain, parse_spec("fsrcnn-s x2 w4a8"), images(0, channels=1))
    bias = made.deconvolution.conv.bias
    assert stored(made.deconvolution.conv, "bias").shape == (1,) and bias.unique().numel() == 1
    assert not torch.equal(bias, plain.deconvolution.conv.bias)


@pytest.mark.parametrize(
    ("given", "wanted", "named"),
    [
        (f"{NET} int8", f"{NET} w4a4", "quantized already; give the float model"),
        (NET, NET, "without training"),
        (NET, "ST-bl x2 n8 g0 b1 noca direct r1", "without training"),
        (NET, "bl x3 n8 g0 b1 noca anchor direct int8", "without training"),
    ],
)
def test_what_cannot_be_quantized_is_named(given: str, wanted: str, named: str) -> None:
    with pytest.raises(HwsrError, match=named):
        quantize(build(parse_spec(given)), parse_spec(wanted), images(0))
