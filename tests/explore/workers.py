"""Workers of a search in processes of their own, whose networks are not trained: hardware and quality are made up."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from optuna.study import Study
from rich.console import Console

from hwsr.estimate.devices import find_device
from hwsr.explore import worker as working
from hwsr.explore.hardware import Hardware, Verdict
from hwsr.explore.ledger import Watch
from hwsr.explore.search import Search
from hwsr.explore.space import Range, Space
from hwsr.explore.storage import open_study
from hwsr.explore.training import Trained
from hwsr.explore.worker import Worker
from hwsr.plan.design import Target
from hwsr.spec import Spec
from hwsr.train.recipe import Preset, Settings

# Twelve networks, of which those of 4 features do not fit.
SPACE = Space(
    units=("bl",),
    upsampling=("direct",),
    precisions=("int8", "w4a4"),
    width=Range(least=4, most=12, step=4),
    groups=Range(least=0, most=0),
    blocks=Range(least=1, most=2),
)
FITTING = 8


def make_search(folder: Path) -> Search:
    target = Target(find_device("kv260"), 200, (48, 64), 60.0)
    return Search(target, 2, SPACE, Settings(Preset.DEFAULT, 6), {}, folder / "work", None, None, "")


def study_of(search: Search, storage: str) -> Study:
    return open_study(storage, search.name, list(search.objectives.values()))


def made_up(spec: Spec) -> tuple[Hardware, float]:
    """Figures that differ between networks."""
    number = int.from_bytes(hashlib.sha256(str(spec).encode()).digest()[:4], "big")
    return Hardware(number % 997, 1, number % 89, number % 13, 60.0), 30 + number % 1000 / 100


def pretend(log: Path, seconds: float, stuck: Callable[[Spec], bool] = lambda spec: False) -> None:
    """Put made-up figures in the place of plans and trainings; every training is a line of `log`."""

    def judge(spec: Any, target: Target, limits: object) -> Verdict:
        fits = spec.n > 4
        return Verdict(made_up(spec)[0], "" if fits else "short of everything", 0.0 if fits else 0.5)

    def trained(search: Search, spec: Spec, console: Console) -> Trained:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {spec}\n")
        if stuck(spec):
            time.sleep(1000)
        time.sleep(seconds)
        return Trained(made_up(spec)[1], 0.9, seconds, spec)  # type: ignore[arg-type]  # what judge above takes

    working.drawn_graph, working.judge, working.trained = lambda spec: spec, judge, trained  # type: ignore


def run(search: Search, storage: str, trials: int, **options: Any) -> None:
    """One worker to its end, in this process."""
    study, console = study_of(search, storage), Console(quiet=True)
    Worker(search, study, trials, None, console, Watch(**options)).run()


def in_process(work: Callable[[], object]) -> SimpleNamespace:
    """Run `work` in a process of its own; `end` waits for it and gives its exit code, `kill` ends it at once."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)

    def end() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return SimpleNamespace(pid=pid, end=end, kill=lambda: os.kill(pid, signal.SIGKILL))


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []
