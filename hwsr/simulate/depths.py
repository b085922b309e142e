"""The shallowest FIFOs that cost a pipeline nothing of its frame rate, and in which it never stands still."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hwsr.errors import HwsrError
from hwsr.simulate.process import Process
from hwsr.simulate.run import Run, bottleneck, simulate

# One word less would let one in only every other clock.
LEAST = 2
# Frames that a pipeline without a clock has to end: the first one's start, its end, and both at a time.
ENDED = 3

# Depths that were tried -> depths no larger that are as good, None where they are not good.
Good = Callable[[dict[str, int]], dict[str, int] | None]


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
    orders: Sequence[Sequence[Process]] = (),
    near: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Words for every stream, none of which can be one less, down to 2, without a frame taking longer.

    costs: bits of a word of each stream; streams with many of them in a frame are made shallow first. interval: clocks
    from one frame to the next that are allowed; by default those that the slowest process takes by itself. start:
    depths to begin with where they are good; otherwise the search begins with FIFOs of no limit. orders: the same
    pipeline in other orders (`in_program_order`), none of which may stand still either; it does not at `start`. near:
    depths of a like pipeline; where they are good in this one too, those that are sought are below them.
    Nothing is random: the same processes get the same depths. Others may do as well with fewer bits in all.
    Raises HwsrError where no depths reach the interval.
    """
    allowed = bottleneck(processes).ticks if interval is None else interval
    frames = frames_to_settle(processes)
    if near is not None and (found := _below(near, _Timed(processes, allowed, frames), orders)):
        return found
    bits = {stream: len(ticks) * costs[stream] for p in processes for stream, ticks in p.writes.items()}
    while True:
        timed = _Timed(processes, allowed, frames)
        depths = timed.begin(start or {})
        streams = sorted(depths, key=lambda stream: (-bits[stream], stream))
        least = dict.fromkeys(streams, LEAST)
        _lower(timed.good, least, depths, streams)
        frames *= 2
        if timed.keeps(simulate(processes, depths, frames)):
            break
    if ends(orders, depths):
        return depths
    # Deep enough for every order, then no deeper than one of them needs, then whether the rate needs all of that still.
    least_timed = dict(depths)
    depths |= {stream: max(depth, (start or {}).get(stream, LEAST)) for stream, depth in depths.items()}
    if not ends(orders, depths):
        raise HwsrError("the pipeline stands still at the depths that the search begins with")
    _lower(lambda tried: tried if ends(orders, tried) else None, least_timed, depths, streams)
    both = _both(_Timed(processes, allowed, frames), orders)
    for stream in streams:
        if depths[stream] > LEAST:
            _lower(both, least, depths, [stream])
    return depths


def _below(near: Mapping[str, int], timed: "_Timed", orders: Sequence[Sequence[Process]]) -> dict[str, int] | None:
    """The smallest depths below those of a like pipeline, None where these are not good in this one."""
    good = _both(timed, orders)
    depths = dict(near)
    if good(depths) is None:
        return None
    for stream in depths:
        _creep(good, depths, stream, LEAST - 1)
    return depths if timed.keeps(simulate(timed.processes, depths, 2 * timed.frames)) else None


def _both(timed: "_Timed", orders: Sequence[Sequence[Process]]) -> Good:
    """Good are depths that keep the rate, and stand still in none of these orders."""
    return lambda tried: tried if timed.good(tried) and ends(orders, tried) else None


def ends(orders: Sequence[Sequence[Process]], depths: Mapping[str, int]) -> bool:
    """Whether the pipeline stands still in none of these orders."""
    return not any(simulate(order, depths, ENDED).waits for order in orders)


@dataclass(frozen=True)
class _Timed:
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
        return _held(run)

    def good(self, depths: dict[str, int]) -> dict[str, int] | None:
        """What the FIFOs hold: the words that they leave unused change no clock."""
        run = simulate(self.processes, depths, self.frames)
        return _held(run) if self.keeps(run) else None


def _held(run: Run) -> dict[str, int]:
    return {stream: max(peak, LEAST) for stream, peak in run.peaks.items()}


def _lower(good: Good, least: Mapping[str, int], depths: dict[str, int], streams: Sequence[str]) -> None:
    """Make `streams` as shallow as can be, at once where that is good, else by halves; none below `least`."""
    streams = [stream for stream in streams if depths[stream] > least[stream]]
    if not streams or _try(good, depths, {stream: least[stream] for stream in streams}):
        return
    if len(streams) > 1:
        half = len(streams) // 2
        _lower(good, least, depths, streams[:half])
        _lower(good, least, depths, streams[half:])
        return
    _creep(good, depths, streams[0], least[streams[0]])


def _creep(good: Good, depths: dict[str, int], stream: str, bad: int) -> None:
    """Make one stream as shallow as can be, but not `bad`: by small steps at first, as it is often almost there."""
    step = 1
    while depths[stream] - step > bad and _try(good, depths, {stream: depths[stream] - step}):
        step *= 2
    bad = max(depths[stream] - step, bad)
    while depths[stream] - bad > 1:
        middle = (bad + depths[stream]) // 2
        if not _try(good, depths, {stream: middle}):
            bad = middle


def _try(good: Good, depths: dict[str, int], changed: Mapping[str, int]) -> bool:
    """Take over changed depths if they are good."""
    found = good({**depths, **changed})
    if found is not None:
        depths.update(found)
    return found is not None
