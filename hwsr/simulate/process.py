"""What a stage of the pipeline does clock by clock: at which tick it reads each of its words, and writes each.

A stage is a pipelined loop that begins a turn every tick and writes what a turn makes `latency` ticks after it began.
HLS stalls such a pipeline as a whole: a tick happens when all that it reads is there and all that it writes has room,
so words in flight wait while there is nothing to read. They leave at the frame's end, where no turn needs an input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hwsr.errors import HwsrError
from hwsr.ir.graph import IntArray
from hwsr.ir.stages import Stage

# Kernels that read a word of every input and write one to every output in each turn.
_WORD_BY_WORD = frozenset(
    {"Clone", "requantize", "add_streams", "channel_offset", "channel_select", "concat", "InputLayer"}
)


@dataclass(frozen=True, eq=False)
class Process:
    """One stage. ticks: of a frame; reads, writes: stream -> the tick (0 to ticks - 1, rising) of each of its words.

    Streams are in the order in which the kernel accesses them within a turn, reads before writes.
    """

    name: str
    ticks: int
    reads: dict[str, IntArray]
    writes: dict[str, IntArray]


def processes(stages: Sequence[Stage], latencies: Mapping[str, int]) -> tuple[Process, ...]:
    """The processes of a network, its input the first, its output the last.

    latencies: clocks from a turn's start to its write, by the stage's name; 0 where it names none, as for the input.
    Raises HwsrError for a kernel that is not known here.
    """
    shapes = {stream: stage.shape for stage in stages for stream in stage.streams}
    return tuple(_process(stage, shapes, latencies.get(stage.name, 0)) for stage in stages)


def depths(stages: Sequence[Stage]) -> dict[str, int]:
    """The declared depth of every stream, in words. That of the output has no reader here and is left out."""
    read = {stream for stage in stages for stream in stage.inputs}
    return {stream: depth for stage in stages for stream, depth in stage.streams.items() if stream in read}


def _process(stage: Stage, shapes: Mapping[str, tuple[int, int, int]], latency: int) -> Process:
    turns, reads, writes = _turns(stage, shapes, latency)
    inputs = dict(zip(stage.inputs, reads, strict=True))
    if stage.kind == "channel_mul":  # it reads the map before its loop
        inputs = dict(reversed(inputs.items()))
    late = writes + latency
    return Process(stage.name, turns + latency, inputs, dict.fromkeys(stage.streams, late))


def _turns(
    stage: Stage, shapes: Mapping[str, tuple[int, int, int]], latency: int
) -> tuple[int, list[IntArray], IntArray]:
    """Turns of the kernel's loop for a frame, the turns that read a word of each input, and those that make one."""
    words = prod(stage.shape[:2])
    each = np.arange(words)
    match stage.kind:
        case "conv" | "adder_conv":
            return _conv(stage, each)
        case "pixel_shuffle" | "upsample_nearest":
            height, width, _ = shapes[stage.inputs[0]]
            factor = stage.settings["factor"]
            rows = np.arange(height)[:, None] * (factor * stage.shape[1])
            return words, [(rows + np.arange(width) * factor).reshape(-1)], each
        case "spatial_sum":
            pixels = stage.settings["n_pixels"]
            return pixels, [np.arange(pixels)], np.array([pixels - 1])
        case "channel_mul":
            steps = stage.settings["n_steps"]
            return words * steps, [each * steps, np.zeros(1, np.int64)], each * steps + steps - 1
        case "table_lookup" | "rescale":
            steps = stage.settings["n_steps"]
            return words * steps, [each * steps], each * steps + steps - 1
        case kind if kind in _WORD_BY_WORD:
            return words, [each] * len(stage.inputs), each
    raise HwsrError(f"stage '{stage.name}': the simulation knows no kernel '{stage.kind}'")


def _conv(stage: Stage, each: IntArray) -> tuple[int, list[IntArray], IntArray]:
    """It takes in `fill` words, a turn each, then one every n_steps turns as long as there are any."""
    steps, words = stage.settings["n_steps"], len(each)
    fill = (stage.settings["kernel_height"] // 2) * stage.settings["width"] + stage.settings["kernel_width"] // 2
    filling = each[: min(fill, words)]
    going = fill + each[: max(words - fill, 0)] * steps
    return fill + words * steps, [np.concatenate([filling, going])], fill + each * steps + steps - 1


def in_program_order(process: Process, held: int = 0) -> Process:
    """The same accesses one a tick, in the order of the kernel's code: what a simulation without a clock does.

    process: one of latency 0. held: words of each output that are kept back, each until as many more have been
    written, the last ones until the frame's end.
    """
    slots = len(process.reads) + len(process.writes)
    keys = [ticks * slots + slot for slot, ticks in enumerate([*process.reads.values(), *process.writes.values()])]
    if held and process.writes:
        keys[len(process.reads) :] = _kept_back(keys[len(process.reads) :], held, process.ticks * slots)
    order = np.argsort(np.concatenate(keys))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    at = np.split(ranks, np.cumsum([len(key) for key in keys])[:-1])
    return Process(
        process.name,
        len(ranks),
        dict(zip(process.reads, at[: len(process.reads)], strict=True)),
        dict(zip(process.writes, at[len(process.reads) :], strict=True)),
    )


def _kept_back(keys: list[IntArray], held: int, end: int) -> list[IntArray]:
    """Each write moves to where the write is that is `held` words of every output later, or behind the end."""
    order = np.argsort(np.concatenate(keys))
    n, later = len(order), held * len(keys)
    places = np.sort(np.concatenate(keys))
    moved = np.empty(n, np.int64)
    moved[order] = np.concatenate([places[later:], end + np.arange(min(later, n))])[:n]
    return np.split(moved, np.cumsum([len(key) for key in keys])[:-1])
