"""Why a plan is what it is: its bottleneck and scarcest resource, and what would relieve them, each planned anew."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from hwsr.estimate.adders import luts
from hwsr.estimate.design import count_tiles
from hwsr.estimate.devices import KINDS, devices
from hwsr.estimate.layers import estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.hls.convolution import weight_bits
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, IntGraph
from hwsr.ir.stages import Multiplier, Weights, is_ternary
from hwsr.ir.tiling import on_frame
from hwsr.plan.adders import expected
from hwsr.plan.design import Planned, Target, outline, plan_at, with_default_fifos
from hwsr.plan.search import cheapest, shares

# How much faster a clock, and how many bits less, are tried as a relief.
FASTER_CLOCK, FEWER_BITS = 1.5, 4
# A rate is the next one where it is so much faster; the pixels before a frame's first one make smaller differences.
NOTICED = 0.02
# Stages named as those that take most of the scarcest resource.
NAMED = 3


@dataclass(frozen=True)
class Fact:
    """A sentence of estimates, and the figures in it."""

    what: str
    text: str
    figures: dict[str, Any]


def explain(graph: IntGraph, planned: Planned) -> tuple[Fact, ...]:
    """graph: the network, on its own frame. What is planned anew for it keeps this plan's adder graphs."""
    default = planned if planned.depths is None else with_default_fifos(planned)
    facts = [
        _pace(planned),
        *_fifos(planned, default),
        _scarcest(planned),
        *_next_rate(planned),
        *_units(planned),
        *_weights(planned),
        *_sums(planned),
        *_tiles(planned),
    ]
    if planned.too_slow:
        facts.append(_clock_that_is_fast_enough(planned))
    facts += _relieved(graph, planned, default)
    if not planned.met:
        facts += _what_would_fit(graph, planned)
    return tuple(facts)


def shortfalls(planned: Planned) -> dict[str, float]:
    """What the target is short of, by how much: the clock in MHz, and resources by name; images a second where FIFOs
    alone cost the rate; empty when it is met.
    """
    if planned.target.fps and not planned.met and not planned.too_slow and not planned.overflow:
        return {"fps": planned.target.fps - planned.estimate.fps}
    clock = {"clock_mhz": _clock_needed(planned) - planned.target.clock_mhz} if planned.too_slow else {}
    return clock | planned.overflow


def describe_shortfall(planned: Planned) -> str:
    """One line."""
    target, device = planned.target, planned.target.device
    of = {kind: f" ({taken:,} of {getattr(device, kind):,})" for kind, taken in planned.taken.items()}
    units = {"clock_mhz": "MHz of clock", "fps": "images a second"}
    short = [
        f"{missing:.1f} {units[kind]}" if kind in units else f"{missing:,} {kind}{of[kind]}"
        for kind, missing in shortfalls(planned).items()
    ]
    slow = (
        f": no folding makes {target.fps:g} images a second at {target.clock_mhz:g} MHz;" if planned.too_slow else " is"
    )
    return f"{device.part} ({device.board}){slow} short of {', '.join(short)} (estimate)"


def scarcest(planned: Planned) -> str:
    """The resource of which the plan takes the largest share."""
    return max(planned.usage, key=lambda kind: planned.usage[kind])


def _pace(planned: Planned) -> Fact:
    found = planned.estimate
    slowest, rest = found.bottleneck, [layer for layer in found.layers if layer.cycles == found.bottleneck.cycles]
    others = f" and {len(rest) - 1} more as slow" if len(rest) > 1 else ""
    asked = (
        f" of {planned.budget:,} that {planned.target.fps:g} images a second leave"
        if planned.budget is not None
        else ""
    )
    how = (
        f"{slowest.pe * slowest.simd} products a clock, {slowest.reuse_factor} clocks a pixel"
        if slowest.pe and slowest.simd
        else "one word a clock, which no folding changes"
    )
    return Fact(
        "pace",
        f"{slowest.name}{others}: {slowest.cycles:,} clocks a frame{asked} ({how}); {found.fps:,.1f} images a second",
        {
            "stages": [layer.name for layer in rest],
            "clocks": slowest.cycles,
            "budget": planned.budget,
            "fps": found.fps,
        },
    )


