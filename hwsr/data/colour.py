"""BT.601 luma and chroma, 8 bits each: what networks on luma alone take, and how colour comes back."""

import numpy as np
import numpy.typing as npt

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.images import Uint8Image

# Rows: Y - 16, Cb - 128, Cr - 128 of R, G, B in [0, 1].
TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
ZERO = np.array([16.0, 128.0, 128.0])


def luma(image: Uint8Image) -> npt.NDArray[np.float64]:
    """Y of RGB uint8 (..., 3): 16 + (65.481 R + 128.553 G + 24.966 B) / 255, not rounded; 16 to 235.

    One channel (..., 1) is Y already.
    """
    if image.shape[-1] == 1:
        return image[..., 0].astype(np.float64)
    return np.asarray(16 + image.astype(np.float64) @ (TO_YCBCR[0] / 255))


def as_channels(image: Uint8Image, channels: int) -> Uint8Image:
    """RGB uint8 (..., 3) as a network of `channels` image channels takes it: itself, or Y rounded to uint8 (..., 1)."""
    return image if channels == 3 else _rounded(luma(image))[..., None]


def in_colour(result: Uint8Image, image: Uint8Image, scale: int) -> Uint8Image:
    """What a network made of `image`, RGB uint8 (H, W, 3), as RGB (sH, sW, 3): a Y gets the bicubic Cb and Cr."""
    if result.shape[-1] == 3:
        return result
    chroma = _rounded(ZERO[1:] + image.astype(np.float64) @ (TO_YCBCR[1:].T / 255))
    ycbcr = np.concatenate([result, resize_bicubic(chroma, scale)], axis=-1)
    return _rounded((ycbcr - ZERO) @ np.linalg.inv(TO_YCBCR.T / 255))


def _rounded(x: npt.NDArray[np.float64]) -> Uint8Image:
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
