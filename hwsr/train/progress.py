"""What a training run shows: a rich progress bar, a line a validation, and TensorBoard scalars."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from hwsr.train.checkpoint import Score
from hwsr.train.recipe import Mode

SCALARS_EVERY = 10


def describe(score: Score, steps: int, mode: Mode) -> str:
    """A validation of a run of `steps` in one line."""
    images = ", ".join(f"{name} {db:.2f}" for name, db in score.psnr_y.items())
    return f"step {score.step}/{steps} {mode}: {score.mean:.2f} dB ({images})"


class Display:
    """Receives the numbers of a run in step order."""

    def __init__(self, bar: Progress, log: SummaryWriter, steps: int, start: int) -> None:
        self._bar, self._log, self._steps = bar, log, steps
        self._logging = True
        self._task = bar.add_task("train", total=steps, completed=start, mode="", loss="", db="")

    def step(self, step: int, mode: Mode, loss: float, rate: float) -> None:
        """After update number `step`, counted from 1."""
        self._bar.update(self._task, completed=step, mode=mode, loss=f"loss {loss:.5f}")
        if step % SCALARS_EVERY == 0:
            self._scalar("loss", loss, step)
            self._scalar("rate", rate, step)

    def score(self, score: Score, mode: Mode) -> None:
        self._bar.update(self._task, db=f"{score.mean:.2f} dB")
        self._bar.console.print(describe(score, self._steps, mode), highlight=False)
        for name, db in score.psnr_y.items():
            self._scalar(f"psnr_y/{name}", db, score.step)

    def _scalar(self, name: str, value: float, step: int) -> None:
        """Training outlives its log: where that cannot be written (a full disk), it says so once and goes on."""
        try:
            if self._logging:
                self._log.add_scalar(name, value, step)
        except OSError as error:
            self._logging = False
            self._bar.console.print(f"note: {self._log.log_dir}: {error.strerror}; TensorBoard's log ends here")


@contextmanager
def display(console: Console, folder: Path, steps: int, start: int) -> Iterator[Display]:
    """Show and log a run of `steps` that goes on at `start`; `folder` takes the TensorBoard files."""
    columns = (
        TextColumn("{task.fields[mode]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]} {task.fields[db]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with SummaryWriter(str(folder), purge_step=start + 1) as log, Progress(*columns, console=console) as bar:
        yield Display(bar, log, steps, start)
