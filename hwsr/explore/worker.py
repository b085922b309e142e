"""One worker of a search: takes or proposes a network, plans its hardware, trains it where that fits, and reports."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console

from hwsr.cost import drawn_graph
from hwsr.errors import HwsrError, Interrupted
from hwsr.explore.hardware import Hardware, Verdict, judge
from hwsr.explore.ledger import HOST, REASON, TRIES, Claim, Watch, beating, claim, drop, give_up, own, take_up
from hwsr.explore.search import Found, Rejected, Search, Tally
from hwsr.explore.space import Params, first, spec_of, suggest
from hwsr.explore.training import trained
from hwsr.spec import Spec
from hwsr.train.stopping import Event, stop_on_signals

POLL_SECONDS = 1.0
# Proposals in a row that are no network or are known already, after which one of those left is drawn.
MISSES = 4
# Workers that may end at a trial before it is left alone: it may be what ended them.
MOST_TRIES = 5
STOPPED = "stopped; what was trained is kept, and the same command goes on from there"
# Names of what a trial's attributes say of its network.
SPEC, HARDWARE, SCORE = "spec", "hardware", "score"


@dataclass
class Worker:
    """trials: networks trained in all, by all workers; seconds: after which this one begins no further, None: never."""

    search: Search
    study: Study
    trials: int
    seconds: float | None
    console: Console
    watch: Watch = field(default_factory=Watch)

    @cached_property
    def specs(self) -> dict[str, Params]:
        """Every network of the space; thousands, so they are made once."""
        return self.search.space.specs(self.search.scale)

    def run(self) -> None:
        """Work until nothing is left to do. Raises Interrupted after SIGINT or SIGTERM, the trial being given back."""
        ends = None if self.seconds is None else time.monotonic() + self.seconds
        self._begin()
        with stop_on_signals() as stop:
            misses = 0
            while ends is None or time.monotonic() < ends:
                self._look_after(stop)
                states = [trial.state for trial in self.study.get_trials(deepcopy=False)]
                complete, running = states.count(TrialState.COMPLETE), states.count(TrialState.RUNNING)
                if complete >= self.trials:
                    return
                if complete + running >= self.trials:
                    self._pause(stop, POLL_SECONDS)
                    continue
                misses = 0 if self._trial(stop) else misses + 1
                if misses >= MISSES and TrialState.WAITING not in states and not self._draw():
                    if not running:
                        self.console.print("every network of the space is tried")
                        return
                    self._pause(stop, POLL_SECONDS)

    def _begin(self) -> None:
        """The first worker says what is tried first."""
        if not self.study.get_trials(deepcopy=False):
            for spec in first(self.search.scale):
                if spec in self.specs:
                    self.study.enqueue_trial(self.specs[spec])

    def _look_after(self, stop: Event) -> None:
        if stop.is_set():
            raise Interrupted(STOPPED)
        taken = take_up(self.study, self.watch)
        if taken:
            self.console.print(f"{taken} of an ended worker's trials: taken up")

    def _pause(self, stop: Event, seconds: float) -> None:
        time.sleep(seconds)
        self._look_after(stop)

    def _trial(self, stop: Event) -> bool:
        """One trial; False where its proposal was of no use."""
        trial = self.study.ask()
        own(trial)
        with beating(trial), self._given_back(trial):
            params = suggest(trial, self.search.space)
            try:
                spec = spec_of(params, self.search.scale)
            except HwsrError as error:
                self._reject(trial, str(error), 1.0)
                return False
            trial.set_user_attr(SPEC, str(spec))
            if str(spec) in self._tried():
                drop(self.study, trial, Claim.DUPLICATE.value)
                return False
            if trial.user_attrs.get(TRIES, 0) >= MOST_TRIES:
                self._reject(trial, f"{MOST_TRIES} workers ended at it without a word", 1.0)
                return False
            self._make(trial, spec, stop)
        return True

    @contextmanager
    def _given_back(self, trial: Trial) -> Iterator[None]:
        """A trial that ends by an interruption, or by an error of hwsr or the machine, is left to another worker."""
        try:
            yield
        except UpdateFinishedTrialError:
            self.console.print(f"trial {trial.number}: another worker has taken it up meanwhile")
        except Interrupted:
            give_up(self.study, trial.number)
            raise Interrupted(STOPPED) from None
        except BaseException:
            give_up(self.study, trial.number)
            raise

    def _make(self, trial: Trial, spec: Spec, stop: Event) -> None:
        """Plan, train and score a network."""
        search, name = self.search, f"trial {trial.number}: {spec}"
        verdict = self._judged(trial, spec)
        if verdict is None:
            return
        self._look_after(stop)
        claimed = claim(self.study, trial, str(spec), self.trials, lambda seconds: self._pause(stop, seconds))
        if claimed is not Claim.MINE:
            drop(self.study, trial, claimed.value)
            return
        self.console.print(f"{name}: {_amounts(verdict.hardware)}; training")
        try:
            made = trained(search, spec, self.console)
        except HwsrError as error:
            self._reject(trial, str(error), 1.0)
            self.console.print(f"{name}: {error}")
            return
        with self.console.status(f"planning {spec} as trained"):
            verdict = judge(made.graph, search.target, search.limits)
        score = {"psnr": made.psnr, "ssim": made.ssim, "seconds": made.seconds, "folder": str(search.folder(spec))}
        trial.set_user_attr(HARDWARE, asdict(verdict.hardware))
        trial.set_user_attr(SCORE, score)
        self.console.print(f"{name}: {made.psnr:.2f} dB")
        if verdict.short:
            self._reject(trial, f"as trained: {verdict.short}", verdict.violation)
            return
        values = {"psnr": made.psnr} | asdict(verdict.hardware)
        self._tell(trial, [values[objective] for objective in search.objectives])

    def _judged(self, trial: Trial, spec: Spec) -> Verdict | None:
        """What a network takes before it is trained; None, the trial having ended, where it cannot be."""
        try:
            with self.console.status(f"planning {spec}"):
                verdict = judge(drawn_graph(spec), self.search.target, self.search.limits)
        except HwsrError as error:
            short, violation = str(error), 1.0
        else:
            short, violation = verdict.short, verdict.violation
        if not short:
            return verdict
        self._reject(trial, short, violation)
        self.console.print(f"trial {trial.number}: {spec}: not trained: {short}")
        return None

    def _reject(self, trial: Trial, reason: str, violation: float) -> None:
        """End a trial of what cannot be: the sampler is told by how much."""
        trial.set_user_attr(REASON, reason)
        trial.set_constraint("hardware", violation)
        self._tell(trial, None)

    def _tell(self, trial: Trial, values: list[float] | None) -> None:
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        try:
            self.study.tell(trial, values, state=state)
        except (UpdateFinishedTrialError, ValueError):
            self.console.print(f"trial {trial.number}: another worker has ended it meanwhile")

    def _tried(self) -> set[str]:
        """Networks of which all is known."""
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        return {str(trial.user_attrs.get(SPEC)) for trial in self.study.get_trials(deepcopy=False, states=ended)}

    def _draw(self) -> bool:
        """Have one of the networks that nobody has tried or is at tried next; False where there is none."""
        trials = self.study.get_trials(deepcopy=False)
        known = self._tried() | {str(trial.user_attrs.get(SPEC)) for trial in trials if not trial.state.is_finished()}
        left = [params for spec, params in self.specs.items() if spec not in known]
        if left:
            self.study.enqueue_trial(random.choice(left))
        return bool(left)


def tally(study: Study) -> Tally:
    """All that the workers of a search have found."""
    trials = study.get_trials(deepcopy=False)
    states = [trial.state for trial in trials]
    dropped: dict[str, int] = {}
    for trial in trials:
        if trial.state is TrialState.PRUNED and SPEC not in trial.user_attrs:
            reason = "choices that make no network"
        elif trial.state is TrialState.FAIL:
            reason = str(trial.user_attrs.get(REASON, "given back"))
        else:
            continue
        dropped[reason] = dropped.get(reason, 0) + 1
    return Tally(
        tuple(_found(trial) for trial in trials if trial.state is TrialState.COMPLETE),
        tuple(_rejected(trial) for trial in trials if trial.state is TrialState.PRUNED and SPEC in trial.user_attrs),
        states.count(TrialState.RUNNING),
        states.count(TrialState.WAITING),
        dropped,
    )


def _found(trial: FrozenTrial) -> Found:
    said, score = trial.user_attrs, trial.user_attrs[SCORE]
    hardware = Hardware(**said[HARDWARE])
    return Found(
        trial.number,
        said[SPEC],
        score["psnr"],
        score["ssim"],
        hardware,
        score["seconds"],
        said[HOST],
        score["folder"],
    )


def _rejected(trial: FrozenTrial) -> Rejected:
    said = trial.user_attrs
    return Rejected(trial.number, said[SPEC], said[REASON], sum(trial.constraints.values()))


def _amounts(hardware: Hardware) -> str:
    return (
        f"{hardware.lut:,} LUT, {hardware.dsp:,} DSP, {hardware.bram18:,} BRAM18, {hardware.fps:,.1f} fps (estimates)"
    )
