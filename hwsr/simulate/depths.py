"""The shallowest FIFOs that cost a pipeline nothing of its frame rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwsr.errors import HwsrError
from hwsr.simulate.process import Process
from hwsr.simulate.run import Run, bottleneck, simulate

# One word less would let one in only every other clock.
LEAST = 2


def frames_to_settle(processes: Sequence[Process]) -> int:
    """Frames after which the clocks from one to the next are taken to stay: 4, and one for each that may be held back.

    Whoever makes one word of a frame, as a spatial sum does, holds it back.
    """
    held_back = (
        any(len(ticks) > 1 for ticks in process.reads.values())
        and all(len(ticks) == 1 for ticks in process.writes.values())
        for process in processes
    )
    return 4 + sum(held_back)


def smallest_depths(
    processes: Sequence[Process],
    costs: Mapping[str, int],
    interval: float | None = None,
    start: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Words for every stream, none of which can be one less, down to 2, without a frame taking longer.

    costs: bits of a word of each stream; streams with many of them in a frame are made shallow first. interval: clocks
    from one frame to the next that are allowed; by default those that the slowest process takes by itself. start:
    depths to begin with where they are good; otherwise the search begins with FIFOs of no limit.
    Nothing is random: the same processes get the same depths. Others may do as well with fewer bits in all.
    Raises HwsrError where no depths reach the interval.
    """
    allowed = bottleneck(processes).ticks if interval is None else interval
    frames = frames_to_settle(processes)
    bits = {stream: len(ticks) * costs[stream] for p in processes for stream, ticks in p.writes.items()}
    while True:
        search = _Search(processes, allowed, frames)
        depths = search.begin(start or {})
        search.lower(depths, sorted(depths, key=lambda stream: (-bits[stream], stream)))
        frames *= 2
        if search.keeps(simulate(processes, depths, frames)):
            return depths


@dataclass(frozen=True)
class _Search:
    """Depths are good when `frames` frames run through and the later ones take no more than `allowed` clocks."""

    processes: Sequence[Process]
    allowed: float
    frames: int

    def keeps(self, run: Run) -> bool:
        return not run.waits and run.interval <= self.allowed

    def begin(self, start: Mapping[str, int]) -> dict[str, int]:
        """What FIFOs of the depths in `start` hold, or of no limit where these are not good."""
        run = simulate(self.processes, start, self.frames)
        if start and not self.keeps(run):
            return self.begin({})
        if not self.keeps(run):
            found = f"with any it takes {run.interval:.10g}"
            raise HwsrError(f"no FIFO depths let a frame take {self.allowed:.10g} clocks: {found}")
        return {stream: max(peak, LEAST) for stream, peak in run.peaks.items()}

    def lower(self, depths: dict[str, int], streams: Sequence[str]) -> None:
        """Make `streams` as shallow as can be, all at once where that is good, else one half after the other."""
        if self._try(depths, dict.fromkeys(streams, LEAST)):
            return
        if len(streams) > 1:
            half = len(streams) // 2
            self.lower(depths, streams[:half])
            self.lower(depths, streams[half:])
            return
        (stream,) = streams
        # What is left of a FIFO is often almost needed, so steps are small at first.
        bad, step = LEAST, 1
        while depths[stream] - step > bad and self._try(depths, {stream: depths[stream] - step}):
            step *= 2
        bad = max(depths[stream] - step, bad)
        while depths[stream] - bad > 1:
            middle = (bad + depths[stream]) // 2
            if not self._try(depths, {stream: middle}):
                bad = middle

    def _try(self, depths: dict[str, int], changed: Mapping[str, int]) -> bool:
        """Take over changed depths if they are good, and what they leave unused of all others: it changes no clock."""
        run = simulate(self.processes, {**depths, **changed}, self.frames)
        if not self.keeps(run):
            return False
        depths.update({stream: max(peak, LEAST) for stream, peak in run.peaks.items()})
        return True
