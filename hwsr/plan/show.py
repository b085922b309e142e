"""A plan as tables for a terminal and as plain JSON values."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hwsr.estimate.figures import NOTE, UNFITTED
from hwsr.estimate.show import spread
from hwsr.plan.design import Planned
from hwsr.plan.explain import Fact, scarcest, shortfalls
from hwsr.plan.file import plan_file


def as_json(planned: Planned, facts: Sequence[Fact]) -> dict[str, Any]:
    """The plan's file, and beside it whether it meets the target, what is short, and the explanation."""
    return plan_file(planned).model_dump(mode="json") | {
        "met": planned.met,
        "short": shortfalls(planned),
        "scarcest": scarcest(planned),
        "facts": [asdict(fact) for fact in facts],
    }


def render(planned: Planned, facts: Sequence[Fact]) -> Group:
    """Every stage's folding, the device, and the explanation: 80 columns hold every figure."""
    return Group(_stages(planned), _device(planned), _summary(planned, facts))


def _stages(planned: Planned) -> Table:
    table = Table(title=f"Stages that multiply ({NOTE})", box=SIMPLE, padding=(0, 0))
    table.add_column("stage", overflow="fold", min_width=10)
    for heading in ("PExSIMD", "RF", "of", "clocks", "LUT", "FF", "DSP", "BRAM18"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in planned.estimate.layers:
        if layer.name not in planned.selection.options:
            continue
        option = planned.selection.options[layer.name]
        costs = [f"{amount:,}" for amount in option.cost]
        unit = "add" if option.summed else option.folding.multiplier.name.lower().replace("any", "")
        unit = "+".join(filter(None, (unit, "rom" if option.folding.weights else "")))
        folding = f"{option.folding.pe}x{option.folding.simd}"
        table.add_row(layer.name, folding, str(layer.reuse_factor), unit, f"{option.clocks:,}", *costs)
    if any(option.folding.weights for option in planned.selection.options.values()):
        table.caption = "rom: weights in LUTs instead of block RAM"
    table.add_section()
    table.add_row("all others", "", "", "", "", *(f"{amount:,}" for amount in planned.choices.fixed))
    table.add_row("all", "", "", "", "", *(f"{amount:,}" for amount in planned.selection.total))
    return table


def _device(planned: Planned) -> Table:
    found, device = planned.estimate, planned.target.device
    table = Table(title=f"On {device.part} ({device.board}) ({NOTE})", box=SIMPLE)
    for heading in ("resource", "estimate", "range", "device", "share"):
        table.add_column(heading, justify="left" if heading == "resource" else "right")
    for name, share in found.usage.items():
        low, high = found.ranges[name]
        amounts = (f"{getattr(found.resources, name):,}", f"{low:,} to {high:,}", f"{getattr(device, name):,}")
        table.add_row(name, *amounts, f"{share:.1%}", style="red" if share > 1 else None)
    table.caption = "\n".join(filter(None, (f"error {UNFITTED}; that HLS obeys its pragmas is assumed", device.note)))
    return table


def _summary(planned: Planned, facts: Sequence[Fact]) -> Text:
    target, found = planned.target, planned.estimate
    height, width = found.image
    lines = [
        f"estimate: {found.fps:,.2f} images a second from {width}x{height} to {target.out[1]}x{target.out[0]} at "
        f"{target.clock_mhz:g} MHz ({target.backend}), if HLS begins a turn of every loop a clock, as asked: unproved"
    ]
    if found.simulated is not None and planned.interval is not None:
        kbit = found.counts.fifo_bits / 1000
        share = found.bottleneck.cycles / planned.interval
        lines.append(
            f"simulated: a frame every {planned.interval:,.10g} clocks, {share:.1%} of the slowest stage's rate, with "
            f"{kbit:,.1f} kbit of FIFOs"
        )
        lines += spread(planned.ranged)
        if planned.met and target.fps and planned.ranged.fps_range and planned.ranged.fps_range[0] < target.fps:
            lines.append(f"its low end misses {target.fps:g} images a second; a higher --fps leaves room for that")
    beyond = [kind for kind in found.usage if found.ranges[kind][1] > getattr(target.device, kind)]
    if planned.met and beyond:
        lines.append(f"it fits as estimated; the high end of the range of {', '.join(beyond)} does not")
    if found.tiles > 1:
        tile = f"{found.frame[1]}x{found.frame[0]}"
        lines.append(f"{found.tiles} tiles of {tile} an image with their halos, {found.overlap:.2f} times its pixels")
    if target.clock_mhz > target.device.clock_mhz:
        usual = f"{target.device.clock_mhz:g} MHz on {target.device.board}"
        lines.append(
            f"such designs commonly meet {usual}; whether this one meets {target.clock_mhz:g} is not estimated"
        )
    if not planned.selection.proved:
        lines.append("the search was not finished: something smaller may exist")
    lines += [f"{fact.what}: {fact.text}" for fact in facts]
    return Text("\n".join(lines))
