"""The smallest depths keep the rate, none of them can be one less, and declared depths are held against them."""

import pytest

from hwsr.errors import HwsrError
from hwsr.hls.lower import lower
from hwsr.simulate.depths import LEAST, frames_to_settle, smallest_depths
from hwsr.simulate.process import depths, processes
from hwsr.simulate.run import bottleneck, simulate
from tests.hls.hls_graphs import attention_net, fan_net, grouped_net, odd_net, tiny_net, x4_net

NETS = {
    "attention": (attention_net((6, 7)), 4),
    "odd": (odd_net(), 9),
    "grouped": (grouped_net(), 1),
    "x4": (x4_net(), 16),
    "tiny": (tiny_net(), 4),
    "fan": (fan_net(5), 1),
}


def pipeline_of(name):
    graph, reuse = NETS[name]
    stages = lower(graph, reuse)
    # Clocks as `hwsr estimate` has them: 2 of most kernels, about 10 of convolutions.
    latencies = {stage.name: 10 if stage.kind == "conv" else 2 for stage in stages[1:]}
    bits = {stream: stage.shape[2] * stage.result.bits for stage in stages for stream in stage.streams}
    return processes(stages, latencies), depths(stages), bits


@pytest.mark.parametrize("name", NETS)
def test_smallest_depths_keep_the_bottlenecks_rate_and_none_can_be_less(name):
    pipeline, declared, bits = pipeline_of(name)
    found = smallest_depths(pipeline, bits)
    assert found.keys() == declared.keys() and min(found.values()) >= LEAST
    slowest = bottleneck(pipeline).ticks
    frames = 2 * frames_to_settle(pipeline)
    run = simulate(pipeline, found, frames)
    assert run.interval == slowest and not run.waits
    assert run.peaks == {stream: min(depth, run.peaks[stream]) for stream, depth in found.items()}
    for stream, depth in found.items():
        if depth > LEAST:
            less = simulate(pipeline, found | {stream: depth - 1}, frames)
            assert less.waits or less.interval > slowest, f"{stream}: {depth - 1} would do"
    assert smallest_depths(pipeline, bits) == found


@pytest.mark.parametrize("name", NETS)
def test_declared_depths_never_deadlock_and_no_stream_needs_more_at_their_rate(name):
    pipeline, declared, bits = pipeline_of(name)
    run = simulate(pipeline, declared, 2 * frames_to_settle(pipeline))
    assert not run.waits
    found = smallest_depths(pipeline, bits, run.interval, declared)
    assert all(found[stream] <= depth for stream, depth in declared.items())
    assert simulate(pipeline, found, 2 * frames_to_settle(pipeline)).interval <= run.interval


def test_skips_too_shallow_deadlock_and_are_named():
    pipeline, _, bits = pipeline_of("attention")
    found = smallest_depths(pipeline, bits)
    skips = [stream for stream in found if "_to" in stream and found[stream] > 3 * LEAST]
    assert len(skips) >= 3
    verdicts = set()
    for stream in skips:
        less = simulate(pipeline, found | {stream: LEAST}, 6)
        verdicts.add(bool(less.deadlock))
        if less.deadlock:
            assert stream in {wait.stream for wait in less.deadlock if wait.full}
    assert True in verdicts


def test_more_time_takes_fewer_words():
    pipeline, _, bits = pipeline_of("attention")
    slowest = bottleneck(pipeline).ticks
    strict, relaxed = smallest_depths(pipeline, bits), smallest_depths(pipeline, bits, 2 * slowest)
    assert sum(relaxed[s] * bits[s] for s in bits if s in relaxed) < sum(
        strict[s] * bits[s] for s in bits if s in strict
    )


def test_a_rate_that_no_depths_reach_is_refused():
    pipeline, _, bits = pipeline_of("tiny")
    with pytest.raises(HwsrError, match=r"no FIFO depths let a frame take 10 clocks"):
        smallest_depths(pipeline, bits, 10)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("off", [-1, 0, 3])
def test_near_good_depths_the_smallest_are_found_and_bad_ones_are_passed_over(name, off):
    pipeline, declared, bits = pipeline_of(name)
    found = smallest_depths(pipeline, bits, None, declared)
    near = {stream: max(depth + off, 1) for stream, depth in found.items()}
    again = smallest_depths(pipeline, bits, None, declared, (), near)
    slowest, frames = bottleneck(pipeline).ticks, 2 * frames_to_settle(pipeline)
    assert simulate(pipeline, again, frames).interval == slowest and min(again.values()) >= LEAST
    for stream, depth in again.items():
        if depth > LEAST:
            less = simulate(pipeline, again | {stream: depth - 1}, frames)
            assert less.waits or less.interval > slowest, f"{stream}: {depth - 1} would do"
    assert off > 0 or again == found
