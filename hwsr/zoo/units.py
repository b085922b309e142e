"""What replaces a 3x3 convolution n -> n. A unit takes a grid tensor and returns accumulators.

Only the last convolution of a unit has a bias (which makes the paper's parameter counts come out). ReLUs stand where
the units' own papers have them; what closes a unit is left to the block around it.
"""

import torch
from torch import Tensor, nn

from hwsr.spec import Unit
from hwsr.zoo.layers import ChannelShuffle, Layers, value


def make_unit(layers: Layers, unit: Unit, n: int) -> nn.Module:
    """The unit that a spec names, n -> n features."""
    match unit.name:
        case "bl":
            return layers.conv(n, n)
        case "blrn":
            return Bottleneck(layers, n, n // unit["r"])
        case "blrxn":
            return Bottleneck(layers, n, n // unit["r"], groups=unit["g"])
        case "blm1":
            return MobileNetV1(layers, n)
        case "bleff":
            return EffNet(layers, n, n // unit["r"])
        case "bls1":
            return ShuffleNetV1(layers, n, n // unit["r"], unit["g"])
        case "blclc":
            return ClcNet(layers, n, unit["g1"], unit["g2"])
        case "bls2":
            return ShuffleNetV2(layers, n)
        case "blm2":
            return MobileNetV2(layers, n, n * unit["e"])
    raise ValueError(f"no unit {unit}")


class Bottleneck(nn.Module):
    """`blrn(r)`: 1x1 to n/r, 3x3, 1x1 back, skip (He et al. 2016); `blrxn(r,g)`: its 3x3 grouped (Xie et al. 2017)."""

    def __init__(self, layers: Layers, n: int, hidden: int, groups: int = 1) -> None:
        super().__init__()
        self.reduce, self.reduce_act = layers.conv(n, hidden, 1, bias=False), layers.relu()
        self.middle, self.middle_act = layers.conv(hidden, hidden, groups=groups, bias=False), layers.relu()
        self.expand, self.operand = layers.conv(hidden, n, 1), layers.operand()

    def forward(self, x: Tensor) -> Tensor:
        y = self.middle_act(self.middle(self.reduce_act(self.reduce(x))))
        return value(self.operand(self.expand(y))) + value(x)


class MobileNetV1(nn.Module):
    """`blm1`: 3x3 depthwise, 1x1 (Howard et al. 2017)."""

    def __init__(self, layers: Layers, n: int) -> None:
        super().__init__()
        self.depthwise, self.act = layers.conv(n, n, groups=n, bias=False), layers.relu()
        self.pointwise = layers.conv(n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.act(self.depthwise(x)))


class MobileNetV2(nn.Module):
    """`blm2(e)`, inverted residual: 1x1 to en, 3x3 depthwise, linear 1x1 back, skip (Sandler et al. 2018)."""

    def __init__(self, layers: Layers, n: int, hidden: int) -> None:
        super().__init__()
        self.expand, self.expand_act = layers.conv(n, hidden, 1, bias=False), layers.relu()
        self.depthwise, self.depthwise_act = layers.conv(hidden, hidden, groups=hidden, bias=False), layers.relu()
        self.project, self.operand = layers.conv(hidden, n, 1), layers.operand()

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise_act(self.depthwise(self.expand_act(self.expand(x))))
        return value(self.operand(self.project(y))) + value(x)


class EffNet(nn.Module):
    """`bleff(r)`: 1x1 to n/r, the depthwise 3x3 as 1x3 and 3x1, 1x1 back (Freeman et al. 2018)."""

    def __init__(self, layers: Layers, n: int, hidden: int) -> None:
        super().__init__()
        self.reduce, self.reduce_act = layers.conv(n, hidden, 1, bias=False), layers.relu()
        self.row, self.row_act = layers.conv(hidden, hidden, (1, 3), groups=hidden, bias=False), layers.relu()
        self.column, self.column_act = layers.conv(hidden, hidden, (3, 1), groups=hidden, bias=False), layers.relu()
        self.expand = layers.conv(hidden, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.row_act(self.row(self.reduce_act(self.reduce(x))))
        return self.expand(self.column_act(self.column(y)))


class ShuffleNetV1(nn.Module):
    """`bls1(r,g)`: grouped 1x1 to n/r, shuffle, 3x3 depthwise, grouped 1x1 back, skip (Zhang et al. 2018)."""

    def __init__(self, layers: Layers, n: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.reduce, self.act = layers.conv(n, hidden, 1, groups=groups, bias=False), layers.relu()
        self.shuffle = ChannelShuffle(groups)
        self.depthwise, self.grid = layers.conv(hidden, hidden, groups=hidden, bias=False), layers.requantize()
        self.expand, self.operand = layers.conv(hidden, n, 1, groups=groups), layers.operand()

    def forward(self, x: Tensor) -> Tensor:
        y = self.shuffle(self.act(self.reduce(x)))
        return value(self.operand(self.expand(self.grid(self.depthwise(y))))) + value(x)


class ShuffleNetV2(nn.Module):
    """`bls2`: one half of the channels through 1x1, 3x3 depthwise, 1x1; concat, shuffle (Ma et al. 2018)."""

    def __init__(self, layers: Layers, n: int) -> None:
        super().__init__()
        half = self.kept = n // 2
        self.first, self.first_act = layers.conv(half, half, 1, bias=False), layers.relu()
        self.depthwise, self.grid = layers.conv(half, half, groups=half, bias=False), layers.requantize()
        self.last, self.last_act = layers.conv(half, half, 1), layers.relu()
        self.operand, self.shuffle = layers.operand(), ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        kept, y = value(x)[:, : self.kept], value(x)[:, self.kept :]
        y = self.last_act(self.last(self.grid(self.depthwise(self.first_act(self.first(y))))))
        return self.shuffle(value(self.operand(torch.cat((kept, value(y)), 1))))


class ClcNet(nn.Module):
    """`blclc(g1,g2)`: grouped 3x3, shuffle, grouped 1x1; each 1x1 group sees every 3x3 group (Zhang 2018)."""

    def __init__(self, layers: Layers, n: int, g1: int, g2: int) -> None:
        super().__init__()
        self.spatial, self.grid = layers.conv(n, n, groups=g1, bias=False), layers.requantize()
        self.shuffle = ChannelShuffle(g1)
        self.channel = layers.conv(n, n, 1, groups=g2)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel(self.shuffle(self.grid(self.spatial(x))))
