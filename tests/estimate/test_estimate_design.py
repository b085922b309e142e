"""Whole networks, counted by hand."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from rich.console import Console

from hwsr.errors import HwsrError
from hwsr.estimate.design import DEFAULT_DEPTH, Estimate, estimate
from hwsr.estimate.devices import find_device
from hwsr.estimate.figures import FIGURES, NOTE
from hwsr.estimate.layers import Counts
from hwsr.estimate.resources import Resources
from hwsr.estimate.show import as_json, render
from hwsr.hls import fifo
from hwsr.hls.lower import lower
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


def test_counts_are_exact() -> None:
    counts = {layer.name: layer.counts for layer in estimate(network(), KV260).layers}
    pixels, depth = 160, DEFAULT_DEPTH
    assert counts["head"] == Counts(
        macs=pixels * 108,
        additions=pixels * 108,  # 27 products and a bias make 27 additions, in each of 4 channels
        multiplications=pixels * 108,
        weight_bits=108 * 8,
        line_buffer_bits=2 * 18 * 3 * 8,
        fifo_bits=depth * 3 * 8,
    )
    # channel 0 is zero, channel 1 has the nine weights of one input channel, the others 36; no bias
    assert counts["sum"] == Counts(
        macs=pixels * 216,
        additions=pixels * (0 + 8 + 4 * 35),
        multiplications=0,
        weight_bits=216 * 2,
        line_buffer_bits=2 * 18 * 4 * 8,
        fifo_bits=depth * 4 * 8,
    )
    sum_bits = network().tensors["sum"].type.bits
    assert counts["factor"] == Counts(multiplications=pixels * 6, weight_bits=48, fifo_bits=depth * 6 * sum_bits)
    # three of six weights, and a bias
    assert counts["mix"].additions == pixels * 4 * 3
    assert counts["mix"].line_buffer_bits == 0
    assert counts["skip"] == Counts(additions=pixels * 4, fifo_bits=2 * depth * 4 * 8)
    assert counts["shuffle"] == Counts(line_buffer_bits=16 * 6 * 8, fifo_bits=depth * 12 * 8)
    assert counts["anchor"] == Counts(line_buffer_bits=16 * 3 * 8, fifo_bits=depth * 3 * 8)
    assert counts["half"].additions == 4 * pixels * 3


def test_cycles_and_rate() -> None:
    found = estimate(network(), KV260, clock_mhz=100, reuse_factor=4)
    cycles = {layer.name: layer.cycles for layer in found.layers}
    assert cycles["head"] == 12 * 18 * (4 + 5) + 1
    assert cycles["sum"] == 12 * 18 * (4 + 5) + 1
    assert cycles["mix"] == 160 * (4 + 5) + 1
    assert cycles["factor"] == 160 * 3 + 2
    assert cycles["shuffle"] == cycles["anchored"] == cycles["half"] == 640 + 2
    assert found.bottleneck.name == "head"
    assert found.fps == pytest.approx(100e6 / 1945)
    assert (found.tiles, found.passes, found.overlap) == (1, 1, 1.0)


def test_a_frame_of_another_size_streams_whole() -> None:
    found = estimate(network(), KV260, image=(180, 320))
    assert found.frame == (180, 320)
    assert found.bottleneck.name == "shuffle"  # unrolled, nothing is slower than four output pixels an input pixel
    assert found.cycles_per_image == 4 * 180 * 320 + 2
    assert {layer.name: layer for layer in found.layers}["sum"].cycles == 182 * 322 * 3 + 2


def test_attention_works_by_tiles() -> None:
    graph = network(attention=True)
    found = estimate(graph, KV260, image=(22, 36), reuse_factor=4)
    # radius 3, but a quarter of the 10 x 16 frame at most: halo 2, so 10 covers 6 more rows a tile
    assert found.frame == FRAME
    assert found.tiles == 3 * 3
    assert found.overlap == pytest.approx(9 * 160 / (22 * 36))
    assert found.cycles_per_image == 9 * found.bottleneck.cycles
    layers = {layer.name: layer for layer in found.layers}
    assert layers["pool"].counts.additions == 160 * 4
    assert layers["pool"].cycles == 162
    assert layers["squeeze"].counts.macs == 16
    assert layers["squeeze"].resources.dsp == 1
    assert layers["gate"].cycles == 4 + 2
    assert layers["gate"].counts.weight_bits == 256 * 8
    assert layers["attend"].counts.multiplications == 160 * 4


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
    alone, waiting = estimate(chain, KV260), estimate(skipped, KV260)
    assert (alone.passes, waiting.passes) == (1, 3)
    assert waiting.cycles_per_image == 3 * alone.cycles_per_image
    assert "waits 3 frame times" in printed(waiting)


def test_totals_are_sums() -> None:
    found = estimate(network(attention=True), KV260, reuse_factor=2)
    for whole, parts in (
        (found.resources, [layer.resources for layer in found.layers]),
        (found.counts, [layer.counts for layer in found.layers]),
    ):
        for f in fields(whole):
            assert getattr(whole, f.name) == sum(getattr(part, f.name) for part in parts)
    assert found.usage["lut"] == found.resources.lut / 117120
    assert not found.overflow


def test_constant_factors_by_their_digits() -> None:
    layers = {layer.name: layer for layer in estimate(network(), KV260).layers}
    # 85 has four digits: two DSPs; 3 and 5 one adder each; 64 and 0 nothing
    assert layers["factor"].resources.dsp == 2


def test_fifos_are_counted_where_they_are() -> None:
    graph = network()
    plain, deep = estimate(graph, KV260), estimate(graph, KV260, fifo_depths={("skip", 1): 100})
    before, after = ({layer.name: layer for layer in found.layers} for found in (plain, deep))
    assert after["skip"].counts.fifo_bits == (100 + DEFAULT_DEPTH) * 4 * 8
    assert after["skip"].resources == before["skip"].resources + Resources(-32, -32, 0, 0, 1)
    assert after["tail"] == before["tail"]


@pytest.mark.parametrize("reuse", [1, 3, 8, 10**6])
def test_stages_are_those_that_the_hls_backend_builds(reuse: int) -> None:
    graph = network(attention=True)
    found = estimate(graph, KV260, reuse_factor=reuse, fifo_depths=fifo.depths(graph))
    built = [stage for stage in lower(graph, reuse) if not stage.helper and stage.kind != "InputLayer"]
    assert [stage.reuse_factor for stage in built] == [layer.reuse_factor for layer in found.layers]
    assert [stage.name for stage in built] == [f"n_{layer.name}" for layer in found.layers]


def test_reuse_factors_by_name() -> None:
    graph = network()
    found = {layer.name: layer for layer in estimate(graph, KV260, reuse_factor={"sum": 36}).layers}
    assert (found["sum"].reuse_factor, found["head"].reuse_factor) == (36, 1)


def test_what_does_not_fit_is_seen() -> None:
    tiny = replace(KV260, part="tiny", lut=100, dsp=1, clock_mhz=50.0)
    found = estimate(network(), tiny, reuse_factor=2)
    assert found.overflow == {"lut": found.resources.lut - 100, "dsp": found.resources.dsp - 1}
    assert found.usage["lut"] > 1
    assert found.clock_mhz == 50
    assert as_json(found)["fits"] is False
    assert f"does not fit: short of {found.overflow['lut']:,} lut" in printed(found)


def printed(found: Estimate) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


def test_tables_say_that_they_are_estimates() -> None:
    text = printed(estimate(network(attention=True), KV260, image=(22, 36)))
    assert text.count(NOTE) == 2
    assert "estimate: " in text
    assert "9 tiles an image" in text
    assert "fits, by these estimates" in text
    for name in ("head", "sum", "factor", "gate", "attend", "half"):
        assert name in text


def test_json_round_trip_and_labels() -> None:
    found = estimate(network(), KV260, reuse_factor=4)
    value = as_json(found)
    assert json.loads(json.dumps(value)) == value
    assert value["kind"] == NOTE
    assert value["estimates"]["fps"] == found.fps
    assert value["estimates"]["per_input_pixel"]["macs"] == 108 + 216 + 24 + 432
    assert len(value["layers"]) == len(found.layers)
    explained = set(FIGURES) | {"usage", "overflow", "cycles_per_image", "resources", "per_input_pixel"}
    for part in (value, *value["layers"]):
        assert set(part["estimates"]) <= explained
        assert set(part["estimates"]["resources"]) <= set(value["figures"])
    assert all(figure["error"] for figure in value["figures"].values())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"clock_mhz": 0}, "clock of 0 MHz"),
        ({"image": (0, 5)}, "image of 0x5"),
        ({"reuse_factor": 0}, "reuse factor 0"),
        ({"reuse_factor": {"nowhere": 2}}, "'nowhere'"),
        ({"fifo_depths": {("skip", 2): 4}}, "input 2 of 'skip'"),
        ({"fifo_depths": {("skip", 1): 0}}, "FIFO depth 0 into 'skip'"),
    ],
)
def test_impossible_requests_are_refused(options: dict, complaint: str) -> None:
    with pytest.raises(HwsrError, match=complaint):
        estimate(network(), KV260, **options)
