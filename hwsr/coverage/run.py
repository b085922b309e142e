"""Many networks side by side, each outcome kept as soon as it is there."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import active_children, get_context

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hwsr.coverage.check import Outcome, check
from hwsr.coverage.kept import Kept
from hwsr.coverage.networks import Cell
from hwsr.errors import HwsrError, Interrupted
from hwsr.train.stopping import Event, stop_on_signals


def run(cells: Sequence[Cell], kept: Kept, jobs: int, console: Console) -> list[Outcome]:
    """The outcome of every cell, in their order; of those that `kept` holds, what it holds.

    Raises Interrupted after SIGINT or SIGTERM, when the networks that were being simulated are kept too, and HwsrError.
    """
    outcomes = {cell: outcome for cell in cells if (outcome := kept.get(cell))}
    waiting = [cell for cell in dict.fromkeys(cells) if cell not in outcomes]
    if outcomes:
        console.print(f"{len(outcomes)} networks as this code left them in {kept.path}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with stop_on_signals() as stop, Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("networks", total=len(cells), completed=len(outcomes))
        for outcome in _checked(waiting, jobs, stop):
            kept.add(outcome)
            outcomes[outcome.cell] = outcome
            bar.advance(task)
            if outcome.failure:
                bar.console.print(f"{outcome.cell.network}: {outcome.failure}")
        if len(outcomes) < len(cells):
            raise Interrupted(f"stopped; {kept.path} keeps what is done; the same command goes on from there")
    return [outcomes[cell] for cell in cells]


def _checked(cells: Sequence[Cell], jobs: int, stop: Event) -> Iterator[Outcome]:
    """Outcomes as they come; none but of what runs already once `stop` is set. Raises HwsrError."""
    waiting, pending = iter(cells), set[Future[Outcome]]()
    # Torch's threads do not survive a fork.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            while True:
                room = 0 if stop.is_set() else jobs - len(pending)
                pending |= {pool.submit(check, cell) for cell in islice(waiting, room)}
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            message = "a process ended before its network did, as for lack of memory; give fewer --jobs"
            raise HwsrError(message) from error
        except BaseException:
            # A second Ctrl-C does not wait for what runs.
            for process in active_children():
                process.terminate()
            raise


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the first one says what happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
