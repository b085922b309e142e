"""Outcomes that are kept between runs: a line of JSON each, under a key of the network and of all code that made it."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import hwsr
from hwsr.coverage.check import Outcome
from hwsr.coverage.networks import Cell
from hwsr.errors import HwsrError

# Of which the C++ and the integers come; the rest of hwsr's dependencies make neither.
MADE_BY = ("brevitas", "da4ml", "hls4ml", "numpy", "onnx", "qonnx", "torch")


def code_hash() -> str:
    """Of every file of hwsr but what Python and numba keep, and of the versions of what it generates with."""
    folder = Path(hwsr.__file__).parent
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in MADE_BY).encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Kept:
    """The lines of a file; what was kept of other code is left there unread."""

    def __init__(self, path: Path) -> None:
        """Raises HwsrError when the file cannot be read."""
        self.path, self.code = path, code_hash()
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise HwsrError(f"{path}: not readable; remove it, and every network is simulated again") from error
        # An earlier run may have been killed while it wrote a line.
        self.start = "\n" if text and not text.endswith("\n") else ""
        self.found: dict[str, dict[str, object]] = {}
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.found[str(entry.pop("key"))] = entry
            except (ValueError, AttributeError, KeyError):
                continue

    def get(self, cell: Cell) -> Outcome | None:
        """What this code came to on this network before."""
        try:
            return Outcome(cell, **self.found[self._key(cell)])  # type: ignore[arg-type]  # as `add` wrote them
        except (KeyError, TypeError):
            return None

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, unless an error stopped it, which may be no fault of the code. Raises HwsrError."""
        if outcome.error or outcome.rule:
            return
        figures = {name: value for name, value in asdict(outcome).items() if name != "cell"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self.start + json.dumps({"key": self._key(outcome.cell)} | figures) + "\n")
            self.start = ""
        except OSError as error:
            raise HwsrError(f"cannot write {self.path}: {error.strerror}; choose another --work folder") from error

    def _key(self, cell: Cell) -> str:
        digest = hashlib.sha256(f"{self.code} {cell.backend} {cell.network}".encode())
        if cell.released:
            digest.update((Path(cell.network) / "model.onnx").read_bytes())
        return digest.hexdigest()
