"""Which quantizers get which bits."""

import pytest
import torch
from brevitas.nn import QuantIdentity, QuantReLU
from torch import Tensor, nn

from hwsr.bits import Bits
from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.quant.bits import activation_bits, activation_layers, apply_bits, read_bits, weight_bits, weight_layers
from hwsr.quant.layers import Int8Layers
from hwsr.spec import parse_spec

NET = "bl x2 n8 g0 b2 noca direct"


def bits_of(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Bits of weights and of what is read, by convolution."""
    spec = parse_spec(text)
    network = build(spec)
    return {name: weight_bits(conv) for name, conv in weight_layers(network).items()}, read_bits(network, spec.channels)


def test_the_first_and_the_last_layer_keep_eight_bits() -> None:
    weights, reads = bits_of(f"{NET} w4a3")
    inner = ["body.0.first", "body.0.second", "body.1.first", "body.1.second"]
    assert weights == {"head": 8, **dict.fromkeys(inner, 4), "upsampler.0": 8}
    assert reads == {"head": 8, **dict.fromkeys(inner, 3), "upsampler.0": 8}


def test_skip_connections_keep_eight_bits_and_a_relu_has_few() -> None:
    network = build(parse_spec(f"{NET} w4a4"))
    found = {name: activation_bits(module) for name, module in activation_layers(network).items()}
    assert found["head_grid"] == found["body.0.grid"] == 8
    assert found["body.0.act"] == found["body.0.first.narrow"] == 4
    assert network.body[0].second.narrow is None, "what a ReLU makes is narrow already"
    assert isinstance(network.body[0].first.narrow, QuantIdentity)


def test_layers_by_name() -> None:
    weights, reads = bits_of(f"{NET} w4a4 head=w3 upsampler=w2a5 body.1.act=a8 body.0=w8a8")
    assert (weights["head"], reads["head"]) == (3, 8)
    assert (weights["upsampler.0"], reads["upsampler.0"]) == (2, 5)
    assert (weights["body.0.first"], reads["body.0.second"]) == (8, 8)
    # The activation is wide, the convolution that reads it is not.
    assert (weights["body.1.second"], reads["body.1.second"]) == (4, 4)
    narrow = build(parse_spec(f"{NET} w4a4 body.1.act=a8")).body[1].second.narrow
    assert isinstance(narrow, QuantReLU) and activation_bits(narrow) == 4


def test_attention_keeps_eight_bits() -> None:
    weights, reads = bits_of("bl x2 n8 g0 b1 direct w2a2")
    assert {bits for name, bits in (weights | reads).items() if "attention" in name} == {8}
    assert weights["body.0.first"] == reads["body.0.first"] == 2


def test_weights_and_float_tensors_have_the_names_of_the_float_network() -> None:
    plain = build(parse_spec(NET)).state_dict()
    low = build(parse_spec(f"{NET} w4a4 acc12")).state_dict()
    assert all(torch.equal(low[name], tensor) for name, tensor in plain.items())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("int8 body.7=w4", "'body.7': the network has no layer of this name; its layers are head, body.0.first"),
        ("int8 bod=w4", "'bod'"),
        ("int8 acc8", "acc8 holds no product of the 8-bit input of 'head'"),
    ],
)
def test_what_cannot_be_is_named(words: str, named: str) -> None:
    with pytest.raises(HwsrError, match=named):
        build(parse_spec(f"{NET} {words}"))


def test_a_part_of_a_tensor_has_no_bounded_sums() -> None:
    with pytest.raises(HwsrError, match="leave accN out"):
        build(parse_spec("bls2 x2 n8 g0 b1 noca int8 acc20"))


class Twice(nn.Module):
    """One convolution on what a ReLU makes and on what has a sign."""

    def __init__(self) -> None:
        super().__init__()
        layers = Int8Layers()
        self.act, self.grid, self.conv = layers.relu(), layers.requantize(), layers.conv(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.act(x)) + self.conv(self.grid(x))


def test_a_bound_holds_for_inputs_of_both_kinds() -> None:
    network = Twice()
    apply_bits(network, Bits(accumulator=16), per_channel=True, channels=3)
    bound = network.conv.weight_quant.tensor_quant.bound
    # uint8 and int8 fit 9 bits with a sign: sizes up to 256; an eighth of the range is the bias's.
    assert (bound.limit, bound.together) == ((2**15 - 1 - 2**12) // 256, True)
