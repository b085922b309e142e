"""The busiest part of an image as bicubic and the network make it, beside the original, as pictures inside the page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.colour import in_colour
from hwsr.data.datasets import ImagePair
from hwsr.pictures import CROP, busiest_crop


@dataclass(frozen=True)
class Crop:
    """A square of `size` pixels at (y, x) of the full image, or less of a smaller one; the pictures are data URIs."""

    name: str
    x: int
    y: int
    width: int
    height: int
    bicubic: str
    network: str
    original: str


def crop(pair: ImagePair, result: NDArray[np.uint8], scale: int) -> Crop:
    """The part of strongest gradients of a pair; result: (sH, sW, 3) RGB or (sH, sW, 1) luma."""
    y, x = busiest_crop(pair.hr, CROP)
    versions = (resize_bicubic(pair.lr, scale), in_colour(result, pair.lr, scale), pair.hr)
    parts = [version[y : y + CROP, x : x + CROP] for version in versions]
    height, width = parts[0].shape[:2]
    return Crop(pair.name, x, y, width, height, *map(png_uri, parts))


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """RGB (H, W, 3) -> a PNG as a data URI."""
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode('ascii')}"
