"""What every network of the zoo is, and how its weights start."""

import torch
from torch import nn

from hwsr.spec import Spec
from hwsr.zoo.layers import stored

# A network that adds an anchor starts close to it, from where it learns fastest.
ANCHORED_GAIN = 0.1


class Network(nn.Module):
    """(N, C, H, W) image in [0, 1), pixel q as q / 256 -> (N, C, sH, sW) likewise; C = spec.channels."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec

    def start(self) -> None:
        """Adjust weights freshly drawn; most networks leave them as they are."""


def initialize(network: Network, seed: int) -> None:
    """Draw every learned convolution's weights from `seed` (normal, variance 1 / fan-in); biases start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d) and stored(module, "weight").requires_grad:
                stored(module, "weight").normal_(0.0, module.weight[0].numel() ** -0.5, generator=generator)
                if module.bias is not None:
                    stored(module, "bias").zero_()
        network.start()


def shrink(conv: nn.Module) -> None:
    """Make fresh weights small."""
    for parameter in conv.parameters():
        parameter.mul_(ANCHORED_GAIN)
