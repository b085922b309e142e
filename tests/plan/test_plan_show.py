"""Plans in a terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from hwsr.estimate.devices import find_device
from hwsr.plan.design import Target, plan
from hwsr.plan.show import render
from tests.hls.hls_graphs import tiny_net


@pytest.mark.parametrize(("clocks", "misses"), [(0, False), (1, True)])
def test_a_range_that_misses_the_asked_rate_is_said(clocks: int, misses: bool) -> None:
    planned = plan(tiny_net(), Target(find_device("kv260"), 200.0, (64, 64), 1000.0))
    assert planned.met and planned.budget and planned.interval and planned.interval <= planned.budget
    planned.__dict__["ranged"] = replace(planned.estimate, spread=(planned.interval, planned.budget + clocks))
    console = Console(width=200)
    with console.capture() as shown:
        console.print(render(planned, ()))
    text = shown.get()
    assert f"range: {200e6 / (planned.budget + clocks):,.2f} to {planned.estimate.fps:,.2f} images a second" in text
    assert ("its low end misses 1000 images a second" in text) == misses


def test_a_high_end_that_does_not_fit_is_said() -> None:
    planned = plan(tiny_net(), Target(find_device("kv260"), 200.0, (64, 64), 1000.0))
    low, high = planned.estimate.ranges["lut"]
    assert low < planned.taken["lut"] < high
    console = Console(width=200)
    for lut, said in ((high - 1, True), (high, False)):
        small = replace(planned.target.device, lut=lut)
        with console.capture() as shown:
            console.print(render(replace(planned, target=replace(planned.target, device=small)), ()))
        assert ("the high end of the range of lut does not" in shown.get()) == said
