"""When every stage works on a frame, where it waits, and what FIFOs hold: what the simulation of the pipeline found."""

from dataclasses import dataclass

from hwsr.dataflow import Dataflow

# Frames that are drawn: the first fills the pipeline, the second follows it.
SHOWN = 2


@dataclass(frozen=True)
class Work:
    """One stage. clocks: of its own work on a frame; spans: from its first access to its last, of the first frames;
    starved, blocked: clocks of the last simulated frame that it waited for a word, or for room.
    """

    stage: str
    clocks: int
    spans: tuple[tuple[int, int], ...]
    starved: int
    blocked: int


@dataclass(frozen=True)
class Queue:
    """A FIFO: words of `bits` bits, its depth in words, and the most that it held."""

    writer: str
    reader: str
    bits: int
    depth: int
    held: int


@dataclass(frozen=True)
class Timeline:
    """frame: (H, W); frames: how many ran. deadlock: who waits for what for ever; then the other figures are None."""

    frame: tuple[int, int]
    clock_mhz: float
    frames: int
    slowest: str
    latency: int | None
    interval: float | None
    fps: float | None
    rate: float | None
    deadlock: tuple[str, ...]
    fifo_bits: int
    work: tuple[Work, ...]
    queues: tuple[Queue, ...]

    @property
    def end(self) -> int:
        """The last clock that is drawn."""
        return max((stop for work in self.work for _, stop in work.spans), default=1)


def timeline(flow: Dataflow) -> Timeline:
    """A simulation as the page shows it."""
    run, ended = flow.run, not flow.run.waits
    return Timeline(
        flow.frame,
        flow.clock_mhz,
        flow.frames,
        flow.slowest.name,
        run.latency if ended else None,
        run.interval if ended else None,
        flow.fps if ended else None,
        flow.rate if ended else None,
        tuple(map(str, run.deadlock or run.waits)),
        sum(fifo.depth * fifo.bits for fifo in flow.fifos),
        tuple(
            Work(
                process.name,
                process.ticks,
                run.spans[process.name][:SHOWN],
                run.stalls[process.name].starved,
                run.stalls[process.name].blocked,
            )
            for process in flow.processes
        ),
        tuple(Queue(fifo.writer, fifo.reader, fifo.bits, fifo.depth, fifo.peak) for fifo in flow.fifos),
    )
