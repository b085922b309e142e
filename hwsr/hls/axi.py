"""The top function between AXI4-Streams of video: the plain one's processes between one that unpacks and one that packs
pixels, all of one dataflow region.

A pixel is a word: channel c, which is red, green, blue, or luma alone, is byte c of TDATA. Pixels come in raster order.
TUSER marks a frame's first pixel, TLAST ends every line or every frame. FIFOs that are kept outside are a pair of
AXI4-Streams each, with the FIFO between them.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hwsr.errors import HwsrError
from hwsr.hls.firmware import Call, Stream, Top
from hwsr.hls.render import render
from hwsr.hls.source import call, config
from hwsr.hls.tlast import Tlast
from hwsr.ir.outside import LEFT, Outside

# A channel of a pixel.
BYTE = 8
INPUT, OUTPUT = "video_in", "video_out"
PIXEL = "pixel_t"
_OWN = Path(__file__).parent
# What board.tcl is written for: the board, as Vivado's board store calls it, of parts that begin so.
BOARDS = {"xck26": "kv260_som", "xczu7ev": "zcu104"}
# Where the block design keeps FIFOs outside, unless told otherwise; bytes of a page of the AXI Virtual FIFO Controller,
# and to which the address of each is rounded up.
_MEMORY, _PAGE, _ALIGNED = 0x60000000, 4096, 1 << 20
# Vivado's synthesis of a top function is reported in TOP_ and this.
VIVADO_SYNTH = "vivado_synth.rpt"
# The vendor's tool runs one script for either top function.
_CHOOSING = """
# HWSR_TOP=axi in the environment builds the top function between AXI4-Streams in the place of this one.
if {[info exists ::env(HWSR_TOP)] && $::env(HWSR_TOP) eq "axi"} {
    set project_name "${project_name}_axi"
}
"""


@dataclass(frozen=True)
class Frame:
    """Pixels at one end of the hardware."""

    height: int
    width: int

    @property
    def words(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class Video:
    """What the AXI4-Stream top function is made with; outside: by the plain top function's names of the streams."""

    channels: int
    input: Frame
    output: Frame
    tlast: Tlast
    outside: tuple[Outside, ...] = ()

    @property
    def tdata(self) -> int:
        """Bits of a pixel."""
        return BYTE * self.channels


def name_of(top: str) -> str:
    """The AXI4-Stream top function beside a plain one."""
    return f"{top}_axi"


def ports(place: int) -> tuple[str, str, str]:
    """The input, the output and the type of the words of a FIFO outside."""
    return f"memory{place}_in", f"memory{place}_out", f"memory{place}_t"


def between_streams(plain: Top, video: Video) -> Top:
    """The AXI4-Stream top function of a plain one."""
    pixels, made = plain.inputs[0], plain.outputs[0]
    streams = {INPUT: Stream(PIXEL, LEFT), OUTPUT: Stream(PIXEL, LEFT)}
    inputs, outputs = [INPUT], [OUTPUT]
    for place in range(len(video.outside)):
        into, out_of, type_ = ports(place)
        streams |= {into: Stream(type_, LEFT), out_of: Stream(type_, LEFT)}
        inputs.append(into)
        outputs.append(out_of)
    streams |= plain.streams
    calls = [_reading(INPUT, PIXEL, pixels, plain.streams[pixels].type), *plain.calls]
    calls.append(_writing(made, plain.streams[made].type, OUTPUT, PIXEL))
    for place, fifo in enumerate(video.outside):
        streams, calls = _moved_outside(place, fifo.stream, streams, calls)
    return Top(tuple(inputs), tuple(outputs), streams, tuple(calls))


def _moved_outside(
    place: int, stream: str, streams: Mapping[str, Stream], calls: list[Call]
) -> tuple[dict[str, Stream], list[Call]]:
    """Streams and calls with a FIFO outside in the place of `stream`, whose reader takes another one."""
    into, out_of, type_ = ports(place)
    back, word = f"{stream}_back", streams[stream].type
    changed: list[Call] = []
    for one in calls:
        if stream in one.reads:
            text = re.sub(rf"\b{stream}\b", back, one.text)
            reads = tuple(back if name == stream else name for name in one.reads)
            changed += [_writing(stream, word, out_of, type_), _reading(into, type_, back, word)]
            changed.append(replace(one, text=text, reads=reads))
        else:
            changed.append(one)
    return {**streams, stream: Stream(word, LEFT), back: Stream(word, LEFT)}, changed


