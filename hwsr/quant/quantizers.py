"""Brevitas quantizers of hwsr: power-of-two scales, 8-bit activations and weights, ternary weights.

>>> from brevitas.nn import QuantIdentity
>>> quantize = QuantIdentity(act_quant=Int8Act, return_quant_tensor=True)
"""

import torch
from brevitas.core.bit_width import BitWidthConst
from brevitas.core.utils import StatelessBuffer
from brevitas.inject.enum import ScalingImplType
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from brevitas.quant.scaled_int import Int32Bias
from brevitas.quant.solver import WeightQuantSolver
from torch import Tensor, nn

from hwsr.zoo.layers import FIXED_GRID

__all__ = [
    "FactorQuant",
    "FixedWeight",
    "ImageInt8",
    "ImageUint8",
    "Int8Act",
    "Int8WeightPerChannelFixedPoint",
    "Int8WeightPerTensorFixedPoint",
    "Int32Bias",
    "SlopeQuant",
    "TernaryQuant",
    "TernaryWeight",
    "TernaryWeightUnitScale",
    "Uint8Act",
    "UnitInt8",
]


class Int8Act(Int8ActPerTensorFixedPoint):
    """8-bit signed activations; the exponent is set by `calibrate` and then learned."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


class Uint8Act(Uint8ActPerTensorFixedPoint):
    """8-bit unsigned activations (after ReLU); the exponent is set by `calibrate` and then learned."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


class ImageInt8(Int8ActPerTensorFixedPoint):
    """The pixel grid 2**-8 around mid-grey: int8 in [-0.5, 0.5)."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 0.5


class ImageUint8(Uint8ActPerTensorFixedPoint):
    """The pixel grid 2**-8: uint8 in [0, 1)."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 1.0


class UnitInt8(Int8ActPerTensorFixedPoint):
    """The grid 2**-7: int8 in [-1, 1)."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 1.0


class FixedWeight(Int8WeightPerTensorFixedPoint):
    """Constants on FIXED_GRID, 12 bits wide: [-2, 2)."""

    bit_width = 12
    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 2**11 * FIXED_GRID


def ternary_threshold(weight: Tensor) -> Tensor:
    """0.7 * mean |w| of every output channel (Li et al. 2016, as StrassenNets uses it). Shape (c_out, 1, ...)."""
    return 0.7 * weight.abs().flatten(1).mean(1).reshape(-1, *[1] * (weight.dim() - 1))


def ternary_magnitude(weight: Tensor) -> Tensor:
    """Mean |w| of each output channel's weights above the threshold: the best scale of its ternary weights."""
    kept = (weight.abs() > ternary_threshold(weight)).to(weight.dtype)
    total = (weight.abs() * kept).flatten(1).sum(1)
    magnitude = total / kept.flatten(1).sum(1).clamp_min(1)
    # A channel of zeros keeps no weight; a scale far below the others' would only widen its accumulators.
    least = max(float(magnitude.detach().max()) / 2**8, 2.0**-20)
    return magnitude.clamp_min(least).reshape(-1, *[1] * (weight.dim() - 1))


class TernaryQuant(nn.Module):
    """Weights to {-s, 0, +s} a channel, straight-through; s is a power of two, or one when `unit_scale`.

    With `unit_scale` the magnitude is left to a factor that follows (the `a` of an SP-conv).
    """

    def __init__(self, unit_scale: bool) -> None:
        super().__init__()
        self.unit_scale = unit_scale
        self.bit_width = BitWidthConst(2)
        self.zero_point = StatelessBuffer(torch.tensor(0.0))

    def forward(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        magnitude = ternary_magnitude(weight).detach()
        sign = torch.sign(weight) * (weight.abs() > ternary_threshold(weight))
        scale = torch.ones_like(magnitude) if self.unit_scale else torch.exp2(magnitude.log2().round())
        smooth = weight * (scale / magnitude)
        return smooth + (sign * scale - smooth).detach(), scale, self.zero_point(), self.bit_width()


class TernaryWeight(WeightQuantSolver):
    """Ternary weights with a power-of-two scale a channel (the 1x1 of an SP-conv)."""

    tensor_quant = TernaryQuant
    unit_scale = False
    signed = True
    narrow_range = True


class TernaryWeightUnitScale(TernaryWeight):
    """Ternary weights in {-1, 0, 1}; their magnitude is folded into the factors (the k x k of an SP-conv)."""

    unit_scale = True


class FactorQuant(nn.Module):
    """Constants to `bits` integers with a power-of-two scale each, rounded to nearest, straight-through."""

    def __init__(self, bits: int = 8) -> None:
        super().__init__()
        self.limit = 2 ** (bits - 1) - 1

    def forward(self, factor: Tensor) -> Tensor:
        size = factor.detach().abs().clamp_min(2.0**-20)
        scale = torch.exp2(torch.ceil(torch.log2(size / self.limit)))
        quantized = torch.round(factor.detach() / scale).clamp(-self.limit, self.limit) * scale
        return factor + (quantized - factor).detach()


class SlopeQuant(nn.Module):
    """Slopes in [-1, 1) to 8-bit integers on the grid 2**-7, rounded to nearest, straight-through.

    On one grid slope and 1 - slope are exact together, and their products with 8-bit values in float32 too.
    """

    def forward(self, slope: Tensor) -> Tensor:
        quantized = torch.round(slope.detach() * 128).clamp(-128, 127) / 128
        return slope + (quantized - slope).detach()
