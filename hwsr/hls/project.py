"""An HLS project on disk: hls4ml's firmware completed by a testbench that checks itself, data, manifest and README."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsr.errors import HwsrError, InternalError
from hwsr.hls import BACKENDS
from hwsr.hls.axi import Frame, Video, has_board, name_of, write_axi
from hwsr.hls.data import hard_frames, write_frames
from hwsr.hls.fifo import IN_FLIGHT, with_depths
from hwsr.hls.firmware import Top, read_top
from hwsr.hls.lint import Finding, lint
from hwsr.hls.lower import lower
from hwsr.hls.model import write_firmware
from hwsr.hls.render import render
from hwsr.hls.replacing import MANIFEST, replacing
from hwsr.hls.source import precision
from hwsr.hls.tlast import Tlast
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.check import check_image_network
from hwsr.ir.graph import IntArray, IntGraph
from hwsr.ir.outside import Outside, frame_deep
from hwsr.ir.stages import Folding, Reuse, Stage

# KV260's, and ZCU104's for Vivado HLS: its last release, 2020.1, came before the first Kria.
DEFAULT_PARTS = {"Vitis": "xck26-sfvc784-2LV-c", "Vivado": "xczu7ev-ffvc1156-2-e"}
_NOT_IN_VIVADO_HLS = ("xck",)
# What build_prj.tcl does for a user of Vitis; Vivado HLS takes the same on its command line.
BUILD_STEPS = {"reset": 1, "csim": 1, "synth": 1, "cosim": 1, "validation": 1, "export": 1, "vsynth": 0, "fifo_opt": 0}
# Co-simulation takes from the C simulation all that it will send, FIFOs' words too.
_ONE_WAY = """
# No co-simulation with FIFOs outside: what they give back has first to come out of the hardware.
if {{$project_name eq "{axi_top}"}} {{
    array set opt {{cosim 0 validation 0}}
}}
"""
FIRMWARE = "firmware"
# What hls4ml writes to run the firmware from Python: not needed, and its configuration names the folder written to.
_PYTHON_HOOKS = ("hls4ml_config.yml", "build_lib.sh", "{top}_bridge.cpp")
INPUTS, EXPECTED = "tb_data/inputs.dat", "tb_data/expected.dat"

# A part number becomes Tcl.
PART = r"[A-Za-z0-9][A-Za-z0-9_.:/-]*"
# The manifest's names become file names and C++.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class Port(BaseModel):
    """One side of the top function: a frame of `height` x `width` words of `channels` integers."""

    model_config = ConfigDict(frozen=True)
    channels: int
    height: int
    width: int
    bits: int
    signed: bool
    frac: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width


class Layer(BaseModel):
    """One stage of the hardware: the network's node whose tensor it makes, what it was built with, what it feeds.

    shape: (H, W, C) of its output, whose integers are of type `result` and count 2**-frac. reuse_factor: clocks a
    pixel; folding: of a stage that multiplies or looks up; weight_bits, sum_bits: of a convolution; adders,
    adder_depth: of one that an adder graph computes.
    """

    model_config = ConfigDict(frozen=True)
    name: Name
    kind: str
    makes: str
    traced: bool
    shape: tuple[int, int, int]
    result: str
    frac: int
    reuse_factor: int
    folding: Folding | None
    weight_bits: int | None
    sum_bits: int | None
    adders: int | None
    adder_depth: int | None
    streams: dict[str, int]


class Manifest(BaseModel):
    """hwsr.json: what the project was made from and with.

    tlast: of the AXI4-Stream top function's video; outside: the FIFOs that it leaves to external memory.
    """

    model_config = ConfigDict(frozen=True)
    top: Name
    backend: str
    part: Annotated[str, Field(pattern=f"^{PART}$")]
    clock_ns: float
    graph: str
    frame: tuple[int, int]
    scale: int
    fixed_frame: bool
    output: str
    input_port: Port
    output_port: Port
    frames: int
    layers: tuple[Layer, ...]
    tlast: Tlast
    outside: tuple[Outside, ...]

    @property
    def axi_top(self) -> str:
        """The top function between AXI4-Streams of video."""
        return name_of(self.top)

    @property
    def video(self) -> Video:
        taken, made = (Frame(port.height, port.width) for port in (self.input_port, self.output_port))
        return Video(self.input_port.channels, taken, made, self.tlast, self.outside)


@dataclass(frozen=True)
class Project:
    """A project folder and its manifest."""

    folder: Path
    manifest: Manifest


def load_project(folder: Path) -> Project:
    """Read a project that `write_project` wrote. Raises HwsrError when the folder is none."""
    try:
        return Project(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
    except OSError as error:
        raise HwsrError(f"{folder} is not an HLS project of hwsr (no {MANIFEST}); write one with 'hwsr hls'") from error
    except ValidationError as error:
        raise HwsrError(f"{folder / MANIFEST} is damaged; write the project again with 'hwsr hls'") from error


def write_project(
    graph: IntGraph,
    out: Path,
    tiles: NDArray[np.integer],
    reference: Callable[[NDArray[np.integer]], IntArray],
    backend: str = "Vitis",
    part: str | None = None,
    clock_ns: float = 5.0,
    reuse_factor: Reuse | None = None,
    adders: Mapping[str, AdderGraph] | None = None,
    tlast: Tlast = Tlast.LINE,
    off_chip: bool = False,
    depths: Mapping[str, int] | None = None,
) -> Project:
    """Write the project of `graph` to `out`, replacing what an earlier call wrote there.

    tiles: (N, C, H, W) real frames of the graph's size for the testbench; adversarial ones are added.
    reference: the integer reference, (C, H, W) -> (C, sH, sW), which makes the expected outputs.
    part: DEFAULT_PARTS has the default.
    reuse_factor: see `lower`; the default is scale^2, the clocks that an input pixel's output pixels take to leave.
    adders: see `lower`; by default those of the ternary convolutions that take one clock a pixel, found here.
    depths: see `with_depths`; by default those of `lower`.
    tlast: what TLAST ends in the AXI4-Stream top function's video; off_chip: its FIFOs that hold a frame are outside.
    Raises HwsrError for a node or type that has no hardware, for a network not of images, and when `out` cannot be
    written or holds other files; InternalError where the C++ holds what HLS would refuse or punish.
    """
    if backend not in BACKENDS:
        raise HwsrError(f"unknown HLS backend '{backend}'; choose one of {', '.join(BACKENDS)}")
    _check_tiles(graph, tiles)
    check_image_network(graph)
    part = part or DEFAULT_PARTS[backend]
    if not re.fullmatch(PART, part):
        raise HwsrError(f"'{part}' is no part number; write one such as {DEFAULT_PARTS[backend]}")
    reuse = graph.scale**2 if reuse_factor is None else reuse_factor
    stages = lower(graph, reuse, _ternary(graph, reuse) if adders is None else adders)
    stages = stages if depths is None else with_depths(stages, depths)
    frames = np.concatenate([tiles.astype(np.int64), hard_frames(graph.input, graph.frame)])
    manifest = _manifest(graph, stages, _top_name(out), backend, part, clock_ns, len(frames), tlast)
    outside = frame_deep(stages) if off_chip else ()
    with replacing(out) as folder:
        write_firmware(stages, folder, manifest.top, backend, part, clock_ns)
        plain = read_top(folder / FIRMWARE / f"{manifest.top}.cpp")
        manifest = manifest.model_copy(update={"outside": _in_cpp(outside, stages, plain)})
        write_axi(folder, manifest.top, plain, manifest.video, part)
        _check_firmware(folder, manifest)
        for file in _PYTHON_HOOKS:
            (folder / file.format(top=manifest.top)).unlink()
        if backend == "Vitis":
            steps = "".join(f"    {step:<10} {on}\n" for step, on in BUILD_STEPS.items())
            text = f"array set opt {{\n{steps}}}\n" + (_ONE_WAY.format(axi_top=manifest.axi_top) if off_chip else "")
            (folder / "build_opt.tcl").write_text(text, encoding="ascii")
        (folder / "tb_data").mkdir(exist_ok=True)
        write_frames(folder / INPUTS, frames)
        write_frames(folder / EXPECTED, np.stack([reference(frame) for frame in frames]))
        (folder / f"{manifest.top}_test.cpp").write_text(_testbench(manifest), encoding="utf-8")
        (folder / "README.md").write_text(_readme(manifest, len(tiles)), encoding="utf-8")
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Project(out, manifest)


def lint_project(folder: Path, manifest: Manifest) -> list[Finding]:
    """Every finding in what either top function reaches, by place. Raises HwsrError as `lint` does."""
    tops = (manifest.top, manifest.axi_top)
    return sorted({finding for top in tops for finding in lint(folder / FIRMWARE, top, manifest.backend)})


def _check_firmware(folder: Path, manifest: Manifest) -> None:
    findings = lint_project(folder, manifest)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise InternalError(f"hwsr generated C++ that HLS would refuse or punish: {findings[0]}{more}")


def is_too_new(backend: str, part: str) -> bool:
    """Whether the tool knows no such part, because it came after the tool's last release."""
    return backend == "Vivado" and part.startswith(_NOT_IN_VIVADO_HLS)


