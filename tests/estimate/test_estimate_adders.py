"""Adder graphs in an estimate, held against the graphs themselves and against the folded form of the same layer."""

from dataclasses import replace

import numpy as np
import pytest

from hwsr.adders.which import Which
from hwsr.estimate.adders import RANGE, luts, priced
from hwsr.estimate.design import estimate
from hwsr.estimate.devices import find_device
from hwsr.estimate.layers import Layer
from hwsr.hls.lower import lower
from hwsr.ir.adder_graph import proved
from hwsr.ir.check import make_graph
from hwsr.ir.graph import IntGraph
from tests.hls.batch import graphs_of
from tests.hls.hls_graphs import Net

KV260 = find_device("kv260")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def ternary_net(bits: int = 2, bias: bool = False) -> IntGraph:
    net = Net((20, 30), channels=6)
    net.layer("c", "x", 8, bits=bits, spread=0, bias=bias)
    return make_graph(net.nodes, net.frame)


def layers_of(graph: IntGraph, which: Which) -> tuple[Layer, Layer | None]:
    """The one layer's estimate, and its adder graph."""
    adders = graphs_of(graph, 1, which)
    (layer,) = estimate(graph, lower(graph, 1, adders), KV260).layers
    return layer, adders.get("c")


def test_a_bit_of_an_adder_is_a_lut() -> None:
    sums, outputs = np.array([[0, 0, 1, 0, 1]]), np.array([[2, 0, 1], [2, 0, -1]])
    graph = proved(sums, outputs, np.array([[1, -1], [1, -1]]), np.array([0, 0]), np.array([15, 15]))
    assert luts(graph) == 4 + 5
    found = priced(graph, 3)
    assert (found.value.lut, found.value.lut_csynth, found.value.ff) == (9, 9, 5)
    assert (found.least.lut, found.most.lut) == (round(9 * RANGE[0]), round(9 * RANGE[1]))


@pytest.mark.parametrize("bits", [2, 8])
def test_the_graph_is_counted_and_nothing_is_multiplied(bits: int) -> None:
    graph = ternary_net(bits)
    (folded, _), (layer, adders) = layers_of(graph, Which.NONE), layers_of(graph, Which.ALL)
    assert (folded.kind, layer.kind) == ("conv", "adder_conv")
    pixels = 20 * 30
    assert layer.counts.additions == pixels * len(adders.sums)
    assert layer.counts.multiplications == layer.resources.dsp == layer.priced.most.dsp == 0
    assert layer.counts.line_buffer_bits == folded.counts.line_buffer_bits
    assert layer.turns == folded.turns and layer.reuse_factor == 1
    # The law of the folded form takes 0.6 of csynth's sums; the graph is a third to two thirds as many, and whole.
    assert layer.resources.lut > luts(adders)
    assert layer.resources.lut_csynth < folded.resources.lut_csynth
    low, high = layer.ranges["lut"]
    assert low < layer.resources.lut < high


def test_biases_are_adders_too() -> None:
    plain, biased = ternary_net(), ternary_net(bias=True)
    (without, adders), (layer, _) = layers_of(plain, Which.TERNARY), layers_of(biased, Which.TERNARY)
    assert layer.counts.additions == 20 * 30 * (len(adders.sums) + 8)
    assert layer.resources.lut_csynth > without.resources.lut_csynth


def test_the_pipeline_is_as_deep_as_the_graph() -> None:
    graph = ternary_net()
    adders = graphs_of(graph, 1)
    depth = int(adders["c"].depth.max())
    fast, slow = (
        estimate(graph, lower(graph, 1, adders), replace(KV260, clock_mhz=mhz)).layers[0] for mhz in (500, 50)
    )
    assert fast.cycles - fast.turns > slow.cycles - slow.turns >= 5 + 1
    assert fast.cycles - fast.turns <= 5 + depth
    assert fast.resources.ff > slow.resources.ff
