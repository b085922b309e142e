"""A model's pipeline under back-pressure: the simulation of its stages, as plain JSON values and as tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hwsr.errors import HwsrError
from hwsr.estimate.fabric import Timing
from hwsr.estimate.layers import estimate_layers
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Stage
from hwsr.simulate.depths import LEAST, frames_to_settle, smallest_depths
from hwsr.simulate.process import Process, depths, processes
from hwsr.simulate.run import Run, bottleneck, simulate


@dataclass(frozen=True)
class Fifo:
    """A stream between two stages: bits of a word, words declared and, where they were searched for, the fewest that
    keep the rate; peak: the most that the simulated depth held."""

    stream: str
    writer: str
    reader: str
    bits: int
    declared: int
    smallest: int | None
    peak: int

    @property
    def depth(self) -> int:
        """What was simulated."""
        return self.declared if self.smallest is None else self.smallest


@dataclass(frozen=True)
class Dataflow:
    """frame: (H, W) in input pixels; frames: how many ran; slowest: the stage that no FIFO makes faster."""

    frame: tuple[int, int]
    clock_mhz: float
    frames: int
    processes: tuple[Process, ...]
    slowest: Process
    fifos: tuple[Fifo, ...]
    run: Run

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.clock_mhz * 1e6 / self.run.interval

    @property
    def rate(self) -> float:
        """Share of the slowest stage's own rate."""
        return self.slowest.ticks / self.run.interval


def check_frame(graph: IntGraph, frame: tuple[int, int]) -> None:
    """Raise HwsrError unless hardware of the network can work on frames of (H, W)."""
    if graph.fixed_frame and frame != graph.frame:
        own = f"{graph.frame[1]}x{graph.frame[0]}"
        raise HwsrError(f"the network works on frames of {own}, by tiles; export it for another size, or leave it out")


def dataflow(
    graph: IntGraph, stages: Sequence[Stage], timing: Timing, smallest: bool = False, loss: float = 0.0
) -> Dataflow:
    """Simulate the stages of a graph at the depths that they declare, or at the smallest that keep the rate.

    timing: the device and the clock, which pipelines are as deep as. loss: the share of the slowest stage's rate that
    the smallest depths may cost, 0 to 1.
    Raises HwsrError for a loss outside, and where no depths keep the rate.
    """
    if not 0 <= loss < 1:
        raise HwsrError(f"a loss of {loss:.0%} of the rate; give 0 or more and less than 100 percent")
    latencies = {layer.stage: layer.cycles - layer.turns for layer in estimate_layers(graph, stages, timing)}
    pipeline, declared = processes(stages, latencies), depths(stages)
    bits = {stream: stage.shape[2] * stage.result.bits for stage in stages for stream in stage.streams}
    slowest = bottleneck(pipeline)
    found = smallest_depths(pipeline, bits, slowest.ticks / (1 - loss), declared) if smallest else None
    frames = frames_to_settle(pipeline)
    run = simulate(pipeline, found or declared, frames)
    readers = {stream: stage.name for stage in stages for stream in stage.inputs}
    fifos = tuple(
        Fifo(
            stream,
            stage.name,
            readers[stream],
            bits[stream],
            depth,
            found[stream] if found else None,
            run.peaks[stream],
        )
        for stage in stages
        for stream, depth in stage.streams.items()
        if stream in declared
    )
    return Dataflow(graph.frame, 1000 / timing.clock_ns, frames, pipeline, slowest, fifos, run)


def as_json(flow: Dataflow) -> dict[str, Any]:
    """Plain dicts, lists and numbers; of a deadlock, who waits for what, and no rates."""
    run = flow.run
    ended = not run.waits
    return {
        "frame": list(flow.frame),
        "clock_mhz": flow.clock_mhz,
        "frames": flow.frames,
        "deadlock": [asdict(wait) for wait in run.deadlock],
        "waits": [asdict(wait) for wait in run.waits],
        "bottleneck": flow.slowest.name,
        "bottleneck_clocks": flow.slowest.ticks,
        "latency_clocks": run.latency if ended else None,
        "interval_clocks": run.interval if ended else None,
        "rate": flow.rate if ended else None,
        "fps": flow.fps if ended else None,
        "fifo_bits": sum(fifo.depth * fifo.bits for fifo in flow.fifos),
        "fifo_bits_declared": sum(fifo.declared * fifo.bits for fifo in flow.fifos),
        "stages": [
            {"name": process.name, "clocks": process.ticks, **asdict(run.stalls[process.name])}
            for process in flow.processes
        ],
        "fifos": [asdict(fifo) for fifo in flow.fifos],
    }


def render(flow: Dataflow) -> Group:
    """Stages with their stalls, FIFOs that are deep, and the verdict, for `rich` to print in 80 columns."""
    return Group(_stages(flow), _fifos(flow), _verdict(flow))


def _stages(flow: Dataflow) -> Table:
    height, width = flow.frame
    table = _table(f"Stages, clocks of a frame of {width}x{height}", "stage", ("works", "starved", "blocked"))
    table.caption = "starved: it waits for a word; blocked: it waits for room"
    for process in flow.processes:
        stall = flow.run.stalls[process.name]
        style = "bold" if process is flow.slowest else None
        table.add_row(process.name, f"{process.ticks:,}", f"{stall.starved:,}", f"{stall.blocked:,}", style=style)
    return table


def _fifos(flow: Dataflow) -> Table:
    shown = [fifo for fifo in flow.fifos if max(fifo.declared, fifo.depth) > LEAST]
    searched = any(fifo.smallest is not None for fifo in flow.fifos)
    table = _table("FIFOs, words", "from, to", ("bits", "declared", *(["smallest"] if searched else []), "held"))
    table.caption = f"{len(flow.fifos) - len(shown)} others hold {LEAST} words"
    for fifo in shown:
        found = [f"{fifo.smallest:,}"] if searched else []
        table.add_row(f"{fifo.writer}, {fifo.reader}", f"{fifo.bits}", f"{fifo.declared:,}", *found, f"{fifo.peak:,}")
    return table


def _table(title: str, first: str, others: Sequence[str]) -> Table:
    table = Table(title=title, box=SIMPLE, padding=(0, 0))
    table.add_column(first, overflow="fold", min_width=10)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _verdict(flow: Dataflow) -> Text:
    run = flow.run
    if run.waits:
        return Text("\n".join(["DEADLOCK:", *map(str, run.deadlock or run.waits)]))
    declared = sum(fifo.declared * fifo.bits for fifo in flow.fifos)
    lines = [
        f"{run.latency:,} clocks until the first frame has left, one every {run.interval:,.10g} after it: "
        f"{flow.fps:,.2f} a second at {flow.clock_mhz:g} MHz",
        f"{flow.rate:.1%} of the rate of {flow.slowest.name}, the slowest ({flow.slowest.ticks:,} clocks)",
        f"FIFOs: {declared / 1000:,.1f} kbit declared",
    ]
    if any(fifo.smallest is not None for fifo in flow.fifos):
        lines[-1] += f", {sum(fifo.depth * fifo.bits for fifo in flow.fifos) / 1000:,.1f} kbit at the smallest depths"
    return Text("\n".join(lines))
