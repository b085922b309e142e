"""An estimate as plain JSON values and as tables for a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hwsr.estimate.design import Estimate
from hwsr.estimate.figures import FIGURES, NOTE, UNFITTED
from hwsr.estimate.layers import Counts, Layer, Ranges
from hwsr.estimate.resources import Resources

OPERATIONS = ("macs", "additions", "multiplications")


def as_json(estimate: Estimate) -> dict[str, Any]:
    """Plain dicts, lists and numbers. Every number of the design stands under a key "estimates"; "figures" says
    of each what it means and how far it was found to be off.
    """
    pixels = estimate.frame[0] * estimate.frame[1]
    return {
        "kind": NOTE,
        "figures": {name: asdict(figure) for name, figure in FIGURES.items()},
        "device": asdict(estimate.device),
        "clock_mhz": estimate.clock_mhz,
        "backend": estimate.backend,
        "image": list(estimate.image),
        "frame": list(estimate.frame),
        "tiles": estimate.tiles,
        "passes": estimate.passes,
        "simulated": estimate.simulated is not None,
        "overlap": estimate.overlap,
        "bottleneck": estimate.bottleneck.name,
        "fits": not estimate.overflow,
        "estimates": {
            "cycles": estimate.bottleneck.cycles,
            "interval": estimate.interval,
            "interval_range": estimate.spread and list(estimate.spread),
            "latency": estimate.latency,
            "cycles_per_image": estimate.cycles_per_image,
            "fps": estimate.fps,
            "fps_range": estimate.fps_range and list(estimate.fps_range),
            "resources": asdict(estimate.resources),
            "ranges": _ends(estimate.ranges),
            "usage": estimate.usage,
            "overflow": estimate.overflow,
            "off_chip": {
                "fifos": len(estimate.outside),
                "bytes": sum(fifo.held_bytes for fifo in estimate.outside),
                "mb_per_s": estimate.memory_mb_s,
            },
            **_counted(estimate.counts, pixels),
        },
        "layers": [_layer(layer, pixels) for layer in estimate.layers],
    }


def _layer(layer: Layer, pixels: int) -> dict[str, Any]:
    return {
        "stage": layer.stage,
        "name": layer.name,
        "kind": layer.kind,
        "pe": layer.pe,
        "simd": layer.simd,
        "reuse_factor": layer.reuse_factor,
        "estimates": {
            "turns": layer.turns,
            "cycles": layer.cycles,
            "resources": asdict(layer.resources),
            "ranges": _ends(layer.ranges),
            **_counted(layer.counts, pixels),
        },
    }


def _ends(ranges: Ranges) -> dict[str, list[int]]:
    return {name: list(ends) for name, ends in ranges.items()}


def _counted(counts: Counts, pixels: int) -> dict[str, Any]:
    per_pixel = {name: getattr(counts, name) / pixels for name in OPERATIONS}
    return {"counts": asdict(counts), "per_input_pixel": per_pixel}


def render(estimate: Estimate) -> Group:
    """Work and hardware of every stage, device and frame rate, for `rich` to print: 80 columns hold every figure."""
    return Group(_work(estimate), _hardware(estimate), _device(estimate), _rate(estimate))


def _stages(title: str, headings: Sequence[str], caption: str | None = None) -> Table:
    """A table of a row a stage: names fold, figures stay whole."""
    table = Table(title=f"{title} ({NOTE})", caption=caption, box=SIMPLE, padding=(0, 0))
    table.add_column("stage", overflow="fold", min_width=10)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _work(estimate: Estimate) -> Table:
    height, width = estimate.frame
    headings = ("MACs", "adds", "mults", "weights", "lines", "FIFOs")
    caption = "operations are per input pixel, memories in kbit"
    table = _stages(f"Work of a {width}x{height} frame", headings, caption)
    for layer in estimate.layers:
        table.add_row(layer.name, *_counts(layer.counts, height * width))
    table.add_section()
    table.add_row("all", *_counts(estimate.counts, height * width))
    return table


def _counts(counts: Counts, pixels: int) -> list[str]:
    operations = [f"{getattr(counts, name) / pixels:,.1f}" for name in OPERATIONS]
    return operations + [
        f"{bits / 1000:,.1f}" for bits in (counts.weight_bits, counts.line_buffer_bits, counts.fifo_bits)
    ]


def _hardware(estimate: Estimate) -> Table:
    table = _stages("Hardware", ("PExSIMD", "RF", "cycles", "LUT", "DSP", "BRAM18"))
    for layer in estimate.layers:
        style = "bold" if layer is estimate.bottleneck else None
        folding = f"{layer.pe}x{layer.simd}" if layer.pe else ""
        cells = _amounts(layer.cycles, layer.resources)
        table.add_row(layer.name, folding, str(layer.reuse_factor), *cells, style=style)
    table.add_section()
    table.add_row("all", "", "", *_amounts(estimate.bottleneck.cycles, estimate.resources))
    return table


def _amounts(cycles: int, taken: Resources) -> list[str]:
    return [f"{n:,}" for n in (cycles, taken.lut, taken.dsp, taken.bram18)]


def _device(estimate: Estimate) -> Table:
    device, total = estimate.device, estimate.resources
    table = Table(title=f"On {device.part} ({device.board}) ({NOTE})", box=SIMPLE)
    for heading in ("resource", "estimate", "range", "device", "share"):
        table.add_column(heading, justify="left" if heading == "resource" else "right")
    ranges = {name: f"{low:,} to {high:,}" for name, (low, high) in estimate.ranges.items()}
    for name, share in estimate.usage.items():
        style = "red" if name in estimate.overflow else None
        row = (f"{getattr(total, name):,}", ranges[name], f"{getattr(device, name):,}", f"{share:.1%}")
        table.add_row(FIGURES[name].unit, *row, style=style)
    if device.uram:
        table.add_row(
            FIGURES["uram"].unit,
            f"{total.uram:,}",
            ranges["uram"],
            f"{device.uram:,}",
            f"{total.uram / device.uram:.1%}",
        )
    for name in ("lut_csynth", "ff_csynth", "bram18_csynth"):
        table.add_row(FIGURES[name].unit, f"{getattr(total, name):,}", ranges[name], "", "")
    table.caption = "\n".join(filter(None, (f"error {UNFITTED}", device.note)))
    return table


def _rate(estimate: Estimate) -> Text:
    height, width = estimate.image
    lines = [
        f"estimate: {estimate.fps:,.2f} images of {width}x{height} a second at {estimate.clock_mhz:g} MHz "
        f"({estimate.backend}); {estimate.cycles_per_image:,} cycles an image, set by {estimate.bottleneck.name}"
    ]
    if estimate.tiles > 1:
        lines.append(f"{estimate.tiles} tiles an image, {estimate.overlap:.2f} times its pixels")
    if estimate.simulated is not None:
        share = estimate.bottleneck.cycles / estimate.simulated
        lines.append(
            f"a frame every {estimate.simulated:,.10g} clocks, simulated: {share:.1%} of the slowest stage's rate"
        )
    lines += spread(estimate)
    if estimate.latency is not None:
        ms = estimate.latency / estimate.clock_mhz / 1000
        lines.append(f"a frame has left {estimate.latency:,.10g} clocks ({ms:,.3g} ms) after it began, simulated")
    if estimate.passes > 1:
        lines.append(f"a frame waits {estimate.passes} frame times for the one before, behind as many spatial sums")
    if estimate.outside:
        held = sum(fifo.held_bytes for fifo in estimate.outside)
        lines.append(
            f"off chip: {len(estimate.outside)} FIFOs of {held / 1e6:,.2f} MB in external memory, written and read at "
            f"{estimate.memory_mb_s:,.0f} MB/s together"
        )
    lines.append(shortage(estimate) or "fits, by these estimates")
    return Text("\n".join(lines))


def spread(estimate: Estimate) -> list[str]:
    """The range of the rate, in at most one line."""
    if estimate.spread is None or estimate.fps_range is None:
        return []
    clocks = " to ".join(f"{end:,.10g}" for end in estimate.spread)
    rates = " to ".join(f"{end:,.2f}" for end in estimate.fps_range)
    return [f"range: {rates} images a second, a frame every {clocks} clocks, by how deep HLS makes the pipelines"]


def shortage(estimate: Estimate) -> str | None:
    """What the device is short of and the remedy, in one line; None where the design fits."""
    short = ", ".join(f"{missing:,} {name}" for name, missing in estimate.overflow.items())
    remedy = "'hwsr plan' folds every layer for what fits; or choose a larger --device"
    return f"does not fit: short of {short}; {remedy}" if short else None
