"""What C simulation said of the very hardware that a page describes; nothing that was found of another one.

`hwsr csim --json` writes what it compared and hashes of what it compared it for. They are made again here, from the
model as it is now; where one differs the simulation counts as not run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from hwsr.errors import HwsrError
from hwsr.hls.csim import sources_hash
from hwsr.hls.project import graph_hash, load_project
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import on_frame

NAME = "csim.json"
# Layer-by-layer tables of many mismatches stay far below.
MAX_BYTES = 64 << 20


class Status(StrEnum):
    """What may be said."""

    EQUAL = "equal"
    DIFFERS = "differs"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Compared:
    """One comparison: output values (of an image pixels) and how many of them differ."""

    what: str
    count: int
    unit: str
    mismatches: int


@dataclass(frozen=True)
class Verdict:
    """reason: why it counts as not run; frame: (H, W) of the simulated project; note: what else is to be known."""

    status: Status
    reason: str = ""
    backend: str = ""
    frame: tuple[int, int] | None = None
    mismatches: int | None = None
    compared: tuple[Compared, ...] = ()
    note: str = ""


class _Frames(BaseModel):
    tiles: int = Field(ge=1)
    values: int = Field(ge=1)
    mismatches: int = Field(ge=0)


class _Image(BaseModel):
    name: str
    pixels: int = Field(ge=1)
    mismatches: int = Field(ge=0)


class _Dataflow(BaseModel):
    in_flight: int = Field(ge=0)
    frames: int = Field(ge=1)
    mismatches: int = Field(ge=0)


class _Csim(BaseModel):
    """What `hwsr csim --json` writes, as far as a verdict needs it."""

    project: str
    backend: str
    frame: tuple[int, int]
    graph: str
    hardware: str
    sources: str
    mismatches: int = Field(ge=0)
    frames: _Frames
    images: tuple[_Image, ...]
    dataflow: tuple[_Dataflow, ...]


def beside(model: Path) -> Path:
    """Where `make csim` leaves its figures: in the folder of the model."""
    return (model if model.is_dir() else model.parent) / NAME


def verdict(path: Path, graph: IntGraph, hardware_of: Callable[[IntGraph], str], backend: str) -> Verdict:
    """The verdict of a file on `graph` in hardware of `backend`.

    hardware_of: the hash of what the graph, on any frame, is built with; HwsrError where it has no hardware.
    Never raises for what a file holds: whatever does not fit is not run.
    """
    try:
        found = _read(path)
        _check(found, graph, hardware_of, backend)
    except HwsrError as error:
        return Verdict(Status.NOT_RUN, str(error))
    frames = found.frames
    compared = [Compared(f"{frames.tiles} test frames", frames.values, "values", frames.mismatches)]
    compared += [Compared(image.name, image.pixels, "pixels", image.mismatches) for image in found.images]
    for run in found.dataflow:
        what = f"{run.frames} test frames through FIFOs of finite depth, {run.in_flight} words in flight"
        compared.append(Compared(what, frames.values, "values", run.mismatches))
    status = Status.DIFFERS if found.mismatches else Status.EQUAL
    gone = not Path(found.project).is_dir()
    note = f"the project is no longer at {found.project}; whether it was changed since is not known" if gone else ""
    return Verdict(status, "", found.backend, found.frame, found.mismatches, tuple(compared), note)


def _read(path: Path) -> _Csim:
    if not path.is_file():
        raise HwsrError(f"there is no {path.name}; 'hwsr csim PROJECT -m MODEL --json {path.name}' writes it")
    if path.stat().st_size > MAX_BYTES:
        raise HwsrError(f"{path.name} is too large for one of 'hwsr csim --json'")
    try:
        found = _Csim.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise HwsrError(
            f"{path.name} is damaged, or of an earlier hwsr and does not say of what model it is; run 'hwsr csim' again"
        ) from error
    parts: tuple[_Frames | _Image | _Dataflow, ...] = (found.frames, *found.images, *found.dataflow)
    if found.mismatches != sum(part.mismatches for part in parts):
        raise HwsrError(f"{path.name} contradicts itself on how many values differ; run 'hwsr csim' again")
    return found


def _check(found: _Csim, graph: IntGraph, hardware_of: Callable[[IntGraph], str], backend: str) -> None:
    """Raise HwsrError unless the simulation was of this graph in this hardware, and of the project as it is."""
    built = on_frame(graph, found.frame)
    if graph_hash(built) != found.graph:
        raise HwsrError("the last one was of another model, or of this one before it was trained or exported anew")
    if found.backend.lower() != backend.lower():
        raise HwsrError(f"the last one was of C++ for {found.backend}, this is for {backend}")
    if hardware_of(built) != found.hardware:
        raise HwsrError("the last one was of hardware of other foldings or adder graphs")
    folder = Path(found.project)
    try:
        changed = folder.is_dir() and sources_hash(load_project(folder)) != found.sources
    except OSError:
        changed = True
    if changed:
        raise HwsrError(f"the project {found.project} was written or changed after it was simulated")
