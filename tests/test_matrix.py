"""Every unit at every scale, plain and with ERUMs: one of each quickly, all of them in the slow suite."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from hwsr import matrix
from hwsr.matrix import Outcome, check, combinations, render
from hwsr.spec import SCALES, UNIT_ARGS, Precision, parse_spec

QUICK = [s for s in combinations() if s.precision is Precision.INT8 and s.scale == 2 and not s.erum]
FALLING = {"loss_before": 0.5, "loss_after": 0.25}


def test_no_combination_is_left_out() -> None:
    for precision in (Precision.INT8, Precision.FLOAT):
        found = [(s.unit.name, s.erum, s.scale) for s in combinations() if s.precision is precision]
        wanted = {(name, erum, scale) for name in UNIT_ARGS for erum in (False, True) for scale in SCALES}
        assert len(found) == 54 and set(found) == wanted
    assert [s.sp_ratio for s in combinations() if s.precision is Precision.TERNARY] == [1, 2, 4, 6]
    assert all(parse_spec(str(spec)) == spec for spec in combinations())


def passes(text: str) -> None:
    spec = parse_spec(text)
    outcome = check(spec)
    assert outcome.failure is None
    assert (outcome.pixels, outcome.mismatches) == ((24 * spec.scale) ** 2, 0)


@pytest.mark.parametrize("text", [str(spec) for spec in QUICK])
def test_every_unit(text: str) -> None:
    passes(text)


@pytest.mark.parametrize("text", ["bl-e x2 n16 g1 b1 int8", "ST-bl x2 n16 g1 b1 r1", "blm1-e[rg+u] x3"])
def test_one_of_each_other_kind(text: str) -> None:
    passes(text)


@pytest.mark.slow
@pytest.mark.parametrize("text", [str(spec) for spec in combinations() if spec not in QUICK])
def test_every_other_combination(text: str) -> None:
    passes(text)


def test_a_pixel_that_differs_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_one(*args: object) -> np.ndarray:
        image = np.array(run(*args))
        image[1, 5, 7] += 1
        return image

    run = matrix.run
    monkeypatch.setattr(matrix, "run", off_by_one)
    outcome = check(QUICK[0])
    assert (outcome.mismatches, outcome.failure) == (1, "1 of 2,304 pixels differ")


def test_one_failure_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(matrix, "read_qonnx", fail)
    outcome = check(QUICK[0])
    assert outcome.failure == "ValueError: first line"
    assert outcome.as_json()["failure"] == outcome.failure


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"mismatches": 3}, "3 of 100 pixels differ"),
        ({"pixels": 0}, "nothing was compared"),
        ({"loss_after": 0.5}, "the loss did not fall"),
        ({"loss_after": float("nan")}, "the loss did not fall"),
        ({"loss_after": None}, "the loss did not fall"),
    ],
)
def test_what_fails(changes: dict[str, float], says: str | None) -> None:
    outcome = replace(Outcome(QUICK[0], pixels=100, **FALLING), **changes)
    assert outcome.failure is None if says is None else says in str(outcome.failure)


def test_the_table_has_a_cell_for_every_network_and_names_failures() -> None:
    good, bad = QUICK[0], QUICK[1]
    outcomes = [Outcome(spec, pixels=2304, **FALLING) for spec in combinations() if spec != bad]
    text = StringIO()
    Console(file=text, width=80).print(render([*outcomes, Outcome(bad, error="ValueError: broken")]))
    assert text.getvalue().count("0 / 2,304") == len(combinations()) - 1
    assert text.getvalue().count("0.50→0.25") == len(combinations()) - 1
    assert f"{bad}: ValueError: broken" in text.getvalue()
    assert f"{good}:" not in text.getvalue() and "hole" not in text.getvalue()


def test_json_objects_hold_what_was_compared() -> None:
    figures = Outcome(QUICK[0], pixels=2304, **FALLING).as_json()
    assert figures["spec"] == str(QUICK[0]) and figures["precision"] == "int8"
    assert (figures["pixels"], figures["mismatches"], figures["failure"]) == (2304, 0, None)
