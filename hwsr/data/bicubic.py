"""Antialiased bicubic resizing as it made the low-resolution images of the SR data sets (MATLAB's `imresize`)."""

from fractions import Fraction
from math import ceil

import numpy as np
import numpy.typing as npt

from hwsr.data.images import Uint8Image

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def resize_bicubic(image: Uint8Image, scale: Fraction | int) -> Uint8Image:
    """Resize uint8 (H, W, ...) to (ceil(H scale), ceil(W scale), ...): kernel a = -0.5, antialiased when shrinking.

    Border pixels are repeated outwards and each of the two passes (rows first) rounds to uint8: found by comparison
    with the benchmark sets' LR files, which it reproduces to the bit.
    """
    return _resize_rows(_resize_rows(image, scale).swapaxes(0, 1), scale).swapaxes(0, 1).copy()


def _resize_rows(image: Uint8Image, scale: Fraction | int) -> Uint8Image:
    indices, weights = _taps(image.shape[0], scale)
    shape = (-1, *[1] * (image.ndim - 1))
    total = sum(w.reshape(shape) * image[i] for i, w in zip(indices, weights, strict=True))
    return np.clip(np.floor(np.asarray(total) + 0.5), 0, 255).astype(np.uint8)


def _taps(size: int, scale: Fraction | int) -> tuple[IntArray, FloatArray]:
    """Input indices and weights of each output position, both (taps, ceil(size scale))."""
    kernel_scale = min(float(scale), 1.0)
    width = 4 / kernel_scale
    centre = (np.arange(ceil(size * scale)) + 0.5) / float(scale) - 0.5
    indices = np.floor(centre - width / 2).astype(np.int64) + np.arange(ceil(width) + 2)[:, None]
    weights = cubic(kernel_scale * (centre - indices))
    return np.clip(indices, 0, size - 1), weights / weights.sum(0)


def cubic(x: FloatArray) -> FloatArray:
    """Keys' kernel with a = -0.5; zero beyond |x| = 2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
