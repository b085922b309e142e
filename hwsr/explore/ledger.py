"""The trials that workers share: who works on which, what is given back, what is counted.

An Optuna study in a storage that all workers reach holds them. What may happen at the same time is settled by what the
storage orders: a worker that claims a network writes so and then reads what others have written. Of two that would
make the same network, or one more than is asked, both see the other, give way and try again, at different times.

A trial is COMPLETE where its network is trained and fits, PRUNED where it cannot be built, and FAIL with a reason where
it says nothing of its own. FAIL without a reason is a trial that its worker left; another takes it up.
"""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hwsr.explore.owner import Life, life, this_process

# Names of what a trial's attributes say.
OWNER, HOST, BEAT, CLAIM, REASON, RETRY_OF, TRIES = "owner", "host", "beat", "claim", "reason", "retry_of", "tries"
# A worker shows that it lives every BEAT_SECONDS; one of another machine that did not for GRACE_SECONDS is gone.
BEAT_SECONDS, GRACE_SECONDS = 20.0, 180.0
# What a worker that gives way waits at most before it tries again.
BACKOFF_SECONDS = 0.5


class Claim(Enum):
    """What came of one."""

    MINE = "mine"
    DUPLICATE = "the same network as another trial"
    FULL = "as many networks as asked for are made without it"


@dataclass
class Watch:
    """How long the signs of life of other machines' workers have not changed, by this process's own clock."""

    seconds: float = GRACE_SECONDS
    seen: dict[int, tuple[object, float]] = field(default_factory=dict)

    def is_gone(self, trial: FrozenTrial) -> bool:
        """Whether the worker of a running trial has ended."""
        match life(str(trial.user_attrs.get(OWNER, ""))):
            case Life.RUNS:
                return False
            case Life.GONE:
                return True
        beat, now = trial.user_attrs.get(BEAT), time.monotonic()
        before, since = self.seen.get(trial.number, (None, None))
        if since is None or before != beat:
            self.seen[trial.number] = (beat, now)
            return False
        return now - since > self.seconds


def own(trial: Trial) -> None:
    """Write on a trial whose it is."""
    trial.set_user_attr(OWNER, this_process())
    trial.set_user_attr(HOST, socket.gethostname())


@contextmanager
def beating(trial: Trial, seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Show that this worker lives, as long as the block runs."""
    stop = threading.Event()

    def beat() -> None:
        count = 0
        while not stop.wait(seconds):
            count += 1
            try:
                trial.set_user_attr(BEAT, count)
            except UpdateFinishedTrialError:  # another has taken it up, or it has just ended
                return
            except StorageInternalError:  # a busy database: the next beat comes soon enough
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def give_up(study: Study, number: int, reason: str = "", tried: bool = False) -> bool:
    """End a trial as one that says nothing; without a reason it is there again for another worker.

    tried: its worker may have ended because of it. False where the trial has ended already.
    """
    trial = next(each for each in study.get_trials(deepcopy=False) if each.number == number)
    try:
        study.tell(number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return False
    if not reason:
        _again(study, trial, tried)
    return True


def drop(study: Study, trial: Trial, reason: str) -> None:
    """End an own trial that says nothing of its own."""
    trial.set_user_attr(REASON, reason)
    give_up(study, trial.number, reason)


def take_up(study: Study, watch: Watch) -> int:
    """Give back what ended workers were at, and what a worker was giving back when it ended; returns how many."""
    trials = study.get_trials(deepcopy=False)
    gone = [trial for trial in trials if trial.state is TrialState.RUNNING and watch.is_gone(trial)]
    taken = sum(give_up(study, trial.number, tried=True) for trial in gone)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    for trial in trials:
        if trial.state is TrialState.FAIL and REASON not in trial.user_attrs and trial.number not in retried:
            _again(study, trial, tried=True)
            taken += 1
    return taken


def _again(study: Study, trial: FrozenTrial, tried: bool) -> None:
    """Put the choices of a trial where the next worker finds them."""
    fixed = trial.params or trial.system_attrs.get("fixed_params", {})
    said = {RETRY_OF: trial.number, TRIES: trial.user_attrs.get(TRIES, 0) + tried}
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": fixed}, user_attrs=said))


def claim(study: Study, trial: Trial, spec: str, trials: int, pause: Callable[[float], None]) -> Claim:
    """Claim the network `spec` for an own trial, one of at most `trials`; by `pause` it waits where that is still open.

    Of any number of workers at most one gets a network, and at most `trials` in all get one: the last of those that
    claim sees all others, and goes on only where there is room for it. Raises what `pause` raises.
    """
    while True:
        trial.set_user_attr(CLAIM, spec)
        others = [each for each in study.get_trials(deepcopy=False) if each.number != trial.number]
        found = [each for each in others if each.user_attrs.get(CLAIM) == spec]
        if any(each.state in (TrialState.COMPLETE, TrialState.PRUNED) for each in found):
            return Claim.DUPLICATE
        same = any(each.state is TrialState.RUNNING for each in found)
        complete = sum(each.state is TrialState.COMPLETE for each in others)
        if complete >= trials:
            return Claim.FULL
        if not same and complete + sum(map(_is_claimed, others)) < trials:
            return Claim.MINE
        trial.set_user_attr(CLAIM, None)
        pause(random.uniform(0.1, 1) * BACKOFF_SECONDS)
        if same and _still_claimed(study, trial.number, spec):
            return Claim.DUPLICATE


def _still_claimed(study: Study, number: int, spec: str) -> bool:
    others = (each for each in study.get_trials(deepcopy=False) if each.number != number)
    return any(each.user_attrs.get(CLAIM) == spec and _is_claimed(each) for each in others)


def _is_claimed(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.RUNNING and trial.user_attrs.get(CLAIM) is not None
