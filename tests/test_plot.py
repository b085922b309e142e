"""The chart of quality against cost: what is drawn, where, and what is refused."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from hwsr.errors import HwsrError
from hwsr.plot import OURS, Point, own_points, paper_points, save, tradeoff
from hwsr.tables import published

NETWORK = {"spec": "bl x2 n16 int8", "params": 15_000, "mult_adds": 3_800_000_000, "scores": {"Set5": {"psnr": 36.4}}}


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"networks": [NETWORK, NETWORK | {"spec": "bl x3"}]}))
    return path


def names(figure: Figure, panel: int) -> list[Annotation]:
    return [text for text in figure.axes[panel].texts if isinstance(text, Annotation)]


def test_every_published_network_is_a_point() -> None:
    rows = [row for table in ("table1", "table2", "table3") for row in published()[table] if row["scale"] == 2]
    points = paper_points(2, "Set5")
    assert [point.label for point in points] == [row["model"] for row in rows]
    assert points[0].params == 1006e3 and points[0].mult_adds == 231.2e9 and points[0].psnr == 37.86


def test_points_are_drawn_where_they_belong(figures: Path) -> None:
    points = [*paper_points(2, "Set5"), *own_points(figures, 2, "Set5")]
    figure = tradeoff(points, "Set5, x2")
    for axes, key, unit in zip(figure.axes, ("mult_adds", "params"), (1e9, 1e3), strict=True):
        drawn = np.concatenate([np.asarray(group.get_offsets()) for group in axes.collections])
        assert sorted(map(tuple, drawn)) == sorted((getattr(point, key) / unit, point.psnr) for point in points)
        assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].texts][-1] == OURS


@pytest.mark.parametrize(("scale", "benchmark"), [(2, "Set5"), (3, "B100"), (4, "Urban100")])
def test_names_cover_neither_each_other_nor_points_and_stay_inside(scale: int, benchmark: str) -> None:
    points = paper_points(scale, benchmark)
    figure = tradeoff(points, "")
    figure.draw_without_rendering()
    for panel, axes in enumerate(figure.axes):
        boxes = [text.get_window_extent() for text in names(figure, panel)]
        assert sorted(text.get_text() for text in names(figure, panel)) == sorted(point.label for point in points)
        assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
        at = axes.transData.transform(np.concatenate([group.get_offsets() for group in axes.collections]))
        assert not any(box.contains(*point) for box in boxes for point in at)
        assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_files(tmp_path: Path, suffix: str, start: bytes) -> None:
    figure = tradeoff([Point("a", OURS, 1e3, 1e9, 30.0)], "one")
    save(figure, tmp_path / f"out{suffix}")
    assert (tmp_path / f"out{suffix}").read_bytes().startswith(start)
    with pytest.raises(HwsrError, match=r"\.png or \.svg"):
        save(figure, tmp_path / "out.jpg")


def test_costs_are_named_where_networks_cost_about_the_same() -> None:
    points = [Point("one", OURS, 20e3, 4.4e9, 36.0), Point("other", OURS, 21e3, 5e9, 37.0)]
    figure = tradeoff(points, "x2")
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick.get_position()[0] for tick in axes.get_xticklabels(which="both") if tick.get_text()]
        assert [at for at in ticks if low <= at <= high]


def test_names_of_many_networks_leave_out_what_all_have(figures: Path) -> None:
    scores = json.loads(figures.read_text())["networks"][0]
    specs = ["bl x2 n16 g0 b4 noca direct", "blm1[rg] x2 n40 g0 b4 noca direct", "bls2[rg] x2 n40 g0 b4 direct"]
    figures.write_text(json.dumps({"networks": [scores | {"spec": spec} for spec in specs]}))
    labels = [point.label for point in own_points(figures, 2, "Set5")]
    assert labels == ["bl n16 noca", "blm1[rg] n40 noca", "bls2[rg] n40"]


def test_our_networks_are_read(figures: Path) -> None:
    (point,) = own_points(figures, 2, "Set5")
    assert point == Point("bl n16 g2 b5 int8", OURS, 15_000, 3_800_000_000, 36.4)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"networks": [{"spec": "bl"}]}', json.dumps({"networks": [NETWORK | {"params": 0}]})],
)
def test_files_that_hold_no_networks(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(HwsrError, match=r"bad\.json: holds no networks"):
        own_points(tmp_path / "bad.json", 2, "Set5")


def test_what_is_not_there_is_named(figures: Path, tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="it has x2 Set5, x3 Set5"):
        own_points(figures, 4, "Set5")
    with pytest.raises(HwsrError, match="no such file"):
        own_points(tmp_path / "missing.json", 2, "Set5")
    with pytest.raises(HwsrError, match="B100, Set14, Set5, Urban100"):
        paper_points(2, "Set6")
