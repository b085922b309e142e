"""The ternary sum-product convolution of StrassenNets (Tschannen et al. 2017; the paper's Table 5).

h = ternary k x k conv of x (c_in -> r);  p = a * h, one factor a channel;  y = ternary 1x1 of p (r -> c_out)
"""

import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from torch import Tensor, nn

from hwsr.quant.quantizers import (
    FactorQuant,
    Int8Act,
    Int32Bias,
    TernaryQuant,
    TernaryWeight,
    TernaryWeightUnitScale,
    ternary_magnitude,
)
from hwsr.zoo.layers import Kernel, constant, same_padding


class SPConv(nn.Module):
    """SP-conv: grid tensor (N, c_in, H, W) -> accumulators (N, c_out, H, W). In groups, one SP-conv a group.

    The magnitude of the first ternary weights is folded into the factors, which are 8-bit integers with a
    power-of-two scale each; the products are put back on an 8-bit grid before the second convolution.
    """

    def __init__(self, c_in: int, c_out: int, kernel: Kernel, hidden: int, bias: bool, groups: int = 1) -> None:
        super().__init__()
        self.first = QuantConv2d(
            c_in,
            hidden,
            kernel,
            padding=same_padding(kernel),
            groups=groups,
            bias=False,
            weight_quant=TernaryWeightUnitScale,
        )
        self.factor = nn.Parameter(torch.ones(hidden))
        self.factor_quant = FactorQuant()
        self.grid = QuantIdentity(act_quant=Int8Act, return_quant_tensor=True)
        self.second = QuantConv2d(
            hidden,
            c_out,
            1,
            groups=groups,
            bias=bias,
            weight_quant=TernaryWeight,
            bias_quant=Int32Bias if bias else None,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.grid(scaled(self.first, self.factor, self.factor_quant, x)))

    def operations(self) -> tuple[int, int]:
        return self.factor.numel(), additions(self.first) + additions(self.second)


class DepthwiseSPConv(nn.Module):
    """Depthwise SP-conv with r = c_out: its 1x1 would mix each channel with itself alone, so it is left out."""

    def __init__(self, channels: int, kernel: Kernel) -> None:
        super().__init__()
        self.first = QuantConv2d(
            channels,
            channels,
            kernel,
            padding=same_padding(kernel),
            groups=channels,
            bias=False,
            weight_quant=TernaryWeightUnitScale,
        )
        self.factor = nn.Parameter(torch.ones(channels))
        self.factor_quant = FactorQuant()

    def forward(self, x: Tensor) -> Tensor:
        return scaled(self.first, self.factor, self.factor_quant, x)

    def operations(self) -> tuple[int, int]:
        return self.factor.numel(), additions(self.first)


def freeze(network: nn.Module) -> None:
    """Hold every ternary weight where it is: of SP-convs the factors and biases alone go on learning."""
    for module in network.modules():
        if isinstance(module, QuantConv2d) and isinstance(module.weight_quant.tensor_quant, TernaryQuant):
            module.weight.requires_grad_(False)


def freeze_sums(network: nn.Module) -> None:
    """Hold the 1x1 of every SP-conv where it is, as `hwsr.quant.decompose` made it: few additions, all in use."""
    for module in network.modules():
        if isinstance(module, SPConv):
            module.second.weight.requires_grad_(False)


def additions(conv: QuantConv2d) -> int:
    """Additions that a pixel of a ternary convolution takes: one less than it has inputs, for every output."""
    return conv.weight.numel() - conv.out_channels


def scaled(conv: QuantConv2d, factor: Tensor, quantize: FactorQuant, x: Tensor) -> Tensor:
    """factor * conv(x): with unit ternary weights and their magnitude in the factor, or all in float."""
    if conv.weight_quant.disable_quant:
        return conv(x) * factor[:, None, None]
    constants = constant(quantize(factor * ternary_magnitude(conv.weight).flatten()))
    return conv(x) * constants[:, None, None]
