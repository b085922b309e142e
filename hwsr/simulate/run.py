"""Runs processes that are joined by finite FIFOs: the exact clock of every access.

A tick comes a clock after the one before it, or later: a clock after the writer wrote the word that it reads, and a
clock after the reader took the word whose place it writes to. All of these are earlier accesses, so whoever has what
its next tick needs may go on at once, in any order, and the clocks come out the same: there is no list of events to
keep sorted. Where nobody can go on, the pipeline is in deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import IntArray
from hwsr.simulate.deadlock import Wait, cycle
from hwsr.simulate.process import Process

# A depth that no FIFO reaches, and the tick of a port that has done all its work.
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Stall:
    """Clocks of a frame in which a process could not go on: for want of a word, or of room for one."""

    starved: int
    blocked: int


@dataclass(frozen=True)
class Run:
    """What happened.

    finished: clocks from the first word's entry until each frame's last word has left. peaks: words that every FIFO
    has to hold for this. stalls: of every process in the last frame. waits: where the pipeline stands still, of every
    process that waits, else empty; deadlock: those among them that wait for one another. spans: of every process, for
    each frame that it ended, the clock of its first access and the one after its last.
    """

    finished: tuple[int, ...]
    peaks: dict[str, int]
    stalls: dict[str, Stall]
    waits: tuple[Wait, ...]
    deadlock: tuple[Wait, ...]
    spans: dict[str, tuple[tuple[int, int], ...]]

    @property
    def latency(self) -> int:
        """Clocks of the first frame."""
        return self.finished[0]

    @property
    def interval(self) -> float:
        """Clocks from one frame to the next, the mean of the later half of at least two frames."""
        later = len(self.finished) // 2
        return (self.finished[-1] - self.finished[-1 - later]) / later


@dataclass(frozen=True)
class _Port:
    """One end of a stream: the process it belongs to, whether it writes, and the tick of every word of a frame."""

    process: str
    stream: str
    writes: bool
    ticks: IntArray


def simulate(processes: Sequence[Process], depths: Mapping[str, int], frames: int) -> Run:
    """Run `frames` frames that follow each other without a pause.

    depths: words that each stream holds; one that is not named holds any number.
    Raises HwsrError for a depth below 1, and for a stream without one writer and one reader of as many words.
    """
    ports = _ports(processes)
    ends = _ends(processes, ports)
    for stream, depth in depths.items():
        if depth < 1:
            raise HwsrError(f"stream '{stream}' of depth {depth}: a FIFO holds 1 word at least")
    words = np.array([len(port.ticks) for port in ports])
    times_at = _offsets(words * frames)
    times = np.zeros(times_at[-1], np.int64)
    done = np.zeros(len(ports), np.int64)
    stalls = np.zeros((len(processes), frames, 2), np.int64)
    waits = np.full(len(processes), -1)
    ticks_at, ticks = _shared([port.ticks for port in ports])
    peers = _peers(ports)
    _advance(
        _offsets(np.array([len(p.reads) + len(p.writes) for p in processes])),
        np.array([port.writes for port in ports]),
        words,
        ticks_at,
        ticks,
        np.array([process.ticks for process in processes]),
        frames,
        peers,
        np.array([depths.get(port.stream, _ENDLESS) for port in ports]),
        times_at,
        times,
        done,
        stalls,
        waits,
    )
    made = [times[times_at[i] : times_at[i] + done[i]] for i in range(len(ports))]
    waiting = tuple(Wait(ports[i].process, ports[i].stream, ports[i].writes) for i in waits if i >= 0)
    writers = [i for i, port in enumerate(ports) if port.writes]
    output = next(i for i in reversed(writers) if peers[i] < 0)
    last = made[output][words[output] - 1 :: words[output]]
    return Run(
        tuple((last + 1).tolist()),
        {ports[i].stream: _peak(made[i], made[peers[i]]) for i in writers if peers[i] >= 0},
        {process.name: Stall(*stalls[i, -1].tolist()) for i, process in enumerate(processes)},
        waiting,
        cycle(waiting, ends),
        {process.name: _spans(process.name, ports, made) for process in processes},
    )


def _spans(process: str, ports: Sequence[_Port], made: Sequence[IntArray]) -> tuple[tuple[int, int], ...]:
    """First access and the clock after the last, of every frame of which a process made all accesses."""
    own = [(len(port.ticks), at) for port, at in zip(ports, made, strict=True) if port.process == process]
    ended = min(len(at) // words for words, at in own)
    return tuple(
        (
            min(int(at[frame * words]) for words, at in own),
            max(int(at[(frame + 1) * words - 1]) for words, at in own) + 1,
        )
        for frame in range(ended)
    )


def bottleneck(processes: Sequence[Process]) -> Process:
    """The process that takes longest for a frame, which no FIFO makes faster."""
    return max(processes, key=lambda process: process.ticks)


def _ports(processes: Sequence[Process]) -> list[_Port]:
    """Those of one process after those of another."""
    return [
        _Port(process.name, stream, writes, np.asarray(ticks, np.int64))
        for process in processes
        for writes, own in ((False, process.reads), (True, process.writes))
        for stream, ticks in own.items()
    ]


def _ends(processes: Sequence[Process], ports: Sequence[_Port]) -> dict[str, tuple[str, str]]:
    """The writer and the reader of every stream; that of the last process has no reader."""
    written = {port.stream: port for port in ports if port.writes}
    read = {port.stream: port for port in ports if not port.writes}
    if len(written) + len(read) != len(ports):
        raise HwsrError("a stream has two writers or two readers")
    for stream in (written.keys() ^ read.keys()) - processes[-1].writes.keys():
        raise HwsrError(f"stream '{stream}' has no {'reader' if stream in written else 'writer'}")
    for stream, port in read.items():
        words, wanted = len(written[stream].ticks), len(port.ticks)
        if words != wanted:
            raise HwsrError(f"stream '{stream}': {words} words of a frame are written and {wanted} read")
    return {stream: (port.process, read[stream].process) for stream, port in written.items() if stream in read}


def _peers(ports: Sequence[_Port]) -> IntArray:
    """For every port the one at the other end of its stream, -1 where there is none."""
    at = {(port.stream, port.writes): i for i, port in enumerate(ports)}
    return np.array([at.get((port.stream, not port.writes), -1) for port in ports])


def _offsets(sizes: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _shared(arrays: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Where each array begins in one that holds them all, arrays that several ports share once."""
    unique = {id(array): array for array in arrays}
    begins = dict(zip(unique, _offsets(np.array([len(array) for array in unique.values()])).tolist(), strict=False))
    return np.array([begins[id(array)] for array in arrays]), np.concatenate(list(unique.values()))


