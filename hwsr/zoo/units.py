"""What replaces a 3x3 convolution n -> n. A unit takes a grid tensor and returns accumulators.

Only the last convolution of a unit has a bias (which makes the paper's parameter counts come out).
"""

from torch import Tensor, nn

from hwsr.spec import Unit
from hwsr.zoo.layers import Layers, value


def make_unit(layers: Layers, unit: Unit, n: int) -> nn.Module:
    """The unit that a spec names, n -> n features."""
    match unit.name:
        case "bl":
            return layers.conv(n, n)
        case "blrn":
            return Bottleneck(layers, n, n // unit["r"])
        case "blm1":
            return MobileNetV1(layers, n)
    raise ValueError(f"no unit {unit}")


class Bottleneck(nn.Module):
    """`blrn(r)`: 1x1 to n/r, 3x3, 1x1 back, skip (He et al. 2016)."""

    def __init__(self, layers: Layers, n: int, hidden: int) -> None:
        super().__init__()
        self.reduce, self.reduce_act = layers.conv(n, hidden, 1, bias=False), layers.relu()
        self.middle, self.middle_act = layers.conv(hidden, hidden, bias=False), layers.relu()
        self.expand = layers.conv(hidden, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.middle_act(self.middle(self.reduce_act(self.reduce(x))))
        return self.expand(y) + value(x)


class MobileNetV1(nn.Module):
    """`blm1`: 3x3 depthwise, 1x1 (Howard et al. 2017)."""

    def __init__(self, layers: Layers, n: int) -> None:
        super().__init__()
        self.depthwise, self.act = layers.conv(n, n, groups=n, bias=False), layers.relu()
        self.pointwise = layers.conv(n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.act(self.depthwise(x)))
