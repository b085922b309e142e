"""The top function between AXI4-Streams: pixels as the reference makes them, side channels as video has them."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwsr.data.datasets import validation_images
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.hls import csim, dataflow
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.firmware import read_top
from hwsr.hls.lint import lint
from hwsr.hls.project import load_project, write_project
from hwsr.hls.tlast import Tlast
from hwsr.ir.check import make_graph
from hwsr.ir.read import read_qonnx
from hwsr.ir.tiling import default_tiling
from hwsr.reference.run import run, run_all
from hwsr.reference.run import upscale as reference_upscale
from tests.export.test_qonnx import random_network
from tests.hls.hls_graphs import Net, luma_net, tiles_for, tiny_net

# (spec or network, frame (H, W), TLAST): odd frames, luma alone, a single column and a single row among them.
NETWORKS = {
    "int8": ("bl x2 n4 g0 b1 noca anchor direct int8", (21, 27), Tlast.LINE),
    "ternary": ("ST-bl x3 n4 g0 b1 noca anchor direct r1", (25, 19), Tlast.FRAME),
    "luma": (luma_net, (5, 1), Tlast.LINE),
    "row": (tiny_net, (1, 9), Tlast.FRAME),
}


def exported(spec, frame, folder):
    export_qonnx(random_network(spec), folder / "model.onnx", frame)
    return read_qonnx(folder / "model.onnx")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Name -> (graph, project), each compiled."""
    folder, made = tmp_path_factory.mktemp("axi"), {}
    for name, (net, frame, tlast) in NETWORKS.items():
        graph = exported(net, frame, folder) if isinstance(net, str) else net(frame)
        made[name] = (
            graph,
            write_project(
                graph, folder / name, tiles_for(graph, 2), lambda t, g=graph: run(g, t), tlast=tlast, reuse_factor=4
            ),
        )
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(csim.build_axi, [project for _, project in made.values()]))
    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_pixels_equal_the_reference_and_side_channels_are_videos(projects, name):
    graph, project = projects[name]
    tiles = csim.own_frames(project)
    pixels, sides = csim.run_axi(project, tiles)
    assert np.array_equal(pixels, np.stack([run(graph, tile) for tile in tiles])) and np.ptp(pixels) > 8
    height, width = project.manifest.output_port.shape[1:]
    for side in sides:
        starts, ends = np.argwhere(side & 2), np.argwhere(side & 1)
        assert starts.tolist() == [[0, 0]]
        lines = range(height) if NETWORKS[name][2] is Tlast.LINE else [height - 1]
        assert ends.tolist() == [[y, width - 1] for y in lines]
        assert np.all(side & ~3 == 12)
    report = csim.compare_axi(project, lambda tile: run_all(graph, tile))
    assert report.mismatches == 0 and report.tiles == len(tiles) and report.values == pixels.size


@pytest.mark.parametrize("name", ["int8", "ternary"])
def test_whole_photographs_equal_the_reference(projects, name):
    graph, project = projects[name]
    photo = validation_images(graph.scale)[0].lr.transpose(2, 0, 1)
    assert photo.shape[1] > 2 * graph.frame[0] and photo.shape[2] > 2 * graph.frame[1]
    tiling = default_tiling(graph)
    made = csim.upscale(project, photo, tiling, axi=True)
    assert made.shape == (3, photo.shape[1] * graph.scale, photo.shape[2] * graph.scale)
    assert np.array_equal(made, reference_upscale(graph, photo, tiling)) and np.ptp(made) > 100


def test_the_processes_between_bounded_streams_make_the_same(projects):
    graph, project = projects["luma"]
    verdicts = dataflow.verify(project, lambda tile: run_all(graph, tile), axi=True)
    assert [verdict.in_flight for verdict in verdicts] == [0, IN_FLIGHT]
    for verdict in verdicts:
        assert verdict.frames == 11 and verdict.mismatches == 0 and not verdict.deadlock
        assert verdict.streams["video_in"].peak and verdict.streams["video_out"].peak


def test_both_tops_are_of_the_same_processes_and_lint_clean(projects):
    for _, project in projects.values():
        manifest, firmware = project.manifest, project.folder / "firmware"
        plain, axi = (read_top(firmware / f"{top}.cpp") for top in (manifest.top, manifest.axi_top))
        assert axi.calls[1:-1] == plain.calls
        assert {**axi.streams, **plain.streams} == axi.streams
        assert (axi.inputs, axi.outputs) == (("video_in",), ("video_out",))
        assert lint(firmware, manifest.axi_top, manifest.backend) == []
        assert load_project(project.folder) == project


@pytest.mark.parametrize(
    "old, new, values, sides",
    [
        ("out.last = place == CONFIG_T::packet;", "out.last = place == 1;", False, True),
        ("out[c] = in.data", "out[c] = ~in.data", True, False),
    ],
)
def test_wrong_adapters_are_found(projects, tmp_path, old, new, values, sides):
    graph, project = projects["row"]
    shutil.copytree(project.folder, tmp_path / "copy")
    header = tmp_path / "copy" / "firmware" / "nnet_utils" / "nnet_hwsr_axi.h"
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
    copy = load_project(tmp_path / "copy")
    report = csim.compare_axi(copy, lambda tile: run_all(graph, tile))
    assert (report.wrong_values > 0, report.wrong_side_channels > 0) == (values, sides)
    done = subprocess.run([csim.build_axi(copy).resolve()], cwd=copy.folder, capture_output=True, text=True)
    assert done.returncode == 1 and "first mismatch: frame 0, row 0, column 0" in done.stdout


def test_the_testbench_alone_passes_and_bytes_are_red_green_blue(projects, tmp_path):
    graph, project = projects["row"]
    done = subprocess.run([csim.build_axi(project).resolve()], cwd=project.folder, capture_output=True, text=True)
    assert done.returncode == 0 and re.fullmatch(r"11 frames, 396 words, 0 mismatches\n", done.stdout)
    expected = np.stack([run(graph, tile) for tile in csim.own_frames(project)])
    written = np.array((project.folder / "tb_data" / "csim_results.log").read_text().split(), np.int64)
    assert np.array_equal(written.reshape(-1, 4)[:, :3], expected.transpose(0, 2, 3, 1).reshape(-1, 3))
    header = (project.folder / "firmware" / f"{project.manifest.axi_top}.h").read_text()
    assert "typedef ap_axiu<24, 1, 1, 1> pixel_t;" in header
    luma = projects["luma"][1]
    assert "ap_axiu<8, 1, 1, 1>" in (luma.folder / "firmware" / f"{luma.manifest.axi_top}.h").read_text()


def test_what_makes_no_image_is_refused(tmp_path):
    net = Net((4, 5))
    net.requantize(net.conv("only", "x", 3), bits=9, name="y")
    graph = make_graph(net.nodes, net.frame)
    with pytest.raises(HwsrError, match=r"an image has 3 of"):
        write_project(graph, tmp_path / "net", tiles_for(graph, 1), lambda tile: run(graph, tile))
