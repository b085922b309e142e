"""Pictures for people: an original beside its upscaled reductions."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.colour import in_colour
from hwsr.data.datasets import ImagePair
from hwsr.data.metrics import psnr_y
from hwsr.files import atomic_path

CROP = 96  # pixels of the original shown enlarged


def comparison(pair: ImagePair, result: NDArray[np.uint8], scale: int, out: Path) -> None:
    """Write a PNG: original, bicubic and `result` (RGB or Y), each whole and around its most detailed crop.

    Raises HwsrError when the file cannot be written.
    """
    mpl.use("agg")
    bicubic = resize_bicubic(pair.lr, scale)
    columns = {
        f"{pair.name}, original": pair.hr,
        f"bicubic x{scale}, {psnr_y(bicubic, pair.hr, scale):.2f} dB": bicubic,
        f"hwsr x{scale}, {psnr_y(result, pair.hr, scale):.2f} dB": in_colour(result, pair.lr, scale),
    }
    y, x = busiest_crop(pair.hr, CROP)
    height, width = pair.hr.shape[:2]
    figure = Figure(figsize=(12, 4 * (1 + height / width)), layout="constrained")
    axes = figure.subplots(2, 3, height_ratios=(height / width, 1))
    for column, (title, image) in enumerate(columns.items()):
        axes[0, column].imshow(image)
        axes[0, column].set_title(title, parse_math=False)
        axes[1, column].imshow(image[y : y + CROP, x : x + CROP], interpolation="nearest")
    for axis in axes.flat:
        axis.set_axis_off()
    with atomic_path(out) as temporary:
        figure.savefig(temporary, dpi=100)


def busiest_crop(image: NDArray[np.uint8], size: int) -> tuple[int, int]:
    """(y, x) of the size x size crop with the strongest gradients, among crops half a crop apart."""
    grey = image.mean(axis=2)
    energy = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    starts = [range(0, max(side - size, 0) + 1, max(size // 2, 1)) for side in grey.shape]
    return max(
        ((y, x) for y in starts[0] for x in starts[1]),
        key=lambda at: energy[at[0] : at[0] + size, at[1] : at[1] + size].sum(),
    )
