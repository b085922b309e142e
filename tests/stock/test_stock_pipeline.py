"""Clocks and FIFOs of stock projects, and the command that shows them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.cli import _run
from hwsr.estimate.predict import estimate_point
from hwsr.simulate.run import simulate
from hwsr.stock.estimate import estimate_stock
from hwsr.stock.pipeline import declared, layers, needed_depths, processes
from hwsr.stock.project import StockProject, read_stock
from hwsr.stock.rows import row
from tests.stock.stock_networks import Merging, Residual, Signal, Upscaling, write_stock


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("residual") / "project"
    write_stock(Residual(), folder)
    return folder


@pytest.fixture(scope="module", params=[Residual, Upscaling, Signal, Merging], ids=lambda network: network.__name__)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StockProject:
    folder = tmp_path_factory.mktemp("stock") / "project"
    write_stock(request.param(), folder, "Vivado")
    return read_stock(folder)


def test_a_frame_follows_a_clock_after_the_slowest_kernel(project: StockProject) -> None:
    """As in every report of a whole design whose slowest kernel is known (benchmarks/stock_designs.py)."""
    found = layers(project)
    simulated = simulate(processes(project, found), declared(project), 6)
    assert simulated.interval == max(layer.cycles.value for layer in found) + 1
    assert simulated.latency >= simulated.interval


def test_cycles_are_those_of_estimate_layers(project: StockProject) -> None:
    compared = 0
    for layer in layers(project):
        described = row(project, layer.call, layer.frame)
        if described:
            assert layer.estimates == estimate_point(described)
            words = max(*layer.frame.reads, layer.frame.writes)
            assert layer.cycles.value == max(layer.estimates["interval_max"], words if layer.frame.writes == 1 else 0)
            compared += 1
    assert compared >= 5


def test_a_process_takes_its_kernels_cycles_and_its_words(project: StockProject) -> None:
    found = layers(project)
    pipeline = {process.name: process for process in processes(project, found)}
    for layer in found:
        process = pipeline[layer.call.layer]
        words = [len(ticks) for ticks in (*process.reads.values(), *process.writes.values())]
        assert words == [*layer.frame.reads, *[layer.frame.writes] * len(layer.call.outputs)]
        assert process.ticks == layer.cycles.value + 1
        assert all((np.diff(ticks) > 0).all() and ticks[-1] < process.ticks for ticks in process.writes.values())


def test_a_window_is_made_when_its_last_word_is_there(residual: Path) -> None:
    """3x3 of a frame of 14 words a row, padding included: words of its third row make the first output row."""
    project = read_stock(residual)
    process = next(each for each in processes(project, layers(project)) if each.name == "first")
    (reads,), (writes,) = process.reads.values(), process.writes.values()
    assert reads[2 * 14 + 1] < writes[0] < reads[2 * 14 + 4]
    assert np.searchsorted(reads, writes[12], side="right") - 1 in range(3 * 14 + 2, 3 * 14 + 5)


def test_needed_depths_keep_the_rate_and_less_do_not(residual: Path) -> None:
    project = read_stock(residual)
    pipeline = processes(project, layers(project))
    interval = simulate(pipeline, declared(project), 6).interval
    needed = needed_depths(project, pipeline, interval)
    assert simulate(pipeline, needed, 6).interval == interval
    skip = next(call for call in project.calls if call.function == "add").inputs[0]
    assert 12 < needed[skip] < declared(project)[skip]
    shallower = simulate(pipeline, needed | {skip: needed[skip] - 1}, 6)
    assert shallower.waits or shallower.interval > interval


def test_a_skip_too_shallow_stands_still(residual: Path) -> None:
    project = read_stock(residual)
    skip = next(call for call in project.calls if call.function == "add").inputs[0]
    shallow = replace(project, streams=dict(project.streams) | {skip: replace(project.streams[skip], depth=4)})
    found, deep = estimate_stock(shallow, find_depths=True), estimate_stock(project, find_depths=True)
    assert any(wait.stream == skip for wait in found.waits) and not deep.waits
    assert (found.interval, found.depths) == (deep.interval, deep.depths)


def test_products_of_streams_take_their_reuse_factor_and_sums_do_not(tmp_path: Path) -> None:
    write_stock(Merging(), tmp_path / "p", reuse_factor=8)
    write_stock(Residual(), tmp_path / "q", reuse_factor=8)
    product, total = (
        next(layer for layer in layers(read_stock(tmp_path / name)) if layer.call.function == function)
        for name, function in (("p", "multiply"), ("q", "add"))
    )
    assert (product.frame.writes * 8, total.frame.writes) == (product.cycles.value - 2, total.cycles.value - 2)
    assert product.estimates is None and product.cycles.low == product.cycles.high


def test_concatenations_read_along_their_axis(tmp_path: Path) -> None:
    """Of channels word by word, of rows one input after the other, of columns row by row."""
    write_stock(Merging(), tmp_path / "p")
    project = read_stock(tmp_path / "p")
    found = [layer for layer in layers(project) if layer.call.function == "concatenate3d"]
    made = {process.name: process for process in processes(project, layers(project))}
    channels, rows, columns = (made[layer.call.layer] for layer in found)
    first, second = channels.reads.values()
    assert np.array_equal(first, second)
    first, second = rows.reads.values()
    assert (len(first), len(second)) == (24, 48) and first[-1] < second[0]
    first, second = columns.reads.values()
    assert first[7] < second[0] < second[3] < first[8] < first[15] < second[4]
    for process in (channels, rows, columns):
        (writes,) = process.writes.values()
        assert all(writes[-1] >= reads[-1] for reads in process.reads.values())


def test_the_command(
    residual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["hwsr", "estimate-hls4ml", str(residual), "--depths", "--json", f"{tmp_path}/o.json"]
    )
    assert _run() == 0
    shown, found = " ".join(capsys.readouterr().out.split()), json.loads((tmp_path / "o.json").read_text())
    figures = found["estimates"]
    assert f"{figures['interval']:,} clocks from one to the next" in shown
    assert figures["fps"] == pytest.approx(200e6 / figures["interval"])
    known = [layer["estimates"] for layer in found["layers"] if "lut" in layer["estimates"]]
    for kind in ("lut", "ff", "dsp", "bram18"):
        total = figures["kernels"][kind]
        assert total["value"] == sum(each[kind] for each in known)
        assert total["range"][0] <= total["value"] <= total["range"][1]
    assert "of which there is no report" in shown and "clone_stream" in shown
    assert figures["depths"].keys() >= found["streams"].keys()
    low, high = figures["interval_range"]
    assert low <= figures["interval"] <= high


def test_a_bad_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("sys.argv", ["hwsr", "estimate-hls4ml", str(tmp_path)])
    assert _run() == 2
    assert "cannot read" in capsys.readouterr().err
