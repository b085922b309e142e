"""Decoded images in files that are mapped into memory, for data sets larger than it.

An entry is named by the content it was made from, so an image that changed is decoded anew and runs share entries.
Nothing is ever removed here; the whole folder may be, at any time when nothing trains.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwsr.data.images import Uint8Image
from hwsr.errors import HwsrError
from hwsr.files import atomic_path, cache_folder

# Changes whenever the pixels made from the same files would.
VERSION = "2"

Sizes = tuple[Uint8Image, Uint8Image]


def cached(key: str, make: Callable[[], Sizes]) -> Sizes:
    """The HR and LR pixels of entry `key` as read-only memory maps; `make` gives them where there is no whole entry.

    Raises HwsrError when the entry cannot be written (a full disk) or mapped.
    """
    paths = [cache_folder("images") / f"{key}_{size}.npy" for size in ("hr", "lr")]
    found = _mapped(paths)
    if found is None:
        for path, pixels in zip(paths, make(), strict=True):
            _write(path, pixels)
        found = _mapped(paths)
    if found is None:
        raise HwsrError(f"{paths[0]}: cannot be mapped into memory; allow more memory maps, or train on fewer images")
    return found


def content_key(paths: list[Path], scale: int, size: int) -> str:
    """A name for what the files in `paths` become at `scale`, `size` percent as large.

    Raises HwsrError for a file that cannot be read.
    """
    digest = hashlib.sha256(f"{VERSION} x{scale} {size}".encode())
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise HwsrError(f"{path}: {error.strerror}; check the file") from error
    return digest.hexdigest()


def _write(path: Path, pixels: Uint8Image) -> None:
    try:
        with atomic_path(path) as temporary:
            np.save(temporary, pixels, allow_pickle=False)
    except HwsrError as error:
        raise HwsrError(f"{error}; free space there, or set XDG_CACHE_HOME to a folder on a larger disk") from error


def _mapped(paths: list[Path]) -> Sizes | None:
    """None where an entry is missing or damaged."""
    try:
        hr, lr = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    except (OSError, ValueError, EOFError):
        return None
    whole = all(pixels.dtype == np.uint8 and pixels.ndim == 3 for pixels in (hr, lr))
    return (hr, lr) if whole else None
