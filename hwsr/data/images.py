"""Reading image files that anyone may have made, and writing PNGs."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps

from hwsr.errors import HwsrError
from hwsr.files import atomic_path

Uint8Image = npt.NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
# What becomes RGB without loss, but for an alpha channel, which is dropped.
MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "1", "P", "PA")
SMALLEST = 3


def read_image(path: Path) -> Uint8Image:
    """Read an image file as RGB, uint8 (H, W, 3), turned as its EXIF orientation says.

    Grey, 1-bit and palette images become RGB; an alpha channel is dropped. Raises HwsrError for what is not an
    image, is damaged, has more than 8 bits a channel, or is smaller than 3x3.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _check_depth(image, path)
                image.load()
                pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except HwsrError:
        raise
    except FileNotFoundError as error:
        raise HwsrError(f"{path}: no such image file; check the path") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise HwsrError(f"{path}: more than {Image.MAX_IMAGE_PIXELS} pixels; cut it into smaller images") from error
    except Exception as error:  # a decoder fed a damaged file may raise anything
        raise HwsrError(f"{path}: not a readable image ({_first_line(error)}); give a whole PNG or JPEG") from error
    if min(pixels.shape[:2]) < SMALLEST:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise HwsrError(f"{path}: {size} pixels; the smallest image is {SMALLEST}x{SMALLEST}")
    return pixels


def write_png(path: Path, image: Uint8Image) -> None:
    """Write an image, uint8 (H, W, 3), as PNG, atomically. Raises HwsrError."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _check_depth(image: ImageFile.ImageFile, path: Path) -> None:
    """Refuse more than 8 bits a channel. PIL reduces 16-bit colour without a word, so its decoder's raw mode tells."""
    if image.mode.startswith(("I", "F")) or any(_is_deep(tile.args) for tile in image.tile):
        raise HwsrError(f"{path}: more than 8 bits a channel; convert it to 8-bit RGB")
    if image.mode not in MODES:
        raise HwsrError(f"{path}: colour mode {image.mode}; convert it to 8-bit RGB")


def _is_deep(args: object) -> bool:
    """Whether a decoder's arguments say 16 bits: raw mode 'RGB;16B' (PNG, TIFF) or a PPM's maximum above 255."""
    parts = args if isinstance(args, tuple) else (args,)
    is_ppm = len(parts) == 2 and isinstance(parts[1], int)
    return any(isinstance(part, str) and ";16" in part for part in parts) or (is_ppm and parts[1] > 255)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
