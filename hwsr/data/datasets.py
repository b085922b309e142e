"""Where images come from: photographs inside installed wheels, a folder of images, EDSR's layout or DIV2K's.

EDSR's layout is `NAME/HR/*.png` with, optionally, `NAME/LR_bicubic/X2/*x2.png` and so on; DIV2K's is
`DIV2K_train_HR/*.png` and `DIV2K_train_LR_bicubic/X2/*x2.png`, and `DIV2K_valid_*` likewise. A folder may also hold
several such data sets.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hwsr.data.bicubic import resize_bicubic
from hwsr.data.cache import cached, content_key
from hwsr.data.images import SUFFIXES, Uint8Image, read_image
from hwsr.errors import HwsrError

SKIMAGE_TRAINING = ("coffee.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")
SKLEARN_TRAINING = ("china.jpg", "flower.jpg")
SKIMAGE_VALIDATION = ("astronaut.png", "chelsea.png")

# Folders of full-size images, by what they are for; a folder of their reductions is named LR_bicubic in place of HR.
TRAINING_HR = ("HR", "DIV2K_train_HR")
VALIDATION_HR = ("HR", "DIV2K_valid_HR")

# The size of an image itself, in percent.
WHOLE = 100

# Images up to this many bytes in all are held in memory; the others are mapped from files.
IN_MEMORY = 2**28

Files = tuple[Path, Path | None]
# Shows how far the files of a data set are read.
Progress = Callable[[Sequence[Files]], Iterable[Files]]


@dataclass(frozen=True, eq=False)
class ImagePair:
    """One image at both sizes: `hr` uint8 (sH, sW, 3) and `lr` uint8 (H, W, 3)."""

    name: str
    hr: Uint8Image
    lr: Uint8Image


def training_images(
    data: Path | None, scale: int, progress: Progress = iter, copies: Sequence[int] = ()
) -> list[ImagePair]:
    """All images under `data` (of DIV2K those for training), or the embedded training photographs where it is None.

    Each is there once more at every one of the sizes `copies`, in percent. Beyond IN_MEMORY bytes the pixels are
    memory maps of files that the first call writes. Raises HwsrError.
    """
    if data is None:
        return _read_pairs(progress(_embedded(SKIMAGE_TRAINING, SKLEARN_TRAINING)), scale, copies)
    return _read_pairs(progress(_files(Path(data), scale, TRAINING_HR)), scale, copies)


def validation_images(scale: int, data: Path | None = None) -> list[ImagePair]:
    """The embedded photographs astronaut and chelsea, or all images under `data` (a benchmark set)."""
    if data is None:
        return _read_pairs(_embedded(SKIMAGE_VALIDATION, ()), scale)
    return _read_pairs(_files(Path(data), scale, VALIDATION_HR), scale)


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
        for pixels in (pair.hr, pair.lr):
            digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _read_pairs(files: Iterable[Files], scale: int, copies: Sequence[int] = ()) -> list[ImagePair]:
    """The images of `files` and their copies, the first ones in memory and those beyond IN_MEMORY bytes mapped."""
    pairs: list[ImagePair] = []
    held = 0
    for hr, lr in files:
        for size in (WHOLE, *copies):
            read = _read_pair if held < IN_MEMORY else _mapped_pair
            pair = read(hr, lr if size == WHOLE else None, scale, size)
            held += pair.hr.nbytes + pair.lr.nbytes
            pairs.append(pair)
    return pairs


def _mapped_pair(hr: Path, lr: Path | None, scale: int, size: int) -> ImagePair:
    def decoded() -> tuple[Uint8Image, Uint8Image]:
        pair = _read_pair(hr, lr, scale, size)
        return pair.hr, pair.lr

    key = content_key([hr, *([lr] if lr else [])], scale, size)
    return ImagePair(_sized(hr.stem, size), *cached(key, decoded))


def _read_pair(hr: Path, lr: Path | None, scale: int, size: int = WHOLE) -> ImagePair:
    image = read_image(hr)
    sized = image if size == WHOLE else resize_bicubic(image, Fraction(size, WHOLE))
    return make_pair(_sized(hr.stem, size), sized, scale, read_image(lr) if lr else None)


def _sized(name: str, size: int) -> str:
    return name if size == WHOLE else f"{name} at {size} %"


def _embedded(skimage: tuple[str, ...], sklearn: tuple[str, ...]) -> list[Files]:
    """Photographs by their place in the installed wheels, without importing either."""
    paths = [_package("skimage") / "data" / name for name in skimage]
    paths += [_package("sklearn") / "datasets" / "images" / name for name in sklearn]
    return [(path, None) for path in paths]


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise HwsrError(f"the package {name} with its photographs is not installed; run 'make setup' or give --data")
    return Path(found.origin).parent


def training_sets(data: Path | None) -> str:
    """The names of the data sets that `training_images` reads, without the path to them."""
    if data is None:
        return "embedded photographs"
    return ", ".join(folder.parent.name for folder in _sets(data.resolve(), TRAINING_HR)) or data.resolve().name


def _sets(data: Path, folders: tuple[str, ...]) -> list[Path]:
    """The HR folders of the data sets in `data`: of itself or of the folders in it."""
    return [base / hr for base in (data, *sorted(data.iterdir())) for hr in folders if (base / hr).is_dir()]


def _files(data: Path, scale: int, folders: tuple[str, ...]) -> list[Files]:
    """(HR, LR or None) of every image under `data`, sorted by name within each data set of HR `folders`."""
    if not data.is_dir():
        raise HwsrError(f"{data}: no such folder; give a folder of images or of EDSR-layout data sets")
    sets = _sets(data, folders)
    found = [(path, _lr_file(folder, path, scale)) for folder in sets for path in _images_in(folder)]
    if not sets:
        found = [(path, None) for path in _images_in(data)]
    if not found:
        raise HwsrError(f"{data}: no images in it; give a folder of {', '.join(SUFFIXES)} files, or of NAME/HR folders")
    return found


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _lr_file(folder: Path, hr: Path, scale: int) -> Path | None:
    reductions = folder.with_name(f"{folder.name.removesuffix('HR')}LR_bicubic")
    path = reductions / f"X{scale}" / f"{hr.stem}x{scale}{hr.suffix}"
    return path if path.exists() else None
