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
    """Run `network` on an image: uint8 (C, H, W) -> uint8 (C, sH, sW), rounded half to even and clipped."""
    device = next((parameter.device for parameter in network.parameters()), None)
    with torch.no_grad():
        y = network(torch.from_numpy(np.ascontiguousarray(image)).to(device)[None].float() / 256)[0]
    return np.asarray((y * 256).round().clamp(0, 255).to(torch.uint8).cpu())


def validate(network: nn.Module, pairs: Sequence[ImagePair], scale: int, channels: int = 3) -> dict[str, float]:
    """Y-PSNR in dB by image name, `scale` pixels shaved, of a network on `channels` image channels (3 RGB, 1 luma).

    The network's training mode is restored. A quantized mean over a whole image is a coarse one (`reciprocal`): with
    channel attention these scores are a guide, and `hwsr eval`, which works on tiles, has the true ones.
    """
    training = network.training
    network.eval()
    scores = {}
    for pair in pairs:
        lr = np.ascontiguousarray(as_channels(pair.lr, channels).transpose(2, 0, 1))
        scores[pair.name] = psnr_y(upscale(network, lr).transpose(1, 2, 0), pair.hr, scale)
    network.train(training)
    return scores
