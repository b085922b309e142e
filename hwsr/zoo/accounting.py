"""What a network costs: parameters, Mult-Adds, multiplications and additions of each layer, read off the module tree.

Mult-Adds follow the paper: learned convolutions only, for an output of 1280 x 720, the low-resolution image being
floor(1280 / s) x floor(720 / s). A convolution's additions are as many as its multiplications; the additions of
its bias are not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwsr.zoo.layers import SumProduct, stored, value
from hwsr.zoo.network import Network

OUTPUT_SIZE = (720, 1280)
BENCHMARKS = ("Set5", "Set14", "B100", "Urban100")

# A layer's work is proportional to the image: it is observed on a frame of this size, and scaled.
_FRAME = 4


@dataclass(frozen=True)
class LayerCost:
    """One layer (a convolution, SP-conv or PReLU) over a whole image.

    calls: > 1 where its weights serve several times; weights: `params` without biases and slopes.
    """

    name: str
    layer: str
    calls: int
    pooled: bool
    params: int
    weights: int
    mult_adds: int
    multiplications: int
    additions: int


@dataclass(frozen=True)
class Cost:
    """A network's layers in the order in which they first run; totals are sums over them."""

    layers: tuple[LayerCost, ...]

    @property
    def params(self) -> int:
        return sum(layer.params for layer in self.layers)

    @property
    def weights(self) -> int:
        """Parameters without biases and slopes, as some publications count them."""
        return sum(layer.weights for layer in self.layers)

    @property
    def mult_adds(self) -> int:
        return sum(layer.mult_adds for layer in self.layers)

    @property
    def multiplications(self) -> int:
        return sum(layer.multiplications for layer in self.layers)

    @property
    def additions(self) -> int:
        return sum(layer.additions for layer in self.layers)

    def without_attention(self) -> "Cost":
        """The layers that work on the image: Table 5 leaves the channel attention out."""
        return Cost(tuple(layer for layer in self.layers if not layer.pooled))

    def with_mean_shift(self, scale: int) -> "Cost":
        """As the source counts: its code (EDSR's) subtracts and adds the mean RGB by a 1x1 convolution 3 -> 3 each.

        Here both are additions of a constant. Counted in, every Mult-Adds figure of Tables 1 and 2 but that of `bl`,
        and every reduction of Table 5, comes to the last printed digit.
        """
        height, width = low_resolution(scale)
        shift = nn.Conv2d(3, 3, 1)
        before = _cost("subtract_mean", shift, 1, False, height * width)
        after = _cost("add_mean", shift, 1, False, height * width * scale**2)
        return Cost((before, *self.layers, after))


def low_resolution(scale: int) -> tuple[int, int]:
    """(H, W) of the input that Mult-Adds are counted for."""
    return OUTPUT_SIZE[0] // scale, OUTPUT_SIZE[1] // scale


def count(network: Network) -> Cost:
    """Run `network` once on a small frame, and cost every layer for the 720p output of its scale."""
    layers = _layers(network)
    height, width = low_resolution(network.spec.scale)
    pixels = dict.fromkeys(layers, 0)
    calls, pooled = dict.fromkeys(layers, 0), dict.fromkeys(layers, False)

    def observe(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = names[module]
        rows, columns = (int(size) for size in value(output).shape[2:])
        calls[name] += 1
        pooled[name] = rows == columns == 1
        pixels[name] += 1 if pooled[name] else rows * height // _FRAME * (columns * width // _FRAME)

    names = {module: name for name, module in layers.items()}
    hooks = [module.register_forward_hook(observe) for module in layers.values()]
    parameter = next(network.parameters())
    with torch.no_grad():
        network(torch.zeros(1, network.spec.channels, _FRAME, _FRAME, dtype=parameter.dtype, device=parameter.device))
    for hook in hooks:
        hook.remove()
    return Cost(tuple(_cost(name, layers[name], calls[name], pooled[name], pixels[name]) for name in layers))


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that are counted, by path: SP-convs as one, every other convolution that learns, and PReLUs."""
    found: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        learns = not isinstance(module, nn.Conv2d) or stored(module, "weight").requires_grad
        if isinstance(module, (nn.Conv2d, SumProduct, nn.PReLU)) and learns and not inside:
            found[name] = module  # type: ignore[assignment]  # named_modules gives modules
    return found


def _cost(name: str, module: nn.Module, calls: int, pooled: bool, pixels: int) -> LayerCost:
    if isinstance(module, nn.PReLU):
        slopes = module.num_parameters
        return LayerCost(name, f"PReLU {slopes}", calls, pooled, slopes, 0, 0, slopes * pixels, 0)
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    # Zeros that only fill up a deconvolution's kernel are neither stored nor counted.
    mult_adds = sum(stored(part, "weight").numel() for part in convolutions)
    multiplications, additions = module.operations() if isinstance(module, SumProduct) else (mult_adds, mult_adds)
    biases = sum(stored(part, "bias").numel() for part in convolutions if part.bias is not None)
    factors = multiplications if isinstance(module, SumProduct) else 0
    shapes = " + ".join(_shape(part) for part in convolutions)
    work = (mult_adds * pixels, multiplications * pixels, additions * pixels)
    weights = mult_adds + factors
    return LayerCost(name, shapes, calls, pooled, weights + biases, weights, *work)


def _shape(conv: nn.Conv2d) -> str:
    groups = f" in {conv.groups} groups" if conv.groups > 1 else ""
    return f"{conv.kernel_size[0]}x{conv.kernel_size[1]} {conv.in_channels}->{conv.out_channels}{groups}"


def reduction_pct(cost: float, reference: float) -> float:
    """How much less than `reference`, in percent; negative where it is more."""
    return 100 * (1 - cost / reference)


def trade_off(saved: float, psnr: Mapping[str, Sequence[float]], reference: Mapping[str, Sequence[float]]) -> float:
    """What 0.01 dB buys: saved / (100 * sum of the PSNR losses in dB over BENCHMARKS). psnr: set -> (PSNR, SSIM)."""
    return saved / (100 * sum(reference[name][0] - psnr[name][0] for name in BENCHMARKS))
