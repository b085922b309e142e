"""The form of every law: an amount that follows from the structure, and terms whose coefficients are fitted."""

from collections.abc import Mapping
from dataclasses import dataclass

# Names of the figures, as csynth reports have them.
FIGURES = ("latency_max", "interval_max", "dsp", "lut", "ff", "bram18", "uram")


@dataclass(frozen=True)
class Term:
    """amount: counted in the description; prior: what one of it should cost, taken where no report says otherwise.

    Terms of one name share a coefficient wherever they stand.
    """

    name: str
    amount: float
    prior: float


@dataclass(frozen=True)
class Law:
    """fixed + sum of coefficient * amount."""

    fixed: float = 0.0
    terms: tuple[Term, ...] = ()

    def value(self, coefficients: Mapping[str, float]) -> float:
        return self.fixed + sum(coefficients.get(term.name, term.prior) * term.amount for term in self.terms)


def law(fixed: float = 0.0, *terms: tuple[str, float, float]) -> Law:
    """A law of (name, amount, prior) terms; those of no amount fall away."""
    return Law(fixed, tuple(Term(*term) for term in terms if term[1] > 0))
