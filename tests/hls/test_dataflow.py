"""The generated C++ as dataflow between bounded streams: its integers, deadlocks and the Python model's verdicts."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.design import timing_on
from hwsr.estimate.devices import find_device
from hwsr.hls import dataflow
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.firmware import read_top
from hwsr.hls.lower import lower
from hwsr.hls.project import load_project, write_project
from hwsr.plan.depths import Hardware, clocked, found_depths, interval_at, of_any_latency, unclocked
from hwsr.reference.run import run, run_all
from hwsr.simulate.depths import LEAST, frames_to_settle
from hwsr.simulate.process import depths, in_program_order, processes
from hwsr.simulate.run import simulate
from tests.hls.hls_graphs import tiles_for
from tests.hls.test_networks import graph_of

FRAME = (6, 7)
REUSE = 4
NETWORKS = {
    "skip": "bl x2 n8 g0 b1 noca anchor direct int8",
    "ternary": "ST-bl x2 n4 g0 b1 noca anchor direct r1",
    "attention": "bl x2 n8 g0 b1 int8",
}
# Depths are found for these as well.
PLANNED = {"erum": "bls1-e(r=2,g=2) x2 n8 g0 b1 noca int8"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Name -> (graph, stages, project), each compiled."""
    folder = tmp_path_factory.mktemp("dataflow")
    made = {}
    for name, spec in (NETWORKS | PLANNED).items():
        graph = graph_of(spec, folder)
        project = write_project(
            graph, folder / name, tiles_for(graph, 2), lambda t, g=graph: run(g, t), reuse_factor=REUSE
        )
        made[name] = graph, lower(graph, REUSE), project
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(dataflow.build, [project for _, _, project in made.values()]))
    return made


def in_cpp(project, stages):
    """Names of the streams in the C++, by those of the stages."""
    top = read_top(project.folder / "firmware" / f"{project.manifest.top}.cpp")
    names = {stages[0].name: top.input}
    for stage, call in zip(stages[1:], top.calls, strict=True):
        assert stage.name == call.name
        names |= dict(zip(stage.streams, call.writes, strict=True))
    return names


def both(networks, name, limits, held):
    """Who waits for ever in three frames in the Python model without a clock, and in the C++."""
    graph, stages, project = networks[name]
    names = in_cpp(project, stages)
    pipeline = [in_program_order(process, held) for process in processes(stages, {})]
    modelled = simulate(pipeline, limits, 3).waits
    passed = dataflow.run(project, tiles_for(graph, 3), held, {names[s]: depth for s, depth in limits.items()})
    sources = {stages[0].name: dataflow.SOURCE}
    wanted = {(sources.get(w.process, w.process), names[w.stream], w.full) for w in modelled}
    # What takes the output off the C++ is no process of the model.
    waits = [wait for wait in passed.waits if wait.process != dataflow.SINK]
    assert {(wait.process, wait.stream, wait.full) for wait in waits} == wanted
    assert bool(passed.deadlock) == bool(wanted)
    if not wanted:
        expected = np.stack([run(graph, tile) for tile in tiles_for(graph, 3)])
        assert np.array_equal(passed.outputs, expected) and np.ptp(expected) > 8
    return bool(wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_declared_depths_pass_with_the_references_integers(networks, name):
    graph, stages, project = networks[name]
    verdicts = dataflow.verify(project, lambda tile: run_all(graph, tile))
    assert [verdict.in_flight for verdict in verdicts] == [0, IN_FLIGHT]
    declared = {in_cpp(project, stages)[stream]: depth for stream, depth in depths(stages).items()}
    for verdict in verdicts:
        assert verdict.frames == 11 and verdict.mismatches == 0 and not verdict.deadlock
        held = verdict.streams
        assert declared == {stream: held[stream].depth for stream in declared}
        assert all(0 < held[stream].peak <= held[stream].depth for stream in declared)


@pytest.mark.parametrize("held", [0, 1, IN_FLIGHT])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_python_model_agrees_on_every_skip(networks, name, held):
    """Found by halving: the least depth of each skip; a word less is a deadlock in both, of the same processes."""
    declared = depths(networks[name][1])
    deep = [stream for stream, depth in declared.items() if "_to" in stream and depth > LEAST]
    assert deep
    for stream in deep:
        bad, good = 0, declared[stream]
        assert not both(networks, name, declared, held)
        while good - bad > 1:
            middle = (bad + good) // 2
            bad, good = (middle, good) if both(networks, name, declared | {stream: middle}, held) else (bad, middle)
        assert bad >= 1, f"{stream} needs no depth"


@pytest.mark.parametrize("name", [*NETWORKS, *PLANNED])
def test_planned_depths_pass_and_one_below_on_a_skip_deadlocks_or_slows(networks, name):
    graph, stages, _ = networks[name]
    hardware = Hardware(REUSE, {}, timing_on(find_device("kv260"), 200.0, "vitis"))
    found = found_depths(graph, hardware)
    assert interval_at(graph, hardware, found) == hardware.slowest(graph)
    for held in (0, IN_FLIGHT):
        assert not both(networks, name, found, held)
    skips = [stream for stream, depth in found.items() if "_to" in stream and depth > LEAST]
    assert skips
    for stream in skips:
        less = found | {stream: found[stream] - 1}
        pipeline = clocked(graph, stages, hardware.timing)
        run_of_less = simulate(pipeline, less, frames_to_settle(pipeline))
        slows = bool(run_of_less.waits) or run_of_less.interval > hardware.slowest(graph)
        stands = [bool(simulate(order, less, 3).waits) for order in unclocked(stages)]
        deadlocks = any(stands) or any(simulate(order, less, 3).waits for order in of_any_latency(stages))
        assert slows or deadlocks, f"{stream}: {found[stream] - 1} would do"
        # The C++ stands still at just those depths at which the model without a clock does.
        assert both(networks, name, less, 0) == stands[0] and both(networks, name, less, IN_FLIGHT) == stands[-1]


def test_a_skip_made_too_small_by_hand_is_found_and_named(networks, tmp_path):
    graph, stages, project = networks["skip"]
    skip = next(s for s, depth in depths(stages).items() if s.endswith("_to1") and "head" in s and depth > LEAST)
    stream = in_cpp(project, stages)[skip]
    shutil.copytree(project.folder, tmp_path / "small")
    top = tmp_path / "small" / "firmware" / f"{project.manifest.top}.cpp"
    text = top.read_text()
    small = re.sub(rf"(STREAM variable={stream} depth=)\d+", r"\g<1>4", text)
    assert small != text
    top.write_text(small)
    for verdict in dataflow.verify(load_project(tmp_path / "small"), lambda tile: run_all(graph, tile)):
        assert verdict.mismatches == 11 * graph.scale**2 * 3 * FRAME[0] * FRAME[1]
        assert stream in {wait.stream for wait in verdict.deadlock if wait.full}
        assert any(f"waits to write the full {stream}" in str(wait) for wait in verdict.deadlock)
        assert verdict.streams[stream].depth == verdict.streams[stream].peak == 4


def test_bad_depths_are_refused(networks):
    graph, _, project = networks["skip"]
    for depth in ({"nowhere": 3}, {"layer2_out": 0}):
        with pytest.raises(HwsrError, match=r"no depth of a stream"):
            dataflow.run(project, tiles_for(graph, 1), 0, depth)
