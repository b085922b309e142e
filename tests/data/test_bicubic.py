"""Bicubic resizing against its definition, PIL's and known figures."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from hwsr.data.bicubic import cubic, resize_bicubic
from hwsr.data.datasets import training_images, validation_images
from hwsr.data.metrics import psnr_y

NOISE = np.random.default_rng(3).integers(0, 256, (24, 36, 3), dtype=np.uint8)


def test_kernel_interpolates_and_sums_to_one() -> None:
    assert cubic(np.array([0.0, 1.0, 2.0, -1.0, 2.5])).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    offsets = np.linspace(0, 1, 11)[:, None] + np.arange(-2, 2)
    assert np.allclose(cubic(offsets).sum(1), 1)


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), 2, 3, 4])
def test_constant_images_stay_constant_and_sizes_follow(scale: Fraction | int) -> None:
    resized = resize_bicubic(np.full((24, 36, 3), 77, np.uint8), scale)
    assert resized.shape == (24 * scale, 36 * scale, 3) and np.all(resized == 77)


def test_sizes_round_up() -> None:
    assert resize_bicubic(NOISE[:7, :8], Fraction(1, 3)).shape == (3, 3, 3)


def test_halving_by_hand() -> None:
    # Output 0 lies between inputs 0 and 1, output 1 between 2 and 3; inputs are at odd multiples of 1/4 of the kernel.
    taps = cubic(np.array([0.25, 0.75, 1.25, 1.75]))
    first = 100 + 100 * (taps[2] + taps[3]) / (2 * taps.sum())  # of the repeated last row two taps see 200
    column = np.array([100, 100, 100, 200], np.uint8)[:, None].repeat(4, axis=1)
    assert resize_bicubic(column, Fraction(1, 2)).tolist() == [[int(first + 0.5)] * 2, [150] * 2]


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), 2, 3, 4])
def test_pil_agrees_inside_but_for_rounding(scale: Fraction | int) -> None:
    # PIL goes over columns first and cuts the kernel off at borders.
    photograph = training_images(None, 4)[0].hr[:120, :144]
    mine = resize_bicubic(photograph, scale)
    pil = np.asarray(Image.fromarray(photograph).resize((mine.shape[1], mine.shape[0]), Image.Resampling.BICUBIC))
    border = 2 * max(int(scale), 1) + 1
    inner = np.s_[border:-border, border:-border]
    assert np.abs(mine[inner].astype(int) - pil[inner]).max() <= 2


def test_channels_and_axes_are_treated_alike() -> None:
    resized = resize_bicubic(NOISE, Fraction(1, 2))
    for channel in range(3):
        assert np.array_equal(resize_bicubic(NOISE[..., channel], Fraction(1, 2)), resized[..., channel])
    assert np.array_equal(resize_bicubic(NOISE[::-1, ::-1], Fraction(1, 2)), resized[::-1, ::-1])


def test_bicubic_of_the_validation_photographs() -> None:
    scores = {p.name: psnr_y(resize_bicubic(p.lr, 2), p.hr, 2) for p in validation_images(2)}
    assert scores == pytest.approx({"astronaut": 31.707, "chelsea": 35.252}, abs=0.005)
