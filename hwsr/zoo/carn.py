"""CARN-M (Ahn et al. 2018): cascades of recursive residual blocks with grouped convolutions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hwsr.spec import PeerSpec
from hwsr.zoo.layers import Layers, Shuffle, value
from hwsr.zoo.network import Network

WIDTH, GROUPS, DEPTH = 64, 4, 3


class EfficientResidualBlock(nn.Module):
    """ReLU(x + 1x1(ReLU(3x3(ReLU(3x3(x)))))), the 3x3s grouped."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        grouped = [(layers.conv(WIDTH, WIDTH, groups=GROUPS), layers.relu()) for _ in range(2)]
        self.body = nn.Sequential(*[layer for pair in grouped for layer in pair], layers.conv(WIDTH, WIDTH, 1))
        self.operand, self.act = layers.operand(), layers.relu()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(value(self.operand(self.body(x))) + value(x))
        return y


class Cascade(nn.Module):
    """Blocks, each followed by a 1x1 with ReLU over the input and every block's output so far."""

    def __init__(self, layers: Layers, make_block: Callable[[], nn.Module], shared: bool) -> None:
        super().__init__()
        first = make_block()
        self.blocks = nn.ModuleList([first, *[first if shared else make_block() for _ in range(DEPTH - 1)]])
        self.grids = nn.ModuleList(layers.requantize() for _ in range(DEPTH))
        self.joins = nn.ModuleList(
            nn.Sequential(layers.conv(WIDTH * (i + 2), WIDTH, 1), layers.relu()) for i in range(DEPTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        maps = [value(x)]
        for block, grid, join in zip(self.blocks, self.grids, self.joins, strict=True):
            maps.append(value(block(x)))
            x = join(grid(torch.cat(maps, 1)))
        return x


class CARNM(Network):
    """RGB: 3x3 to 64, a cascade of three cascades of one block each used three times, upsampling, 3x3 to RGB.

    The authors train one network for three scales, an upsampler each; this is the part that serves one scale.
    """

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)

        def cascading_block() -> nn.Module:
            return Cascade(layers, lambda: EfficientResidualBlock(layers), shared=True)

        self.image_in = layers.image_in()
        self.head, self.head_grid = layers.conv(3, WIDTH), layers.requantize()
        self.body = Cascade(layers, cascading_block, shared=False)
        stages: list[nn.Module] = []
        for factor in (2, 2) if spec.scale == 4 else (spec.scale,):
            stages += [layers.conv(WIDTH, WIDTH * factor**2, groups=GROUPS), layers.relu(), Shuffle(factor)]
        self.upsampler = nn.Sequential(*stages, layers.conv(WIDTH, 3), layers.residual())
        self.image_out = layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        features = self.body(self.head_grid(self.head(self.image_in(image))))
        return value(self.image_out(value(self.upsampler(features))))
