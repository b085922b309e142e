"""A project's folder, written beside an earlier one and put in its place at once."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwsr.errors import HwsrError

MANIFEST = "hwsr.json"
# What a project can hold at its top that another one in its place does not replace.
_NOT_IN_EVERY_PROJECT = ("board.tcl", "build_opt.tcl", "hwsr_*_test.cpp")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `out` that takes its place when the block ends without an error.

    Raises HwsrError where `out` is something else than a project, or cannot be written.
    """
    if out.exists() and not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise HwsrError(f"{out} exists and is not an HLS project of hwsr; choose another folder or remove it")
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise HwsrError(f"cannot write {out}: {error.strerror}; choose another output folder") from error
    new, old = temporary / "new", temporary / "old"
    try:
        yield new
        _move_all(_swaps(out, new, old))
    except OSError as error:
        kept = f"the earlier project is in {old}" if old.exists() else "nothing was replaced"
        raise HwsrError(f"cannot write {out}: {error.strerror}; {kept}") from error
    else:
        shutil.rmtree(old, ignore_errors=True)
    finally:
        # An earlier project that could not be put back is left where it is.
        if not old.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def _swaps(out: Path, new: Path, old: Path) -> list[tuple[Path, Path]]:
    """The moves that put `new` in the place of `out`, with all that is in `out` and that no project is made of."""
    if not out.exists():
        return [(new, out)]
    # Programs too: each is named by the hash of what it was compiled from, so it serves again where nothing changed.
    kept = [
        entry.name
        for entry in sorted(out.iterdir())
        if not (new / entry.name).exists() and not any(map(entry.match, _NOT_IN_EVERY_PROJECT))
    ]
    return [(out, old), (new, out), *((old / name, out / name) for name in kept)]


def _move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename each first path to the second, all or none: what was moved is put back when a move fails."""
    begun: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            begun.append((source, target))
            source.rename(target)
    except BaseException:
        last = begun.pop()
        # An interrupt can come after the last rename as well as before it.
        if not os.path.lexists(last[0]):
            begun.append(last)
        for source, target in reversed(begun):
            target.rename(source)
        raise
