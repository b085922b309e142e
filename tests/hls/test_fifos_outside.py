"""FIFOs outside the AXI4-Stream top function: the same pixels, and room for what they have to hold."""

from dataclasses import replace

import pytest

from hwsr.errors import HwsrError
from hwsr.hls import csim, dataflow
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.firmware import read_top
from hwsr.hls.project import load_project, write_project
from hwsr.hls.tlast import Tlast
from hwsr.ir.outside import LEFT
from hwsr.reference.run import run, run_all
from tests.hls.hls_graphs import attention_net, tiles_for, tiny_net


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    graph = attention_net((5, 7))
    folder = tmp_path_factory.mktemp("outside") / "net"
    options = {"reuse_factor": 9, "tlast": Tlast.FRAME, "off_chip": True}
    return graph, write_project(graph, folder, tiles_for(graph, 2), lambda tile: run(graph, tile), **options)


def test_the_same_processes_between_fifos_outside(outside):
    _, project = outside
    plain, axi = (
        read_top(project.folder / "firmware" / f"{top}.cpp") for top in (project.manifest.top, project.manifest.axi_top)
    )
    assert len(axi.inputs) == len(axi.outputs) == 1 + len(project.manifest.outside) == 5
    own = [call.name for call in axi.calls if not call.name.startswith(("send_", "take_"))]
    assert own == [call.name for call in plain.calls]
    for fifo in project.manifest.outside:
        assert plain.streams[fifo.stream].depth == fifo.depth
        assert axi.streams[fifo.stream].depth == axi.streams[f"{fifo.stream}_back"].depth == LEFT
    assert max(stream.depth for stream in axi.streams.values()) < 5 * 7
    assert load_project(project.folder) == project


def test_pixels_equal_the_reference(outside):
    graph, project = outside
    report = csim.compare_axi(project, lambda tile: run_all(graph, tile))
    assert report.mismatches == 0 and report.tiles == 11


def test_the_depths_that_are_asked_for_pass_and_less_stands_still(outside):
    graph, project = outside
    for verdict in dataflow.verify(project, lambda tile: run_all(graph, tile), axi=True):
        assert verdict.in_flight in (0, IN_FLIGHT) and verdict.mismatches == 0 and not verdict.deadlock
        for place, fifo in enumerate(project.manifest.outside):
            held = verdict.streams[f"memory{place}_in"]
            assert held.depth == fifo.depth and held.peak > 1
    passed = dataflow.run(project, tiles_for(graph, 2), 0, {"memory3_in": 10}, axi=True)
    assert len(passed.outputs) == 0 and {wait.stream for wait in passed.waits if wait.full} & {"memory3_in"}
    assert any("_memory3" in str(wait) for wait in passed.deadlock)


def test_a_manifest_of_other_fifos_outside_is_refused(outside, tmp_path):
    graph, project = outside
    fewer = replace(project, manifest=project.manifest.model_copy(update={"outside": project.manifest.outside[1:]}))
    with pytest.raises(HwsrError, match=r"has not the FIFOs outside that hwsr\.json names"):
        dataflow.run(fewer, tiles_for(graph, 1), 0, axi=True)


def test_networks_without_such_a_fifo_are_refused(tmp_path):
    graph = tiny_net((9, 9))
    with pytest.raises(HwsrError, match=r"nothing to move"):
        write_project(graph, tmp_path / "net", tiles_for(graph, 1), lambda tile: run(graph, tile), off_chip=True)
    assert not (tmp_path / "net").exists()
