"""PSNR and SSIM against scikit-image and written-out definitions."""

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from hwsr.data.metrics import luma, psnr_y, ssim_y
from hwsr.errors import HwsrError

A, B = np.random.default_rng(4).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)


def test_luma_is_bt601() -> None:
    ends = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.uint8)
    assert luma(ends) == pytest.approx([16, 235, 16 + 65.481])
    assert luma(A) == pytest.approx(rgb2ycbcr(A)[..., 0])


@pytest.mark.parametrize("shave", [0, 2, 4])
def test_psnr_is_scikit_images_on_luma(shave: int) -> None:
    inner = np.s_[shave : 30 - shave, shave : 40 - shave]
    expected = peak_signal_noise_ratio(luma(A)[inner], luma(B)[inner], data_range=255)
    assert psnr_y(A, B, shave) == pytest.approx(expected, abs=1e-9)


def test_equal_images() -> None:
    assert psnr_y(A, A, 2) == float("inf")
    assert ssim_y(A, A, 2) == pytest.approx(1)


def test_the_shaved_border_does_not_count() -> None:
    changed = A.copy()
    changed[:2] = changed[-2:] = 0
    changed[:, :2] = changed[:, -2:] = 0
    assert psnr_y(A, changed, 2) == float("inf") > psnr_y(A, changed, 1)
    assert ssim_y(A, changed, 2) == pytest.approx(1) and ssim_y(A, changed, 1) < 0.9995


def test_ssim_is_its_definition_on_the_valid_region() -> None:
    near = np.clip(A.astype(int) + np.random.default_rng(5).integers(-40, 41, A.shape), 0, 255).astype(np.uint8)
    x, y = luma(A), luma(near)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(z: np.ndarray) -> np.ndarray:
        return np.asarray((np.lib.stride_tricks.sliding_window_view(z, (11, 11)) * window).sum((2, 3)))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    ssim = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ssim_y(A, near, 0) == pytest.approx(ssim.mean(), abs=1e-9)


def test_images_that_cannot_be_compared() -> None:
    with pytest.raises(HwsrError, match="cannot be compared"):
        psnr_y(A, B[1:], 0)
    with pytest.raises(HwsrError, match="below 1x1"):
        psnr_y(A, B, 15)
    with pytest.raises(HwsrError, match="below 11x11"):
        ssim_y(A, B, 10)
