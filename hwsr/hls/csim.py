"""Compiles a project's testbench with g++ alone, runs it, and compares it with the reference as integers."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.hls.data import read_frames, write_frames
from hwsr.hls.project import EXPECTED, INPUTS, Layer, Manifest, Port, Project
from hwsr.ir.graph import IntArray
from hwsr.ir.tiling import Image, Tiling, run_tiled
from hwsr.processes import run_program

COMPILED, AXI_COMPILED = "csim", "csim_axi"
# The standard that the build scripts of hls4ml give to Vitis and Vivado HLS is C++11.
FLAGS = ("-O2", "-std=c++11", "-w")
# What hls_stream.h prints of a stream that is read while empty, or that is left with words in it.
STREAM_WARNING = "WARNING: Hls::stream"

AllTensors = Callable[[NDArray[np.integer]], Mapping[str, IntArray]]


@dataclass(frozen=True)
class Mismatch:
    """The first output value that differs, at its place in the output tile."""

    tile: int
    channel: int
    y: int
    x: int
    got: int
    expected: int


@dataclass(frozen=True)
class LayerReport:
    """One layer on the tile of the first mismatch: how many of its values differ, and the first that does."""

    layer: str
    tensor: str
    values: int
    mismatches: int
    first: tuple[int, int, int] | None = None
    got: int | None = None
    expected: int | None = None


@dataclass(frozen=True)
class AxiReport:
    """What came out of the AXI4-Stream top function: output values, those that differ from the reference, and pixels
    whose side channels are not as they have to be.
    """

    tiles: int
    values: int
    wrong_values: int
    wrong_side_channels: int

    @property
    def mismatches(self) -> int:
        return self.wrong_values + self.wrong_side_channels


@dataclass(frozen=True)
class CsimReport:
    """What a comparison found. `pixels`: output pixels; `mismatches`: output values, of pixels times channels."""

    tiles: int
    pixels: int
    values: int
    mismatches: int
    first: Mismatch | None
    layers: tuple[LayerReport, ...]
    build_s: float
    run_s: float

    @property
    def pixels_per_s(self) -> float:
        """Output pixels a second of the simulation."""
        return self.pixels / self.run_s

    @property
    def first_wrong_layer(self) -> LayerReport | None:
        """The earliest layer that differs: where to look for the error."""
        return next((layer for layer in self.layers if layer.mismatches), None)


def build(project: Project, flags: Sequence[str] = FLAGS) -> Path:
    """Compile the testbench, unless its sources have not changed since the last time. Returns the program.

    flags: of g++. Raises HwsrError without g++, when compilation fails (with the first error), and when a file is
    missing or cannot be written.
    """
    return compile_program(project, COMPILED, _sources(project), flags=flags)


def sources_hash(project: Project) -> str:
    """A hash of all that g++ reads of a project for its testbench."""
    return _source_hash(project, _sources(project), (), FLAGS)


def _sources(project: Project) -> tuple[str, str]:
    top = project.manifest.top
    return f"firmware/{top}.cpp", f"{top}_test.cpp"


def build_axi(project: Project) -> Path:
    """Compile the testbench of the AXI4-Stream top function, as `build` does that of the plain one."""
    top = project.manifest.axi_top
    return compile_program(project, AXI_COMPILED, (f"firmware/{top}.cpp", f"{top}_test.cpp"))


def compile_program(
    project: Project, folder: str, sources: Sequence[str], headers: Sequence[Path] = (), flags: Sequence[str] = FLAGS
) -> Path:
    """Compile `sources`, relative to the project, to a program in its `folder`, unless nothing that they read changed.

    headers: folders of headers that come before those of the firmware. Raises HwsrError as `build` does.
    """
    try:
        return _compile_program(project, folder, sources, headers, flags)
    except OSError as error:
        where = error.filename or project.folder
        raise HwsrError(f"{where}: {error.strerror}; write the project again with 'hwsr hls'") from error


def _compile_program(
    project: Project, folder: str, sources: Sequence[str], headers: Sequence[Path], flags: Sequence[str]
) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        raise HwsrError("g++ is not installed; the simulation needs it (Debian: apt-get install g++)")
    top, output = project.manifest.top, project.folder / folder
    program = output / f"{top}_{_source_hash(project, sources, headers, flags)}"
    if program.is_file():
        return program
    if output.exists() and not output.is_dir():
        raise HwsrError(f"{output} is not a folder, and compiled programs go there; remove it")
    output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        objects = [str((Path(scratch) / f"{i}.o").resolve()) for i in range(len(sources))]
        own = [f"-I{header.resolve()}" for header in headers]
        common = [compiler, *flags, *own, "-Ifirmware/ap_types", "-Ifirmware", "-I."]
        commands = [[*common, "-c", source, "-o", out] for source, out in zip(sources, objects, strict=True)]
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda command: _compile(command, project.folder), commands):
                pass
        linked = Path(scratch) / "program"
        _compile([compiler, *objects, "-o", str(linked.resolve())], project.folder)
        for old in output.glob(f"{top}_*"):
            old.unlink()
        linked.rename(program)
    return program


def run(
    project: Project, tiles: NDArray[np.integer], jobs: int | None = None, flags: Sequence[str] = FLAGS
) -> IntArray:
    """Simulate frames (N, C, H, W) of the project's size, spread over processes. Returns (N, C, sH, sW) integers."""
    return _run(project, build(project, flags), tiles, project.manifest.output_port.shape, jobs)


