"""Adder graphs of constant matrices, subexpressions shared by da4ml, kept on disk under a name made of all that each
follows from. A search can be bounded in time: what is not found by then is sought with less sharing.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import da4ml
import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, TypeAdapter, ValidationError

import hwsr
from hwsr.adders.layers import Matrix
from hwsr.adders.solve import adder_graph, signed_digits
from hwsr.errors import HwsrError
from hwsr.files import cache_folder, write_text
from hwsr.ir.adder_graph import AdderGraph, proved
from hwsr.ir.graph import IntArray

# Signed binary digits that sums are shared among: under a minute for da4ml.
MOST_DIGITS = 2**15
# Under a bound in time: tried one after the other, in half of the time that is left each.
LIMITS = (MOST_DIGITS, MOST_DIGITS // 4, MOST_DIGITS // 16)
# Then blocks of this many are shared until the time is up; one takes a fraction of a second.
QUICK_DIGITS = 2**9
# Changes whenever what is found for the same matrix would.
VERSION = f"2 da4ml {da4ml.__version__} {MOST_DIGITS}"


@dataclass(frozen=True)
class Adders:
    """A graph of additions and subtractions, its bits (of all its adders) and its depth in adders."""

    adders: NonNegativeInt
    bits: NonNegativeInt
    depth: NonNegativeInt


@dataclass(frozen=True, eq=False)
class Found:
    """digits: how many of the matrix' signed digits sums were shared among at a time, at most."""

    graph: AdderGraph
    digits: int


class Stored(BaseModel):
    """A graph as it is kept, and as a process hands it over."""

    digits: NonNegativeInt
    sums: list[Annotated[list[int], Field(min_length=5, max_length=5)]]
    outputs: list[Annotated[list[int], Field(min_length=3, max_length=3)]]

    @classmethod
    def of(cls, found: Found) -> "Stored":
        return cls(digits=found.digits, sums=found.graph.sums.tolist(), outputs=found.graph.outputs.tolist())

    def proved(self, matrix: Matrix) -> Found:
        """Raises ValueError for rows that do not compute the matrix."""
        sums, outputs = (np.array(rows, np.int64) for rows in (self.sums, self.outputs))
        graph = proved(sums.reshape(-1, 5), outputs.reshape(-1, 3), matrix.values, matrix.lo, matrix.hi)
        return Found(graph, self.digits)


class Task(BaseModel):
    """A matrix on its way to a process."""

    values: list[list[int]]
    lo: list[int]
    hi: list[int]
    digits: int

    @property
    def matrix(self) -> Matrix:
        return Matrix(*(np.array(each, np.int64) for each in (self.values, self.lo, self.hi)))


_STORED: TypeAdapter[Stored] = TypeAdapter(Stored)


def shared(matrix: Matrix) -> Adders:
    """The cost of the graph of x @ matrix. Raises HwsrError as `shared_graph` does."""
    return cost(shared_graph(matrix).graph)


def cost(graph: AdderGraph) -> Adders:
    return Adders(len(graph.sums), int(graph.adder_bits.sum()), int(graph.depth.max(initial=0)))


def together(parts: Sequence[Adders]) -> Adders:
    """The cost of graphs side by side."""
    adders, bits = sum(part.adders for part in parts), sum(part.bits for part in parts)
    return Adders(adders, bits, max((part.depth for part in parts), default=0))


def shared_graph(matrix: Matrix, seconds: float | None = None) -> Found:
    """A graph of x @ matrix, as it is found or was found before; sought for about `seconds`, where they are given.

    What was found without a bound serves under any. Raises HwsrError for constants of more than 24 bits, and when the
    cache cannot be written.
    """
    folder = cache_folder("adders")
    whole = folder / f"{_key(matrix, None)}.json"
    path = whole if seconds is None else folder / f"{_key(matrix, seconds)}.json"
    for kept in dict.fromkeys((whole, path)):
        found = _kept(kept, matrix)
        if found:
            return found
    found = Found(adder_graph(matrix, MOST_DIGITS), MOST_DIGITS) if seconds is None else _bounded(matrix, seconds)
    try:
        write_text(whole if found.digits == MOST_DIGITS else path, Stored.of(found).model_dump_json())
    except HwsrError as error:
        raise HwsrError(f"{error}; free space there, or set XDG_CACHE_HOME to a folder on a larger disk") from error
    return found


def _kept(path: Path, matrix: Matrix) -> Found | None:
    """What is kept in a file, None where it is absent or damaged: nothing is taken that does not compute the matrix."""
    try:
        return _STORED.validate_json(path.read_bytes()).proved(matrix)
    except (OSError, ValueError, OverflowError):
        return None


def _bounded(matrix: Matrix, seconds: float) -> Found:
    """da4ml cannot be stopped, so that it runs in processes, which can be."""
    end = time.monotonic() + seconds
    total = signed_digits(matrix)
    if total <= LIMITS[-1]:
        return Found(adder_graph(matrix, MOST_DIGITS), MOST_DIGITS)  # sooner than a process begins
    for digits in LIMITS:
        # A limit beyond all of the digits is the one before over again.
        if digits == MOST_DIGITS or digits < total:
            found = _in_process(matrix, digits, (end - time.monotonic()) / 2)
            if found:
                return found
    return Found(adder_graph(matrix, QUICK_DIGITS, end), QUICK_DIGITS)


def _in_process(matrix: Matrix, digits: int, seconds: float) -> Found | None:
    """None when it takes longer."""
    lists = {name: getattr(matrix, name).tolist() for name in ("values", "lo", "hi")}
    task = Task(digits=digits, **lists).model_dump_json()
    paths = (str(Path(hwsr.__file__).parents[1]), os.environ.get("PYTHONPATH"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "hwsr.adders.process"]
    try:
        done = subprocess.run(
            command, input=task.encode(), capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    try:
        return _STORED.validate_json(done.stdout).proved(matrix)
    except (ValidationError, ValueError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise HwsrError(f"the process that shares sums failed: {said[-1]}; try without a bound in time") from error


def _key(matrix: Matrix, seconds: float | None) -> str:
    digest = hashlib.sha256(f"{VERSION} {matrix.values.shape} {seconds}".encode())
    values: IntArray
    for values in (matrix.values, matrix.lo, matrix.hi):
        digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return digest.hexdigest()
