"""The plain form of `hwsr.simulate.run`: every clock, every process looks at its FIFOs and goes on if it can."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwsr.simulate.process import Process


@dataclass(frozen=True)
class Clocked:
    """finished: as `Run`'s; held: the most words in each FIFO at the end of a clock; stuck: who waits for ever."""

    finished: tuple[int, ...]
    held: dict[str, int]
    stalled: dict[str, int]
    stuck: frozenset[str]


def simulate(processes: Sequence[Process], depths: Mapping[str, int], frames: int) -> Clocked:
    ticks = dict.fromkeys((process.name for process in processes), 0)
    read = {stream for process in processes for stream in process.reads}
    fifos = dict.fromkeys(read, 0)
    held = dict.fromkeys(read, 0)
    stalled = dict.fromkeys(ticks, 0)
    finished: list[int] = []
    clock = 0
    while True:
        able = [process for process in processes if _able(process, ticks[process.name], fifos, depths, frames)]
        for process in processes:
            begun = ticks[process.name] < frames * process.ticks
            stalled[process.name] += begun and process not in able
        if not able:
            stuck = {process.name for process in processes if ticks[process.name] < frames * process.ticks}
            return Clocked(tuple(finished), held, stalled, frozenset(stuck))
        for process in able:
            tick = ticks[process.name] % process.ticks
            for stream in _at(process.reads, tick):
                fifos[stream] -= 1
            ticks[process.name] += 1
        # What was there before a clock counts, so that words enter behind those that leave.
        for process in able:
            tick = (ticks[process.name] - 1) % process.ticks
            for stream in _at(process.writes, tick):
                if stream in fifos:
                    fifos[stream] += 1
                    held[stream] = max(held[stream], fifos[stream])
                elif tick == process.writes[stream][-1]:
                    finished.append(clock + 1)
        clock += 1


def _able(process: Process, tick: int, fifos: Mapping[str, int], depths: Mapping[str, int], frames: int) -> bool:
    if tick == frames * process.ticks:
        return False
    reads, writes = _at(process.reads, tick % process.ticks), _at(process.writes, tick % process.ticks)
    return all(fifos[stream] > 0 for stream in reads) and all(
        fifos[stream] < depths[stream] for stream in writes if stream in depths
    )


def _at(accesses: Mapping[str, Sequence[int]], tick: int) -> list[str]:
    return [stream for stream, ticks in accesses.items() if tick in ticks]
