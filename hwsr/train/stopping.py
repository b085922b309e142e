"""Stopping long work by SIGINT or SIGTERM at a point where its state can be saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Event(Protocol):
    """threading's event, or multiprocessing's."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(stop: Event | None = None) -> Iterator[Event]:
    """An event (`stop` where given) that SIGINT or SIGTERM sets; a second signal acts as it did before."""
    event = stop or threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        event.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in before:
        signal.signal(number, handle)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