@njit(cache=True)
def _peak(written: IntArray, read: IntArray) -> int:
    """The depth that delays no write: each word must find a place that was read from at an earlier clock."""
    peak, left = 0, 0
    for i in range(len(written)):
        while left < len(read) and read[left] < written[i]:
            left += 1
        peak = max(peak, i + 1 - left)
    return peak


@njit(cache=True)
def _advance(
    first: IntArray,
    writes: NDArray[np.bool_],
    words: IntArray,
    ticks_at: IntArray,
    ticks: IntArray,
    length: IntArray,
    frames: int,
    peers: IntArray,
    depths: IntArray,
    times_at: IntArray,
    times: IntArray,
    done: IntArray,
    stalls: IntArray,
    waits: IntArray,
) -> None:
    """Let every process go on as far as it can, over and over until none can. Fills the last four arrays.

    first: of every process its first port; the others are described by port. Every access is put down in `times`.
    """
    due = ticks[ticks_at]  # the tick of each port's next access, counted from the first frame's first
    last_tick = np.full(len(length), -1)
    last_clock = np.full(len(length), -1)
    moved = True
    while moved:
        moved = False
        for p in range(len(length)):
            while True:
                tick = _ENDLESS
                for q in range(first[p], first[p + 1]):
                    tick = min(tick, due[q])
                waits[p] = -1
                if tick == _ENDLESS:
                    break
                unstalled = last_clock[p] + tick - last_tick[p]
                word_there, room_there = unstalled, unstalled
                for q in range(first[p], first[p + 1]):
                    peer = peers[q]
                    if due[q] != tick or peer < 0:
                        continue
                    wanted = done[q] - depths[q] if writes[q] else done[q]
                    if wanted < 0:
                        continue
                    if wanted >= done[peer]:
                        waits[p] = q
                        break
                    there = times[times_at[peer] + wanted] + 1
                    if writes[q]:
                        room_there = max(room_there, there)
                    else:
                        word_there = max(word_there, there)
                if waits[p] >= 0:
                    break
                clock = max(word_there, room_there)
                stalls[p, tick // length[p], int(room_there > word_there)] += clock - unstalled
                for q in range(first[p], first[p + 1]):
                    if due[q] == tick:
                        times[times_at[q] + done[q]] = clock
                        done[q] += 1
                        due[q] = _next_due(
                            tick, done[q], ticks[ticks_at[q] : ticks_at[q] + words[q]], length[p], frames
                        )
                last_tick[p] = tick
                last_clock[p] = clock
                moved = True


@njit(cache=True)
def _next_due(tick: int, done: int, ticks: IntArray, length: int, frames: int) -> int:
    """The tick of a port's access number `done`, when the one before it was at `tick`."""
    place = done % len(ticks)
    if place:
        return tick + ticks[place] - ticks[place - 1]
    return tick + length + ticks[0] - ticks[-1] if done < len(ticks) * frames else _ENDLESS
