"""Adder graphs in plans: what one is expected to cost, what is chosen, and that a project holds exactly it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.adders.stages import solve
from hwsr.errors import HwsrError
from hwsr.estimate.adders import luts
from hwsr.estimate.devices import find_device
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, IntGraph
from hwsr.plan.adders import expected, ternary
from hwsr.plan.depths import built
from hwsr.plan.design import Planned, Sharing, Target, plan, plan_at
from hwsr.plan.explain import explain
from hwsr.plan.file import plan_file, read_plan, solved_adders, write_plan
from hwsr.plan.options import cost_of
from tests.hls.hls_graphs import Net, tiny_net

KV260 = find_device("kv260")
# A pixel a clock, at 200 MHz, of frames of 60x80, which a 3x3 convolution begins with a row of.
FAST = 200e6 / (60 * 80 + 200)


def ternary_net(channels: int = 4, zeros: float = 0.33) -> IntGraph:
    """Head, an SP-conv, and a tail of ternary weights to an output of its input's size."""
    net = Net((6, 8), seed=11)
    x = net.sp_conv("sp", net.head(channels), channels, channels)
    graph = net.finish(net.layer("tail", x, 3, bits=2, frac=2))
    rng = np.random.default_rng(1)
    nodes = [
        replace(node, weight=np.where(rng.random(node.weight.shape) < zeros, 0, node.weight | 1))
        if isinstance(node, Conv) and node.weight_bits == 2
        else node
        for node in graph.nodes
    ]
    return make_graph(nodes, graph.frame)


@pytest.fixture(scope="module")
def planned() -> Planned:
    """At a pixel a clock, so that every convolution works unfolded."""
    return plan(ternary_net(), Target(KV260, 200.0, (60, 80), FAST))


@pytest.mark.parametrize(("channels", "zeros"), [(4, 0.33), (8, 0.33), (16, 0.33), (8, 0.6)])
def test_what_is_expected_is_near_what_is_found(channels: int, zeros: float) -> None:
    graph = ternary_net(channels, zeros)
    hoped, found = expected(graph), solve(graph, ternary(graph))
    assert hoped.keys() == found.keys() == {"sp.k", "sp.1x1", "tail"}
    before = sum(luts(each.graph) * each.share for each in hoped.values())
    after = sum(luts(each.graph) for each in found.values())
    assert 0.75 < after / before < 1.33


def test_adder_graphs_are_chosen_and_priced_as_they_are_built(planned: Planned) -> None:
    assert planned.met and planned.adders and not planned.unsolved
    assert planned.adders.keys() <= {conv.name for conv in ternary(planned.graph)}
    stages = built(planned.graph, planned.foldings, planned.adders, planned.depths)
    kinds = {stage.makes.removesuffix(".q"): stage.kind for stage in stages}
    assert {name for name, kind in kinds.items() if kind == "adder_conv"} == planned.adders.keys()
    assert planned.selection.total == cost_of(planned.estimate.resources)
    fact = next(fact for fact in explain(planned.graph, planned) if fact.what == "adders")
    assert fact.figures["adders"] == sum(len(graph.sums) for graph in planned.adders.values())
    assert fact.figures["adders"] < fact.figures["unshared"] and "cut_short" not in fact.figures


def test_the_most_that_fits_may_take_the_graphs_that_a_rate_takes(planned: Planned) -> None:
    """Before they are sought they count as what they should take, not as sums without sharing, which do not fit."""
    sharing = Sharing(None, expected(planned.graph))
    hoped = plan_at(planned.graph, planned.target, sharing)
    scarce = replace(KV260, lut=max(hoped.selection.total[0], planned.selection.total[0]))
    first = plan_at(planned.graph, Target(scarce, 200.0, (60, 80)), sharing)
    assert first.unsolved and first.estimate.overflow and first.met
    most = plan(ternary_net(), Target(scarce, 200.0, (60, 80)))
    assert most.met and most.adders and most.estimate.fps >= planned.estimate.fps


def test_what_is_not_worth_it_is_not_chosen(planned: Planned) -> None:
    """At leisure a folded kernel is smaller than any graph; where a graph was chosen, nothing else in time beats it."""
    slow = plan(ternary_net(), Target(KV260, 200.0, (60, 80), 1000.0))
    assert slow.met and not slow.adders
    for name in planned.adders:
        chosen = planned.selection.options[name]
        others = [o for o in planned.choices.options[name] if o.clocks <= (planned.budget or 0) and o is not chosen]
        assert not any(all(a <= b for a, b in zip(o.cost, chosen.cost, strict=True)) for o in others)


def test_a_plan_file_holds_the_graphs(planned: Planned, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, plan_file(planned))
    read, graph = read_plan(path, ternary_net())
    assert read.adders.keys() == planned.adders.keys() and read.adder_seconds is None
    solved = solved_adders(read, graph)
    assert {name: each.graph.digest for name, each in solved.items()} == {
        name: graph.digest for name, graph in planned.adders.items()
    }
    text = json.loads(path.read_text())
    for stage in text["stages"]:
        if stage["adders"]:
            stage["adders"]["digest"] = "0" * 64
    path.write_text(json.dumps(text))
    with pytest.raises(HwsrError, match=r"is another than the plan's .* run 'hwsr plan' again"):
        solved_adders(*read_plan(path, ternary_net()))


def test_a_bound_in_time_that_cuts_short_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("MOST_DIGITS", "QUICK_DIGITS"):
        monkeypatch.setattr(f"hwsr.adders.shared.{name}", 8)
    monkeypatch.setattr("hwsr.adders.shared.LIMITS", (8,))
    made = plan(ternary_net(), Target(KV260, 200.0, (60, 80), FAST), seconds=0.01)
    assert made.met and not all(each.complete for each in made.sharing.solved.values())
    fact = next(fact for fact in explain(made.graph, made) if fact.what == "adders")
    assert fact.figures["cut_short"] and fact.figures["lut"] > fact.figures["lut_expected"]
    assert "expected without that bound" in fact.text
    assert plan_file(made).adder_seconds == 0.01


def test_a_network_without_ternary_weights_has_no_graph() -> None:
    assert not expected(tiny_net()) and not plan(tiny_net(), Target(KV260, 200.0, (16, 20), 1000.0)).adders
