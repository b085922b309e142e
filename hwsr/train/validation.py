"""Upscaling with the torch network, and its Y-PSNR on validation images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hwsr.data.colour import as_channels
from hwsr.data.datasets import ImagePair
from hwsr.data.images import Uint8Image
from hwsr.data.metrics import psnr_y


def upscale(network: nn.Module, image: Uint8Image) -> Uint8Image:
    """Run `network` on a whole image: uint8 (H, W, C) -> uint8 (sH, sW, C), rounded half to even and clipped."""
    device = next((parameter.device for parameter in network.parameters()), None)
    x = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 256
    with torch.no_grad():
        y = (network(x) * 256).round().clamp(0, 255).to(torch.uint8).cpu()
    return np.asarray(y[0].permute(1, 2, 0).contiguous())


def validate(network: nn.Module, pairs: Sequence[ImagePair], scale: int, channels: int = 3) -> dict[str, float]:
    """Y-PSNR in dB by image name, `scale` pixels shaved, of a network on `channels` image channels (3 RGB, 1 luma).

    The network's training mode is restored.
    """
    training = network.training
    network.eval()
    scores = {pair.name: psnr_y(upscale(network, as_channels(pair.lr, channels)), pair.hr, scale) for pair in pairs}
    network.train(training)
    return scores
