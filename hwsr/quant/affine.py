"""Affine quantization (Jacob et al. 2017) as LiteRT specifies it for int8: float scales, zero points of activations.

Weights are int8 around zero with a scale a channel, activations int8 with one scale and zero point a tensor, biases
32-bit integers on the accumulators' grid. In torch all is simulated in floats, which the integers of `hwsr.ir.affine`
follow but for a step here and there: they are rounded twice, which moves what lies close to half a step.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from brevitas.core.bit_width import BitWidthConst
from brevitas.inject.enum import FloatToIntImplType
from brevitas.nn import QuantIdentity, QuantReLU
from brevitas.quant.scaled_int import Int8WeightPerChannelFloat
from brevitas.quant.solver import ActQuantSolver
from torch import Tensor, nn

from hwsr.errors import HwsrError
from hwsr.quant.layers import Int8Layers
from hwsr.zoo.layers import value

LOW, HIGH = -128, 127
# No range is narrower: a bias in steps of its scale would leave 32 bits.
LEAST_RANGE = 2.0**-6
# How many values of a tensor a batch gives to fit a range to, and what shares of the extremes are tried.
SAMPLES = 1 << 12
SHARES = torch.linspace(0.2, 1.0, 17)


class AffineQuant(nn.Module):
    """Values to int8 of one scale and zero point, straight-through; the range [low, high] around zero is learned.

    With `after_relu` low is zero and the zero point -128.
    """

    def __init__(self, after_relu: bool) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.tensor(0.0 if after_relu else -1.0), requires_grad=not after_relu)
        self.high = nn.Parameter(torch.tensor(1.0))
        self.bit_width = BitWidthConst(8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        low, high = self.low.clamp_max(0), self.high.clamp_min(0)
        scale = (high - low).clamp_min(LEAST_RANGE) / (HIGH - LOW)
        zero_point = _round(LOW - low / scale).clamp(LOW, HIGH)
        integers = (_round(x / scale) + zero_point).clamp(LOW, HIGH)
        return (integers - zero_point) * scale, scale, zero_point, self.bit_width()

    def fit(self, x: Tensor) -> None:
        """Set the range to one of least squared error over the values x, (N,): either end in turn, twice."""
        extremes = [x.min().clamp_max(0), x.max().clamp_min(0)]
        for parameter, extreme in zip((self.low, self.high), extremes, strict=True):
            parameter.copy_(extreme)
        for parameter, extreme in zip((self.high, self.low) * 2, extremes[::-1] * 2, strict=True):
            errors = []
            for share in SHARES:
                parameter.copy_(share * extreme)
                errors.append((self(x)[0] - x).square().sum().item())
            parameter.copy_(SHARES[errors.index(min(errors))] * extreme)


def _round(x: Tensor) -> Tensor:
    """Nearest integer, straight-through."""
    return x + (x.detach().round() - x.detach())


@contextmanager
def fitted_ranges(network: nn.Module) -> Iterator[None]:
    """Fit the ranges of a network's affine activations, which are not quantized meanwhile, to what passes them."""
    samples: dict[AffineQuant, list[Tensor]] = {}

    def observe(module: QuantIdentity, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        flat = value(output).flatten()
        quantizer = module.act_quant.fused_activation_quant_proxy.tensor_quant
        samples.setdefault(quantizer, []).append(flat[:: max(len(flat) // SAMPLES, 1)])

    hooks = [
        module.register_forward_hook(observe)
        for module in network.modules()
        if isinstance(module, QuantIdentity | QuantReLU)
        and isinstance(module.act_quant.fused_activation_quant_proxy.tensor_quant, AffineQuant)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for quantizer, values in samples.items():
        quantizer.fit(torch.cat(values))


class AffineAct(ActQuantSolver):
    """int8 activations; the range is set by `calibrate` and then learned."""

    tensor_quant = AffineQuant
    after_relu = False
    signed = True
    narrow_range = False
    float_to_int_impl_type = FloatToIntImplType.ROUND  # for export alone


class AffineReluAct(AffineAct):
    """int8 activations after a ReLU: zero point -128."""

    after_relu = True


class AffineWeight(Int8WeightPerChannelFloat):
    """int8 weights in [-127, 127], a scale a channel; a channel of zeros gets one that leaves its bias 32 bits."""

    scaling_min_val = 2.0**-14


class FrameMean(nn.Module):
    """Mean over the frame: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return value(x).mean((2, 3), keepdim=True)


class AffineLayers(Int8Layers):
    """int8 with zero points; the image's own grid, around mid-grey, has the zero point 0 and a power of two."""

    def __init__(self) -> None:
        super().__init__()
        self.weight_quant = AffineWeight

    def relu(self) -> nn.Module:
        return QuantReLU(act_quant=AffineReluAct, return_quant_tensor=True)

    def requantize(self) -> nn.Module:
        return QuantIdentity(act_quant=AffineAct, return_quant_tensor=True)

    def operand(self) -> nn.Module:
        return self.requantize()

    def mean(self) -> nn.Module:
        return FrameMean()

    def fixed_conv(self, weight: Tensor) -> nn.Module:
        raise HwsrError("a convolution by constants has no affine form; choose another precision")

    def prelu(self, channels: int) -> nn.PReLU:
        raise HwsrError("a PReLU has no affine form; choose another precision")
