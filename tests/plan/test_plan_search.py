"""The search finds what trying everything finds."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.estimate.design import timing_on
from hwsr.estimate.devices import Device, find_device
from hwsr.ir.stages import Folding
from hwsr.plan.options import Choices, Cost, Option, choices
from hwsr.plan.search import Selection, cheapest, fastest, shares
from tests.hls.hls_graphs import tiny_net

KV260 = find_device("kv260")
SMALL = replace(KV260, part="small", lut=400, ff=800, dsp=30, bram18=20)


def total(found: Choices, chosen: tuple[Option, ...]) -> Cost:
    lut, ff, dsp, bram18 = map(sum, zip(found.fixed, *(option.cost for option in chosen), strict=True))
    return lut, ff, dsp, bram18


def worth(cost: Cost, device: Device) -> tuple[Fraction, Fraction]:
    """What is minimized: the share of the scarcest resource, then all shares."""
    taken = shares(cost, device)
    return max(taken), sum(taken, Fraction(0))


def best_of_all(found: Choices, device: Device, clocks: int) -> tuple[Fraction, Fraction] | None:
    if found.slowest and found.slowest.cycles > clocks:
        return None
    in_time = [[option for option in own if option.clocks <= clocks] for own in found.options.values()]
    return min((worth(total(found, chosen), device) for chosen in product(*in_time)), default=None)


def checked(found: Choices, selection: Selection, clocks: int) -> None:
    assert list(selection.options) == list(found.options)
    assert all(option in found.options[name] for name, option in selection.options.items())
    assert selection.total == total(found, tuple(selection.options.values()))
    assert selection.clocks(found) <= clocks


small = st.integers(0, 90)
options = st.builds(
    Option,
    st.builds(Folding, *[st.integers(1, 8)] * 3),
    st.integers(1, 6),
    st.tuples(small, small, st.integers(0, 12), st.integers(0, 4)),
)
menus = st.lists(st.lists(options, min_size=1, max_size=5).map(tuple), max_size=4)
# Stages of equal options are one class.
anything = st.tuples(menus, st.booleans()).map(
    lambda made: Choices(
        {f"n{i}": own for i, own in enumerate([*made[0], *(made[0][:1] if made[1] else [])])}, (60, 50, 1, 2), None
    )
)


@settings(deadline=None, max_examples=150)
@given(anything, st.integers(1, 6))
def test_the_optimum_is_that_of_trying_everything(found: Choices, clocks: int) -> None:
    selection, wanted = cheapest(found, SMALL, clocks), best_of_all(found, SMALL, clocks)
    if wanted is None:
        assert selection is None
        return
    assert selection is not None and selection.proved
    checked(found, selection, clocks)
    assert worth(selection.total, SMALL) == wanted


@settings(deadline=None, max_examples=60)
@given(anything)
def test_the_fastest_that_fits_is_that_of_trying_everything(found: Choices) -> None:
    fitting = [c for c in range(7) if (best := best_of_all(found, SMALL, c)) is not None and best[0] <= 1]
    got = fastest(found, SMALL)
    if not fitting:
        assert got is None
        return
    assert got is not None
    clocks, selection = got
    checked(found, selection, clocks)
    assert clocks == max(min(fitting), found.least_clocks)
    assert worth(selection.total, SMALL) == best_of_all(found, SMALL, clocks)


@pytest.mark.parametrize("clocks_a_pixel", [1, 4, 13, 60])
def test_the_optimum_of_a_network(clocks_a_pixel: int) -> None:
    found = choices(tiny_net(), timing_on(KV260, 200.0, "vitis"))
    clocks = clocks_a_pixel * 80 + 40
    for device in (KV260, replace(KV260, lut=3000), replace(KV260, dsp=20)):
        selection, wanted = cheapest(found, device, clocks), best_of_all(found, device, clocks)
        assert (selection is None) == (wanted is None)
        if selection:
            checked(found, selection, clocks)
            assert worth(selection.total, device) == wanted


sizes = st.builds(
    lambda lut, ff, dsp, bram18: replace(KV260, lut=lut, ff=ff, dsp=dsp, bram18=bram18),
    *[st.integers(500, 20000)] * 2,
    st.integers(1, 300),
    st.integers(1, 40),
)
TINY = choices(tiny_net(), timing_on(KV260, 200.0, "vitis"))


@settings(deadline=None, max_examples=30)
@given(sizes, sizes, st.integers(320, 20000))
def test_a_bigger_device_never_plans_worse(a: Device, b: Device, clocks: int) -> None:
    bigger = replace(a, **{kind: max(getattr(a, kind), getattr(b, kind)) for kind in ("lut", "ff", "dsp", "bram18")})
    on_a, on_bigger = cheapest(TINY, a, clocks), cheapest(TINY, bigger, clocks)
    assert (on_a is None) == (on_bigger is None)
    if on_a and on_bigger:
        assert on_bigger.share(bigger) <= on_a.share(a)
    fast_a, fast_bigger = fastest(TINY, a), fastest(TINY, bigger)
    if fast_a:
        assert fast_bigger is not None
        assert fast_bigger[0] <= fast_a[0]


def test_a_slower_stage_of_the_same_cost_is_preferred() -> None:
    same = (Option(Folding(1, 2, 1), 2, (5, 5, 5, 5)), Option(Folding(1, 1, 1), 4, (5, 5, 5, 5)))
    found = cheapest(Choices({"n": same}, (0, 0, 0, 0), None), KV260, 4)
    assert found is not None
    assert found.options["n"].folding == Folding(1, 1, 1)