def _ternary(graph: IntGraph, reuse: Reuse) -> dict[str, AdderGraph]:
    # Its import takes a second, and whoever gives the graphs has made it.
    from hwsr.adders.stages import chosen, graphs, solve

    return graphs(solve(graph, chosen(graph, reuse)))


def graph_hash(graph: IntGraph) -> str:
    """A hash of everything that the graph computes with: nodes, constants, types and frame."""
    digest = hashlib.sha256(repr(graph.frame).encode())
    for node in graph.nodes:
        digest.update(type(node).__name__.encode())
        for key, value in vars(node).items():
            if isinstance(value, np.ndarray):
                value = (value.shape, value.tolist())
            digest.update(f"{key}={value!r};".encode())
    return digest.hexdigest()


def _manifest(
    graph: IntGraph,
    stages: Sequence[Stage],
    top: str,
    backend: str,
    part: str,
    clock_ns: float,
    frames: int,
    tlast: Tlast,
) -> Manifest:
    return Manifest(
        top=top,
        backend=backend,
        part=part,
        clock_ns=clock_ns,
        graph=graph_hash(graph),
        frame=graph.frame,
        scale=graph.scale,
        fixed_frame=graph.fixed_frame,
        output=graph.output.name,
        input_port=_port(graph, graph.input.name),
        output_port=_port(graph, graph.output.name),
        frames=frames,
        layers=layers_of(stages),
        tlast=tlast,
        outside=(),
    )


