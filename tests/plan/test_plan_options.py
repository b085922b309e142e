"""What can be chosen of a stage, and that it costs what the generated stage is estimated at."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from hwsr.estimate.design import timing_on
from hwsr.estimate.devices import find_device
from hwsr.estimate.layers import estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.hls.lower import lower
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding, Multiplier, Weights, foldings, loops, memories, multipliers, unrollings
from hwsr.plan.options import Choices, Option, choices, cost_of, undominated
from tests.hls.hls_graphs import attention_net, grouped_net, tiny_net

TIMING = timing_on(find_device("kv260"), 200.0, "vitis")


def sampled(found: Choices, rng: np.random.Generator) -> dict[str, Option]:
    """A random option for every node."""
    return {name: own[rng.integers(len(own))] for name, own in found.options.items()}


@pytest.mark.parametrize("build", [attention_net, grouped_net])
def test_options_cost_what_the_stages_that_are_built_cost(build) -> None:
    graph = build()
    found, rng = choices(graph, TIMING), np.random.default_rng(0)
    assert set(found.options) == set(foldings(graph, 1))
    for _ in range(12):
        chosen = sampled(found, rng)
        stages = lower(graph, {name: option.folding for name, option in chosen.items()})
        layers = estimate_layers(graph, stages, TIMING)
        for layer in layers:
            if layer.name in chosen:
                assert (layer.cycles, cost_of(layer.resources)) == (
                    chosen[layer.name].clocks,
                    chosen[layer.name].cost,
                )
        others = [layer for layer in layers if layer.name not in chosen]
        assert cost_of(sum((layer.resources for layer in others), Resources())) == found.fixed
        assert found.slowest is not None
        assert max(layer.cycles for layer in others) == found.slowest.cycles


def every_option(graph: IntGraph, name: str) -> list[Folding]:
    node = next(node for node in graph.nodes if node.name == name)
    work = loops(graph, node)
    return [
        Folding(f.groups, f.outputs, f.simd, multiplier, weights)
        for f in unrollings(work)
        for multiplier in multipliers(node, f.reuse(work) > 1)
        for weights in memories(node, f.reuse(work) > 1)
    ]


def test_what_is_left_out_is_beaten_by_what_is_kept() -> None:
    graph = tiny_net()
    kept = choices(graph, TIMING).options["body"]
    asked = every_option(graph, "body")
    assert len(kept) < len(asked)
    for folding in asked:
        layers = estimate_layers(graph, lower(graph, {"body": folding, "head": 1}), TIMING)
        layer = next(layer for layer in layers if layer.name == "body")
        row = (layer.cycles, *cost_of(layer.resources))
        assert any(all(a <= b for a, b in zip((o.clocks, *o.cost), row, strict=True)) for o in kept)
    for a, b in pairwise(kept):
        assert a.clocks <= b.clocks


def test_products_may_be_of_dsps_or_luts_where_they_share_multipliers() -> None:
    graph = attention_net()
    nodes = {node.name: node for node in graph.nodes}
    assert multipliers(nodes["head"], shared=True) == (Multiplier.DSP, Multiplier.LUT)
    # constants, ternary weights and attention's products leave no choice
    assert multipliers(nodes["head"], shared=False) == (Multiplier.ANY,)
    assert multipliers(nodes["sp.1x1"], shared=True) == (Multiplier.ANY,)
    assert multipliers(nodes["ca.mul"], shared=True) == (Multiplier.ANY,)


def test_weights_may_be_in_luts_instead_of_block_ram() -> None:
    graph = tiny_net()
    nodes = {node.name: node for node in graph.nodes}
    assert memories(nodes["body"], shared=False) == (Weights.ANY,)
    found = choices(graph, TIMING).options["body"]
    in_luts = [option for option in found if option.folding.weights is Weights.LUT]
    work = loops(graph, nodes["body"])
    assert in_luts
    for option in in_luts:
        layers = {
            weights: next(
                layer
                for layer in estimate_layers(
                    graph, lower(graph, {"body": replace(option.folding, weights=weights), "head": 1}), TIMING
                )
                if layer.name == "body"
            )
            for weights in Weights
        }
        block, lut = layers[Weights.ANY].resources, layers[Weights.LUT].resources
        words = -(-option.folding.pe * option.folding.simd // 8)
        assert 0 < block.bram18 - lut.bram18 <= 2 * words
        assert 0 < lut.lut - block.lut <= words * 64 * -(-option.folding.reuse(work) // 64)
        assert layers[Weights.ANY].cycles == layers[Weights.LUT].cycles == option.clocks


def test_bound_multipliers_leave_no_doubt_about_dsps() -> None:
    graph = tiny_net()
    found = {}
    for unit in Multiplier:
        folding = Folding(1, 4, 9, unit)
        layers = estimate_layers(graph, lower(graph, {"body": folding, "head": 1}), TIMING)
        found[unit] = next(layer for layer in layers if layer.name == "body")
    assert found[Multiplier.DSP].ranges["dsp"] == (36, 36)
    assert found[Multiplier.LUT].ranges["dsp"] == (0, 0)
    assert found[Multiplier.ANY].ranges["dsp"] == (0, 36)
    assert found[Multiplier.ANY].resources == found[Multiplier.LUT].resources
    assert found[Multiplier.DSP].resources.lut < found[Multiplier.LUT].resources.lut
    for layer in found.values():
        for f in fields(Resources):
            low, high = layer.ranges[f.name]
            assert low <= getattr(layer.resources, f.name) <= high


def test_equal_options_are_kept_once() -> None:
    same = [Option(Folding(1, 1, 1), 4, (1, 1, 1, 1)), Option(Folding(1, 1, 2), 4, (1, 1, 1, 1))]
    worse = Option(Folding(1, 2, 1), 4, (1, 2, 1, 1))
    faster = Option(Folding(1, 2, 2), 2, (1, 2, 1, 1))
    assert undominated([*same, worse, faster]) == (faster, same[0])
