import numpy as np
import pytest
from skimage.color import rgb2ycbcr

from hwsr.data.colour import as_channels, in_colour, luma
from hwsr.data.metrics import psnr_y

IMAGE = np.random.default_rng(2).integers(0, 256, (16, 20, 3), dtype=np.uint8)


def test_a_luma_network_takes_rounded_y() -> None:
    y = as_channels(IMAGE, 1)
    assert y.shape == (16, 20, 1) and y.dtype == np.uint8
    assert np.array_equal(y[..., 0], rgb2ycbcr(IMAGE)[..., 0].round())
    assert as_channels(IMAGE, 3) is IMAGE
    assert np.array_equal(luma(y), y[..., 0])


def test_colour_comes_back() -> None:
    """At scale 1 all that is lost is what 8 bits of Y, Cb and Cr round away."""
    result = in_colour(as_channels(IMAGE, 1), IMAGE, 1)
    assert np.abs(result.astype(int) - IMAGE).max() <= 2
    assert in_colour(IMAGE, IMAGE, 1) is IMAGE


@pytest.mark.parametrize("scale", [2, 3])
def test_grey_stays_grey(scale: int) -> None:
    grey = np.repeat(IMAGE[..., :1], 3, axis=2)
    y = np.random.default_rng(3).integers(16, 236, (16 * scale, 20 * scale, 1), dtype=np.uint8)
    result = in_colour(y, grey, scale)
    assert result.shape == (16 * scale, 20 * scale, 3)
    assert (result == result[..., :1]).all()
    assert np.array_equal(as_channels(result, 1), y)


def test_psnr_takes_y_as_it_is() -> None:
    y = as_channels(IMAGE, 1)
    rounding = np.mean((luma(IMAGE) - y[..., 0]) ** 2)
    assert psnr_y(y, IMAGE, 0) == pytest.approx(10 * np.log10(255**2 / rounding))
    assert psnr_y(y, y, 0) == float("inf")
