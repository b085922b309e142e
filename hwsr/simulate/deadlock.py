"""Who waits for whom when a pipeline stands still."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """A process that waits: for room in `stream`, which is full, or for a word in it, which is empty."""

    process: str
    stream: str
    full: bool

    def __str__(self) -> str:
        return f"{self.process} waits to {'write the full' if self.full else 'read the empty'} {self.stream}"


def cycle(waits: Sequence[Wait], ends: Mapping[str, tuple[str, str]]) -> tuple[Wait, ...]:
    """The processes that wait for one another, each for the next one and the last for the first.

    ends: every stream's writer and reader. Empty where whoever waits does so for a process that has ended.
    """
    waiting = {wait.process: wait for wait in waits}
    for start in waits:
        path: list[Wait] = []
        at: Wait | None = start
        while at is not None and at not in path:
            path.append(at)
            writer, reader = ends[at.stream]
            at = waiting.get(reader if at.full else writer)
        if at is not None:
            return tuple(path[path.index(at) :])
    return ()