def _scarcest(planned: Planned) -> Fact:
    kind, found = scarcest(planned), planned.estimate
    most = sorted(found.layers, key=lambda layer: getattr(layer.resources, kind), reverse=True)[:NAMED]
    amounts = {layer.name: getattr(layer.resources, kind) for layer in most}
    named = ", ".join(f"{name} {amount:,}" for name, amount in amounts.items())
    return Fact(
        "scarcest",
        f"{kind}: {planned.taken[kind]:,}, {planned.usage[kind]:.1%} of the device; most of it in {named}",
        {"resource": kind, "share": planned.usage[kind], "stages": amounts},
    )


def _fifos(planned: Planned, default: Planned) -> Iterator[Fact]:
    """What shallow FIFOs cost of the rate, and what deeper ones would take."""
    if planned.interval is None or planned.interval <= (1 + NOTICED) * planned.estimate.bottleneck.cycles:
        return
    fps = planned.estimate.fps * planned.interval / planned.estimate.bottleneck.cycles
    text = f"their depths, not a stage, set the rate: the slowest stage alone would make {fps:,.1f} images a second"
    figures: dict[str, Any] = {"fps_of_slowest_stage": fps}
    if default is not planned:
        text += f"; the same foldings with default FIFOs make {_made(default)}"
        figures["default"] = _figures(default)
    yield Fact("FIFOs", text, figures)


def _next_rate(planned: Planned) -> Iterator[Fact]:
    """What the next faster pace would take."""
    found, device = planned.estimate, planned.target.device
    pace, least = found.bottleneck.cycles, planned.choices.least_clocks
    noticed = (1 - NOTICED) * pace
    if least > noticed:
        slowest = planned.choices.slowest
        fixed = slowest is not None and slowest.cycles > noticed
        name = slowest.name if slowest and fixed else found.bottleneck.name
        why = "moves a word a clock" if fixed else f"takes {least:,} clocks a frame unfolded"
        yield Fact(
            "next rate",
            f"no folding is faster: {name} {why}; only a faster clock is, {found.fps:.1f} now",
            {"stage": name},
        )
        return
    faster = [option.clocks for own in planned.choices.options.values() for option in own if option.clocks < noticed]
    selection = cheapest(planned.choices, device, max([*faster, least]))
    assert selection is not None
    clocks = selection.clocks(planned.choices)
    fps = found.fps * found.interval / clocks
    share = dict(zip(KINDS, map(float, shares(selection.total, device)), strict=True))
    taken = ", ".join(f"{kind} {value:.1%}" for kind, value in share.items())
    unfolded = [name for name, option in planned.selection.options.items() if option.clocks > clocks]
    more = f" and {len(unfolded) - 1} more" if len(unfolded) > 1 else ""
    deeper = ", and deeper FIFOs, which are not counted" if planned.depths else ""
    text = f"{fps:,.1f} images a second, with {unfolded[0]}{more} unfolded further, would take {taken}{deeper}"
    yield Fact("next rate", text, {"fps": fps, "shares": share, "stages": unfolded})


def _units(planned: Planned) -> Iterator[Fact]:
    """What the stage with most shared multipliers would take with all of them of the other kind."""
    bound = {name: o for name, o in planned.selection.options.items() if o.folding.multiplier is not Multiplier.ANY}
    if not bound:
        return
    name = max(bound, key=lambda name: bound[name].folding.pe * bound[name].folding.simd)
    option = bound[name]
    other = Multiplier.LUT if option.folding.multiplier is Multiplier.DSP else Multiplier.DSP
    same = [o for o in planned.choices.options[name] if o.folding == replace(option.folding, multiplier=other)]
    for alternative in same:
        change = dict(zip(KINDS, (b - a for a, b in zip(option.cost, alternative.cost, strict=True)), strict=True))
        changes = ", ".join(f"{amount:+,} {kind}" for kind, amount in change.items() if amount)
        count = option.folding.pe * option.folding.simd
        text = f"{name} has {count} multipliers of {option.folding.multiplier.name}s; of {other.name}s: {changes}"
        yield Fact("unit", text, {"stage": name, "multipliers": count, "change": change})


