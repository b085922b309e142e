"""Published networks for small hardware, as their authors define them.

All work around mid-grey, as the rest of the zoo does; the authors feed most of them pixels in [0, 1], which differs by
a bias and in what zero padding means. Where a network clips its output, saturation to 8-bit pixels does (not in float).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwsr.spec import PeerSpec
from hwsr.zoo.layers import Layers, Shuffle, value
from hwsr.zoo.network import Network, shrink
from hwsr.zoo.upscaling import Bicubic, Deconvolution


class SRCNN(Network):
    """SRCNN 9-5-5 (Dong et al. 2014, TPAMI 2016): luma, bicubic first, then 9x9 to 64, 5x5 to 32, 5x5 at full size."""

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.image_in, self.bicubic = layers.image_in(), Bicubic(layers, spec.scale)
        self.body = nn.Sequential(
            layers.conv(1, 64, 9), layers.relu(), layers.conv(64, 32, 5), layers.relu(), layers.conv(32, 1, 5)
        )
        self.residual, self.image_out = layers.residual(), layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        return value(self.image_out(value(self.residual(self.body(self.bicubic(self.image_in(image)))))))


class FSRCNN(Network):
    """FSRCNN(d, s, m) (Dong et al. 2016): luma, 5x5 to d, 1x1 to s, m times 3x3, 1x1 to d, 9x9 deconvolution; PReLU."""

    def __init__(self, spec: PeerSpec, layers: Layers, d: int, s: int, m: int) -> None:
        super().__init__(spec)
        shapes = [(1, d, 5), (d, s, 1), *[(s, s, 3)] * m, (s, d, 1)]
        self.image_in = layers.image_in()
        self.body = nn.Sequential(
            *[layer for shape in shapes for layer in (layers.conv(*shape), layers.prelu(shape[1]))]
        )
        self.deconvolution, self.image_out = Deconvolution(layers, d, spec.scale), layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        return value(self.image_out(value(self.deconvolution(self.body(self.image_in(image))))))

    def start(self) -> None:
        # As the authors draw them (He et al. 2015): each PReLU halves the variance, nearly.
        for parameter in self.body.parameters():
            if parameter.dim() == 4:
                parameter.mul_(2**0.5)


class ESPCN(Network):
    """ESPCN (Shi et al. 2016): luma, 5x5 to 64, tanh, 3x3 to 32, tanh, 3x3 to s^2, pixel shuffle."""

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.image_in = layers.image_in()
        self.body = nn.Sequential(
            layers.conv(1, 64, 5), layers.tanh(), layers.conv(64, 32), layers.tanh(), layers.conv(32, spec.scale**2)
        )
        self.residual, self.shuffle, self.image_out = layers.residual(), Shuffle(spec.scale), layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        return value(self.image_out(value(self.shuffle(self.residual(self.body(self.image_in(image)))))))


class ABPN(Network):
    """ABPN (Du et al. 2021): RGB, six 3x3 with ReLU (five to 28, one to 3 s^2), a 3x3, + nearest-neighbour anchor."""

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.scale, last = float(spec.scale), 3 * spec.scale**2
        shapes = [(3, 28), *[(28, 28)] * 4, (28, last)]
        self.image_in = layers.image_in()
        self.body = nn.Sequential(*[layer for shape in shapes for layer in (layers.conv(*shape), layers.relu())])
        self.last, self.residual, self.shuffle = layers.conv(last, last), layers.residual(), Shuffle(spec.scale)
        self.image_out = layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        x = self.image_in(image)
        y = value(self.shuffle(self.residual(self.last(self.body(x)))))
        anchor = functional.interpolate(value(x), scale_factor=self.scale, mode="nearest")
        return value(self.image_out(y + anchor))

    def start(self) -> None:
        shrink(self.last)


class SESR(Network):
    """SESR-M5 collapsed (Bhardwaj et al. 2022): luma, 5x5 to 16, 5 times 3x3 with PReLU, 5x5 to s^2; no biases.

    The features before the 3x3s are added behind them, and the input to every output pixel. The short skip of each
    3x3 lies in its weights, which start from it.
    """

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.scale = float(spec.scale)
        self.image_in = layers.image_in()
        self.first, self.first_grid = layers.conv(1, 16, 5, bias=False), layers.requantize()
        self.convs = nn.ModuleList(layers.conv(16, 16, bias=False) for _ in range(5))
        self.acts = nn.ModuleList(layers.prelu(16) for _ in range(5))
        self.sum_grid = layers.requantize()
        self.last, self.residual = layers.conv(16, spec.scale**2, 5, bias=False), layers.residual()
        self.shuffle, self.image_out = Shuffle(spec.scale), layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        x = self.image_in(image)
        first = y = self.first_grid(self.first(x))
        for conv, act in zip(self.convs, self.acts, strict=True):
            y = act(conv(y))
        y = self.sum_grid(value(y) + value(first))
        y = value(self.shuffle(self.residual(self.last(y))))
        return value(self.image_out(y + functional.interpolate(value(x), scale_factor=self.scale, mode="nearest")))

    def start(self) -> None:
        for conv in (self.last, *self.convs):
            shrink(conv)
        for weight in self.convs.parameters():
            weight.add_(nn.init.dirac_(torch.empty_like(weight)))


class XLSR(Network):
    """XLSR (Ayazoglu 2021): RGB, four 3x3 to 8 with ReLU, 1x1, three Gblocks, joined by 3x3 to 16, 1x1, 3x3 to 3 s^2.

    A Gblock is a 3x3 in 4 groups, ReLU, a 1x1. Its clipped ReLU at the end is the saturation to pixels.
    """

    def __init__(self, spec: PeerSpec, layers: Layers) -> None:
        super().__init__(spec)
        self.image_in = layers.image_in()
        self.heads = nn.ModuleList(nn.Sequential(layers.conv(3, 8), layers.relu()) for _ in range(4))
        self.heads_grid, self.mix, self.mix_grid = layers.requantize(), layers.conv(32, 32, 1), layers.requantize()
        self.gblocks = nn.Sequential(
            *[
                layer
                for _ in range(3)
                for layer in (
                    layers.conv(32, 32, groups=4),
                    layers.relu(),
                    layers.conv(32, 32, 1),
                    layers.requantize(),
                )
            ]
        )
        self.skip, self.skip_grid = layers.conv(3, 16), layers.requantize()
        self.joined_grid = layers.requantize()
        self.tail = nn.Sequential(
            layers.conv(48, 32, 1), layers.relu(), layers.conv(32, 3 * spec.scale**2), layers.residual()
        )
        self.shuffle, self.image_out = Shuffle(spec.scale), layers.image_out()

    def forward(self, image: Tensor) -> Tensor:
        x = self.image_in(image)
        heads = self.heads_grid(torch.cat([value(head(x)) for head in self.heads], 1))
        deep = self.gblocks(self.mix_grid(self.mix(heads)))
        joined = self.joined_grid(torch.cat([value(deep), value(self.skip_grid(self.skip(x)))], 1))
        return value(self.image_out(value(self.shuffle(self.tail(joined)))))
