"""The generated C++ equals the reference on every bit, and a project that does not is caught."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.hls import csim
from hwsr.hls.project import load_project
from hwsr.ir.tiling import Tiling, run_tiled
from hwsr.reference.run import run, run_all
from tests.hls.hls_graphs import BUILDS, damaged, tiles_for


@pytest.mark.parametrize("name", BUILDS)
def test_outputs_equal_the_reference(built, name):
    graph, project = built[name]
    report = csim.compare(project, lambda tile: run_all(graph, tile))
    assert report.mismatches == 0
    assert report.tiles == project.manifest.frames >= 10
    assert report.values == report.pixels * 3


@pytest.mark.parametrize("name", BUILDS)
def test_every_layer_equals_the_reference(built, name):
    graph, project = built[name]
    tile = tiles_for(graph, 1, seed=9)[0]
    layers = csim.compare_layers(project, lambda t: run_all(graph, t), tile)
    assert [layer.layer for layer in layers if layer.mismatches] == []
    tensors = run_all(graph, tile)
    assert len(layers) >= 5
    # No layer may be dead or constant, or its kernel would not have been tested.
    assert [layer.tensor for layer in layers if np.ptp(tensors[layer.tensor]) == 0] == []


def test_a_word_too_many_is_found_though_every_value_is_right(built, tmp_path):
    """A stream that is read while empty gives a word all the same in C++, and in hardware none."""
    graph, project = built["attention-vitis"]
    shutil.copytree(project.folder, tmp_path / "net")
    source = tmp_path / "net" / "firmware" / f"{project.manifest.top}.cpp"
    text = source.read_text()
    source.write_text(re.sub(r"(clone_stream<(\w+), \w+, \d+)>", r"\1 + \2::size>", text, count=1))
    assert source.read_text() != text
    with pytest.raises(HwsrError, match="does not read what another writes, stream '"):
        csim.compare(load_project(tmp_path / "net"), lambda tile: run_all(graph, tile))


def test_frames_do_not_leak_into_one_another(tiny):
    graph, project = tiny
    tiles = tiles_for(graph, 5, seed=4)
    expected = np.stack([run(graph, tile) for tile in tiles])
    for jobs in (1, 2, 9):
        assert np.array_equal(csim.run(project, tiles, jobs), expected)


def test_no_frames_give_no_output(tiny):
    graph, project = tiny
    assert csim.run(project, tiles_for(graph, 0)).shape == (0, 3, 16, 20)


def test_frames_of_another_size_are_refused(tiny):
    with pytest.raises(HwsrError, match=r"takes frames of"):
        csim.run(tiny[1], np.zeros((1, 3, 9, 10), np.uint8))


def test_whole_images_equal_the_tiled_reference(tiny):
    graph, project = tiny
    image = np.random.default_rng(0).integers(0, 256, (3, 19, 23)).astype(np.uint8)
    tiling = Tiling(graph.frame, 2)
    expected = run_tiled(lambda tile: run(graph, tile).astype(np.uint8), image, tiling, 2)
    assert np.array_equal(csim.upscale(project, image, tiling), expected)
    with pytest.raises(HwsrError, match=r"built for tiles of"):
        csim.upscale(project, image, Tiling((12, 12), 2))


def test_one_wrong_weight_is_found_and_its_layer_named(tiny, tmp_path):
    graph, project = tiny
    broken = damaged(project, tmp_path / "broken", "n_body")
    report = csim.compare(broken, lambda tile: run_all(graph, tile))
    assert 0 < report.mismatches < report.values
    assert report.first_wrong_layer.layer == "n_body"
    assert report.first_wrong_layer.tensor == "body.q"
    c, y, x = report.first_wrong_layer.first
    tile = csim.read_frames(broken.folder / csim.INPUTS, (3, 8, 10))[report.first.tile]
    tensors = run_all(graph, tile)
    assert report.first_wrong_layer.expected == tensors["body.q"][c, y, x] != report.first_wrong_layer.got
    assert report.first.expected == tensors["y"][report.first.channel, report.first.y, report.first.x]
    assert report.first.got != report.first.expected


def no_header(folder):
    (folder / "firmware" / "weights" / "n_body.h").unlink()


def words_in_weights(folder):
    (folder / "firmware" / "weights" / "n_body.h").write_text("many")


def no_testbench(folder):
    next(folder.glob("*_test.cpp")).unlink()


def file_for_programs(folder):
    shutil.rmtree(folder / "csim")
    (folder / "csim").write_text("")


def no_frames(folder):
    (folder / "tb_data" / "inputs.dat").write_text("")


def half_a_frame(folder):
    path = folder / "tb_data" / "inputs.dat"
    path.write_text(path.read_text()[:-50])


def one_frame_less(folder):
    path = folder / "tb_data" / "inputs.dat"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def other_expectation(folder):
    path = folder / "tb_data" / "expected.dat"
    first, rest = path.read_text().split(" ", 1)
    path.write_text(f"{(int(first) + 1) % 256} {rest}")


def fewer_expected(folder):
    path = folder / "tb_data" / "expected.dat"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    "damage, message",
    [
        (no_header, r"could not compile.*n_body\.h: No such file"),
        (words_in_weights, r"could not compile.*n_body\.h.*error"),
        (no_testbench, r"_test\.cpp: No such file"),
        (file_for_programs, r"csim is not a folder"),
        (no_frames, r"inputs\.dat: 0 frames instead of"),
        (half_a_frame, r"inputs\.dat: not frames of"),
        (one_frame_less, r"inputs\.dat: \d+ frames instead of"),
        (other_expectation, r"expected\.dat differs from the reference; write the project again"),
        (fewer_expected, r"expected\.dat differs from the reference"),
    ],
)
def test_a_damaged_project_is_one_line(tiny, tmp_path, damage, message):
    graph, project = tiny
    shutil.copytree(project.folder, tmp_path / "copy")
    damage(tmp_path / "copy")
    with pytest.raises(HwsrError, match=message):
        csim.compare(load_project(tmp_path / "copy"), lambda tile: run_all(graph, tile))


def test_a_manifest_of_another_network_s_layers_is_refused(tiny):
    graph, project = tiny
    first, *rest = project.manifest.layers
    layers = (first, *(layer.model_copy(update={"makes": "nothing"}) for layer in rest))
    wrong = replace(project, manifest=project.manifest.model_copy(update={"layers": layers}))
    with pytest.raises(HwsrError, match=r"the network makes no 'nothing'; write the project again"):
        csim.compare_layers(wrong, lambda tile: run_all(graph, tile), tiles_for(graph, 1)[0])


def test_no_frames_cannot_be_compared(tiny):
    with pytest.raises(HwsrError, match=r"no frames to compare"):
        csim.compare(tiny[1], lambda tile: run_all(tiny[0], tile), tiles_for(tiny[0], 0))


def test_a_full_disk_is_said(tiny):
    import subprocess

    project = tiny[1]
    command = [csim.build(project).resolve(), (project.folder / "tb_data" / "inputs.dat").resolve(), "/dev/full"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "cannot write the output" in done.stderr


def test_outputs_of_another_number_of_frames_are_refused(tiny, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n: > $2\n")
    program.chmod(0o755)
    with pytest.raises(HwsrError, match=r"made 0 frames of 1"):
        csim._simulate(tiny[1], program, tiles_for(tiny[0], 1), (3, 16, 20))


def test_the_testbench_alone_fails_on_a_mismatch(tiny, tmp_path):
    """As vendor tools run it: without arguments, in the project's folder."""
    import subprocess

    _, project = tiny
    program = csim.build(project).resolve()
    folder = tmp_path / "project"
    shutil.copytree(project.folder, folder)
    done = subprocess.run([program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and " 0 mismatches" in done.stdout
    expected = folder / "tb_data" / "expected.dat"
    first, rest = expected.read_text().split(" ", 1)
    expected.write_text(f"{(int(first) + 1) % 256} {rest}")
    done = subprocess.run([program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1 and "first mismatch: frame 0, row 0, column 0, channel 0" in done.stdout
    expected.write_text(first)
    assert subprocess.run([program], cwd=folder, capture_output=True).returncode == 2
    (folder / "tb_data" / "inputs.dat").write_text("")
    assert subprocess.run([program], cwd=folder, capture_output=True).returncode == 2


def test_an_unchanged_project_is_not_compiled_again(tiny):
    _, project = tiny
    before = csim.build(project).stat().st_mtime_ns
    assert csim.build(project).stat().st_mtime_ns == before


def test_a_missing_compiler_is_said(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HwsrError, match=r"g\+\+ is not installed"):
        csim.build(tiny[1])


def test_a_compiler_error_is_shown(tiny, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(tiny[1].folder, folder)
    source = folder / "firmware" / f"{tiny[1].manifest.top}.cpp"
    source.write_text("#error spoilt\n" + source.read_text())
    with pytest.raises(HwsrError, match=r"could not compile.*spoilt"):
        csim.build(load_project(folder))
