"""The coefficients that are shipped, and how they are learnt."""

import pytest

from hwsr.estimate import fit
from hwsr.estimate.fit import Sample, calibration, compact, errors, fitted, held_out, samples, usable
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.law import FIGURES, law
from hwsr.estimate.model import shipped
from hwsr.estimate.predict import estimate_point
from hwsr.estimate.reports import describe

ROWS = calibration()
# Errors on repositories left out of the fit that the laws must stay within, on convolutions: (median, 90th percentile).
LIMITS = {
    "latency_max": (0.05, 0.20),
    "dsp": (0.10, None),
    "lut": (0.30, None),
    "ff": (0.35, None),
    "bram18": (0.0, 0.20),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_the_shipped_coefficients_are_those_of_the_shipped_reports(figure: str) -> None:
    again, kept = fitted(ROWS, figure), shipped()[figure]
    for found, expected in ((again.coefficients, kept.coefficients), (again.error, kept.error)):
        assert found == pytest.approx(dict(expected), rel=1e-4, abs=1e-6)
    assert again.ranges.keys() == kept.ranges.keys()
    for name, ends in again.ranges.items():
        assert ends == pytest.approx(kept.ranges[name], rel=1e-4)


@pytest.mark.parametrize("figure", LIMITS)
def test_errors_on_unseen_repositories(figure: str) -> None:
    error = shipped()[figure].error
    median, worst = LIMITS[figure]
    assert error["reports"] >= 40
    assert error["repositories"] >= 10
    assert error["median"] <= median
    assert worst is None or error["p90"] <= worst


def test_every_row_names_its_source() -> None:
    for row in ROWS:
        assert row["source"].startswith("github:")
        assert len(row["commit"]) == 40
        assert row["path"]
        assert usable(row)
    assert len({row["source"] for row in ROWS}) >= 13


def test_rows_are_compact_and_forks_stay_out() -> None:
    row = {**ROWS[0], "cosim": {}, "rf_from_report": ROWS[0]["reuse_factor"]}
    assert compact(row) == ROWS[0]
    assert compact({**row, "rf_from_report": 1})["other_revision"] is True
    assert not usable({**row, "upstream_kernel": False})
    assert not usable({**row, "layer_type": "design"})


def sample(source: str, amount: float, truth: float, trusted: bool = True) -> Sample:
    return Sample(source, describe(ROWS[0]), law(10, ("piece", amount, 1)), truth, trusted)


def test_a_fit_finds_what_made_the_figures_and_withstands_outliers() -> None:
    found = [sample("a", n, 10 + 7 * n) for n in range(100, 130)]
    assert fit.fit([*found, sample("b", 100, 5000)], "latency_max") == {"piece": 7.0}
    assert fit.fit([sample("a", 100, 710, trusted=False)], "latency_max") == {}


def test_counts_of_logic_lean_on_their_priors() -> None:
    few, many = ([sample(name, 100, 140) for name in names] for names in ("a", "abcdefghijklmnopqrst"))
    assert 1 < fit.fit(few, "lut")["piece"] < fit.fit(many, "lut")["piece"] == pytest.approx(1.3, abs=0.01)


def test_a_repository_is_predicted_without_its_reports() -> None:
    found = [sample(name, n, 10 + each * n) for name, each in (("a", 2), ("b", 5)) for n in range(100, 140)]
    predicted = held_out(found, "latency_max")
    assert predicted[0] == 10 + 5 * 100
    assert predicted[-1] == 10 + 2 * 139


def test_errors_are_relative_to_the_report() -> None:
    found = [sample("a", 1, truth) for truth in (0, 100, 200)]
    assert errors(found, [0, 110, 100]) == {
        "reports": 3,
        "repositories": 1,
        "median": pytest.approx(0.1),
        "p90": pytest.approx(0.1 + 0.8 * 0.4),
    }
    assert errors([], [])["reports"] == 0


def test_samples_are_what_is_predicted() -> None:
    """The fit and the command go by one model."""
    for figure in ("lut", "latency_max"):
        found = samples(ROWS, figure)
        coefficients = shipped()[figure].coefficients
        values = [max(round(s.law.value(coefficients)), 0) for s in found]
        points = [estimate_point(row)[figure] for row in ROWS if row.get(figure) is not None]
        assert values == [value for value in points if value is not None]
        assert isinstance(found[0].kernel, Kernel)