def _weights(planned: Planned) -> Iterator[Fact]:
    """What weights in LUTs save."""
    kept = [name for name, folding in planned.foldings.items() if folding.weights is Weights.LUT]
    if not kept:
        return
    elsewhere = {name: replace(folding, weights=Weights.ANY) for name, folding in planned.foldings.items()}
    stages = replace(planned.hardware, reuse=elsewhere).stages(planned.graph, planned.depths)
    layers = estimate_layers(planned.graph, stages, planned.hardware.timing)
    other, own = sum((layer.resources for layer in layers), Resources()), planned.estimate.resources
    change = {"lut": other.lut - own.lut, "bram18": other.bram18 - own.bram18}
    text = f"{len(kept)} stages keep their weights in LUTs; as HLS chooses: "
    text += ", ".join(f"{amount:+,} {kind}" for kind, amount in change.items())
    yield Fact("weights", text, {"stages": kept, "change": change})


def _sums(planned: Planned) -> Iterator[Fact]:
    """The adder graphs, and what a bound in time has cost, also of those that were not worth it for that."""
    solved = planned.sharing.solved
    if not solved:
        return
    found = [name for name in planned.adders if name in solved]
    adders = sum(len(solved[name].graph.sums) for name in found)
    unshared = sum(solved[name].unshared for name in found)
    text = f"{len(found)} convolutions are adder graphs of {adders:,} adders, {unshared:,} without sharing"
    figures: dict[str, Any] = {"stages": found, "adders": adders, "unshared": unshared}
    cut = [name for name, each in solved.items() if not each.complete]
    if cut:
        hoped = expected(planned.graph)
        taken = sum(luts(solved[name].graph) for name in cut)
        least = sum(round(luts(hoped[name].graph) * hoped[name].share) for name in cut)
        refused = len(set(cut) - set(found))
        text += (
            f"; in {planned.sharing.seconds:g} s each, {len(cut)} were not all shared: {taken:,} LUTs where about "
            f"{least:,} are expected without that bound (--adder-seconds); {refused} of these are built otherwise"
        )
        figures |= {"cut_short": cut, "lut": taken, "lut_expected": least}
    yield Fact("adders", text, figures)


def _tiles(planned: Planned) -> Iterator[Fact]:
    """What the halos of tiles cost, and would cost were the tiles of a network with a spatial sum twice as large."""
    found, graph = planned.estimate, planned.graph
    if found.tiles == 1:
        return
    height, width = found.frame
    text = f"{found.tiles} of {width}x{height} an image take {found.overlap:.2f} times its pixels"
    figures = {"tiles": found.tiles, "overlap": found.overlap}
    if graph.fixed_frame:
        larger = replace(graph, frame=(2 * height, 2 * width))
        overlap = count_tiles(larger, found.image) * 4 * height * width / (found.image[0] * found.image[1])
        text += f"; exported with --frame {2 * width}x{2 * height}, {overlap:.2f} times"
        figures["overlap_of_larger"] = overlap
    yield Fact("tiles", text, figures)


def _clock_needed(planned: Planned) -> float:
    """MHz at which the fastest foldings would make the rate; depths of pipelines are taken as they are."""
    assert planned.target.fps is not None
    return planned.target.fps * planned.estimate.tiles * planned.choices.least_clocks / 1e6


def _clock_that_is_fast_enough(planned: Planned) -> Fact:
    clock = ceil(_clock_needed(planned))
    return Fact("clock", f"{planned.target.fps:g} images a second need {clock} MHz at least", {"clock_mhz": clock})


