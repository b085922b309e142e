"""Depths of the streams of planned hardware, and the clocks from one frame to the next at given ones, by simulation.

The depths are the smallest that keep the rate of the slowest stage at the estimated latencies, and at which the
pipeline stands still neither with no words in flight, nor with as many as the HLS backend allows for, clock by clock as
in the order of the code: in that order in convolutions alone, too. Two of these are how the generated C++ is run
(`hwsr.hls.dataflow`).

What streams hold follows from rows, not from how many there are: of a tall frame only the first rows are simulated. It
grows linearly with their length: what two narrow frames need is drawn out to a wide one, and tried there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hwsr.errors import HwsrError
from hwsr.estimate.fabric import Timing
from hwsr.estimate.layers import estimate_layers
from hwsr.hls.fifo import AROUND_SUMS, IN_FLIGHT, with_depths
from hwsr.hls.lower import lower
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Reuse, Stage
from hwsr.ir.tiling import on_frame
from hwsr.simulate.depths import LEAST, frames_to_settle, smallest_depths
from hwsr.simulate.process import Process, depths, in_program_order, processes
from hwsr.simulate.run import Run, simulate

# Input pixels of the rows that are simulated: every word's clock is kept, 8 bytes each, at both ends of a stream.
MOST_PIXELS = 1 << 17
# Depths are sought on as many rows beyond those that convolutions hold.
MORE_ROWS = 8
# A part of them is left out in the second of the two heights that a tall frame's clocks are drawn out from.
FEWER = 4
# Pixels of a row on which they are sought first, and between two such rows; at half the width nothing is won by it.
NARROW, APART = 32, 24


@dataclass(frozen=True)
class Hardware:
    """What stages are lowered by, on any frame: how they fold, and the adder graphs among them."""

    reuse: Reuse
    adders: Mapping[str, AdderGraph]
    timing: Timing

    def stages(self, graph: IntGraph, found: Mapping[str, int] | None = None) -> tuple[Stage, ...]:
        return built(graph, self.reuse, self.adders, found)

    def slowest(self, graph: IntGraph) -> int:
        """Clocks that the slowest stage takes for a frame by itself."""
        return max(layer.cycles for layer in estimate_layers(graph, self.stages(graph), self.timing))


def built(
    graph: IntGraph,
    reuse: Reuse,
    adders: Mapping[str, AdderGraph] | None = None,
    found: Mapping[str, int] | None = None,
) -> tuple[Stage, ...]:
    """The stages of hardware; found: depths of all streams that are read, by default those of the lowering."""
    stages = lower(graph, reuse, adders)
    return stages if found is None else with_depths(stages, found)


def clocked(graph: IntGraph, stages: Sequence[Stage], timing: Timing) -> tuple[Process, ...]:
    """The stages' processes, with the latencies that are estimated of their pipelines."""
    layers = estimate_layers(graph, stages, timing)
    return processes(stages, {layer.stage: layer.cycles - layer.turns for layer in layers})


def unclocked(stages: Sequence[Stage]) -> tuple[tuple[Process, ...], ...]:
    """The stages' processes in the order of their code: with no words in flight, in convolutions alone, in all."""
    convolutions = {stage.name for stage in stages if stage.kind in ("conv", "adder_conv")}
    bare, held = processes(stages, {}), {stage.name: _in_flight(stage) for stage in stages}
    return tuple(
        tuple(in_program_order(process, held[process.name] if process.name in holding else 0) for process in bare)
        for holding in (set(), convolutions, held.keys())
    )


def of_any_latency(stages: Sequence[Stage]) -> tuple[tuple[Process, ...], ...]:
    """The stages' processes with pipelines of no depth, and with as many words in flight as there may be."""
    return processes(stages, {}), processes(stages, {stage.name: _in_flight(stage) for stage in stages})