def layers_of(stages: Sequence[Stage]) -> tuple[Layer, ...]:
    """Stages as a manifest describes them."""
    return tuple(
        Layer(
            name=stage.name,
            kind=stage.kind,
            makes=stage.makes,
            traced=not stage.helper and bool(stage.inputs),
            shape=stage.shape,
            result=precision(stage.result),
            frac=stage.result.frac,
            reuse_factor=stage.reuse_factor,
            folding=stage.folding,
            weight_bits=stage.settings.get("weight_bits"),
            sum_bits=stage.settings.get("sum_bits"),
            adders=len(stage.adders.sums) if stage.adders else None,
            adder_depth=int(stage.adders.depth.max()) if stage.adders else None,
            streams=stage.streams,
        )
        for stage in stages
    )


def hardware_hash(backend: str, layers: Sequence[Layer]) -> str:
    """A hash of what C++ is generated by beside its graph: backend, kernels, types and foldings.

    Frame and FIFO depths are left out. Case of the backend's name does not matter.
    """
    built = [layer.model_dump(mode="json", exclude={"shape", "streams"}) for layer in layers]
    return hashlib.sha256(json.dumps([backend.lower(), built]).encode()).hexdigest()


def _in_cpp(outside: Sequence[Outside], stages: Sequence[Stage], plain: Top) -> tuple[Outside, ...]:
    """FIFOs outside by the names that hls4ml gave to the streams."""
    names = {
        name: written
        for stage, process in zip(stages[1:], plain.calls, strict=True)
        for name, written in zip(stage.streams, process.writes, strict=True)
    }
    return tuple(replace(fifo, stream=names[fifo.stream]) for fifo in outside)


def _port(graph: IntGraph, name: str) -> Port:
    channels, height, width = graph.shape(name, *graph.frame)
    qtype = graph.tensors[name].type
    return Port(channels=channels, height=height, width=width, bits=qtype.bits, signed=qtype.signed, frac=qtype.frac)


def _testbench(manifest: Manifest) -> str:
    def port(port: Port, type_name: str) -> dict[str, Any]:
        return {
            "type": type_name,
            "words": port.height * port.width,
            "width": port.width,
            "getter": "to_int64" if port.signed else "to_uint64",
        }

    traced = [{"name": layer.name, "size": int(np.prod(layer.shape))} for layer in manifest.layers if layer.traced]
    ports = {"input": port(manifest.input_port, "input_t"), "output": port(manifest.output_port, "result_t")}
    return render("testbench.cpp.j2", top=manifest.top, traced=traced, **ports)


def _readme(manifest: Manifest, tiles: int) -> str:
    def listed(steps: Mapping[str, int]) -> str:
        return " ".join(f"{step}={on}" for step, on in steps.items())

    one_way = {"cosim": 0, "validation": 0} if manifest.outside else {}
    other = DEFAULT_PARTS["Vivado"] if is_too_new(manifest.backend, manifest.part) else ""
    steps = {"steps": listed(BUILD_STEPS), "axi_steps": listed(BUILD_STEPS | one_way)}
    return render(
        "README.md.j2",
        m=manifest,
        tiles=tiles,
        in_flight=IN_FLIGHT,
        other_part=other,
        board=has_board(manifest.part),
        **steps,
    )


def _top_name(out: Path) -> str:
    """The top function's name, from the folder's; the prefix keeps it from being a C++ word."""
    return "hwsr_" + re.sub(r"\W+", "_", out.resolve().name, flags=re.ASCII).strip("_").lower()


def _check_tiles(graph: IntGraph, tiles: NDArray[np.integer]) -> None:
    shape = (graph.input.channels, *graph.frame)
    if tiles.ndim != 4 or tiles.shape[1:] != shape:
        raise HwsrError(f"the testbench needs tiles of shape (N, {', '.join(map(str, shape))}), not {tiles.shape}")
    if tiles.size and (tiles.min() < graph.input.type.lo or tiles.max() > graph.input.type.hi):
        raise HwsrError(f"the tiles' values lie outside the network's input type {graph.input.type}")
