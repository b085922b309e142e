"""Workers share the trials of a search: none is lost, none is counted twice, whoever ends and when."""

import io
import os
import signal
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from hwsr.errors import HwsrError, Interrupted
from hwsr.explore import storage as storing
from hwsr.explore import worker as working
from hwsr.explore.ledger import REASON, Claim, Watch, claim, give_up, own, take_up
from hwsr.explore.worker import MOST_TRIES, Worker, tally
from hwsr.spec import parse_spec
from tests.explore.workers import FITTING, SPACE, in_process, lines, made_up, make_search, pretend, run, study_of


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "shared") if request.param == "journal" else f"sqlite:///{tmp_path / 'shared.db'}"


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Made-up figures in this process and in those that it starts; the file that names what was trained."""
    for name in ("drawn_graph", "judge", "trained"):
        monkeypatch.setattr(working, name, getattr(working, name))
    pretend(tmp_path / "log", 0.05)
    return tmp_path / "log"


def test_two_workers_at_once_make_what_is_asked_and_nothing_twice(
    storage: str, pretended: Path, tmp_path: Path
) -> None:
    search = make_search(tmp_path)
    workers = [in_process(lambda: run(search, storage, 6)) for _ in range(2)]
    assert [each.end() for each in workers] == [0, 0]
    came_to = tally(study_of(search, storage))
    specs = [each.spec for each in came_to.found]
    assert len(specs) == len(set(specs)) == 6 and came_to.running == 0
    trained = [line.partition(" ")[2] for line in lines(pretended)]
    assert sorted(trained) == sorted(specs)
    assert {line.partition(" ")[0] for line in lines(pretended)} == {str(each.pid) for each in workers}
    for each in came_to.found:
        hardware, psnr = made_up(parse_spec(each.spec))
        assert (each.hardware, each.psnr) == (hardware, psnr)


def test_what_a_killed_worker_was_at_is_made_by_another(storage: str, pretended: Path, tmp_path: Path) -> None:
    search = make_search(tmp_path)
    me = os.getpid()
    pretend(pretended, 0.0, stuck=lambda spec: os.getpid() != me and len(lines(pretended)) == 3)
    killed = in_process(lambda: run(search, storage, FITTING))
    while len(lines(pretended)) < 3:
        time.sleep(0.02)
    killed.kill()  # and not waited for: it is a zombie from now on
    left = lines(pretended)[-1].partition(" ")[2]
    assert len(tally(study_of(search, storage)).found) == 2
    run(search, storage, FITTING)
    came_to = tally(study_of(search, storage))
    assert killed.end() == -signal.SIGKILL
    specs = [each.spec for each in came_to.found]
    assert len(specs) == len(set(specs)) == FITTING and left in specs and came_to.running == came_to.waiting == 0
    assert [line.partition(" ")[2] for line in lines(pretended)].count(left) == 2
    # More than there are: the worker says so and ends, with nothing made anew.
    made = lines(pretended)
    run(search, storage, FITTING + 5)
    assert lines(pretended) == made
    assert {each.spec for each in came_to.rejected} <= set(SPACE.specs(2)) - set(specs)
    assert all(each.reason == "short of everything" for each in came_to.rejected)


def test_an_interrupted_worker_gives_its_trial_back(storage: str, pretended: Path, tmp_path: Path) -> None:
    search = make_search(tmp_path)

    def interrupted(*_: object) -> None:
        raise Interrupted("stopped")

    working.trained = interrupted  # type: ignore[assignment]  # it only raises
    with pytest.raises(Interrupted, match="the same command goes on"):
        run(search, storage, 2)
    study = study_of(search, storage)
    assert tally(study).waiting >= 1 and tally(study).running == 0
    pretend(pretended, 0.0)
    run(search, storage, 2)
    first = lines(pretended)[0].partition(" ")[2]
    assert first in [each.spec for each in tally(study).found] and len(tally(study).found) == 2


def test_a_signal_between_trials_stops_a_worker(pretended: Path, tmp_path: Path) -> None:
    search, storage = make_search(tmp_path), str(tmp_path / "shared")
    # As many networks as are asked for are under way elsewhere: this worker waits.
    study = study_of(search, storage)
    own(study.ask())
    os.kill(waiting := in_process(lambda: run(search, storage, 1)).pid, 0)
    time.sleep(0.5)
    os.kill(waiting, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1]) == 1
    assert lines(pretended) == []


def test_a_training_that_fails_is_told_and_not_tried_again(pretended: Path, tmp_path: Path) -> None:
    search, storage = make_search(tmp_path), str(tmp_path / "shared")
    fine = working.trained

    def failing(search: object, spec: object, console: object) -> object:
        if str(spec).endswith("int8"):
            raise HwsrError("the loss is not finite")
        return fine(search, spec, console)  # type: ignore[arg-type]  # passed on

    working.trained = failing  # type: ignore[assignment]  # takes what it passes on
    study, console = study_of(search, storage), Console(file=io.StringIO())
    Worker(search, study, FITTING, None, console).run()
    came_to = tally(study)
    assert len(came_to.found) == FITTING // 2 and not any(each.spec.endswith("int8") for each in came_to.found)
    failed = [each for each in came_to.rejected if each.reason == "the loss is not finite"]
    assert len(failed) == len({each.spec for each in failed}) == FITTING // 2
    assert "every network of the space is tried" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_a_trial_that_ends_every_worker_is_left_alone(pretended: Path, tmp_path: Path) -> None:
    search, storage = make_search(tmp_path), str(tmp_path / "shared")
    bad = "bl x2 n8 g0 b1 noca anchor direct int8"
    pretend(pretended, 0.0, stuck=lambda spec: str(spec) == bad and os.kill(os.getpid(), signal.SIGKILL) is None)
    ends = [in_process(lambda: run(search, storage, FITTING)).end() for _ in range(MOST_TRIES + 1)]
    assert ends == [-signal.SIGKILL] * MOST_TRIES + [0]
    came_to = tally(study_of(search, storage))
    assert len(came_to.found) == FITTING - 1
    assert [each.spec for each in came_to.rejected if "workers ended" in each.reason] == [bad]


def test_of_two_claims_one_is_granted(storage: str, tmp_path: Path) -> None:
    search = make_search(tmp_path)
    study = study_of(search, storage)

    def wait(seconds: float) -> None:
        time.sleep(seconds)

    first, second, third = (study.ask() for _ in range(3))
    assert claim(study, first, "a", 2, wait) is Claim.MINE
    assert claim(study, second, "a", 2, wait) is Claim.DUPLICATE
    give_up(study, second.number, "not needed")
    assert claim(study, third, "b", 2, wait) is Claim.MINE
    fourth, waits = study.ask(), list[float]()

    def until_first_is_told(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            study.tell(first, [30.0, 1, 1, 1])
            study.tell(third, [30.0, 1, 1, 1])

    assert claim(study, fourth, "c", 2, until_first_is_told) is Claim.FULL and len(waits) == 3


def test_another_machine_s_trial_is_taken_up_once_its_signs_of_life_end(storage: str, tmp_path: Path) -> None:
    search = make_search(tmp_path)
    study, watch = study_of(search, storage), Watch(seconds=0.3)
    trial = study.ask()
    trial.suggest_int("n", 4, 12, step=4)
    trial.set_user_attr("owner", "another/boot 1 1")
    for beat in range(4):
        trial.set_user_attr("beat", beat)
        assert take_up(study, watch) == 0
        time.sleep(0.2)
    time.sleep(0.2)
    assert take_up(study, watch) == 1 and take_up(study, watch) == 0
    again = study.ask()
    assert again.number != trial.number and again.suggest_int("n", 4, 12, step=4) == trial.params["n"]
    # Its worker was only held up: what it tells now counts no more.
    with pytest.raises(ValueError, match="FAIL"):
        study.tell(trial, [30.0, 1, 1, 1])


def test_a_trial_is_not_lost_where_the_worker_that_takes_it_up_ends(storage: str, tmp_path: Path) -> None:
    study, watch = study_of(make_search(tmp_path), storage), Watch()
    left = study.ask()
    left.suggest_int("n", 4, 12, step=4)
    study.tell(left, state=TrialState.FAIL)  # as far as the other worker came
    dropped = study.ask()
    dropped.set_user_attr(REASON, "of no use")
    study.tell(dropped, state=TrialState.FAIL)
    assert take_up(study, watch) == 1 and take_up(study, watch) == 0
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [each.system_attrs["fixed_params"] for each in waiting] == [left.params]


def test_an_ended_trial_is_given_up_once(tmp_path: Path) -> None:
    study = study_of(make_search(tmp_path), str(tmp_path / "shared"))
    trial = study.ask()
    assert give_up(study, trial.number) and not give_up(study, trial.number)
    study.add_trial(create_trial(state=TrialState.COMPLETE, values=[30.0, 1, 1, 1]))
    assert not give_up(study, trial.number + 2)


def test_the_lock_of_a_killed_worker_does_not_hold_the_others_up_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storing, "LOCK_SECONDS", 1)
    monkeypatch.chdir(tmp_path)
    search = make_search(tmp_path)
    study = study_of(search, "shared")
    (tmp_path / "shared" / f"{storing.JOURNAL}.lock").touch()
    study.ask()
    assert len(study_of(search, "shared").get_trials()) == 1
