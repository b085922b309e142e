"""A verdict is of this very model in this very hardware, or there is none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsr.hls.csim import sources_hash
from hwsr.hls.lower import lower
from hwsr.hls.project import MANIFEST, graph_hash, hardware_hash, layers_of, load_project, write_project
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import on_frame
from hwsr.reference.run import run
from hwsr.report.verdict import Status, Verdict, verdict
from tests.hls.hls_graphs import BUILDS, tiles_for

GRAPH = BUILDS["tiny"][0]()


def hardware_of(graph: IntGraph, reuse: int = 4) -> str:
    return hardware_hash("vitis", layers_of(lower(graph, reuse)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(GRAPH, tmp_path / "p", tiles_for(GRAPH, 1), lambda tile: run(GRAPH, tile), reuse_factor=4)
    return tmp_path / "p"


@pytest.fixture
def figures(project: Path) -> dict[str, Any]:
    """What `hwsr csim --json` writes of the project, as far as it is read."""
    made = load_project(project)
    return {
        "project": str(project),
        "backend": "Vitis",
        "frame": list(GRAPH.frame),
        "graph": graph_hash(GRAPH),
        "hardware": hardware_hash("Vitis", made.manifest.layers),
        "sources": sources_hash(made),
        "mismatches": 0,
        "frames": {"tiles": 10, "values": 960, "mismatches": 0, "first": None, "layers": []},
        "images": [{"name": "photo.png", "pixels": 77, "mismatches": 0, "by_tiles": None}],
        "dataflow": [{"in_flight": 16, "frames": 10, "mismatches": 0, "streams": {}, "deadlock": []}],
        "pixels": 1037,
    }


def of(figures: Any, path: Path, graph: IntGraph = GRAPH, reuse: int = 4, backend: str = "vitis") -> Verdict:
    (path / "csim.json").write_text(figures if isinstance(figures, str) else json.dumps(figures))
    return verdict(path / "csim.json", graph, lambda built: hardware_of(built, reuse), backend)


def test_equal(figures: dict[str, Any], tmp_path: Path) -> None:
    found = of(figures, tmp_path)
    assert (found.status, found.reason, found.note, found.mismatches) == (Status.EQUAL, "", "", 0)
    assert [(each.count, each.unit) for each in found.compared] == [(960, "values"), (77, "pixels"), (960, "values")]
    assert found.frame == GRAPH.frame


def test_of_a_frame_of_another_size(figures: dict[str, Any], tmp_path: Path) -> None:
    """The page's hardware may work on larger frames than the simulation's did; it is the same network."""
    larger = on_frame(GRAPH, (90, 100))
    assert of(figures, tmp_path, larger).status is Status.EQUAL


@pytest.mark.parametrize("part", ["frames", "images", "dataflow"])
def test_differs(figures: dict[str, Any], tmp_path: Path, part: str) -> None:
    held = figures[part] if part == "frames" else figures[part][0]
    held["mismatches"] = figures["mismatches"] = 3
    found = of(figures, tmp_path)
    assert (found.status, found.mismatches) == (Status.DIFFERS, 3)


def refused(found: Verdict, words: str) -> None:
    assert found.status is Status.NOT_RUN and words in found.reason
    assert (found.mismatches, found.compared, found.frame) == (None, (), None)


def test_missing(tmp_path: Path) -> None:
    refused(verdict(tmp_path / "csim.json", GRAPH, hardware_of, "vitis"), "there is no csim.json")
    (tmp_path / "csim.json").mkdir()
    refused(verdict(tmp_path / "csim.json", GRAPH, hardware_of, "vitis"), "there is no csim.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"mismatches": 0, "frames": {"tiles": 3}}', "\x00\xff"])
def test_damaged(tmp_path: Path, text: str) -> None:
    refused(of(text, tmp_path), "damaged")


@pytest.mark.parametrize("key", ["graph", "hardware", "sources", "frame", "frames"])
def test_a_file_that_does_not_say_of_what_it_is(figures: dict[str, Any], tmp_path: Path, key: str) -> None:
    del figures[key]
    refused(of(figures, tmp_path), "damaged, or of an earlier hwsr")


def test_one_that_contradicts_itself(figures: dict[str, Any], tmp_path: Path) -> None:
    figures["frames"]["mismatches"] = 5
    refused(of(figures, tmp_path), "contradicts itself")


@pytest.mark.parametrize("frame", [[0, 3], [-1, 5], [9, 9]])
def test_of_a_frame_that_it_was_not_of(figures: dict[str, Any], tmp_path: Path, frame: list[int]) -> None:
    figures["frame"] = frame
    refused(of(figures, tmp_path), "frame" if min(frame) < 1 else "another model")


def test_of_other_weights(figures: dict[str, Any], tmp_path: Path) -> None:
    refused(of(figures, tmp_path, _other()), "another model")


def _other() -> IntGraph:
    """The network with one weight that differs by one."""
    graph = BUILDS["tiny"][0]()
    weight = next(node.weight for node in graph.nodes if hasattr(node, "weight"))
    weight.flat[0] += 1 if weight.flat[0] < 1 else -1
    assert not np.array_equal(weight, next(node.weight for node in GRAPH.nodes if hasattr(node, "weight")))
    return graph


def test_of_other_hardware(figures: dict[str, Any], tmp_path: Path) -> None:
    refused(of(figures, tmp_path, reuse=1), "other foldings")
    refused(of(figures, tmp_path, backend="vivado"), "for Vitis, this is for vivado")


def test_of_a_project_written_since(figures: dict[str, Any], project: Path, tmp_path: Path) -> None:
    header = next((project / "firmware").rglob("nnet_hwsr_conv.h"))
    header.write_text(header.read_text() + "\n// changed\n")
    refused(of(figures, tmp_path), "changed after it was simulated")
    (project / "firmware" / f"{load_project(project).manifest.top}.cpp").unlink()
    refused(of(figures, tmp_path), "changed after it was simulated")
    (project / MANIFEST).unlink()
    refused(of(figures, tmp_path), "is not an HLS project")


def test_of_a_project_that_is_gone(figures: dict[str, Any], tmp_path: Path) -> None:
    figures["project"] = str(tmp_path / "elsewhere")
    found = of(figures, tmp_path)
    assert found.status is Status.EQUAL and "no longer at" in found.note
