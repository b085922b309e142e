"""What affine rescaling adds to convolutions, and takes in stages of its own."""

from dataclasses import replace

import numpy as np
import pytest

from hwsr.estimate import rescaling
from hwsr.estimate.design import estimate
from hwsr.estimate.devices import find_device
from hwsr.estimate.fabric import ULTRASCALE_PLUS, Timing, dsps
from hwsr.estimate.layers import Layer, estimate_layers
from hwsr.hls.fifo import IN_FLIGHT, IN_RESCALING
from hwsr.hls.lower import lower
from hwsr.ir.check import make_graph
from hwsr.ir.graph import IntGraph, QType, Requantize, Rescale
from hwsr.ir.stages import Reuse
from tests.hls.affine_graphs import affine_net

TIMING = Timing(ULTRASCALE_PLUS, "vitis", 5.0)


def layers(graph: IntGraph, reuse: Reuse, timing: Timing = TIMING) -> dict[str, Layer]:
    return {layer.name: layer for layer in estimate_layers(graph, lower(graph, reuse), timing)}


def without_rescaling(graph: IntGraph, name: str) -> IntGraph:
    """The network up to a convolution, whose sums end with a shift."""
    at = next(i for i, node in enumerate(graph.nodes) if node.name == name)
    return make_graph([*graph.nodes[: at + 1], Requantize("q", (name,), QType(8, True, -9))], graph.frame)


@pytest.mark.parametrize("reuse", [1, 6, 54])
def test_every_sum_of_a_convolution_has_a_multiplier_of_two_or_four_dsps(reuse: int) -> None:
    graph = affine_net()
    affine, fixed = (layers(each, {"head": reuse})["head"] for each in (graph, without_rescaling(graph, "head")))
    settings = next(stage for stage in lower(graph, {"head": reuse}) if stage.makes == "head.r.o").settings
    assert affine.pe == fixed.pe == settings["pe"]
    each = dsps(settings["operand_bits"], 32)
    assert each in (2, 4)
    assert affine.resources.dsp == fixed.resources.dsp + affine.pe * each
    assert affine.turns == fixed.turns and affine.cycles > fixed.cycles
    assert affine.resources.lut > fixed.resources.lut and affine.resources.ff > fixed.resources.ff
    pixels = graph.frame[0] * graph.frame[1]
    assert affine.counts.multiplications == fixed.counts.multiplications + 6 * pixels


def test_a_stage_of_its_own_shares_multipliers() -> None:
    graph = affine_net()
    alone, shared = (layers(graph, {"skip.r": clocks})["skip.r"] for clocks in (1, 3))
    pixels = graph.frame[0] * graph.frame[1]
    assert (alone.turns, shared.turns) == (pixels, 3 * pixels)
    assert alone.resources.dsp == 3 * shared.resources.dsp == 6 * dsps(28, 32)
    settings = next(stage for stage in lower(graph, {"skip.r": 3}) if stage.makes == "skip.r.o").settings
    assert rescaling.memories(settings, 2, 3) == ((3, 36),) * 2 and rescaling.memories(settings, 6, 1) == ()


@pytest.mark.parametrize("clock_ns", [10.0, 5.0, 2.5])
def test_the_pipelines_are_no_deeper_than_streams_allow_for(clock_ns: float) -> None:
    graph, timing = affine_net(), replace(TIMING, clock_ns=clock_ns)
    rescales = [node.name for node in graph.nodes if isinstance(node, Rescale)]
    for reuse in (1, 4):
        for layer in layers(graph, reuse, timing).values():
            fused = IN_RESCALING if layer.kind == "conv" else 0
            assert layer.cycles - layer.turns <= IN_FLIGHT + fused
    assert len(rescales) > 6
    for stage in lower(graph, 4):
        if rescaling.rescales(stage.settings):
            assert 3 < rescaling.depth(stage.settings, timing) <= IN_RESCALING


def test_a_whole_network_has_a_price() -> None:
    graph = affine_net()
    made = estimate(graph, lower(graph, 4), find_device("kv260"))
    assert made.resources.dsp > 0 and not made.overflow
    assert np.isfinite(made.cycles_per_image)
