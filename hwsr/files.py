"""Writing files so that an interrupted run or a full disk never leaves half of one behind."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from hwsr.errors import HwsrError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The temporary name keeps the suffix of `path`, so writers that go by the suffix work. A link is followed.
    Raises HwsrError when the folder cannot be written to, the disk is full, or `path` is a folder or a device.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise HwsrError(f"cannot write {path}: it is not a plain file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o644)
    except OSError as error:
        raise HwsrError(f"cannot write {path}: {error.strerror}; choose another output folder") from error
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise HwsrError(f"cannot write {path}: {error.strerror}; nothing was replaced") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically. Raises HwsrError."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically; infinity and NaN, which JSON lacks, are null.

    Raises HwsrError.
    """
    write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def writable_file(path: Path) -> Path:
    """Check, before what takes long, that a file can be made at `path`. Raises HwsrError."""
    if path.is_dir():
        raise HwsrError(f"cannot write {path}: it is a folder; name a file in it")
    try:
        writable_folder(path.parent)
    except HwsrError as error:
        raise HwsrError(f"cannot write {path}: no file can be made beside it ({error})") from error
    return path


def writable_folder(path: Path) -> Path:
    """Check that files can be made in `path`, creating it where needed; what was created is gone again afterwards.

    Whoever writes first creates the folder, so that what is refused in between leaves none behind. Raises HwsrError.
    """
    path = Path(path)
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        with atomic_path(path / ".hwsr-write-check"):
            pass
        (path / ".hwsr-write-check").unlink(missing_ok=True)
    finally:
        for folder in missing:
            with suppress(OSError):  # never made, or another process has filled it
                folder.rmdir()
    return path


def cache_folder(kind: str) -> Path:
    """Where what can be made anew is kept: hwsr/KIND under XDG_CACHE_HOME, or under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwsr" / kind