def run_axi(project: Project, tiles: NDArray[np.integer], jobs: int | None = None) -> tuple[IntArray, IntArray]:
    """As `run`, through the AXI4-Stream top function. Returns its pixels' side channels (N, sH, sW) as well, each as
    `side_channels` has it.
    """
    channels, height, width = project.manifest.output_port.shape
    made = _run(project, build_axi(project), tiles, (channels + 1, height, width), jobs)
    return made[:, :channels], made[:, channels]


def side_channels(manifest: Manifest) -> IntArray:
    """What the side channels of a frame's pixels (sH, sW) have to be: TLAST + 2 TUSER + 4 + 8, which stand for TKEEP
    and TSTRB of all ones; TID and TDEST, 16 and 32, are 0.
    """
    height, width = manifest.output_port.shape[1:]
    place = np.arange(height * width).reshape(height, width)
    packet = manifest.tlast.packet(height, width)
    return np.asarray(12 + (place % packet == packet - 1) + 2 * (place == 0), np.int64)


def _run(
    project: Project, program: Path, tiles: NDArray[np.integer], made: tuple[int, int, int], jobs: int | None
) -> IntArray:
    """Frames through a program that makes those of shape `made`, spread over processes."""
    check_frames(project.manifest.input_port, tiles)
    if not len(tiles):
        return np.zeros((0, *made), np.int64)
    parts = np.array_split(tiles, min(jobs or os.cpu_count() or 1, len(tiles)))
    with ThreadPoolExecutor(len(parts)) as pool:
        results = list(pool.map(lambda part: _simulate(project, program, part, made)[0], parts))
    return np.concatenate(results)


def compare_axi(project: Project, reference: AllTensors, tiles: NDArray[np.integer] | None = None) -> AxiReport:
    """Simulate `tiles`, the project's own test frames by default, through the AXI4-Stream top function, and compare
    pixels with the reference and side channels with what they have to be. Raises HwsrError as `compare` does.
    """
    tiles = own_frames(project) if tiles is None else tiles
    expected = np.stack([reference(tile)[project.manifest.output] for tile in tiles])
    pixels, sides = run_axi(project, tiles)
    wrong = int(np.count_nonzero(pixels != expected)), int(np.count_nonzero(sides != side_channels(project.manifest)))
    return AxiReport(len(tiles), pixels.size, *wrong)


def compare(
    project: Project,
    reference: AllTensors,
    tiles: NDArray[np.integer] | None = None,
    flags: Sequence[str] = FLAGS,
) -> CsimReport:
    """Simulate `tiles` (N, C, H, W), the project's own test frames by default, and compare with the reference.

    reference: one frame (C, H, W) -> every tensor's integers by its node's name. On a mismatch the tile of the first
    one is simulated again, layer by layer. Raises HwsrError without frames, and when the project's own are not those
    that it was written with: too few, or an expected output that is not the reference's.
    """
    manifest = project.manifest
    own = tiles is None
    if tiles is None:
        tiles = own_frames(project)
    check_frames(manifest.input_port, tiles)
    if not len(tiles):
        raise HwsrError("there are no frames to compare; give one at least")
    expected = np.stack([reference(tile)[manifest.output] for tile in tiles])
    if own and not np.array_equal(read_frames(project.folder / EXPECTED, manifest.output_port.shape), expected):
        raise HwsrError(f"{project.folder / EXPECTED} differs from the reference; write the project again")
    start = time.perf_counter()
    build(project, flags)
    built = time.perf_counter()
    got = run(project, tiles, flags=flags)
    done = time.perf_counter()
    wrong = np.argwhere(got != expected)
    first: Mismatch | None = None
    layers: tuple[LayerReport, ...] = ()
    if len(wrong):
        tile, channel, y, x = (int(i) for i in wrong[0])
        first = Mismatch(tile, channel, y, x, int(got[tile, channel, y, x]), int(expected[tile, channel, y, x]))
        layers = compare_layers(project, reference, tiles[tile], flags)
    pixels = got.size // got.shape[1]
    return CsimReport(len(tiles), pixels, got.size, len(wrong), first, layers, built - start, done - built)


def own_frames(project: Project) -> IntArray:
    """The project's test frames (N, C, H, W). Raises HwsrError when they are not as many as it was written with."""
    path, manifest = project.folder / INPUTS, project.manifest
    tiles = read_frames(path, manifest.input_port.shape)
    if len(tiles) != manifest.frames:
        raise HwsrError(f"{path}: {len(tiles)} frames instead of {manifest.frames}; write the project again")
    return tiles