def _relieved(graph: IntGraph, planned: Planned, default: Planned) -> Iterator[Fact]:
    """The same target with fewer bits in the heaviest stage, with fewer in all, and by a faster clock, where that is
    better than the plan both with its own FIFOs and with default ones.
    """
    kind, found = scarcest(planned), planned.estimate
    wide = {node.name for node in graph.nodes if isinstance(node, Conv) and _narrows(node)}
    heaviest = max(
        (layer for layer in found.layers if layer.name in wide),
        key=lambda layer: getattr(layer.resources, kind),
        default=None,
    )
    trials: list[tuple[str, IntGraph, Target]] = []
    if heaviest is not None:
        trials.append(
            (f"{heaviest.name} at {FEWER_BITS}-bit weights", narrowed(graph, {heaviest.name}), planned.target)
        )
        trials.append((f"all weights at {FEWER_BITS} bits", narrowed(graph, wide), planned.target))
    clock = planned.target.clock_mhz * FASTER_CLOCK
    trials.append((f"a clock of {clock:g} MHz", graph, replace(planned.target, clock_mhz=clock)))
    for what, changed, target in trials:
        other = outline(changed, target, planned)
        if not other.met and found.tiles > 1:
            other = plan_at(on_frame(changed, planned.graph.frame), target, planned.sharing)
        if _relieves(other, kind, planned, default):
            yield Fact("relief", f"{what}: {_outcome(other)}", {"what": what} | _figures(other))


def _relieves(other: Planned, kind: str, planned: Planned, default: Planned) -> bool:
    """It meets the target where the plan does not, is faster, or takes less of the scarcest resource or of all."""
    if other.too_slow:
        return False
    plans = planned, default
    faster = other.estimate.fps > (1 + NOTICED) * max(each.estimate.fps for each in plans)
    scarcer = other.usage[kind] < (1 - NOTICED) * min(each.usage[kind] for each in plans)
    smaller = sum(other.usage.values()) < (1 - NOTICED) * min(sum(each.usage.values()) for each in plans)
    return (other.met and not planned.met) or faster or scarcer or smaller


def _what_would_fit(graph: IntGraph, planned: Planned) -> Iterator[Fact]:
    """The fastest that fits this device, and the smallest device that the target fits."""
    if planned.target.fps is not None:
        most = outline(graph, replace(planned.target, fps=None), planned)
        if most.met:
            fps = most.estimate.fps
            yield Fact("fits", f"what fits this device makes {fps:,.1f} images a second", {"fps": fps})
    if planned.too_slow:
        return
    own, clock = planned.target.device, planned.target.clock_mhz
    for device in sorted(devices(), key=lambda device: device.lut):
        if device.family == "ECP5" or not any(getattr(device, kind) > getattr(own, kind) for kind in KINDS):
            continue
        # Another family's usual clock may be slower than what was asked for.
        mhz = clock if device.family == own.family else min(clock, device.clock_mhz)
        other = outline(graph, replace(planned.target, device=device, clock_mhz=mhz), planned)
        if other.met:
            name = f"{device.part} ({device.board}) at {mhz:g} MHz"
            text = f"the listed device of fewest LUTs that holds it is {name}: {_outcome(other)}"
            yield Fact("fits", text, {"device": device.part, "clock_mhz": mhz} | _figures(other))
            return


def _narrows(node: Conv) -> bool:
    return not is_ternary(node) and weight_bits(node) > FEWER_BITS


def narrowed(graph: IntGraph, names: set[str]) -> IntGraph:
    """The network with those convolutions' weights rounded to FEWER_BITS: another function, of the same shape."""
    nodes = [_rounded(node) if isinstance(node, Conv) and node.name in names else node for node in graph.nodes]
    return make_graph(nodes, graph.frame)


def _rounded(node: Conv) -> Conv:
    dropped = weight_bits(node) - FEWER_BITS
    limit = (1 << (FEWER_BITS - 1)) - 1
    weight = np.clip(np.rint(node.weight / (1 << dropped)), -limit, limit).astype(np.int64)
    bias = np.rint(node.bias / (1 << dropped)).astype(np.int64)
    return replace(node, weight=weight, weight_bits=FEWER_BITS, weight_frac=node.weight_frac - dropped, bias=bias)


def _outcome(planned: Planned) -> str:
    unfit = "" if planned.met else ", which does not fit"
    return f"{_made(planned)}{unfit}{'' if planned.depths else ', with default FIFOs'}"


def _made(planned: Planned) -> str:
    taken = ", ".join(f"{kind} {share:.1%}" for kind, share in planned.usage.items())
    return f"{planned.estimate.fps:,.1f} images a second in {taken}"


def _figures(planned: Planned) -> dict[str, Any]:
    return {"met": planned.met, "fps": planned.estimate.fps, "shares": planned.usage}
