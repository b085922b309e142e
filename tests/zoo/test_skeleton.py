import pytest
import torch

from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.zoo.layers import reciprocal


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
@pytest.mark.parametrize("options", ["", "noca", "anchor direct", "anchor g0 noca"])
def test_the_output_is_the_scaled_input(scale: int, options: str) -> None:
    network = build(parse_spec(f"bl x{scale} n8 g1 b1 {options}"))
    assert network(torch.rand(2, 3, 7, 9)).shape == (2, 3, 7 * scale, 9 * scale)


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
