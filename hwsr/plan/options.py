"""How every stage that multiplies could be built, and what each way takes: the choices that a plan is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np

from hwsr.errors import HwsrError
from hwsr.estimate.adders import luts
from hwsr.estimate.fabric import Timing
from hwsr.estimate.layers import Layer, estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.hls import adder_graph
from hwsr.hls.fifo import with_depths
from hwsr.hls.lower import MAX_CLOCKS, identifiers, lower, refolded
from hwsr.ir.graph import IntGraph, Node
from hwsr.ir.stages import Folding, Loops, Stage, loops, memories, multipliers, unrollings
from hwsr.plan.adders import Summed

# An amount of each of `hwsr.estimate.devices.KINDS`, after logic synthesis.
Cost = tuple[int, int, int, int]


@dataclass(frozen=True)
class Option:
    """One way to build a stage: its folding, the clocks from one frame to the next, and what it takes.

    summed: an adder graph in the place of its products, whose cost is expected or found.
    """

    folding: Folding
    clocks: int
    cost: Cost
    summed: Summed | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Choices:
    """options: of each node that multiplies, by name, none of them worse than another in everything.

    fixed: what all other stages take, FIFOs into them included; slowest: the one of them that needs most clocks.
    """

    options: Mapping[str, tuple[Option, ...]]
    fixed: Cost
    slowest: Layer | None

    @property
    def least_clocks(self) -> int:
        """Clocks a frame of the stage that is slowest when everything is as fast as it can be."""
        fixed = self.slowest.cycles if self.slowest else 0
        return max([fixed, *(min(option.clocks for option in own) for own in self.options.values())])


def choices(
    graph: IntGraph,
    timing: Timing,
    depths: Mapping[str, int] | None = None,
    summed: Mapping[str, Summed] | None = None,
) -> Choices:
    """All that can be chosen for hardware that works on the graph's frame.

    depths: of every stream that is read, by default the lowering's. summed: adder graphs, by the convolution's name,
    that may take the place of its products where it takes one clock a pixel.
    Raises HwsrError as `lower` does.
    """
    stages = lower(graph, graph.scale**2)
    stages = stages if depths is None else with_depths(stages, depths)
    names = {identifier: name for name, identifier in identifiers(graph).items()}
    nodes = {node.name: node for node in graph.nodes}
    variants: list[tuple[str, Stage, Summed | None]] = []
    others: list[Stage] = []
    for stage in stages:
        if stage.folding is None:
            others.append(stage)
            continue
        name = names[stage.name]
        work = loops(graph, nodes[name])
        variants += [(name, variant, None) for variant in _variants(stage, nodes[name], work)]
        if summed and name in summed:
            variants.append((name, _of_sums(stage, name, work, summed[name]), summed[name]))
    priced = estimate_layers(graph, stages, timing, of=[variant for _, variant, _ in variants])
    found: dict[str, list[Option]] = {}
    for (name, variant, adders), layer in zip(variants, priced, strict=True):
        assert variant.folding is not None
        cost = cost_of(layer.resources)
        if adders:
            cost = (cost[0] - round((1 - adders.share) * luts(adders.graph)), *cost[1:])
        found.setdefault(name, []).append(Option(variant.folding, layer.cycles, cost, adders))
    fixed = estimate_layers(graph, stages, timing, of=others)
    return Choices(
        {name: undominated(own) for name, own in found.items()},
        cost_of(sum((layer.resources for layer in fixed), Resources())),
        max(fixed, key=lambda layer: layer.cycles, default=None),
    )


def _of_sums(stage: Stage, name: str, work: Loops, summed: Summed) -> Stage:
    """The stage with an adder graph in the place of its products."""
    unfolded = refolded(stage, work, Folding(work.groups, work.outputs, work.products))
    settings = adder_graph.settings(name, unfolded.settings, summed.graph)
    return replace(unfolded, kind="adder_conv", settings=settings, adders=summed.graph)


def _variants(stage: Stage, node: Node, work: Loops) -> Iterator[Stage]:
    """The stage with every folding, and with everything that may make its products and keep its weights."""
    possible = [folding for folding in unrollings(work) if prod(stage.shape[:2]) * folding.reuse(work) <= MAX_CLOCKS]
    if not possible:
        raise HwsrError(f"node '{node.name}': no counter holds the clocks of a frame; take a smaller --out")
    for folding in possible:
        shared = folding.reuse(work) > 1
        for multiplier, weights in product(multipliers(node, shared), memories(node, shared)):
            yield refolded(stage, work, replace(folding, multiplier=multiplier, weights=weights))


def cost_of(resources: Resources) -> Cost:
    return resources.lut, resources.ff, resources.dsp, resources.bram18


def undominated(options: Sequence[Option]) -> tuple[Option, ...]:
    """Those that no other beats in clocks and in every resource; of equals the first, by clocks."""
    ordered = sorted(options, key=lambda option: (option.clocks, option.cost))
    table = np.array([(option.clocks, *option.cost) for option in ordered])
    kept: list[int] = []
    for i, row in enumerate(table):
        # In this order nothing later beats a row but an equal one.
        if not (table[kept] <= row).all(axis=1).any():
            kept.append(i)
    return tuple(ordered[i] for i in kept)
