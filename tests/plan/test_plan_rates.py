"""The rate of whole frames: what is drawn out of their first rows is what the whole simulation finds."""

from dataclasses import replace

import pytest

from hwsr.estimate.design import timing_on
from hwsr.estimate.devices import find_device
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import on_frame
from hwsr.plan import depths as depths_module
from hwsr.plan.depths import Hardware, clocked, clocks_at, found_depths, interval_at, spread_at
from hwsr.plan.design import Target, plan
from hwsr.simulate.process import depths, processes
from hwsr.simulate.run import simulate
from tests.hls.hls_graphs import Net, fan_net, odd_net

TIMING = timing_on(find_device("kv260"), 200.0, "vitis")


def anchored(scale: int) -> IntGraph:
    """Head, a convolution and a pixel shuffle beside an upsampled input."""
    net = Net((8, 8), seed=8)
    x = net.layer("body", net.head(4), 3 * scale**2, frac=9)
    up = net.conv("up", x, 3 * scale**2, frac=8)
    return net.finish(
        net.shuffle("shuffle", net.requantize(up, bits=9, frac=8), scale), net.upsample("up2", "x", scale)
    )


@pytest.mark.parametrize("words", [0, 200])
def test_what_every_row_loses_counts_for_every_row(monkeypatch: pytest.MonkeyPatch, words: int) -> None:
    graph = on_frame(anchored(2), (60, 480))
    hardware = Hardware(4, {}, TIMING)
    shallow = depths(hardware.stages(graph))
    skip = max(shallow, key=lambda stream: shallow[stream])
    shallow[skip] -= words
    whole = clocks_at(graph, hardware, shallow)
    monkeypatch.setattr(depths_module, "MOST_PIXELS", 480 * 24)
    assert clocks_at(graph, hardware, shallow) == whole
    stages = hardware.stages(graph, shallow)
    run = simulate(clocked(graph, stages, TIMING), depths(stages), 4)
    assert (whole.interval, whole.latency) == (run.interval, run.latency)
    lost = whole.interval / hardware.slowest(graph) - 1
    assert lost > 0.05 if words else lost < 0.02


def test_the_range_of_the_rate_is_that_of_the_depths_of_pipelines() -> None:
    graph = on_frame(anchored(2), (40, 48))
    hardware = Hardware(4, {}, TIMING)
    found = found_depths(graph, hardware)
    stages = hardware.stages(graph, found)
    intervals = [
        simulate(pipeline, found, 4).interval
        for pipeline in (
            clocked(graph, stages, TIMING),
            processes(stages, {}),
            processes(stages, dict.fromkeys((stage.name for stage in stages), IN_FLIGHT)),
        )
    ]
    assert spread_at(graph, hardware, found, intervals[0]) == (min(intervals), max(intervals))
    assert min(intervals) < hardware.slowest(graph) < max(intervals)


@pytest.mark.parametrize("graph", [odd_net(), fan_net(9)], ids=["odd", "fan"])
def test_pipelines_of_any_depth_end_at_the_depths_that_were_found(graph: IntGraph) -> None:
    """Their clocks are another order than that of the code, in which these ended all the same."""
    hardware = Hardware(4, {}, TIMING)
    found = found_depths(graph, hardware)
    slowest = interval_at(graph, hardware, found)
    least, most = spread_at(graph, hardware, found, slowest)
    assert 0 < least <= slowest <= most


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_lowerings_depths_keep_the_rate_of_wide_frames(scale: int) -> None:
    graph = on_frame(anchored(scale), (40, 1280))
    hardware = Hardware(scale**2, {}, TIMING)
    assert interval_at(graph, hardware) < 1.04 * hardware.slowest(graph)


def test_depths_keep_the_asked_rate_of_the_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = on_frame(anchored(2), (120, 160))
    hardware = Hardware(4, {}, TIMING)
    asked = 1.01 * hardware.slowest(graph)
    monkeypatch.setattr(depths_module, "MOST_PIXELS", 160 * 24)
    found = found_depths(graph, hardware, asked)
    monkeypatch.undo()
    assert interval_at(graph, hardware, found) <= asked


def test_a_plan_keeps_its_rate_at_every_latency_where_the_lowerings_fifos_do() -> None:
    """The smallest depths that keep it at the estimated latencies alone would miss it, and save nothing here."""
    graph = odd_net()
    target = Target(find_device("kv260"), 200.0, (20 * graph.scale, 160 * graph.scale))
    most = plan(graph, target).estimate.fps
    planned = plan(graph, replace(target, fps=0.8 * most))
    assert planned.met and planned.depths is None
    assert planned.ranged.fps_range and planned.ranged.fps_range[0] >= 0.8 * most
    on_rows, hardware = planned.graph, planned.hardware
    found = found_depths(on_rows, hardware, planned.budget)
    interval = interval_at(on_rows, hardware, found)
    assert interval <= planned.budget < spread_at(on_rows, hardware, found, interval)[1]
    # Where the lowering's miss it too, those that were found stay.
    closer = plan(graph, replace(target, fps=0.95 * most))
    assert closer.met and closer.depths
    lowered = interval_at(closer.graph, closer.hardware)
    assert spread_at(closer.graph, closer.hardware, None, lowered)[1] > closer.budget
