"""What a plan says of itself: what sets its rate, and only what would relieve it."""

from dataclasses import replace

import pytest

from hwsr.estimate.devices import find_device
from hwsr.ir.tiling import on_frame
from hwsr.plan.depths import interval_at
from hwsr.plan.design import Planned, Target, plan, plan_at, with_default_fifos
from hwsr.plan.explain import NOTICED, Fact, explain, shortfalls
from tests.hls.hls_graphs import tiny_net
from tests.plan.test_plan_design import deep_net

KV260 = find_device("kv260")


def facts(planned: Planned, what: str) -> list[Fact]:
    return [fact for fact in explain(planned.graph, planned) if fact.what == what]


def test_fifos_that_set_the_rate_are_said_with_what_default_ones_make() -> None:
    graph = on_frame(deep_net(), (40, 320))
    full = plan(graph, Target(KV260, 200.0, (80, 640)))
    assert not facts(full, "FIFOs")
    asked = plan(graph, Target(KV260, 200.0, (80, 640), 0.8 * full.estimate.fps))
    assert asked.interval > (1 + NOTICED) * asked.estimate.bottleneck.cycles
    (fact,) = facts(asked, "FIFOs")
    alone = 200e6 / asked.estimate.bottleneck.cycles
    assert fact.figures["fps_of_slowest_stage"] == pytest.approx(alone)
    default = with_default_fifos(asked)
    assert default.foldings == asked.foldings and default.depths is None
    assert asked.estimate.fps < default.estimate.fps <= alone
    assert default.interval == interval_at(graph, asked.hardware)
    assert fact.figures["default"] == {"met": True, "fps": default.estimate.fps, "shares": default.usage}
    assert f"{default.estimate.fps:,.1f} images a second" in fact.text


def test_a_relief_is_better_than_the_plan_with_default_fifos_too() -> None:
    graph = on_frame(deep_net(), (40, 320))
    full = plan(graph, Target(KV260, 200.0, (80, 640)))
    planned = plan(graph, Target(KV260, 200.0, (80, 640), 0.8 * full.estimate.fps))
    default = with_default_fifos(planned)
    reliefs = facts(planned, "relief")
    assert any("4 bits" in fact.text for fact in reliefs)
    for fact in reliefs:
        assert fact.figures["fps"] > default.estimate.fps or any(
            share < min(planned.usage[kind], default.usage[kind]) for kind, share in fact.figures["shares"].items()
        )


def test_strips_are_relieved_on_strips() -> None:
    """Weights of fewer bits do not lengthen rows."""
    graph, target = deep_net(), Target(KV260, 200.0, (64, 2000), 100.0)
    whole = plan_at(on_frame(graph, (32, 1000)), target)
    scarce = replace(KV260, lut=2000, bram18=whole.estimate.resources.bram18 - 1)
    closest = plan(graph, replace(target, device=scarce, fps=1.0))
    assert not closest.met and closest.estimate.tiles > 1 and shortfalls(closest).keys() == {"lut"}
    reliefs = facts(closest, "relief")
    assert reliefs
    assert all(fact.figures["shares"]["bram18"] <= closest.usage["bram18"] for fact in reliefs)


def test_a_word_a_clock_is_the_last_rate() -> None:
    """Also where a stage that could be unfolded further is slower by no more than the depth of its pipeline."""
    target = Target(KV260, 200.0, (180, 320), 0.99 * 200e6 / (180 * 320))
    planned = plan(tiny_net(), target)
    slowest, bottleneck = planned.choices.slowest, planned.estimate.bottleneck
    assert slowest and 180 * 320 <= slowest.cycles < bottleneck.cycles and bottleneck.name in planned.foldings
    (fact,) = facts(planned, "next rate")
    assert fact.text.startswith(f"no folding is faster: {slowest.name} moves a word a clock")
    (more,) = facts(plan(tiny_net(), replace(target, fps=target.fps / 3)), "next rate")
    assert more.figures["fps"] > target.fps / 3
