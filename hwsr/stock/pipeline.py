"""A stock project as a pipeline: what its kernels take, how they wait for one another, the clocks of a frame.

Cycles of a kernel are those of the laws (docs/estimates.md). A kernel is a loop over its words that runs once a frame,
and begins the next frame a clock after it has ended this one, as reports of whole designs have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsr.errors import HwsrError
from hwsr.estimate.model import Prediction
from hwsr.estimate.predict import estimate_point
from hwsr.ir.graph import IntArray
from hwsr.simulate.depths import smallest_depths
from hwsr.simulate.process import Process
from hwsr.stock.project import Call, StockProject, number
from hwsr.stock.rows import SHARED_MERGES, Frame, frames, joined_axis, row

# Clocks that a loop of a word a clock takes beyond its words, where no law is known: as most kernels of reports do.
FILL = 2
# What takes the results, and what it says when it has all of a frame; no kernel has such a name.
OUTPUT = "(results)"
# From the end of a frame to the start of the next.
RESTART = 1


@dataclass(frozen=True)
class StockLayer:
    """estimates: as `hwsr estimate-layers` makes them, None where no report teaches the kernel.

    cycles: of a frame, with the ends of its range, which are the same where no report teaches it.
    """

    call: Call
    frame: Frame
    cycles: Prediction
    estimates: Mapping[str, Any] | None


def layers(project: StockProject) -> tuple[StockLayer, ...]:
    """Raises HwsrError for a kernel that the laws do not know, or whose settings lack what they need."""
    sizes = frames(project)
    return tuple(_layer(project, call, sizes[call.layer]) for call in project.calls)


def _layer(project: StockProject, call: Call, frame: Frame) -> StockLayer:
    settings = project.settings.get(call.config, {})
    turns = _turns(*_words(call, frame, settings))
    described = row(project, call, frame)
    if described is None:
        each = (number(settings, "reuse_factor") or 1) if call.function in SHARED_MERGES else 1
        cycles = turns * each + FILL
        return StockLayer(call, frame, Prediction(cycles, cycles, cycles), None)
    found = estimate_point(described)
    if found["latency_max"] is None:
        raise HwsrError(f"layer '{call.layer}' (nnet::{call.function}): {found['reason']}")
    ends = (found["interval_max"], *found["ranges"]["interval_max"])
    # A dense layer's law counts its sums alone, which its words may take longer than to come in.
    return StockLayer(call, frame, Prediction(*(max(end, turns) for end in ends)), found)


def processes(project: StockProject, found: Sequence[StockLayer]) -> tuple[Process, ...]:
    """One for each port that comes in, for each kernel, and one that takes all results."""
    written = {name for layer in found for name in layer.call.outputs}
    read = {name for layer in found for name in layer.call.inputs}
    sources = {
        name: words
        for layer in found
        for name, words in zip(layer.call.inputs, layer.frame.reads, strict=True)
        if name not in written
    }
    results = {name: layer.frame.writes for layer in found for name in layer.call.outputs if name not in read}
    begin = [Process(name, words, {}, {name: np.arange(words)}) for name, words in sources.items()]
    last = max(results.values())
    end = Process(OUTPUT, last, {name: np.arange(n) for name, n in results.items()}, {OUTPUT: np.array([last - 1])})
    return (*begin, *(_process(project, layer) for layer in found), end)


def _process(project: StockProject, layer: StockLayer) -> Process:
    reads, writes = _words(layer.call, layer.frame, project.settings.get(layer.call.config, {}))
    turns, cycles = _turns(reads, writes), layer.cycles.value
    inputs = {name: ticks * cycles // turns for name, ticks in zip(layer.call.inputs, reads, strict=True)}
    made = (writes + 1) * cycles // turns - 1
    return Process(layer.call.layer, cycles + RESTART, inputs, dict.fromkeys(layer.call.outputs, made))


def _turns(reads: Sequence[IntArray], writes: IntArray) -> int:
    return max(int(ticks[-1]) for ticks in (*reads, writes)) + 1


def _words(call: Call, frame: Frame, settings: Mapping[str, str]) -> tuple[list[IntArray], IntArray]:
    """The turns of a kernel's loop in which it reads each word of each input, and those in which it makes each word."""
    kind, taken, made = call.function, np.arange(frame.reads[0]), np.arange(frame.writes)
    if kind == "dense" or kind.startswith("global_pooling"):
        return [taken], taken[-1:]
    if kind == "transpose":  # it holds a whole frame
        return [taken], len(taken) + made
    if kind.startswith("zeropad"):
        return [_placed(settings, frame.reads[0])], made
    if kind == "resize_nearest":
        rows, width = number(settings, "height") or 1, number(settings, "width") or frame.reads[0]
        return [(np.arange(rows)[:, None] * (frame.writes // rows) + np.arange(width)).reshape(-1)], made
    if kind.endswith("_cl"):
        return [taken], _last_of_window(settings, frame)
    if kind == "repack_stream":
        apart, together = max(frame.writes // frame.reads[0], 1), max(frame.reads[0] // frame.writes, 1)
        return [taken * apart], made * together + together - 1
    if kind.startswith("concatenate"):
        return _joined(call, settings, frame)
    return [taken] * len(frame.reads), made


def _joined(call: Call, settings: Mapping[str, str], frame: Frame) -> tuple[list[IntArray], IntArray]:
    """Two inputs word by word, row by row, or one after the other."""
    rank, axis = int(call.function[-2]), joined_axis(call.function, settings)
    first, second = (np.arange(words) for words in frame.reads)
    if rank > 1 and axis == rank:
        return [first, second], np.arange(frame.writes)
    if rank == 3 and axis == 2:
        rows = number(settings, "n_elem1_0") or 1
        width, more = (len(words) // rows for words in (first, second))
        begins = [first // width * (width + more), second // more * (width + more) + width]
        return [begins[0] + first % width, begins[1] + second % more], np.arange(frame.writes)
    late = len(first) + len(second) - frame.writes
    return [first, len(first) + second], late + np.arange(frame.writes)


def _placed(settings: Mapping[str, str], words: int) -> IntArray:
    """Where the words of a frame are in that of a padding."""
    width, wide = number(settings, "in_width") or words, number(settings, "out_width") or words
    top, left = number(settings, "pad_top") or 0, number(settings, "pad_left") or 0
    return np.arange(words) // width * wide + np.arange(words) % width + top * wide + left


def _last_of_window(settings: Mapping[str, str], frame: Frame) -> IntArray:
    """For every output word the last input word of its window."""
    width, wide = number(settings, "in_width") or frame.reads[0], number(settings, "out_width") or frame.writes
    high, across = (number(settings, f"filt_{side}") or 1 for side in ("height", "width"))
    down, right = (number(settings, f"stride_{side}") or 1 for side in ("height", "width"))
    y, x = np.arange(frame.writes) // wide, np.arange(frame.writes) % wide
    return np.minimum((y * down + high - 1) * width + x * right + across - 1, frame.reads[0] - 1)


def declared(project: StockProject) -> dict[str, int]:
    """Depths of the FIFOs between kernels; one without a pragma holds two words, as HLS makes it."""
    read = {name for call in project.calls for name in call.inputs}
    written = [name for call in project.calls for name in call.outputs]
    return {name: project.streams[name].depth or 2 for name in written if name in read}


def needed_depths(project: StockProject, pipeline: Sequence[Process], interval: float) -> dict[str, int]:
    """The smallest FIFOs with which frames follow one another as fast."""
    widths = {name: stream.width for name, stream in project.streams.items()} | {OUTPUT: 1}
    return smallest_depths(pipeline, widths, interval, declared(project))
