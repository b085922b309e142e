import torch

from hwsr.quant import build, calibrate, set_quantized
from hwsr.quant.quantizers import FactorQuant, TernaryQuant, TernaryWeight
from hwsr.quant.spconv import SPConv
from hwsr.spec import parse_spec


def test_ternary_weights_keep_what_exceeds_the_threshold() -> None:
    weight = torch.tensor([[0.5, -0.1, -0.6, 0.0], [0.2, 0.2, 0.2, -0.2]])
    quantized, scale, zero_point, bits = TernaryQuant(unit_scale=False)(weight)
    # Mean |w| of row 0 is 0.3, its threshold 0.21, the kept mean 0.55; of row 1 0.2 and 0.2.
    assert quantized.tolist() == [[0.5, 0.0, -0.5, 0.0], [0.25, 0.25, 0.25, -0.25]]
    assert scale.flatten().tolist() == [0.5, 0.25]
    assert (zero_point.item(), bits.item()) == (0, 2)
    assert TernaryWeight.narrow_range


def test_ternary_gradient_passes_straight_through() -> None:
    weight = torch.tensor([[0.5, -0.1, -0.6, 0.0]], requires_grad=True)
    TernaryQuant(unit_scale=True)(weight)[0].sum().backward()
    assert torch.allclose(weight.grad, torch.full((1, 4), 1 / 0.55))


def test_a_channel_of_zeros_is_harmless() -> None:
    weight = torch.zeros(2, 3, 3, 3, requires_grad=True)
    quantized = TernaryQuant(unit_scale=False)(weight)[0]
    quantized.sum().backward()
    assert not quantized.any() and bool(torch.isfinite(weight.grad).all())


def test_factors_are_eight_bit_integers_on_power_of_two_grids() -> None:
    factor = torch.tensor([0.3, -1.7, 0.0, 127.0, 1e-3])
    quantized = FactorQuant()(factor)
    for value, wanted in zip(quantized.tolist(), factor.tolist(), strict=True):
        assert abs(value - wanted) <= max(abs(wanted) / 127, 2.0**-20)
        mantissa = abs(value)
        while mantissa % 1:
            mantissa *= 2
        assert mantissa <= 127


def test_an_spconv_is_the_sum_of_scaled_ternary_sums() -> None:
    torch.manual_seed(0)
    layer = SPConv(2, 3, 3, 4, bias=False)
    layer.grid.act_quant.disable_quant, layer.grid.return_quant_tensor = True, False
    x = torch.rand(1, 2, 5, 5)
    first = layer.first.quant_weight().value
    assert set(first.unique().tolist()) <= {-1.0, 0.0, 1.0}
    h = torch.nn.functional.conv2d(x, first, padding=1)
    from hwsr.quant.quantizers import ternary_magnitude

    factor = FactorQuant()(layer.factor * ternary_magnitude(layer.first.weight).flatten())
    expected = torch.nn.functional.conv2d(h * factor[:, None, None], layer.second.quant_weight().value)
    assert torch.allclose(layer(x), expected, atol=1e-6)


def test_switched_off_a_quantized_network_is_its_float_network() -> None:
    quantized = build(parse_spec("bl x2 n8 g1 b1 int8"), seed=3)
    set_quantized(quantized, False)
    plain = build(parse_spec("bl x2 n8 g1 b1"), seed=3)
    plain.load_state_dict({name: p for name, p in quantized.state_dict().items() if "quant" not in name})
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(quantized(x), plain(x), atol=1e-6)


def test_calibration_brings_int8_close_to_float_and_is_deterministic() -> None:
    x = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)) / 256
    network = build(parse_spec("bl x2 n8 g1 b1 noca int8"))
    with torch.no_grad():
        set_quantized(network, False)
        exact = network(x).clamp(0, 255 / 256)
        set_quantized(network, True)
        before = (network(x) - exact).abs().mean()
        calibrate(network, [x])
        after = (network(x) - exact).abs().mean()
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        calibrate(network, [x])
    assert after < before and after < 0.02
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
