"""A project of an affine network: its C++ and its streams against the reference, and what the linter says."""

import numpy as np
import pytest

from hwsr.hls import csim, dataflow
from hwsr.hls.lint import lint
from hwsr.hls.lint.calls import reached
from hwsr.hls.lint.cpp import read_firmware
from hwsr.hls.lower import lower
from hwsr.hls.project import write_project
from hwsr.reference.run import run, run_all
from tests.hls.affine_graphs import affine_net
from tests.hls.hls_graphs import damaged, tiles_for


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    graph = affine_net()
    folder = tmp_path_factory.mktemp("affine") / "project"
    return graph, write_project(graph, folder, tiles_for(graph, 2), lambda t: run(graph, t), "Vitis", reuse_factor=4)


def test_outputs_and_every_layer_equal_the_reference(made):
    graph, project = made
    report = csim.compare(project, lambda tile: run_all(graph, tile))
    assert report.mismatches == 0 and report.tiles >= 10
    tile = tiles_for(graph, 1, seed=9)[0]
    layers = csim.compare_layers(project, lambda t: run_all(graph, t), tile)
    assert [layer.layer for layer in layers if layer.mismatches] == []
    tensors = run_all(graph, tile)
    assert {"head.r.o", "ca.mean.o", "skip.a", "skip", "skip.r.o", "up.r"} <= {layer.tensor for layer in layers}
    assert [layer.tensor for layer in layers if np.ptp(tensors[layer.tensor]) == 0] == []


def test_declared_depths_pass_as_dataflow(made):
    graph, project = made
    for verdict in dataflow.verify(project, lambda tile: run_all(graph, tile)):
        assert verdict.mismatches == 0 and not verdict.deadlock and verdict.frames >= 10


def test_the_linter_finds_nothing_and_sees_the_kernels(made):
    _, project = made
    top, backend = project.manifest.top, project.manifest.backend
    firmware = read_firmware(project.folder / "firmware", f"{top}.cpp", backend)
    seen = {function.title for function in reached(firmware.functions[top][0], firmware)}
    assert {"rescale", "rescaled", "conv_ending::of"} <= seen
    assert lint(project.folder / "firmware", top, backend) == []


@pytest.mark.slow
def test_one_wrong_multiplier_is_found_and_its_layer_named(made, tmp_path):
    graph, project = made
    broken = damaged(project, tmp_path / "broken", "n_skip_r")
    report = csim.compare(broken, lambda tile: run_all(graph, tile), tiles_for(graph, 1))
    assert report.mismatches and report.first_wrong_layer.tensor == "skip.r.o"


def test_words_wait_in_front_of_what_widens_them():
    graph = affine_net()
    stages = lower(graph, 4)
    found = {stream: (depth, stage.result.bits) for stage in stages for stream, depth in stage.streams.items()}
    assert found["n_skip_a"][0] == found["n_skip_b"][0] == 2 and found["n_skip_b"][1] > 20
    assert max(depth for depth, _ in found.values()) > 80
    assert all(bits <= 9 for depth, bits in found.values() if depth > 2)
