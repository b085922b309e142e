"""What is on disk: complete, replaced as a whole, and as small as it was meant to be."""

import re

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.hls import csim, project, replacing
from hwsr.hls.data import adversarial, read_frames, write_frames
from hwsr.hls.project import graph_hash, load_project, write_project
from hwsr.reference.run import run
from tests.hls.hls_graphs import attention_net, tiles_for, tiny_net


def write(graph, out, **options):
    return write_project(graph, out, tiles_for(graph, 1), lambda tile: run(graph, tile), **options)


def test_a_project_is_complete(tiny):
    graph, made = tiny
    names = {str(path.relative_to(made.folder)) for path in made.folder.rglob("*")}
    top = made.manifest.top
    assert names >= {
        *(f"firmware/{top}.{suffix}" for suffix in ("cpp", "h")),
        *("firmware/defines.h", "firmware/parameters.h", "firmware/nnet_utils/nnet_hwsr.h"),
        *("build_prj.tcl", "project.tcl", "build_opt.tcl", f"{top}_test.cpp", "README.md", "hwsr.json"),
        *("tb_data/inputs.dat", "tb_data/expected.dat"),
    }
    assert load_project(made.folder) == made
    assert made.manifest.graph == graph_hash(graph) == graph_hash(tiny_net())
    assert made.manifest.graph != graph_hash(tiny_net((8, 11)))


def test_no_file_names_the_folder_it_was_written_in(tiny):
    parent = str(tiny[1].folder.parent)
    sources = [path for path in tiny[1].folder.rglob("*") if path.is_file() and "csim" not in path.parts]
    assert [path for path in sources if parent in path.read_text(errors="ignore")] == []


def test_stream_depths_and_types_reach_the_source(built):
    for _, made in built.values():
        source = (made.folder / "firmware" / f"{made.manifest.top}.cpp").read_text()
        written = [int(depth) for depth in re.findall(r"#pragma HLS STREAM variable=\w+ depth=(\d+)", source)]
        inner = made.manifest.layers[1:]  # the first layer's stream is the top function's input
        asked = [depth for layer in inner for depth in layer.streams.values()][:-1]
        assert sorted(written) == sorted(asked)
        types = (made.folder / "firmware" / "defines.h").read_text()
        for layer in made.manifest.layers:
            assert f"ap_{layer.result}" in types
        assert "fixed<61" not in types  # the default type: nothing was left to it


def test_the_test_frames_hold_the_tiles_and_the_extremes(tiny):
    graph, made = tiny
    frames = read_frames(made.folder / "tb_data" / "inputs.dat", (3, 8, 10))
    assert np.array_equal(frames[:2], tiles_for(graph, 2))
    assert {(int(frame.min()), int(frame.max())) for frame in frames} >= {(0, 0), (255, 255), (0, 255)}
    expected = read_frames(made.folder / "tb_data" / "expected.dat", (3, 16, 20))
    assert np.array_equal(expected, np.stack([run(graph, frame) for frame in frames]))


def test_frames_survive_the_file(tmp_path):
    frames = np.random.default_rng(0).integers(-300, 300, (3, 2, 4, 5))
    write_frames(tmp_path / "f.dat", frames)
    assert np.array_equal(read_frames(tmp_path / "f.dat", (2, 4, 5)), frames)
    assert (tmp_path / "f.dat").read_text().split()[:2] == [str(frames[0, 0, 0, 0]), str(frames[0, 1, 0, 0])]
    with pytest.raises(HwsrError, match=r"not frames of"):
        read_frames(tmp_path / "f.dat", (7, 4, 5))


def test_adversarial_frames_are_in_range_and_repeatable():
    image = tiny_net().input
    first = adversarial(image, (5, 6))
    assert first.shape[1:] == (3, 5, 6) and first.min() == 0 and first.max() == 255
    assert np.array_equal(first, adversarial(image, (5, 6)))
    assert len(np.unique(first.reshape(len(first), -1), axis=0)) == len(first)


def test_writing_again_replaces_everything_and_keeps_the_program(tmp_path):
    graph, out = tiny_net(), tmp_path / "net"
    made = write(graph, out)
    program = csim.build(made)
    (out / "firmware" / "stray").write_text("left over")
    again = write(graph, out)
    assert not (out / "firmware" / "stray").exists()
    before = program.stat().st_mtime_ns
    assert csim.build(again) == program and program.stat().st_mtime_ns == before
    changed = write(tiny_net(), out, reuse_factor=1)
    assert csim.build(changed) != program and not program.exists()


