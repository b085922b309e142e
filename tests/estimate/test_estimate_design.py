"""Whole networks, counted by hand."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from hwsr.errors import HwsrError
from hwsr.estimate.design import Estimate, estimate
from hwsr.estimate.devices import Device, find_device
from hwsr.estimate.figures import FIGURES, NOTE
from hwsr.estimate.layers import Counts, Layer
from hwsr.estimate.memories import bram18
from hwsr.estimate.resources import Resources
from hwsr.estimate.show import as_json, render
from hwsr.hls import fifo
from hwsr.hls.lower import lower
from hwsr.hls.project import write_project
from hwsr.ir.check import make_graph
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Conv,
    Input,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.stages import Reuse
from hwsr.ir.tiling import on_frame
from tests.hls.hls_graphs import grouped_net, tiles_for, tiny_net

KV260 = find_device("KV260")
IMAGE, INT8 = QType(8, False, 8), QType(8, True, 6)
FRAME = (10, 16)


def conv(name: str, source: str, weight: np.ndarray, bits: int = 8, biased: bool = True) -> Conv:
    c_out = len(weight)
    return Conv(name, (source,), weight, bits, np.full(c_out, 6), np.full(c_out, int(biased)))


def ones(c_out: int, c_in: int, kernel: int) -> np.ndarray:
    return np.ones((c_out, c_in, kernel, kernel), np.int64)


def network(attention: bool = False) -> IntGraph:
    """3 -> 4 -> SP-conv through 6 channels -> 4, a skip, 4 -> 12, shuffled x2, on the upsampled image."""
    ternary = ones(6, 4, 3)
    ternary[0] = 0
    ternary[1, 0, 0, :2] = -1
    ternary[1, 1:] = 0
    mix = ones(4, 6, 1)
    mix[:, 3:] = 0
    nodes: list[Node] = [
        Input("image", (), 3, IMAGE),
        conv("head", "image", ones(4, 3, 3) * 85),
        Requantize("head_q", ("head",), INT8),
        conv("sum", "head_q", ternary, bits=2, biased=False),
        Scale("factor", ("sum",), np.array([3, 5, 85, 85, 64, 0]), 8, np.full(6, 6)),
        Requantize("factor_q", ("factor",), INT8),
        conv("mix", "factor_q", mix, bits=2),
        Requantize("mix_q", ("mix",), INT8),
    ]
    if attention:
        nodes += [
            SpatialSum("pool", ("mix_q",)),
            Requantize("pool_q", ("pool",), INT8),
            conv("squeeze", "pool_q", ones(4, 4, 1) * 85),
            Requantize("squeeze_q", ("squeeze",), INT8),
            Table("gate", ("squeeze_q",), np.arange(256), QType(8, False, 8)),
            ChannelMul("attend", ("mix_q", "gate")),
            Requantize("attend_q", ("attend",), INT8),
        ]
    nodes += [
        Add("skip", (nodes[-1].name, "head_q")),
        Requantize("skip_q", ("skip",), INT8),
        conv("tail", "skip_q", ones(12, 4, 3)),
        Requantize("tail_q", ("tail",), INT8),
        PixelShuffle("shuffle", ("tail_q",), 2),
        Upsample("anchor", ("image",), 2),
        Add("anchored", ("shuffle", "anchor")),
        Offset("half", ("anchored",), np.ones(3, np.int64), 9),
        Requantize("out", ("half",), IMAGE),
    ]
    return make_graph(nodes, FRAME)


def designed(
    graph: IntGraph,
    device: Device = KV260,
    reuse_factor: Reuse = 1,
    image: tuple[int, int] | None = None,
    **options: Any,
) -> Estimate:
    built = graph if image is None else on_frame(graph, image)
    return estimate(built, lower(built, reuse_factor), device, image=image, **options)


def by_name(found: Estimate) -> dict[str, Layer]:
    return {layer.name: layer for layer in found.layers}


def test_counts_are_exact() -> None:
    counts = {name: layer.counts for name, layer in by_name(designed(network())).items()}
    pixels, depth = 160, fifo.PLAIN
    assert counts["head"] == Counts(
        macs=pixels * 108,
        additions=pixels * 108,  # 27 products and a bias make 27 additions, in each of 4 channels
        multiplications=pixels * 108,
        weight_bits=108 * 8,
        line_buffer_bits=2 * 16 * 3 * 8,
        fifo_bits=depth * 3 * 8,
    )
    # channel 0 is zero, channel 1 has the nine weights of one input channel, the others 36; no bias
    assert counts["sum"] == Counts(
        macs=pixels * 216,
        additions=pixels * (0 + 8 + 4 * 35),
        multiplications=0,
        weight_bits=216 * 2,
        line_buffer_bits=2 * 16 * 4 * 8,
        fifo_bits=depth * 4 * 8,
    )
    sum_bits = network().tensors["sum"].type.bits
    assert counts["factor"] == Counts(multiplications=pixels * 6, weight_bits=48, fifo_bits=depth * 6 * sum_bits)
    # three of six weights, and a bias
    assert counts["mix"].additions == pixels * 4 * 3
    assert counts["mix"].line_buffer_bits == 0
    assert counts["skip"].additions == pixels * 4
    assert counts["shuffle"] == Counts(line_buffer_bits=16 * 6 * 8, fifo_bits=16 * 12 * 8)
    assert counts["anchor"].line_buffer_bits == 16 * 3 * 8
    assert counts["half"].additions == 4 * pixels * 3
    assert counts["n_head_fork"] == Counts(fifo_bits=depth * 4 * 8)


def test_turns_and_rate() -> None:
    found = designed(network(), clock_mhz=100, reuse_factor=4)
    turns = {name: layer.turns for name, layer in by_name(found).items()}
    # 4 sums of 27 products by 27 lanes, 6 of 36 by 54, 4 of 6 by 6; a row and a pixel come before the first pixel
    assert turns["head"] == turns["sum"] == 16 + 1 + 160 * 4
    assert turns["mix"] == 160 * 4
    assert turns["factor"] == 160 * 3
    assert turns["shuffle"] == turns["anchored"] == turns["half"] == 640
    assert found.bottleneck.turns == 657
    assert found.bottleneck.cycles - 657 in range(4, fifo.IN_FLIGHT + 1)
    assert found.fps == pytest.approx(100e6 / found.bottleneck.cycles)
    assert (found.tiles, found.passes, found.overlap) == (1, 1, 1.0)


def test_a_frame_of_another_size_streams_whole() -> None:
    found = designed(network(), image=(180, 320))
    assert found.frame == (180, 320)
    assert found.bottleneck.turns == 4 * 180 * 320  # unrolled, nothing is slower than the output's pixels
    assert by_name(found)["sum"].turns == 320 + 1 + 180 * 320
    assert by_name(found)["sum"].counts.line_buffer_bits == 2 * 320 * 4 * 8


def test_hardware_of_a_smaller_frame_takes_an_image_by_tiles() -> None:
    graph = network()
    found = estimate(graph, lower(graph, 4), KV260, image=(20, 30))
    # halo 3, so that a tile of 10 rows adds 4 and one of 16 columns adds 10
    assert (found.frame, found.tiles) == (FRAME, 4 * 3)
    assert found.cycles_per_image == 12 * estimate(graph, lower(graph, 4), KV260).cycles_per_image


def test_attention_works_by_tiles() -> None:
    found = designed(network(attention=True), image=(22, 36), reuse_factor=4)
    # radius 3, but a quarter of the 10 x 16 frame at most: halo 2, so 10 covers 6 more rows a tile
    assert found.frame == FRAME
    assert found.tiles == 3 * 3
    assert found.overlap == pytest.approx(9 * 160 / (22 * 36))
    assert found.cycles_per_image == 9 * found.bottleneck.cycles
    layers = by_name(found)
    assert layers["pool"].counts.additions == 160 * 4
    assert layers["pool"].turns == 160
    assert layers["squeeze"].counts.macs == 16
    assert (layers["squeeze"].reuse_factor, layers["squeeze"].turns) == (16, 16)
    assert layers["squeeze"].resources.dsp == 0  # a product of 8 x 8 bits stays in LUTs
    assert layers["squeeze"].ranges["dsp"] == (0, 1)
    assert layers["gate"].turns == 4
    assert layers["gate"].counts.weight_bits == 256 * 8
    assert layers["gate"].resources.bram18 == 1
    assert layers["attend"].counts.multiplications == 160 * 4
    assert layers["attend"].turns == 160 * layers["attend"].reuse_factor


def attended(name: str, source: str) -> list[Node]:
    return [
        SpatialSum(f"{name}_sum", (source,)),
        Requantize(f"{name}_mean", (f"{name}_sum",), IMAGE),
        ChannelMul(f"{name}_mul", (source, f"{name}_mean")),
        Requantize(name, (f"{name}_mul",), IMAGE),
    ]


def test_a_skip_across_several_sums_makes_frames_wait() -> None:
    blocks = [Input("image", (), 3, IMAGE), *attended("a", "image"), *attended("b", "a"), *attended("c", "b")]
    chain, skipped = make_graph(blocks, FRAME), make_graph([*blocks, Add("sum", ("c", "image"))], FRAME)
    alone, waiting = designed(chain), designed(skipped)
    assert (alone.passes, waiting.passes) == (1, 3)
    assert waiting.cycles_per_image == 3 * alone.cycles_per_image
    assert "waits 3 frame times" in printed(waiting)


def test_totals_are_sums() -> None:
    found = designed(network(attention=True), reuse_factor=2)
    for whole, parts in (
        (found.resources, [layer.resources for layer in found.layers]),
        (found.counts, [layer.counts for layer in found.layers]),
    ):
        for f in fields(whole):
            assert getattr(whole, f.name) == sum(getattr(part, f.name) for part in parts)
    assert found.usage["lut"] == found.resources.lut / 117120
    assert not found.overflow


def test_constant_factors_by_their_digits() -> None:
    # 85 has four digits: two DSPs; 3 and 5 one adder each; 64 and 0 nothing
    assert by_name(designed(network()))["factor"].resources.dsp == 2


def test_fifos_are_those_that_are_generated() -> None:
    graph = network(attention=True)
    stages = lower(graph, 4)
    found = by_name(estimate(graph, stages, KV260))
    depth = fifo.depths(graph)["attend", 0]
    assert depth > 100  # the frame waits for its sum
    assert found["attend"].counts.fifo_bits == (depth + fifo.PLAIN) * 4 * 8
    shallow = [replace(stage, streams=dict.fromkeys(stage.streams, 2)) for stage in stages]
    plain = by_name(estimate(graph, shallow, KV260))
    blocks = bram18(depth, 32)
    assert found["attend"].resources == plain["attend"].resources + Resources(
        -32, -32, bram18_csynth=blocks, bram18=blocks
    )
    assert found["squeeze"] == plain["squeeze"]


@pytest.mark.parametrize("reuse", [1, 3, 8, 10**6, {"sum": 36}])
def test_stages_are_those_that_the_hls_backend_builds(reuse: Reuse) -> None:
    graph = network(attention=True)
    stages = lower(graph, reuse)
    found = estimate(graph, stages, KV260).layers
    built = [stage for stage in stages if stage.kind != "InputLayer"]
    assert [(stage.name, stage.kind) for stage in built] == [(layer.stage, layer.kind) for layer in found]
    assert [layer.name for layer in found if not layer.name.endswith("_fork")] == [
        node.name
        for node in graph.nodes
        if not isinstance(node, Input) and not node.name.endswith("_q") and node.name != "out"
    ]
    for stage, layer in zip(built, found, strict=True):
        assert layer.reuse_factor == stage.reuse_factor
        if stage.kind == "conv":
            lanes = stage.settings["pe"], stage.settings["simd"]
            height, width, _ = stage.shape
            before = stage.settings["kernel_height"] // 2 * width + stage.settings["kernel_width"] // 2
            assert (layer.pe, layer.simd) == lanes
            assert layer.turns == before + height * width * stage.settings["n_steps"]


@pytest.mark.parametrize(("build", "reuse"), [(grouped_net, 6), (tiny_net, None)])
def test_folding_is_that_of_the_projects_manifest(
    build: Callable[[], IntGraph], reuse: int | None, tmp_path: Path
) -> None:
    graph = build()
    reference = np.zeros((graph.shape(graph.output.name, *graph.frame)), np.int64)
    project = write_project(graph, tmp_path / "p", tiles_for(graph, 1), lambda _: reference, reuse_factor=reuse)
    found = {layer.stage: layer for layer in designed(graph, reuse_factor=reuse or graph.scale**2).layers}
    written = [layer for layer in project.manifest.layers if layer.kind != "InputLayer"]
    assert list(found) == [layer.name for layer in written]
    for layer in written:
        same = found[layer.name]
        lanes = (layer.folding.pe, layer.folding.simd) if layer.folding else (None, None)
        assert (same.pe, same.simd, same.reuse_factor) == (*lanes, layer.reuse_factor)
        height, width, _ = layer.shape
        if layer.kind == "conv":
            assert same.turns // (height * width) == layer.reuse_factor


def test_what_does_not_fit_is_seen() -> None:
    tiny = replace(KV260, part="tiny", lut=100, dsp=1, clock_mhz=50.0)
    found = designed(network(), tiny, reuse_factor=2)
    assert found.overflow == {"lut": found.resources.lut - 100, "dsp": found.resources.dsp - 1}
    assert found.usage["lut"] > 1
    assert found.clock_mhz == 50
    assert as_json(found)["fits"] is False
    assert f"does not fit: short of {found.overflow['lut']:,} lut" in printed(found)


def printed(found: Estimate, width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


def test_eighty_columns_hold_every_figure() -> None:
    found = designed(network(attention=True), image=(22, 36))
    text = printed(found, width=80)
    assert "…" not in text
    for layer in found.layers:
        assert layer.name[:10] in text
    assert f"{found.resources.lut:,}" in text and f"{found.bottleneck.cycles:,}" in text


def test_tables_say_that_they_are_estimates() -> None:
    text = printed(designed(network(attention=True), image=(22, 36)))
    assert " ".join(text.split()).count(NOTE) == 3
    assert "estimate: " in text
    assert "9 tiles an image" in text
    assert "fits, by these estimates" in text
    for name in ("head", "sum", "factor", "gate", "attend", "half"):
        assert name in text


def test_json_round_trip_and_labels() -> None:
    found = designed(network(), reuse_factor=4)
    value = as_json(found)
    assert json.loads(json.dumps(value)) == value
    assert value["kind"] == NOTE
    assert value["estimates"]["fps"] == found.fps
    assert value["estimates"]["per_input_pixel"]["macs"] == 108 + 216 + 24 + 432
    assert len(value["layers"]) == len(found.layers)
    explained = set(FIGURES) | {"usage", "overflow", "cycles_per_image", "interval", "resources", "per_input_pixel"}
    for part in (value, *value["layers"]):
        assert set(part["estimates"]) <= explained
        assert set(part["estimates"]["resources"]) <= set(value["figures"])
    for part in (value, *value["layers"]):
        ranges, figures = (
            part["estimates"]["ranges"],
            part["estimates"]["resources"] | {"cycles": part["estimates"]["cycles"]},
        )
        assert ranges.keys() == figures.keys()
        assert all(low <= figures[name] <= high for name, (low, high) in ranges.items())
        assert ranges["lut"][0] < ranges["lut"][1]
    assert all(figure["error"] for figure in value["figures"].values())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"clock_mhz": 0}, "clock of 0 MHz"),
        ({"image": (0, 5)}, "image of 5x0"),
    ],
)
def test_impossible_requests_are_refused(options: dict[str, Any], complaint: str) -> None:
    graph = network()
    with pytest.raises(HwsrError, match=complaint):
        estimate(graph, lower(graph, 1), KV260, **options)


def test_an_unknown_kernel_is_refused() -> None:
    graph = network()
    stages = [replace(stage, kind="sort") if stage.kind == "upsample_nearest" else stage for stage in lower(graph, 1)]
    with pytest.raises(HwsrError, match=r"'n_anchor'.*'sort'"):
        estimate(graph, stages, KV260)


def test_a_simulated_interval_is_the_rate() -> None:
    graph = network()
    plain = designed(graph, reuse_factor=4)
    slower = estimate(graph, lower(graph, 4), KV260, interval=2.5 * plain.interval)
    assert plain.simulated is None and plain.interval == plain.bottleneck.cycles
    assert slower.interval == slower.simulated == 2.5 * plain.interval
    assert slower.cycles_per_image == ceil(2.5 * plain.interval)
    assert as_json(slower)["simulated"] and "40.0% of the slowest stage's rate" in printed(slower)
