"""Runs the processes of a project's C++ side by side, its streams as deep as it declares them.

C simulation calls one process after the other and its streams hold any number of words, so it would pass where the
hardware stands still. Here every process is a coroutine that stops at a full or empty stream (bounded/hls_stream.h).
There is no clock: whether words pass is found out, and what they are, not when. A pipeline that HLS stalls as a whole
keeps words in flight. How many is not known before synthesis, so a project is run with none and with as many as its
depths allow for.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.files import write_text
from hwsr.hls.csim import AllTensors, check_frames, compile_program, own_frames, side_channels
from hwsr.hls.data import read_frames, write_frames
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.firmware import MEMORY, SINK, SOURCE, Top, read_top
from hwsr.hls.project import Port, Project
from hwsr.hls.render import render
from hwsr.ir.graph import IntArray
from hwsr.processes import run_program
from hwsr.simulate.deadlock import Wait, cycle

COMPILED, AXI_COMPILED = "dataflow", "dataflow_axi"
_BOUNDED = Path(__file__).parent / "bounded"
_DEADLOCK = 3


@dataclass(frozen=True)
class Filled:
    """A stream: the words that it holds, and the most that it held."""

    depth: int
    peak: int


@dataclass(frozen=True)
class Passed:
    """What came out: frames (N, C, H, W), none of one that was not complete; waits: every process that waits for ever,
    deadlock: those of them that wait for one another.
    """

    outputs: IntArray
    streams: dict[str, Filled]
    waits: tuple[Wait, ...]
    deadlock: tuple[Wait, ...]


@dataclass(frozen=True)
class Verdict:
    """All test frames, with `in_flight` words of every output kept in flight. mismatches: output values, those of
    frames that never came among them.
    """

    in_flight: int
    frames: int
    mismatches: int
    streams: dict[str, Filled]
    deadlock: tuple[Wait, ...]


def verify(project: Project, reference: AllTensors, axi: bool = False) -> tuple[Verdict, ...]:
    """Run the project's own test frames without words in flight and with as many as its depths allow for.

    reference: one frame (C, H, W) -> every tensor's integers by its node's name. axi: through the AXI4-Stream top
    function, whose pixels' side channels count as values.
    Raises HwsrError as `build` does.
    """
    tiles = own_frames(project)
    expected = np.stack([reference(tile)[project.manifest.output] for tile in tiles])
    if axi:
        sides = np.broadcast_to(side_channels(project.manifest), (len(expected), 1, *expected.shape[2:]))
        expected = np.concatenate([expected, sides], axis=1)
    verdicts = []
    for in_flight in (0, IN_FLIGHT):
        passed = run(project, tiles, in_flight, axi=axi)
        wrong = np.count_nonzero(passed.outputs != expected[: len(passed.outputs)])
        missing = expected[len(passed.outputs) :].size
        verdicts.append(Verdict(in_flight, len(tiles), int(wrong) + missing, passed.streams, passed.deadlock))
    return tuple(verdicts)


def run(
    project: Project,
    tiles: NDArray[np.integer],
    in_flight: int = 0,
    depths: Mapping[str, int] | None = None,
    axi: bool = False,
) -> Passed:
    """Run frames (N, C, H, W) of the project's size through it, one behind the other.

    in_flight: words of every output that each process keeps back until its frame ends; depths: of streams that are to
    have others than they declare, by their names in the C++; axi: through the AXI4-Stream top function, which makes one
    more channel of the side channels (`hwsr.hls.csim.side_channels`). Raises HwsrError as `build` does.
    """
    top = read_top(_top_file(project, axi))
    program = build(project, axi)
    check_frames(project.manifest.input_port, tiles)
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs, report = (Path(scratch) / name for name in ("inputs.dat", "outputs.dat", "report.txt"))
        write_frames(inputs, tiles)
        changed = [f"{stream}={depth}" for stream, depth in (depths or {}).items()]
        command = [str(program.resolve()), str(inputs), str(outputs), str(report), str(in_flight), *changed]
        done = run_program(command)
        if done.returncode not in (0, _DEADLOCK):
            message = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
            raise HwsrError(f"the dataflow simulation of {project.folder} failed: {message}")
        channels, height, width = project.manifest.output_port.shape
        return _passed((channels + axi, height, width), top, outputs, report)


def build(project: Project, axi: bool = False) -> Path:
    """Compile the project's processes with bounded streams, unless that was done before. Returns the program.

    Raises HwsrError where the top function is not understood, and as `hwsr.hls.csim.build` does.
    """
    folder = AXI_COMPILED if axi else COMPILED
    source = project.folder / folder / "processes.cpp"
    write_text(source, _source(project, read_top(_top_file(project, axi)), axi))
    return compile_program(project, folder, (f"{folder}/{source.name}",), (_BOUNDED,))


def _top_file(project: Project, axi: bool) -> Path:
    return project.folder / "firmware" / f"{_top_name(project, axi)}.cpp"


def _top_name(project: Project, axi: bool) -> str:
    return project.manifest.axi_top if axi else project.manifest.top


def _source(project: Project, top: Top, axi: bool) -> str:
    def port(port: Port, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "type": top.streams[name].type,
            "words": port.height * port.width,
            "channels": port.channels,
            "channel": "word.data.range(8 * c + 7, 8 * c)" if axi else "word[c]",
            "getter": "to_int64" if port.signed and not axi else "to_uint64",
        }

    outside = project.manifest.outside if axi else ()
    if not len(outside) == len(top.inputs) - 1 == len(top.outputs) - 1:
        raise HwsrError(f"{project.folder}: its C++ has not the FIFOs outside that hwsr.json names; write it again")
    held = {into: fifo.depth for into, fifo in zip(top.inputs[1:], outside, strict=True)}
    memories = [
        {"name": f"{MEMORY}{place}", "words": fifo.words, "into": into, "out_of": out_of}
        for place, (fifo, into, out_of) in enumerate(zip(outside, top.inputs[1:], top.outputs[1:], strict=True))
    ]
    return render(
        "dataflow.cpp.j2",
        top=_top_name(project, axi),
        plain=not axi,
        input=port(project.manifest.input_port, top.input),
        output=port(project.manifest.output_port, top.output),
        streams={name: replace(stream, depth=held.get(name, stream.depth)) for name, stream in top.streams.items()},
        calls=top.calls,
        memories=memories,
        source=SOURCE,
        sink=SINK,
    )


def _passed(shape: tuple[int, int, int], top: Top, outputs: Path, report: Path) -> Passed:
    streams: dict[str, Filled] = {}
    waits: list[Wait] = []
    for line in report.read_text(encoding="ascii").splitlines():
        match line.split():
            case ["stream", name, depth, peak]:
                streams[name] = Filled(int(depth), int(peak))
            case [("full" | "empty") as how, process, stream]:
                waits.append(Wait(process, stream, how == "full"))
    whole = "".join(line for line in outputs.read_text(encoding="ascii").splitlines(keepends=True) if line[-1] == "\n")
    outputs.write_text(whole, encoding="ascii")
    made = read_frames(outputs, shape)
    return Passed(made, streams, tuple(waits), cycle(waits, top.ends))