def _reading(port: str, axi: str, stream: str, word: str) -> Call:
    text = call("axi_read", [axi, word], f"config_{port}", [port, stream], [])
    return Call(f"take_{port}", text, (port,), (stream,))


def _writing(stream: str, word: str, port: str, axi: str) -> Call:
    text = call("axi_write", [word, axi], f"config_{port}", [stream, port], [])
    return Call(f"send_{port}", text, (stream,), (port,))


def has_board(part: str) -> bool:
    """Whether a block design is written for the part."""
    return part.startswith(tuple(BOARDS))


def write_axi(folder: Path, top: str, plain: Top, video: Video, part: str) -> None:
    """Write the top function, its testbench, what they include, and for a part of a known board its block design to the
    project in `folder`. Raises HwsrError where hls4ml's scripts are not as known."""
    firmware, name = folder / "firmware", name_of(top)
    inner = between_streams(plain, video)
    declared = [
        f"hls::stream<{inner.streams[port].type}> &{port}"
        for pair in zip(inner.inputs, inner.outputs, strict=True)
        for port in pair
    ]
    words = [{"type": PIXEL, "tdata": video.tdata}]
    words += [{"type": ports(place)[2], "tdata": fifo.tdata} for place, fifo in enumerate(video.outside)]
    shared = {"top": top, "name": name, "signature": declared}
    made = {
        firmware / f"{name}.h": render("axi.h.j2", ports=words, configs=list(_configs(video)), **shared),
        firmware / f"{name}.cpp": render("axi.cpp.j2", inner=inner, **shared),
        folder / f"{name}_test.cpp": render("axi_testbench.cpp.j2", name=name, **_testbench(video)),
    }
    if has_board(part):
        block = {"name": name, "video": video, "memories": list(_memories(video)), "boards": BOARDS}
        made[folder / "board.tcl"] = render("board.tcl.j2", **block)
    for path, text in made.items():
        path.write_text(text, encoding="ascii")
    with (folder / "project.tcl").open("a", encoding="ascii") as settings:
        settings.write(_CHOOSING)
    _name_report(folder / "vivado_synth.tcl")
    for header in ("ap_types/ap_axi_sdata.h", "nnet_utils/nnet_hwsr_axi.h"):
        shutil.copyfile(_OWN / header, firmware / header)


def _name_report(script: Path) -> None:
    """Let neither top function's synthesis overwrite the other's report, which hls4ml names alike."""
    text = script.read_text(encoding="ascii")
    named = text.replace(f" {VIVADO_SYNTH}", f" ${{project_name}}_{VIVADO_SYNTH}")
    if named == text:
        raise HwsrError(f"hls4ml's {script.name} writes no {VIVADO_SYNTH}; this release of hls4ml is not supported")
    script.write_text(named, encoding="ascii")


def _memories(video: Video) -> Iterator[dict[str, Any]]:
    """What the block design gives each FIFO outside: pages with one to spare, behind one another in memory."""
    address = _MEMORY
    for place, fifo in enumerate(video.outside):
        pages = -(-fifo.held_bytes // _PAGE) + 1
        yield {"place": place, "tdata": fifo.tdata, "pages": pages, "address": f"{address:08x}"}
        address += -(-pages * _PAGE // _ALIGNED) * _ALIGNED


def _configs(video: Video) -> Iterator[str]:
    def settings(words: int, lane: int, packet: int) -> dict[str, int]:
        return {"n_pixels": words, "lane": lane, "packet": packet}

    for port, frame in ((INPUT, video.input), (OUTPUT, video.output)):
        packet = video.tlast.packet(frame.height, frame.width)
        yield config(f"config_{port}", settings(frame.words, BYTE, packet), {})
    for place, fifo in enumerate(video.outside):
        for port in ports(place)[:2]:
            yield config(f"config_{port}", settings(fifo.words, fifo.bits, fifo.words), {})


def _testbench(video: Video) -> dict[str, Any]:
    def port(frame: Frame) -> dict[str, int]:
        packet = video.tlast.packet(frame.height, frame.width)
        return {"words": frame.words, "width": frame.width, "packet": packet}

    memories = [{"name": f"memory{place}", "type": ports(place)[2]} for place in range(len(video.outside))]
    # Both ports of a FIFO outside are one stream here, which a process has filled before another one empties it.
    arguments = ["in", "out", *(memory["name"] for memory in memories for _ in range(2))]
    ends = {"input": port(video.input), "output": port(video.output)}
    return {"channels": video.channels, "memories": memories, "arguments": arguments, **ends}
