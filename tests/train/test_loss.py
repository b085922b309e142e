"""What a training step makes small."""

import numpy as np
import pytest
import torch

from hwsr.data.colour import luma
from hwsr.train.loss import RGB_SHARE, TEACHER_SHARE, loss, mean_error
from hwsr.train.recipe import Loss


def image(*pixels: float) -> torch.Tensor:
    """One channel, (1, 1, 1, W)."""
    return torch.tensor(pixels, dtype=torch.float32)[None, None, None]


@pytest.mark.parametrize("kind", Loss)
def test_the_loss_is_a_weighted_sum_of_two_mean_errors(kind: Loss) -> None:
    output, hr, taught = image(0, 1, 2), image(1, 1, 1), image(0, 4, 8)
    assert loss(kind, output, hr).item() == pytest.approx(2 / 3)
    assert loss(kind, output, hr, taught).item() == pytest.approx((1 - TEACHER_SHARE) * 2 / 3 + TEACHER_SHARE * 9 / 3)
    assert loss(kind, output, hr, hr).item() == pytest.approx(2 / 3)
    assert loss(kind, output, hr, output).item() == pytest.approx((1 - TEACHER_SHARE) * 2 / 3)


def test_the_error_of_luma_is_the_one_that_the_metric_sees() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 256, (2, 4, 6, 5, 3), dtype=np.uint8)
    tensors = [torch.from_numpy(images).permute(0, 3, 1, 2).float() / 256 for images in (one, other)]
    rgb = np.abs(one.astype(float) - other).mean()
    of_luma = np.abs(luma(one) - luma(other)).mean()
    assert mean_error(Loss.RGB, *tensors).item() * 256 == pytest.approx(rgb, rel=1e-5)
    assert mean_error(Loss.LUMA, *tensors).item() * 256 == pytest.approx(of_luma + RGB_SHARE * rgb, rel=1e-5)
