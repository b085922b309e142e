import pytest
import torch

from hwsr.quant import build
from hwsr.spec import Unit, parse_spec
from hwsr.zoo.erum import ERUM
from hwsr.zoo.layers import ChannelShuffle, FloatLayers, reciprocal
from hwsr.zoo.units import MobileNetV1, make_unit


@pytest.mark.parametrize(
    ("text", "published_k"),
    [
        ("bl x2", 1006),
        ("blrn(r=2) x2", 464),
        ("blrn(r=4) x2", 258),
        ("blm1 x2", 265),
    ],
)
def test_parameters_as_in_table_1(text: str, published_k: int) -> None:
    network = build(parse_spec(text))
    assert int(sum(p.numel() for p in network.parameters()) / 1000) == published_k


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("options", ["g1", "g1 noca", "g1 anchor direct", "g0 anchor noca"])
def test_the_output_is_the_scaled_input(scale: int, options: str) -> None:
    network = build(parse_spec(f"bl x{scale} n8 b1 {options}"))
    assert network(torch.rand(2, 3, 7, 9)).shape == (2, 3, 7 * scale, 9 * scale)


UNITS = ["bl", "blrn", "blrxn", "blm1", "bleff", "bls1", "blclc", "bls2", "blm2"]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("postfix", ["", "-e[rg+u]"])
def test_every_unit_builds_and_every_parameter_learns(unit: str, postfix: str, scale: int) -> None:
    name = f"{unit}{postfix}" if unit != "blclc" else f"blclc{postfix[:2]}(g1=8){postfix[2:]}"
    network = build(parse_spec(f"{name} x{scale} n16 g1 b1"))
    image = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    result = network(image)
    assert result.shape == (2, 3, 7 * scale, 9 * scale)
    result.square().sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("unit", "weights"),
    [
        (Unit("bl"), 36864),
        (Unit("blrn", (("r", 2),)), 13312),
        (Unit("blrn", (("r", 4),)), 4352),
        (Unit("blrxn", (("r", 2), ("g", 4))), 6400),
        (Unit("blm1"), 4672),
        (Unit("bleff", (("r", 2),)), 4288),
        (Unit("bls1", (("r", 2), ("g", 4))), 1312),
        (Unit("blclc", (("g1", 32), ("g2", 2))), 3200),
        (Unit("bls2"), 2336),
        (Unit("blm2", (("e", 2),)), 17536),
        (Unit("blm2", (("e", 3),)), 26304),
    ],
)
def test_weights_of_a_unit_at_64_features(unit: Unit, weights: int) -> None:
    module = make_unit(FloatLayers(), unit, 64)
    assert sum(parameter.numel() for parameter in module.parameters() if parameter.dim() == 4) == weights


@pytest.mark.parametrize(("place", "replaced"), [("rb", 20), ("rg", 23), ("rg+u", 27)])
def test_a_place_replaces_its_convolutions(place: str, replaced: int) -> None:
    network = build(parse_spec(f"blm1-e[{place}] x2 n4"))
    assert sum(isinstance(module, MobileNetV1) for module in network.modules()) == replaced


def test_channel_shuffle_spreads_a_group_over_the_next_groups() -> None:
    shuffled = ChannelShuffle(2)(torch.arange(6.0).reshape(1, 6, 1, 1))
    assert shuffled.flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_erum_keeps_every_pass_of_its_blocks() -> None:
    erum = ERUM(FloatLayers(), Unit(), 4, 3)
    assert sum(p.numel() for p in erum.parameters() if p.dim() == 4) == 3 * 2 * 4 * 4 * 9
    x = torch.rand(1, 4, 5, 6)
    block = erum.blocks[1]
    once = x + block.second(block.act(block.first(x)))
    twice = once + block.second(block.act(block.first(once)))
    maps = torch.nn.functional.pixel_unshuffle(erum(x), 3)
    assert torch.allclose(maps[:, 12:16], once) and torch.allclose(maps[:, 16:20], twice)


def test_weights_are_a_function_of_the_seed() -> None:
    spec = parse_spec("blm1 x2 n8 g1 b1")
    one, same, other = (build(spec, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("area", [1, 16, 30, 48 * 48, 64 * 64, 48 * 32, 61 * 59])
def test_the_reciprocal_is_close_and_exact_in_float32(area: int) -> None:
    constant = reciprocal(area)
    assert abs(constant * area - 1) < 0.03
    numerator = constant
    while numerator % 1:
        numerator *= 2
    # The largest sum of 8-bit integers times the numerator still fits float32's 24 bits.
    assert numerator == 1 or numerator * 128 * area <= 2**24
    if area & (area - 1) == 0:
        assert constant == 1 / area