def hoped_depths(graph: IntGraph, full_rate: bool) -> dict[str, int]:
    """No deeper than what may be found: next to nothing, or half of the lowering's depths where the slowest stage's
    rate is to be kept, which takes about three quarters of a skip and half of a pixel shuffle's row.
    """
    lowered = depths(lower(graph, graph.scale**2))
    return {stream: max(depth // 2 if full_rate else LEAST, LEAST) for stream, depth in lowered.items()}


def _in_flight(stage: Stage) -> int:
    return max(IN_FLIGHT, AROUND_SUMS + stage.adders.cycles(1)) if stage.adders else IN_FLIGHT


def found_depths(graph: IntGraph, hardware: Hardware, interval: float | None = None) -> dict[str, int]:
    """The depth in words of every stream that has a reader.

    interval: clocks from one frame to the next that are allowed, by default those of the slowest stage.
    Raises HwsrError where no depths reach it.
    """
    pace = 1.0 if interval is None else interval / hardware.slowest(graph)
    if pace < 1:
        raise HwsrError(f"no FIFO depths let a frame take {interval:.10g} clocks: a stage alone takes more")
    tallest = _simulated_rows(graph)
    rows = tallest if graph.fixed_frame else min(2 * graph.radius + MORE_ROWS, tallest)
    allowed = pace
    while True:
        part = on_frame(graph, (rows, graph.frame[1]))
        found = _smallest(part, hardware, pace, None if graph.fixed_frame else _drawn_out(part, hardware, pace))
        beyond = interval_at(graph, hardware, found) / hardware.slowest(graph) - allowed
        if beyond <= 0 or (rows == tallest and pace == 1):
            return found
        if rows == tallest:
            pace = max(pace - 2 * beyond, 1.0)
        rows = min(2 * rows, tallest)


def _smallest(
    graph: IntGraph, hardware: Hardware, pace: float, near: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The smallest depths at `pace` times the clocks of the slowest stage, all rows simulated."""
    stages = hardware.stages(graph)
    bits = {stream: stage.shape[2] * stage.result.bits for stage in stages for stream in stage.streams}
    pipeline = clocked(graph, stages, hardware.timing)
    allowed = pace * hardware.slowest(graph)
    orders = *unclocked(stages), *of_any_latency(stages)
    return smallest_depths(pipeline, bits, allowed, depths(stages), orders, near)


def _drawn_out(graph: IntGraph, hardware: Hardware, pace: float) -> dict[str, int] | None:
    """What a frame's depths should be by those of two narrower ones, None where it is narrow itself.

    All widths are the same modulo the most clocks a pixel, by which depths are rounded.
    """
    height, width = graph.frame
    turns = max(stage.settings.get("n_steps", 1) for stage in hardware.stages(graph))
    short = NARROW + (width - NARROW) % turns
    long = short + -(-APART // turns) * turns
    if 2 * long > width:
        return None
    least, more = (_smallest(on_frame(graph, (height, w)), hardware, pace) for w in (short, long))
    return {s: more[s] + (more[s] - least[s]) * (width - long) // (long - short) for s in more}


@dataclass(frozen=True)
class Clocks:
    """interval: from one frame to the next; latency: from the first word's entry until the first frame has left."""

    interval: float
    latency: float


def interval_at(graph: IntGraph, hardware: Hardware, found: Mapping[str, int] | None = None) -> float:
    """Clocks from one frame to the next at given depths, by default the lowering's. See `clocks_at`."""
    return clocks_at(graph, hardware, found).interval


def spread_at(
    graph: IntGraph, hardware: Hardware, found: Mapping[str, int] | None, interval: float
) -> tuple[float, float]:
    """The fewest and the most clocks from one frame to the next, by how many clocks a stage's pipeline is deep.

    interval: as it was simulated at the estimated latencies (`clocks_at`); beside it those at latencies of none, and of
    as many clocks as the HLS backend's FIFOs allow for. Raises HwsrError in a deadlock.
    """
    others = (clocks_at(graph, hardware, found, latency).interval for latency in (lambda _: 0, _in_flight))
    intervals = interval, *others
    return min(intervals), max(intervals)


def clocks_at(
    graph: IntGraph,
    hardware: Hardware,
    found: Mapping[str, int] | None = None,
    latency: Callable[[Stage], int] | None = None,
) -> Clocks:
    """Clocks of a frame at given depths, by default the lowering's.

    latency: clocks of a stage's pipeline, by default as they are estimated. Clocks of a frame taller than what is
    simulated are drawn out from frames of two heights: once FIFOs have filled every row takes and loses the same.
    Raises HwsrError in a deadlock.
    """
    height, width = graph.frame
    tall = _simulated_rows(graph)
    rows = [tall] if tall == height else [tall - max(tall // FEWER, 1), tall]
    parts = [on_frame(graph, (each, width)) for each in rows]
    runs = [_run(part, hardware, found, latency) for part in parts]
    lost = [run.interval - hardware.slowest(part) for run, part in zip(runs, parts, strict=True)]
    more = (height - tall) / (tall - rows[0]) if tall < height else 0.0
    until_left = runs[-1].latency + more * (runs[-1].latency - runs[0].latency)
    return Clocks(hardware.slowest(graph) + lost[-1] + more * (lost[-1] - lost[0]), until_left)


def _simulated_rows(graph: IntGraph) -> int:
    height, width = graph.frame
    return height if graph.fixed_frame else min(height, max(MOST_PIXELS // width, 2 * graph.radius + MORE_ROWS))


def _run(
    graph: IntGraph,
    hardware: Hardware,
    found: Mapping[str, int] | None,
    latency: Callable[[Stage], int] | None,
) -> Run:
    """All rows simulated, until the clocks from one frame to the next stay. Raises HwsrError in a deadlock."""
    stages = hardware.stages(graph, found)
    if latency is None:
        pipeline = clocked(graph, stages, hardware.timing)
    else:
        pipeline = processes(stages, {stage.name: latency(stage) for stage in stages})
    run = simulate(pipeline, depths(stages), frames_to_settle(pipeline))
    if run.waits:
        waiting = ", ".join(map(str, run.deadlock or run.waits))
        raise HwsrError(f"the pipeline stands still at these FIFO depths: {waiting}; run 'hwsr plan' again")
    return run
