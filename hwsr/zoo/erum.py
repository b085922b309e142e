"""ERUM, the paper's efficient recursive upscaling module (postfix -e), in place of convolution and pixel shuffle."""

import torch
from torch import Tensor, nn

from hwsr.spec import Unit
from hwsr.zoo.layers import Layers, Shuffle, value
from hwsr.zoo.units import make_unit


class RecursiveBlock(nn.Module):
    """x + unit(ReLU(unit(x))), applied `depth` times with the same weights; returns every pass's output."""

    def __init__(self, layers: Layers, unit: Unit, n: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.first, self.act = make_unit(layers, unit, n), layers.relu()
        self.second = make_unit(layers, unit, n)
        self.operand, self.grid = layers.operand(), layers.requantize()

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for _ in range(self.depth):
            x = self.grid(value(self.operand(self.second(self.act(self.first(x))))) + value(x))
            outputs.append(x)
        return outputs


class ERUM(nn.Module):
    """(N, n, H, W) -> (N, n, fH, fW): f recursive blocks of f passes each, their f x f maps concatenated, shuffled."""

    def __init__(self, layers: Layers, unit: Unit, n: int, factor: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(RecursiveBlock(layers, unit, n, factor) for _ in range(factor))
        self.grid, self.shuffle = layers.requantize(), Shuffle(factor)

    def forward(self, x: Tensor) -> Tensor:
        maps = [value(y) for block in self.blocks for y in block(x)]
        return self.shuffle(self.grid(torch.cat(maps, 1)))
