"""The fast form equals the plain one, clock by clock, on networks and on random graphs of processes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.hls.lower import lower
from hwsr.simulate.process import Process, depths, in_program_order, processes
from hwsr.simulate.run import bottleneck, simulate
from tests.hls.hls_graphs import attention_net, fan_net, grouped_net, odd_net, tiny_net, x4_net
from tests.simulate import clocked

NETS = {
    "attention": attention_net((5, 6)),
    "odd": odd_net((6, 5)),
    "grouped": grouped_net((5, 5)),
    "x4": x4_net((4, 5)),
    "tiny": tiny_net((6, 5)),
    "fan": fan_net(9, (4, 5)),
}


def same(pipeline, limits, frames):
    """Both forms agree; returns the fast one's run."""
    plain, run = clocked.simulate(pipeline, limits, frames), simulate(pipeline, limits, frames)
    assert run.finished == plain.finished
    assert {wait.process for wait in run.waits} == plain.stuck
    assert bool(run.deadlock) == bool(plain.stuck)
    # A word that enters while another leaves needs a place of its own.
    assert all(plain.held[stream] <= peak <= plain.held[stream] + 1 for stream, peak in run.peaks.items())
    return run


@pytest.mark.parametrize("reuse", [1, 4])
@pytest.mark.parametrize("name", NETS)
def test_networks_equal_the_plain_form(name, reuse):
    stages = lower(NETS[name], reuse)
    latencies = {stage.name: 2 + i % 5 for i, stage in enumerate(stages[1:])}
    pipeline = processes(stages, latencies)
    run = same(pipeline, depths(stages), 3)
    assert not run.deadlock and len(run.finished) == 3
    assert run.interval >= bottleneck(pipeline).ticks
    same(pipeline, dict.fromkeys(depths(stages), 2), 2)
    order = [in_program_order(process, held=3) for process in processes(stages, {})]
    same(order, dict.fromkeys(depths(stages), 3), 2)


@st.composite
def pipelines(draw):
    """A chain of up to 7 processes with streams that skip some of them, and random accesses, the same words a frame."""
    n = draw(st.integers(2, 7))
    skips = draw(st.sets(st.tuples(st.integers(0, n - 3), st.integers(2, n - 1)), max_size=3)) if n > 2 else set()
    edges = [(i, i + 1) for i in range(n - 1)] + sorted((a, b) for a, b in skips if b > a + 1)
    words = {edge: draw(st.integers(1, 6)) for edge in edges} | {(n - 1, n): draw(st.integers(1, 6))}

    def accesses(own, ticks):
        return {
            f"s{a}_{b}": np.array(sorted(draw(st.permutations(range(ticks)))[: words[a, b]]), np.int64) for a, b in own
        }

    made = []
    for i in range(n):
        reads, writes = [e for e in words if e[1] == i], [e for e in words if e[0] == i]
        ticks = draw(st.integers(max(words[e] for e in reads + writes), 12))
        made.append(Process(f"p{i}", ticks, accesses(reads, ticks), accesses(writes, ticks)))
    limits = {f"s{a}_{b}": draw(st.integers(1, 7)) for a, b in edges}
    return made, limits


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.integers(1, 4))
def test_random_pipelines_equal_the_plain_form(pipeline, frames):
    made, limits = pipeline
    run = same(made, limits, frames)
    if run.deadlock:
        return
    # FIFOs as deep as were needed change no clock, and each is needed.
    exact = simulate(made, run.peaks, frames)
    assert (exact.finished, exact.peaks, exact.stalls) == (run.finished, run.peaks, run.stalls)
    assert all(run.peaks[stream] <= depth for stream, depth in limits.items())


@settings(max_examples=60, deadline=None)
@given(pipelines(), st.data())
def test_deeper_is_never_slower(pipeline, data):
    made, limits = pipeline
    stream = data.draw(st.sampled_from(sorted(limits)))
    before, after = simulate(made, limits, 3), simulate(made, limits | {stream: limits[stream] + 1}, 3)
    assert len(after.finished) >= len(before.finished)
    assert all(a <= b for a, b in zip(after.finished, before.finished, strict=False))


def chain(*depths_of_skip):
    """in -> fork -> 4-word delay -> join, with a skip from the fork to the join."""
    words = np.arange(10)
    return [
        Process("in", 10, {}, {"a": words}),
        Process("fork", 10, {"a": words}, {"long": words, "skip": words}),
        Process("delay", 14, {"long": words}, {"late": words + 4}),
        Process("join", 10, {"late": words, "skip": words}, {"out": words}),
    ]


def test_a_deadlock_names_who_waits_and_the_streams_between_them():
    limits = {"a": 2, "long": 2, "skip": 4, "late": 2}
    run = simulate(chain(), limits, 2)
    assert run.finished == ()
    assert {str(wait) for wait in run.deadlock} == {
        "fork waits to write the full skip",
        "delay waits to read the empty long",
        "join waits to read the empty late",
    }
    assert [wait.process for wait in run.waits] == ["in", "fork", "delay", "join"]
    assert not simulate(chain(), limits | {"skip": 5}, 2).deadlock


def test_clocks_of_a_pipeline_counted_by_hand():
    """A word enters at clock 0 and each FIFO passes one on a clock later; the delay adds 4."""
    run = simulate(chain(), {"a": 2, "long": 2, "skip": 99, "late": 2}, 2)
    assert run.latency == 10 + 3 + 4
    # A frame of the delay takes 14 clocks, so the others wait for it 4 clocks a frame.
    assert simulate(chain(), {"a": 2, "long": 2, "skip": 99, "late": 2}, 3).interval == 14
    assert run.stalls["delay"].starved + run.stalls["delay"].blocked == 0
    assert run.stalls["join"].starved == 4 and run.stalls["in"].blocked == 4


def test_bad_pipelines_are_refused():
    with pytest.raises(HwsrError, match=r"'skip' of depth 0"):
        simulate(chain(), {"skip": 0}, 1)
    first, fork, delay, join = chain()
    with pytest.raises(HwsrError, match=r"'a' has no writer"):
        simulate([fork, delay, join], {}, 1)
    with pytest.raises(HwsrError, match=r"'late': 10 words of a frame are written and 9 read"):
        simulate([first, fork, delay, Process("join", 10, join.reads | {"late": np.arange(9)}, join.writes)], {}, 1)
