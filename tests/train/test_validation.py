"""The network on whole images."""

import numpy as np
import pytest
import torch
from torch import nn

from hwsr.data.datasets import ImagePair
from hwsr.data.metrics import psnr_y
from hwsr.train.validation import upscale, validate

IMAGE = np.random.default_rng(8).integers(0, 256, (16, 20, 3), dtype=np.uint8)


class Repeat(nn.Module):
    """Every pixel twice each way, plus a constant."""

    def __init__(self, constant: float = 0.0) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3) + self.constant


def test_pixels_pass_through_exactly() -> None:
    image = IMAGE.transpose(2, 0, 1)
    assert np.array_equal(upscale(Repeat(), image), image.repeat(2, 1).repeat(2, 2))


@pytest.mark.parametrize("change", [-300.0, -0.75, 0.5, 1.25, 300.0])
def test_output_is_rounded_half_to_even_and_clipped(change: float) -> None:
    image = IMAGE.transpose(2, 0, 1)
    expected = np.clip(np.rint(image + change), 0, 255).repeat(2, 1).repeat(2, 2)
    assert np.array_equal(upscale(Repeat(change / 256), image[:, :, ::-1]), expected[:, :, ::-1])


def test_validate_scores_every_image_and_keeps_the_mode() -> None:
    hr = np.random.default_rng(9).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    network = Repeat().train()
    assert validate(network, [ImagePair("a", hr, IMAGE)], 2) == {"a": psnr_y(IMAGE.repeat(2, 0).repeat(2, 1), hr, 2)}
    assert network.training
