"""Post-training quantization: a trained float network to integers, from a few images, without a gradient.

Ranges of activations are set one by one to the least squared error of each tensor, then moved by a factor of two
wherever the network's own output gains. Then the mean error that each convolution makes in each channel goes into
its bias, layer after layer, so that each is corrected for those before it (Nagel et al. 2019).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hwsr.errors import HwsrError
from hwsr.quant.bits import activation_layers, scaling, weight_layers
from hwsr.quant.build import build, calibrate
from hwsr.spec import Precision, Spec, in_float
from hwsr.zoo.layers import stored, value
from hwsr.zoo.network import Network

# Wraps a sequence to show how far it is done.
Progress = Callable[[Sequence[Any]], Iterable[Any]]


def quantize(network: Network, spec: Spec, batches: Sequence[Tensor], progress: Progress = iter) -> Network:
    """The 8-bit or narrower network `spec` with the weights of `network`, the same in float; in eval mode.

    batches: images (N, C, H, W) as the network takes them; a few dozen patches suffice. Raises HwsrError where
    `network` is not float, and where `spec` is another network, float or ternary.
    """
    if network.spec.precision is not Precision.FLOAT:
        raise HwsrError(f"'{network.spec}' is quantized already; give the float model that it came from")
    if spec.precision in (Precision.FLOAT, Precision.TERNARY) or in_float(spec) != network.spec:
        raise HwsrError(f"'{network.spec}' cannot become '{spec}' without training; give int8, int8t, int8a or wNaN")
    made = build(spec)
    made.load_state_dict(made.state_dict() | network.state_dict())
    with torch.no_grad():
        calibrate(made.eval(), batches)
        # What saturates to 8-bit pixels is no error.
        _fit_ranges(made, batches, [network(batch).clamp(0, 255 / 256) for batch in batches], progress)
        _correct_biases(made, network, batches, progress)
    return made


def _fit_ranges(made: Network, batches: Sequence[Tensor], wanted: Sequence[Tensor], progress: Progress) -> None:
    """Double or halve each activation's range where the squared error of the output falls."""

    def error() -> float:
        return sum(float((made(x) - y).square().sum()) for x, y in zip(batches, wanted, strict=True))

    least = error()
    for layer in progress(list(activation_layers(made).values())):
        threshold = scaling(layer).value
        start = threshold.clone()
        for step in (1, -1):
            threshold.copy_(start + step)
            if (found := error()) < least:
                least = found
                break
            threshold.copy_(start)


def _correct_biases(made: Network, network: nn.Module, batches: Sequence[Tensor], progress: Progress) -> None:
    """Give every convolution, one after the other, the channel means that it has in float."""
    plain = dict(network.named_modules())
    layers = {name: conv for name, conv in weight_layers(made).items() if conv.bias is not None}
    wanted = _means(network, {name: plain[name] for name in layers}, batches)
    for name, conv in progress(list(layers.items())):
        found = _means(made, {name: conv}, batches)[name]
        bias = stored(conv, "bias")
        # A bias that several channels share takes their mean.
        bias.add_((wanted[name] - found).reshape(bias.numel(), -1).mean(1))


def _means(network: nn.Module, layers: Mapping[str, nn.Module], batches: Sequence[Tensor]) -> dict[str, Tensor]:
    """The mean of every channel that each layer makes, over all images and all calls. Shape (c_out,)."""
    sums: dict[str, list[Tensor]] = {name: [] for name in layers}
    names = {layer: name for name, layer in layers.items()}

    def observe(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sums[names[layer]].append(value(output).mean((0, 2, 3)))

    hooks = [layer.register_forward_hook(observe) for layer in layers.values()]
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(found).mean(0) for name, found in sums.items()}
