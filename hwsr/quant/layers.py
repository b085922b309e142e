"""The quantized layers: Brevitas modules on power-of-two grids."""

from typing import Any

from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from torch import Tensor, nn
from torch.nn import functional

from hwsr.quant.quantizers import (
    FixedWeight,
    ImageInt8,
    ImageUint8,
    Int8Act,
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    SlopeQuant,
    Uint8Act,
    UnitInt8,
)
from hwsr.quant.spconv import DepthwiseSPConv, SPConv
from hwsr.zoo.layers import AddConstant, GlobalMean, Kernel, constant, same_padding, value


class Conv(QuantConv2d):
    """A convolution that may read its input in fewer bits than others do: through `narrow`, where it has one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.narrow: QuantIdentity | QuantReLU | None = None

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = super().forward(self.narrow(x) if self.narrow else x)
        return result


class Int8Layers:
    """8-bit activations and weights, 32-bit biases on the accumulators' grid."""

    def __init__(self, per_channel: bool = True) -> None:
        self.weight_quant = Int8WeightPerChannelFixedPoint if per_channel else Int8WeightPerTensorFixedPoint

    def conv(self, c_in: int, c_out: int, kernel: Kernel = 3, groups: int = 1, bias: bool = True) -> nn.Module:
        return Conv(
            c_in,
            c_out,
            kernel,
            padding=same_padding(kernel),
            groups=groups,
            bias=bias,
            weight_quant=self.weight_quant,
            bias_quant=Int32Bias if bias else None,
        )

    def pooled_conv(self, c_in: int, c_out: int) -> nn.Module:
        return QuantConv2d(c_in, c_out, 1, weight_quant=self.weight_quant, bias_quant=Int32Bias)

    def fixed_conv(self, weight: Tensor) -> nn.Module:
        c_out, c_in, height, width = weight.shape
        kernel = (height, width)
        conv = QuantConv2d(c_in, c_out, kernel, padding=same_padding(kernel), bias=False, weight_quant=FixedWeight)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        return conv

    def relu(self) -> nn.Module:
        return QuantReLU(act_quant=Uint8Act, return_quant_tensor=True)

    def requantize(self) -> nn.Module:
        return QuantIdentity(act_quant=Int8Act, return_quant_tensor=True)

    def operand(self) -> nn.Module:
        return nn.Identity()

    def mean(self) -> nn.Module:
        return GlobalMean()

    def sigmoid(self) -> nn.Module:
        return nn.Sequential(self.requantize(), Sigmoid(), self._pixels())

    def tanh(self) -> nn.Module:
        grid = QuantIdentity(act_quant=UnitInt8, return_quant_tensor=True)
        return nn.Sequential(self.requantize(), Tanh(), grid)

    def prelu(self, channels: int) -> nn.PReLU:
        return PReLU(channels, self.requantize())

    def image_in(self) -> nn.Module:
        return nn.Sequential(self._pixels(), AddConstant(-0.5), self.residual())

    def residual(self) -> nn.Module:
        return QuantIdentity(act_quant=ImageInt8, return_quant_tensor=True)

    def image_out(self) -> nn.Module:
        return nn.Sequential(AddConstant(0.5), self._pixels())

    def _pixels(self) -> nn.Module:
        return QuantIdentity(act_quant=ImageUint8, return_quant_tensor=True)


class TernaryLayers(Int8Layers):
    """Every convolution an SP-conv with r = ratio c_out; channel attention stays 8-bit, as in the paper's count."""

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio

    def conv(self, c_in: int, c_out: int, kernel: Kernel = 3, groups: int = 1, bias: bool = True) -> nn.Module:
        if groups == c_in == c_out and not bias:
            return DepthwiseSPConv(c_in, kernel)
        return SPConv(c_in, c_out, kernel, self.ratio * c_out, bias, groups)


class Sigmoid(nn.Module):
    """Sigmoid of the value of a grid tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return value(x).sigmoid()


class Tanh(nn.Module):
    """Tanh of the value of a grid tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return value(x).tanh()


class PReLU(nn.PReLU):
    """slope x + (1 - slope) ReLU(x) of x on `grid`, put back on it: what is positive passes unchanged."""

    def __init__(self, channels: int, grid: nn.Module) -> None:
        super().__init__(channels)
        self.grid, self.slope_quant = grid, SlopeQuant()

    def forward(self, x: Tensor) -> Tensor:
        x = value(self.grid(x))
        slope = self.slope_quant(self.weight)
        below, above = (constant(factor)[:, None, None] for factor in (slope, 1 - slope))
        result: Tensor = self.grid(x * below + functional.relu(x) * above)
        return result
