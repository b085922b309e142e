"""Which option every stage takes: a multiple-choice knapsack over four resources, solved exactly.

Given the clocks that a frame may take, stages are independent but for the device that they share. What is asked is the
least share of the scarcest resource, and of those the least sum of shares. Four kinds of resources and options by the
dozen make the states of a dynamic program too many, so this is an integer program for HiGHS (through scipy), which
proves its optimum; stages of equal options are one class of which whole numbers are chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, vstack

from hwsr.errors import HwsrError
from hwsr.estimate.devices import KINDS, Device
from hwsr.plan.options import Choices, Cost, Option

# Of one integer program's search, so that a plan is the same on every machine; one that was not proved by then says so.
NODE_LIMIT = 100_000
# Shares in millionths, so that one LUT of the largest device is far above the solver's tolerance.
MILLIONTH = 1e6


@dataclass(frozen=True)
class Selection:
    """An option for each node; total: what the whole design takes; proved: nothing better exists."""

    options: Mapping[str, Option]
    total: Cost
    proved: bool

    def clocks(self, choices: Choices) -> int:
        """From one frame to the next."""
        fixed = choices.slowest.cycles if choices.slowest else 0
        return max([fixed, *(option.clocks for option in self.options.values())])

    def among(self, choices: Choices) -> "Selection":
        """The same options as `choices` has them: of the same foldings, with adder graphs where these have one."""
        kept = {
            name: next(o for o in choices.options[name] if (o.folding, o.summed) == (option.folding, option.summed))
            for name, option in self.options.items()
        }
        total = np.sum([choices.fixed, *(option.cost for option in kept.values())], axis=0)
        lut, ff, dsp, bram18 = map(int, total)
        return Selection(kept, (lut, ff, dsp, bram18), self.proved)

    def share(self, device: Device) -> Fraction:
        """Of the scarcest resource."""
        return max(shares(self.total, device))


def shares(cost: Cost, device: Device) -> tuple[Fraction, ...]:
    """Share of the device, by KINDS."""
    return tuple(Fraction(amount, getattr(device, kind)) for amount, kind in zip(cost, KINDS, strict=True))


def cheapest(choices: Choices, device: Device, clocks: int) -> Selection | None:
    """The least hardware that takes at most `clocks` clocks a frame; it may be more than the device holds.

    None where some stage is slower in every option.
    """
    if choices.least_clocks > clocks:
        return None
    classes: dict[tuple[Cost, ...], list[str]] = {}
    allowed = {name: _in_time(options, clocks) for name, options in choices.options.items()}
    for name, options in allowed.items():
        classes.setdefault(tuple(option.cost for option in options), []).append(name)
    problem = _Problem(list(classes), [len(names) for names in classes.values()], choices.fixed, device)
    balanced, balance_proved = problem.least_scarcest()
    counts, proved = problem.least_total(max(shares(problem.total(balanced), device)), balanced)
    chosen: dict[str, Option] = {}
    for names, numbers in zip(classes.values(), counts, strict=True):
        which = np.repeat(np.arange(len(numbers)), numbers)
        chosen |= {name: allowed[name][i] for name, i in zip(names, which, strict=True)}
    in_order = {name: chosen[name] for name in choices.options}
    return Selection(in_order, problem.total(counts), balance_proved and proved)


def fastest(choices: Choices, device: Device) -> tuple[int, Selection] | None:
    """The fewest clocks a frame of a design that fits the device, and that design; None where none does."""
    paces = sorted({option.clocks for own in choices.options.values() for option in own} | {choices.least_clocks})
    paces = [clocks for clocks in paces if clocks >= choices.least_clocks]
    best: tuple[int, Selection] | None = None
    low, high = 0, len(paces)
    while low < high:
        middle = (low + high) // 2
        selection = cheapest(choices, device, paces[middle])
        if selection and selection.share(device) <= 1:
            best, high = (paces[middle], selection), middle
        else:
            low = middle + 1
    return best


def _in_time(options: Sequence[Option], clocks: int) -> list[Option]:
    """Those of at most `clocks` clocks that no other of them beats; of equals the slowest, which unfolds least."""
    in_time = sorted(
        (option for option in options if option.clocks <= clocks), key=lambda option: (option.cost, -option.clocks)
    )
    kept: list[Option] = []
    for option in in_time:
        if not any(all(a <= b for a, b in zip(other.cost, option.cost, strict=True)) for other in kept):
            kept.append(option)
    return kept


@dataclass(frozen=True)
class _Problem:
    """options: the costs of each class's; sizes: how many stages it has; fixed: what is taken anyway.

    Variables are how many stages of a class take each of its options, in order.
    """

    options: Sequence[tuple[Cost, ...]]
    sizes: Sequence[int]
    fixed: Cost
    device: Device

    @property
    def columns(self) -> np.ndarray:
        return np.array([cost for own in self.options for cost in own], float).T.reshape(len(KINDS), -1)

    @property
    def capacity(self) -> np.ndarray:
        return np.array([getattr(self.device, kind) for kind in KINDS], float)

    def total(self, counts: Sequence[np.ndarray]) -> Cost:
        taken = np.array(self.fixed)
        for own, numbers in zip(self.options, counts, strict=True):
            taken = taken + numbers @ np.array(own)
        lut, ff, dsp, bram18 = map(int, taken)
        return lut, ff, dsp, bram18

    def least_scarcest(self) -> tuple[list[np.ndarray], bool]:
        """Minimize the largest share."""
        n = self.columns.shape[1]
        rows = np.hstack([self.columns, -self.capacity[:, None] / MILLIONTH])
        target = np.append(np.zeros(n), 1.0)
        return self._solve(target, rows, -np.array(self.fixed, float))

    def least_total(self, most: Fraction, known: list[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Minimize the sum of shares of what takes at most the share `most` of everything, as `known` does."""
        target = (self.columns * MILLIONTH / self.capacity[:, None]).sum(axis=0)
        limits = np.array([float(int(most * getattr(self.device, kind))) for kind in KINDS]) - np.array(self.fixed)
        found, proved = self._solve(target, self.columns, limits)
        # A search that ran out of nodes may have found less than what it was given.
        return min((found, known), key=lambda counts: sum(shares(self.total(counts), self.device))), proved

    def _solve(self, target: np.ndarray, rows: np.ndarray, limits: np.ndarray) -> tuple[list[np.ndarray], bool]:
        """Minimize `target` where `rows` stay below `limits` and every stage of each class has its option."""
        widths = [len(own) for own in self.options]
        n, classes = sum(widths), len(widths)
        if not n:
            return [], True
        which = coo_array((np.ones(n), (np.repeat(np.arange(classes), widths), np.arange(n))), (classes, len(target)))
        sizes = np.array(self.sizes, float)
        upper = np.append(np.repeat(sizes, widths), np.full(len(target) - n, np.inf))
        result = milp(
            target,
            integrality=np.append(np.ones(n), np.zeros(len(target) - n)),
            bounds=Bounds(0, upper),
            constraints=LinearConstraint(
                vstack([which, coo_array(rows)]),
                np.append(sizes, np.full(len(limits), -np.inf)),
                np.append(sizes, limits),
            ),
            options={"mip_rel_gap": 0.0, "node_limit": NODE_LIMIT},
        )
        if result.x is None:
            raise HwsrError(
                f"the integer program of the plan was not solved ({result.message}); take a smaller network"
            )
        counts = np.rint(result.x[:n]).astype(int)
        return np.split(counts, np.cumsum(widths)[:-1]), result.status == 0
