"""PSNR and SSIM on the Y channel of BT.601, as the paper's tables report them."""

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from hwsr.data.colour import luma
from hwsr.data.images import Uint8Image
from hwsr.errors import HwsrError

SSIM_WINDOW = 11


def psnr_y(a: Uint8Image, b: Uint8Image, shave: int) -> float:
    """PSNR in dB of Y between two uint8 images, `shave` pixels off each border; infinite where equal.

    Each is RGB (H, W, 3) or Y itself (H, W, 1).
    """
    x, y = _shaved_luma(a, b, shave, smallest=1)
    error = float(np.mean((x - y) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim_y(a: Uint8Image, b: Uint8Image, shave: int) -> float:
    """Mean SSIM (Wang et al. 2004) of Y: 11x11 Gaussian of sigma 1.5, K 0.01 and 0.03, valid region, L = 255."""
    x, y = _shaved_luma(a, b, shave, smallest=SSIM_WINDOW)
    return float(
        structural_similarity(x, y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def _shaved_luma(
    a: Uint8Image, b: Uint8Image, shave: int, smallest: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if a.shape[:2] != b.shape[:2]:
        raise HwsrError(f"images of {a.shape} and {b.shape} cannot be compared; crop them to one size")
    if min(a.shape[:2]) - 2 * shave < smallest:
        raise HwsrError(f"an image of {a.shape} less {shave} pixels a border is below {smallest}x{smallest}")
    inner = np.s_[shave : a.shape[0] - shave, shave : a.shape[1] - shave]
    return luma(a[inner]), luma(b[inner])