def compare_layers(
    project: Project, reference: AllTensors, tile: NDArray[np.integer], flags: Sequence[str] = FLAGS
) -> tuple[LayerReport, ...]:
    """Simulate one frame (C, H, W) and compare the output of every layer with the tensor that it makes."""
    expected = reference(tile)
    for layer in _traced(project):
        if layer.makes not in expected:
            raise HwsrError(f"{project.folder}: the network makes no '{layer.makes}'; write the project again")
    made = project.manifest.output_port.shape
    _, traced = _simulate(project, build(project, flags), tile[None], made, trace=True)
    return tuple(_layer_report(layer, traced[layer.name], expected[layer.makes]) for layer in _traced(project))


def upscale(project: Project, image: Image, tiling: Tiling, axi: bool = False) -> Image:
    """Upscale a (C, H, W) uint8 image of any size, all of its tiles in one batch; `axi`: through that top function."""
    cut: list[Image] = []
    blank = np.zeros(project.manifest.output_port.shape, np.uint8)

    def collect(tile: Image) -> Image:
        cut.append(tile)
        return blank

    if tiling.frame != project.manifest.frame:
        raise HwsrError(f"the project is built for tiles of {project.manifest.frame}, not {tiling.frame}")
    run_tiled(collect, image, tiling, project.manifest.scale)
    made = run_axi(project, np.stack(cut))[0] if axi else run(project, np.stack(cut))
    results = iter(made.astype(np.uint8))
    return run_tiled(lambda _: next(results), image, tiling, project.manifest.scale)


def _layer_report(layer: Layer, got: IntArray, expected: IntArray) -> LayerReport:
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return LayerReport(layer.name, layer.makes, got.size, 0)
    c, y, x = (int(i) for i in wrong[0])
    values = int(got[c, y, x]), int(expected[c, y, x])
    return LayerReport(layer.name, layer.makes, got.size, len(wrong), (c, y, x), *values)


def _traced(project: Project) -> Sequence[Layer]:
    return [layer for layer in project.manifest.layers if layer.traced]


def _simulate(
    project: Project, program: Path, tiles: NDArray[np.integer], made: tuple[int, int, int], trace: bool = False
) -> tuple[IntArray, dict[str, IntArray]]:
    """One process. Returns the outputs, frames of shape `made`, and, when asked, every layer's output for the one frame
    of `tiles`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch) / "inputs.dat", Path(scratch) / "outputs.dat"
        write_frames(inputs, tiles)
        options = ["--trace", scratch] if trace else []
        command = [str(program.resolve()), *options, str(inputs), str(outputs)]
        done = run_program(command)
        if done.returncode:
            message = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
            raise HwsrError(f"the simulation of {project.folder} failed: {message}")
        if (at := done.stdout.find(STREAM_WARNING)) >= 0:
            # Values may be right all the same: streams are new in every frame, and an empty one gives a word too.
            first = done.stdout[at:].splitlines()[0].removeprefix(STREAM_WARNING)
            raise HwsrError(f"{project.folder}: a stage does not read what another writes, stream{first}")
        layers = _traced(project) if trace else []
        traced = {layer.name: _read_trace(Path(scratch), layer) for layer in layers}
        frames = read_frames(outputs, made)
        if len(frames) != len(tiles):
            raise HwsrError(f"the simulation of {project.folder} made {len(frames)} frames of {len(tiles)}")
        return frames, traced


def _read_trace(folder: Path, layer: Layer) -> IntArray:
    height, width, channels = layer.shape
    frames = read_frames(folder / f"{layer.name}.dat", (channels, height, width))
    if not len(frames):
        raise HwsrError(f"the simulation made no trace of layer {layer.name}; is the disk full?")
    return np.asarray(frames[0])


def check_frames(port: Port, tiles: NDArray[np.integer]) -> None:
    """Raise HwsrError unless tiles are frames (N, C, H, W) as the port takes them."""
    if tiles.ndim != 4 or tiles.shape[1:] != port.shape:
        raise HwsrError(f"the project takes frames of {port.shape} (channels, height, width), not {tiles.shape[1:]}")


def _compile(command: list[str], folder: Path) -> None:
    done = run_program(command, folder)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        first = next((line for line in lines if "error" in line), lines[0])
        raise HwsrError(f"g++ could not compile {folder}: {first.strip()}")


def _source_hash(project: Project, sources: Sequence[str], headers: Sequence[Path], flags: Sequence[str]) -> str:
    """Of all that g++ reads."""
    digest = hashlib.sha256(" ".join(flags).encode())
    firmware = [path for path in (project.folder / "firmware").rglob("*") if path.suffix in (".h", ".cpp")]
    read = {str(path.relative_to(project.folder)): path for path in firmware}
    read |= {source: project.folder / source for source in sources}
    read |= {f"<{path.name}>": path for folder in headers for path in folder.glob("*.h")}
    for name, path in sorted(read.items()):
        digest.update(name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
