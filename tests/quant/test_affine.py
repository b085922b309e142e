import pytest
import torch

from hwsr.errors import HwsrError
from hwsr.quant import build, calibrate, set_quantized
from hwsr.quant.affine import HIGH, LOW, AffineLayers, AffineQuant
from hwsr.spec import parse_spec


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.1, 3.0), (-3.0, 0.2), (0.0, 2.0), (-2.0, 0.0), (1.0, 2.0)])
def test_values_are_int8_around_a_zero_point_that_is_zero_itself(low: float, high: float) -> None:
    quantize = AffineQuant(after_relu=False)
    with torch.no_grad():
        quantize.low.fill_(low)
        quantize.high.fill_(high)
        x = torch.cat((torch.linspace(-4, 4, 101), torch.zeros(1)))
        y, scale, zero_point, bits = quantize(x)
    integers = y / scale + zero_point
    assert torch.allclose(integers, integers.round(), atol=1e-3)
    assert integers.min() >= LOW - 1e-3 and integers.max() <= HIGH + 1e-3
    assert y[-1] == 0 and bits == 8 and zero_point == zero_point.round()
    inside = (x > min(low, 0) + scale) & (x < max(high, 0) - scale)
    assert ((y - x).abs()[inside] <= scale / 2 + 1e-6).all()


def test_after_a_relu_the_zero_point_is_the_least_integer() -> None:
    quantize = AffineQuant(after_relu=True)
    assert quantize(torch.rand(9))[2] == LOW
    assert not quantize.low.requires_grad


def test_the_gradient_passes_where_nothing_saturates_and_moves_the_ends_where_it_does() -> None:
    quantize = AffineQuant(after_relu=False)
    x = torch.tensor([-3.0, -0.3, 0.4, 3.0], requires_grad=True)
    quantize(x)[0].sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 0]
    assert quantize.high.grad is not None and quantize.low.grad is not None
    assert quantize.high.grad > 0.9 and quantize.low.grad > 0.9


def test_a_fitted_range_leaves_an_outlier_out() -> None:
    quantize = AffineQuant(after_relu=False)
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        quantize.fit(x)
        assert -4.5 < quantize.low < -3 and 3 < quantize.high < 4.5
        quantize.fit(torch.cat((x.abs(), torch.tensor([6.0]))))
    assert quantize.low == 0 and quantize.high < 6


def test_a_range_of_nothing_still_has_a_scale() -> None:
    quantize = AffineQuant(after_relu=False)
    with torch.no_grad():
        quantize.fit(torch.zeros(5))
        assert quantize(torch.zeros(5))[1] > 0


def test_calibration_brings_int8a_close_to_float_and_training_learns_ranges() -> None:
    x = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)) / 256
    network = build(parse_spec("bl x2 n8 g1 b1 noca anchor direct int8a"))
    with torch.no_grad():
        set_quantized(network, False)
        exact = network(x).clamp(0, 255 / 256)
        calibrate(network, [x])
        calibrated = (network(x) - exact).abs().mean()
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        calibrate(network, [x])
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert calibrated < 0.02
    ends = [parameter for name, parameter in network.named_parameters() if name.endswith((".low", ".high"))]
    with torch.no_grad():
        for end in ends:
            end.mul_(8)
    adam, losses = torch.optim.Adam(ends, lr=0.3), []
    for _ in range(40):
        adam.zero_grad()
        losses.append((network(x) - exact).abs().mean())
        losses[-1].backward()
        adam.step()
    assert losses[0] > 3 * calibrated and losses[-1] < 0.6 * losses[0]


def test_layers_without_an_affine_form() -> None:
    with pytest.raises(HwsrError, match="PReLU"):
        AffineLayers().prelu(4)
    with pytest.raises(HwsrError, match="constants"):
        AffineLayers().fixed_conv(torch.ones(1, 1, 3, 3))
