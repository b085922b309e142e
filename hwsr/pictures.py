"""Pictures for people: an original beside its upscaled reductions, whole and cropped."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.colour import in_colour
from hwsr.data.datasets import ImagePair
from hwsr.data.metrics import psnr_y, ssim_y
from hwsr.errors import HwsrError
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


@dataclass(frozen=True)
class Box:
    """A part of an image, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of (H, W, 3). Raises HwsrError where the box is not inside."""
        height, width = image.shape[:2]
        if self.x + self.width > width or self.y + self.height > height:
            raise HwsrError(
                f"the box {self.x},{self.y},{self.width},{self.height} (left, top, width, height) reaches beyond the "
                f"image of {width}x{height} pixels; choose one inside"
            )
        return image[self.y : self.y + self.height, self.x : self.x + self.width]


def parse_box(text: str) -> Box:
    """'X,Y,W,H' -> Box. Raises HwsrError."""
    if not re.fullmatch(r"\d{1,6},\d{1,6},[1-9]\d{0,5},[1-9]\d{0,5}", text):
        raise HwsrError(f"'{text}' is not a box; write left,top,width,height in pixels, for example 200,120,64,48")
    return Box(*map(int, text.split(",")))


@dataclass(frozen=True)
class Version:
    """One version of an image: its name and pixels, and Y-PSNR in dB and SSIM of the whole; None for the original."""

    name: str
    image: NDArray[np.uint8]
    psnr: float | None = None
    ssim: float | None = None


def versions(pair: ImagePair, results: Sequence[tuple[str, NDArray[np.uint8]]], scale: int) -> list[Version]:
    """The original, its bicubic, and each named result, scored with `scale` pixels shaved off each border."""
    scored = [(f"bicubic x{scale}", resize_bicubic(pair.lr, scale)), *results]
    return [
        Version("HR", pair.hr),
        *(Version(name, image, psnr_y(image, pair.hr, scale), ssim_y(image, pair.hr, scale)) for name, image in scored),
    ]


# Sizes of `crops` in pixels: what a crop is enlarged towards, the least height of the whole image, text, gaps.
ENLARGED, WHOLE, TEXT, GAP, DPI, COLUMNS = 300, 240, 58, 16, 100, 4
MARK = "#0072B2"


def crops(shown: Sequence[Version], box: Box, out: Path) -> None:
    """Write a PNG: the first version whole with the box marked, then every version's box, each pixel a square.

    Raises HwsrError when the box is not inside the image.
    """
    mpl.use("agg")
    parts = [box.cut(version.image) for version in shown]
    zoom = max(ENLARGED // max(box.width, box.height), 1)
    width, height = max(box.width * zoom, ENLARGED // 2), box.height * zoom
    columns = min(len(parts), COLUMNS) if len(parts) != COLUMNS + 1 else 3
    rows = -(-len(parts) // columns)
    whole = shown[0].image
    tall = max(rows * (height + TEXT + GAP) - TEXT - GAP, WHOLE)
    wide = round(tall * whole.shape[1] / whole.shape[0])
    size = (wide + columns * (width + GAP) + 2 * GAP, tall + TEXT + 2 * GAP)
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI)

    def panel(image: NDArray[np.uint8], left: int, top: int, area: tuple[int, int], nearest: bool) -> Axes:
        bounds = (left / size[0], 1 - (top + area[1]) / size[1], area[0] / size[0], area[1] / size[1])
        axes = figure.add_axes(bounds)
        axes.imshow(image, interpolation="nearest" if nearest else "antialiased", aspect="auto")
        axes.set_axis_off()
        return axes

    axes = panel(whole, GAP, GAP + TEXT, (wide, tall), nearest=False)
    frame = (box.x - 0.5, box.y - 0.5), box.width, box.height
    axes.add_patch(Rectangle(*frame, fill=False, edgecolor="white", linewidth=5))
    axes.add_patch(Rectangle(*frame, fill=False, edgecolor=MARK, linewidth=2.5))
    axes.set_title(_wrapped("Y-PSNR / SSIM of the whole image", wide), fontsize=10, pad=6)
    for k, (version, part) in enumerate(zip(shown, parts, strict=True)):
        row, column = divmod(k, columns)
        left, top = wide + 2 * GAP + column * (width + GAP), GAP + TEXT + row * (height + TEXT + GAP)
        axes = panel(part, left + (width - box.width * zoom) // 2, top, (box.width * zoom, height), nearest=True)
        axes.set_title(_title(version, width), fontsize=10, pad=6)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")


def _title(version: Version, width: int) -> str:
    """Name, and the scores below it."""
    scores = [] if version.psnr is None else [f"{version.psnr:.2f} dB / {version.ssim:.4f}"]
    return "\n".join([_wrapped(version.name, width), *scores])


def _wrapped(text: str, width: int) -> str:
    """At most two lines that fit in `width` pixels, broken at spaces and underscores."""
    lines = textwrap.wrap(text.replace("_", "_ "), max(width // 7, 12), max_lines=2, placeholder=" ...")
    return "\n".join(lines).replace("_ ", "_")
