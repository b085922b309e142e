"""Where images come from: photographs inside installed wheels, a folder of images, or EDSR's layout.

EDSR's layout is `NAME/HR/*.png` with, optionally, `NAME/LR_bicubic/X2/*x2.png` and so on; a folder may also hold
several such data sets.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.images import SUFFIXES, Uint8Image, read_image
from hwsr.errors import HwsrError

SKIMAGE_TRAINING = ("coffee.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")
SKLEARN_TRAINING = ("china.jpg", "flower.jpg")
SKIMAGE_VALIDATION = ("astronaut.png", "chelsea.png")


@dataclass(frozen=True, eq=False)
class ImagePair:
    """One image at both sizes: `hr` uint8 (sH, sW, 3) and `lr` uint8 (H, W, 3)."""

    name: str
    hr: Uint8Image
    lr: Uint8Image


def training_images(data: Path | None, scale: int) -> list[ImagePair]:
    """All images under `data`, or the embedded training photographs where it is None. Raises HwsrError."""
    if data is None:
        return [_read_pair(path, None, scale) for path in _embedded(SKIMAGE_TRAINING, SKLEARN_TRAINING)]
    return [_read_pair(hr, lr, scale) for hr, lr in _files(Path(data), scale)]


def validation_images(scale: int, data: Path | None = None) -> list[ImagePair]:
    """The embedded photographs astronaut and chelsea, or all images under `data` (a benchmark set)."""
    if data is None:
        return [_read_pair(path, None, scale) for path in _embedded(SKIMAGE_VALIDATION, ())]
    return training_images(data, scale)


def make_pair(name: str, hr: Uint8Image, scale: int, lr: Uint8Image | None = None) -> ImagePair:
    """Crop `hr` to a multiple of the scale and pair it with `lr`, or with its bicubic reduction.

    An `lr` one row or column larger (made from an uncropped image) is cropped too. Raises HwsrError where the
    sizes do not belong together.
    """
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    if height == 0 or width == 0:
        raise HwsrError(f"{name}: {hr.shape[1]}x{hr.shape[0]} pixels are too few for scale x{scale}; leave it out")
    hr = hr[: height * scale, : width * scale]
    if lr is None:
        lr = resize_bicubic(hr, Fraction(1, scale))
    if not (height <= lr.shape[0] <= height + 1 and width <= lr.shape[1] <= width + 1):
        raise HwsrError(
            f"{name}: LR of {lr.shape[:2]} is not 1/{scale} of HR {hr.shape[:2]}; remove or remake the LR file"
        )
    return ImagePair(name, hr, lr[:height, :width])


def fingerprint(pairs: Iterable[ImagePair]) -> str:
    """SHA-256 of the names, sizes and pixels of all pairs in order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.name} {pair.hr.shape} {pair.lr.shape}\n".encode())
        digest.update(pair.hr.tobytes() + pair.lr.tobytes())
    return digest.hexdigest()


def _read_pair(hr: Path, lr: Path | None, scale: int) -> ImagePair:
    return make_pair(hr.stem, read_image(hr), scale, read_image(lr) if lr else None)


def _embedded(skimage: tuple[str, ...], sklearn: tuple[str, ...]) -> list[Path]:
    """Photographs by their place in the installed wheels, without importing either."""
    return [_package("skimage") / "data" / name for name in skimage] + [
        _package("sklearn") / "datasets" / "images" / name for name in sklearn
    ]


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise HwsrError(f"the package {name} with its photographs is not installed; run 'make setup' or give --data")
    return Path(found.origin).parent


def _files(data: Path, scale: int) -> Iterator[tuple[Path, Path | None]]:
    """(HR, LR or None) of every image under `data`, sorted by name within each data set."""
    if not data.is_dir():
        raise HwsrError(f"{data}: no such folder; give a folder of images or of EDSR-layout data sets")
    sets = [folder for folder in (data, *sorted(data.iterdir())) if (folder / "HR").is_dir()]
    found = [(path, _lr_file(folder, path, scale)) for folder in sets for path in _images_in(folder / "HR")]
    if not sets:
        found = [(path, None) for path in _images_in(data)]
    if not found:
        raise HwsrError(f"{data}: no images in it; give a folder of {', '.join(SUFFIXES)} files, or of NAME/HR folders")
    yield from found


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _lr_file(folder: Path, hr: Path, scale: int) -> Path | None:
    path = folder / "LR_bicubic" / f"X{scale}" / f"{hr.stem}x{scale}{hr.suffix}"
    return path if path.exists() else None