def test_a_failed_write_leaves_the_old_project(tmp_path, monkeypatch):
    graph, out = tiny_net(), tmp_path / "net"
    write(graph, out)
    before = (out / "hwsr.json").read_bytes()
    monkeypatch.setattr(
        project, "write_frames", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(HwsrError, match=r"No space left"):
        write(graph, out, reuse_factor=1)
    assert (out / "hwsr.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_vendor_results_survive_and_other_projects_files_do_not(tmp_path):
    graph, out = tiny_net(), tmp_path / "net"
    write(graph, out)
    (out / "net_prj").mkdir()
    (out / "net_prj" / "report.txt").write_text("hours of synthesis")
    (out / "hwsr_old_test.cpp").write_text("")
    write(graph, out, backend="Vivado")
    assert (out / "net_prj" / "report.txt").read_text() == "hours of synthesis"
    assert not (out / "hwsr_old_test.cpp").exists() and not (out / "build_opt.tcl").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), KeyboardInterrupt()])
@pytest.mark.parametrize("nth, before", [(1, True), (2, True), (2, False), (3, True), (3, False)])
def test_an_interrupted_replacement_is_undone(tmp_path, monkeypatch, error, nth, before):
    """The renames are: the old project away, the new one to its place, the user's results into it."""
    out = tmp_path / "net"
    out.mkdir()
    (out / "hwsr.json").write_text("old")
    (out / "net_prj").write_text("results")
    rename, calls = replacing.Path.rename, []

    def failing(path, target):
        calls.append(path)
        if len(calls) != nth:
            return rename(path, target)
        if not before:
            rename(path, target)
        raise error

    monkeypatch.setattr(replacing.Path, "rename", failing)
    with pytest.raises((HwsrError, KeyboardInterrupt)), replacing.replacing(out) as folder:
        folder.mkdir()
        (folder / "hwsr.json").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {"hwsr.json": "old", "net_prj": "results"}
    assert list(tmp_path.iterdir()) == [out]


def test_what_cannot_be_put_back_is_not_deleted(tmp_path, monkeypatch):
    out = tmp_path / "net"
    out.mkdir()
    (out / "hwsr.json").write_text("old")
    rename, calls = replacing.Path.rename, []

    def failing(path, target):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(replacing.Path, "rename", failing)
    with (
        pytest.raises(HwsrError, match=r"the earlier project is in .*old") as raised,
        replacing.replacing(out) as folder,
    ):
        folder.mkdir()
    assert (replacing.Path(str(raised.value).rsplit(" is in ", 1)[1]) / "hwsr.json").read_text() == "old"


@pytest.mark.parametrize("old, new", [('"top":"hwsr_', '"top":"../hwsr_'), ('"name":"n_', '"name":"a b/n_')])
def test_names_that_are_no_identifiers_are_refused(tiny, tmp_path, old, new):
    text = tiny[1].manifest.model_dump_json()
    assert old in text
    (tmp_path / "hwsr.json").write_text(text.replace(old, new, 1))
    with pytest.raises(HwsrError, match=r"damaged"):
        load_project(tmp_path)


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(HwsrError, match=r"not an HLS project"):
        write(tiny_net(), tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_bad_arguments_are_named(tmp_path):
    graph = tiny_net()
    with pytest.raises(HwsrError, match=r"unknown HLS backend 'Quartus'"):
        write(graph, tmp_path / "a", backend="Quartus")
    with pytest.raises(HwsrError, match=r"tiles of shape"):
        write_project(graph, tmp_path / "a", np.zeros((1, 3, 4, 4), np.uint8), lambda tile: tile)
    with pytest.raises(HwsrError, match=r"input type"):
        write_project(graph, tmp_path / "a", np.full((1, 3, 8, 10), 256), lambda tile: tile)
    (tmp_path / "file").write_text("")
    with pytest.raises(HwsrError, match=r"cannot write"):
        write(graph, tmp_path / "file" / "net")
    with pytest.raises(HwsrError, match=r"is not an HLS project"):
        load_project(tmp_path / "nothing")
    (tmp_path / "hwsr.json").write_text("{}")
    with pytest.raises(HwsrError, match=r"damaged"):
        load_project(tmp_path)


@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
def test_the_readme_says_how_and_what(tmp_path, backend):
    made = write(attention_net((6, 6)), tmp_path / "My net", backend=backend, part="xc7z020clg400-1", clock_ns=4.0)
    readme = (made.folder / "README.md").read_text()
    assert made.manifest.top == "hwsr_my_net"
    assert ("vitis-run" if backend == "Vitis" else "vivado_hls") in readme
    assert "xc7z020clg400-1" in readme and "4.0 ns" in readme and "6 x 6 pixels" in readme
    tcl = (made.folder / "project.tcl").read_text()
    assert "xc7z020clg400-1" in tcl and "set clock_period 4.0" in tcl
