"""The skeleton `bl`: RCAN (Zhang et al. 2018) cut down, with a unit in place of each 3x3 convolution of its body."""

from torch import Tensor, nn
from torch.nn import functional

from hwsr.spec import ModelSpec, Unit
from hwsr.zoo.erum import ERUM
from hwsr.zoo.layers import Layers, Shuffle, value
from hwsr.zoo.network import Network, shrink
from hwsr.zoo.units import make_unit


class ChannelAttention(nn.Module):
    """Scales each channel by sigmoid(1x1(ReLU(1x1(mean)))); the hidden width is n / 16, at least one."""

    def __init__(self, layers: Layers, n: int) -> None:
        super().__init__()
        hidden = max(n // 16, 1)
        self.features = layers.requantize()
        self.mean, self.mean_grid = layers.mean(), layers.requantize()
        self.squeeze, self.act = layers.pooled_conv(n, hidden), layers.relu()
        self.excite, self.gate = layers.pooled_conv(hidden, n), layers.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        x = value(self.features(x))
        mean = self.mean_grid(self.mean(x))
        return x * value(self.gate(self.excite(self.act(self.squeeze(mean)))))


class ResidualBlock(nn.Module):
    """RCAB: x + CA(unit(ReLU(unit(x))))."""

    def __init__(self, layers: Layers, unit: Unit, n: int, attention: bool) -> None:
        super().__init__()
        self.first, self.act = make_unit(layers, unit, n), layers.relu()
        self.second = make_unit(layers, unit, n)
        self.attention = ChannelAttention(layers, n) if attention else nn.Identity()
        self.operand, self.grid = layers.operand(), layers.requantize()

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention(self.second(self.act(self.first(x))))
        return self.grid(value(self.operand(y)) + value(x))


class Skip(nn.Module):
    """x + close(body(x)): a residual group, or the whole body with its long skip."""

    def __init__(self, layers: Layers, body: nn.Sequential, close: nn.Module) -> None:
        super().__init__()
        self.body, self.close = body, close
        self.operand, self.grid = layers.operand(), layers.requantize()

    def forward(self, x: Tensor) -> Tensor:
        return self.grid(value(self.operand(self.close(self.body(x)))) + value(x))


def make_body(layers: Layers, spec: ModelSpec) -> nn.Module:
    """Residual groups of blocks inside the long skip; with no groups the blocks alone."""

    def block() -> nn.Module:
        return ResidualBlock(layers, spec.unit, spec.n, spec.attention)

    def close() -> nn.Module:
        return make_unit(layers, Unit() if spec.place == "rb" else spec.unit, spec.n)

    if spec.groups == 0:
        return nn.Sequential(*[block() for _ in range(spec.blocks)])
    groups = [Skip(layers, nn.Sequential(*[block() for _ in range(spec.blocks)]), close()) for _ in range(spec.groups)]
    return Skip(layers, nn.Sequential(*groups), close())


def make_upsampler(layers: Layers, spec: ModelSpec) -> nn.Sequential:
    """Features -> RGB residual at the full size: conv and shuffle or ERUM a stage, then the tail; or `direct`."""
    if spec.direct:
        return nn.Sequential(layers.conv(spec.n, spec.channels * spec.scale**2), layers.residual(), Shuffle(spec.scale))
    stages: list[nn.Module] = []
    for factor in (2, 2) if spec.scale == 4 else (spec.scale,):
        if spec.erum:
            stages.append(ERUM(layers, spec.unit if spec.place == "rg+u" else Unit(), spec.n, factor))
        else:
            stages += [layers.conv(spec.n, spec.n * factor**2), layers.requantize(), Shuffle(factor)]
    return nn.Sequential(*stages, layers.conv(spec.n, spec.channels), layers.residual())


class Skeleton(Network):
    """A whole network of the paper: RGB."""

    def __init__(self, spec: ModelSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.anchor, self.scale = spec.anchor, float(spec.scale)
        self.image_in = layers.image_in()
        self.head, self.head_grid = layers.conv(spec.channels, spec.n), layers.requantize()
        self.body = make_body(layers, spec)
        self.upsampler = make_upsampler(layers, spec)
        self.image_out = layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        x = self.image_in(image)
        y = value(self.upsampler(self.body(self.head_grid(self.head(x)))))
        if self.anchor:
            y = y + functional.interpolate(value(x), scale_factor=self.scale, mode="nearest")
        return value(self.image_out(y))

    def start(self) -> None:
        if self.anchor:
            convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
            shrink(convolutions[-1])
