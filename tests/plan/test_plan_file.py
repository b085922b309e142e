"""Plan files: what was written is read, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.devices import find_device
from hwsr.ir.stages import foldings
from hwsr.ir.tiling import on_frame
from hwsr.plan.design import Planned, Target, plan
from hwsr.plan.file import Plan, plan_file, read_plan, write_plan
from tests.hls.hls_graphs import attention_net, tiny_net

GRAPH = tiny_net()


@pytest.fixture(scope="module")
def planned() -> Planned:
    return plan(GRAPH, Target(find_device("kv260"), 200.0, (90, 160), 1000.0))


def edited(planned: Planned, path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(plan_file(planned).model_dump(mode="json") | changes))
    return path


def test_what_is_written_is_read(planned: Planned, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", plan_file(planned))
    found, graph = read_plan(tmp_path / "plan.json", GRAPH)
    assert found == plan_file(planned)
    assert found.foldings == planned.foldings == foldings(graph, found.foldings)
    assert (graph.frame, found.image) == ((45, 80), (45, 80))
    assert found.estimates["fps"] == planned.estimate.fps >= 1000
    fewest, most = found.estimates["fps_range"]
    assert fewest <= planned.estimate.fps <= most
    assert "nothing here was synthesized" in found.note


def test_a_network_without_a_fixed_frame_may_be_exported_for_another(planned: Planned, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", plan_file(planned))
    _, graph = read_plan(tmp_path / "plan.json", on_frame(GRAPH, (20, 30)))
    assert graph.frame == (45, 80)


def test_a_plan_of_another_network_is_refused(planned: Planned, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", plan_file(planned))
    with pytest.raises(HwsrError, match="made for another model"):
        read_plan(tmp_path / "plan.json", attention_net())


def test_attentions_frame_is_part_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, plan_file(plan(attention_net(), Target(find_device("kv260"), 200.0, (48, 64)))))
    assert read_plan(path, attention_net())[1].frame == (12, 16)
    with pytest.raises(HwsrError, match="made for another model"):
        read_plan(path, attention_net((16, 16)))


def test_a_plan_of_version_1_says_so_though_it_lacks_fields(planned: Planned, tmp_path: Path) -> None:
    old = plan_file(planned).model_dump(mode="json")
    del old["depths"], old["adder_seconds"]
    (tmp_path / "plan.json").write_text(json.dumps(old | {"version": 1}))
    with pytest.raises(HwsrError, match="version 1, which has no FIFO depths; run 'hwsr plan' again"):
        read_plan(tmp_path / "plan.json", GRAPH)


def test_depths_are_of_every_stream_and_of_no_other(planned: Planned, tmp_path: Path) -> None:
    depths = plan_file(planned).depths
    assert depths == planned.depths and depths.keys() == {"image", "n_mean", "n_head", "n_body", "n_shuffle"}
    with pytest.raises(HwsrError, match="depth of stream 'nowhere': there is no such"):
        read_plan(edited(planned, tmp_path / "plan.json", depths=depths | {"nowhere": 2}), GRAPH)


def stage(planned: Planned, **changes: Any) -> dict[str, Any]:
    stages = plan_file(planned).model_dump(mode="json")["stages"]
    return {"stages": [stages[0] | changes, *stages[1:]]}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": 1}, "version 1, which has no FIFO depths; run 'hwsr plan' again"),
        ({"version": 3}, r"no plan of version 2 \(version"),
        ({"depths": {}}, "depth of stream 'image': none is given; run 'hwsr plan' again"),
        ({"depths": {"image": 0}}, r"depths\.image"),
        ({"format": "other"}, "format"),
        ({"graph": "../x"}, "graph"),
        ({"clock_mhz": 0}, "clock_mhz"),
        ({"frame": [0, 4]}, "frame"),
        ({"surplus": 1}, "surplus"),
        ({"graph": "0" * 64}, "another model"),
        ({"stages": []}, "folds nothing of 'head'"),
        ({"fps": 0}, "fps"),
        ({"out": [2160, 3840]}, "an image of .* is not what 3840x2160 pixels come of; run 'hwsr plan' again"),
        ({"image": [100, 100]}, "an image of 100x100 is not what"),
        ({"out": [2, 2], "image": [1, 1]}, "is no strip of its image"),
    ],
)
def test_damaged_plans_are_refused(planned: Planned, tmp_path: Path, changes: dict, complaint: str) -> None:
    with pytest.raises(HwsrError, match=complaint):
        read_plan(edited(planned, tmp_path / "plan.json", **changes), GRAPH)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"simd": 0}, "stages.0.simd"),
        ({"multiplier": "magic"}, "stages.0.multiplier"),
        ({"weights": "bram"}, "stages.0.weights"),
        ({"node": "nobody"}, "no node of this name"),
        ({"node": "body"}, "twice"),
        ({"node": "shuffle"}, "multiplies nothing"),
        ({"simd": 7}, "7 does not divide its loop of 27"),
        ({"reuse_factor": 5}, "not 5"),
        ({"adders": {"adders": 3, "digest": "0" * 64, "complete": True}}, "adder graph of 'head', which cannot be one"),
    ],
)
def test_damaged_stages_are_refused(planned: Planned, tmp_path: Path, changes: dict, complaint: str) -> None:
    with pytest.raises(HwsrError, match=complaint):
        read_plan(edited(planned, tmp_path / "plan.json", **stage(planned, **changes)), GRAPH)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"\xff\xfe", b'{"format": "hwsr plan"}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(HwsrError, match="no plan of version 2"):
        read_plan(tmp_path / "plan.json", GRAPH)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match=r"none\.json: No such file"):
        read_plan(tmp_path / "none.json", GRAPH)


def test_the_schema_holds_every_field(planned: Planned) -> None:
    assert set(Plan.model_json_schema()["properties"]) == set(plan_file(planned).model_dump())
