"""What a stock project takes and how fast it is, as plain JSON values and as tables for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hwsr.errors import HwsrError
from hwsr.estimate.devices import KINDS, Device, find_device
from hwsr.estimate.model import Prediction
from hwsr.estimate.resources import Resources, fifo
from hwsr.estimate.types import parse_type
from hwsr.simulate.deadlock import Wait
from hwsr.simulate.depths import frames_to_settle
from hwsr.simulate.run import Run, simulate
from hwsr.stock.pipeline import StockLayer, declared, layers, needed_depths, processes
from hwsr.stock.project import StockProject

NOTE = "estimates: nothing here was synthesized"
FIGURES = {
    "cycles": "clocks of a kernel for a frame, by the laws of stock kernels (docs/estimates.md), with a range; without "
    "a report of such kernels, a word a clock and 2 to fill",
    "interval": "clocks from one frame to the next, of the whole pipeline simulated clock by clock; its range is that "
    "of the slowest kernel alone, as if no other were slower than estimated",
    "latency": "clocks from a frame's first word in to its last one out, simulated; no range; without what a dense "
    "layer's sums take beyond its interval",
    "lut, ff, dsp, bram18": "of kernels, as csynth would report them, with ranges; of those without a report none",
    "fifos": "LUTs and block RAM of the streams by depth and width, not checked against reports",
    "synthesized": "of kernels after Vivado's synthesis, learnt from modified kernels; ranges not checked",
    "depths": "the smallest FIFOs of the same interval in this model, where kernels take the estimated cycles and read "
    "evenly over them: real ones do neither, and where FIFOs are too small they are slower or stand still for good, so "
    "leave a margin, above all on skips, and co-simulate",
}


@dataclass(frozen=True)
class StockEstimate:
    """layers: in order; simulated: at the declared depths, or at any where the pipeline stands still at those; waits:
    who waits for whom then; depths: the smallest ones, None where not asked.
    """

    project: StockProject
    layers: tuple[StockLayer, ...]
    simulated: Run
    waits: tuple[Wait, ...]
    depths: dict[str, int] | None

    @property
    def slowest(self) -> StockLayer:
        return max(self.layers, key=lambda layer: layer.cycles.value)

    @property
    def interval(self) -> Prediction:
        """Clocks from one frame to the next; the ends of its range are those of the slowest kernel alone."""
        found, own = round(self.simulated.interval), self.slowest.cycles
        return Prediction(found, min(own.low, found), max(own.high, found))

    @property
    def fps(self) -> float:
        return 1e9 / (self.project.clock_ns * self.simulated.interval)

    @property
    def fifos(self) -> Resources:
        """Those between kernels, as deep as the project declares them."""
        depths = declared(self.project)
        return sum((fifo(depth, self.project.streams[name].width) for name, depth in depths.items()), Resources())

    def total(self, after_synthesis: bool = False) -> dict[str, Prediction]:
        """Of all kernels with a law, each at its low or at its high end; without FIFOs."""
        known = [layer.estimates for layer in self.layers if layer.estimates]
        figures = [each["vivado_synth"] if after_synthesis else each for each in known]
        return {
            kind: sum((Prediction(each[kind], *each["ranges"][kind]) for each in figures), Prediction(0, 0, 0))
            for kind in KINDS
        }

    @property
    def device(self) -> Device | None:
        """None where the part is not among those that are known."""
        try:
            return find_device(self.project.part)
        except HwsrError:
            return None


def estimate_stock(project: StockProject, find_depths: bool) -> StockEstimate:
    """Raises HwsrError for a kernel that is not known."""
    found = layers(project)
    pipeline = processes(project, found)
    frames = frames_to_settle(pipeline)
    simulated = simulate(pipeline, declared(project), frames)
    waits = simulated.deadlock or simulated.waits
    if waits:
        simulated = simulate(pipeline, {}, frames)
    depths = needed_depths(project, pipeline, simulated.interval) if find_depths else None
    return StockEstimate(project, found, simulated, waits, depths)


def assumed(found: StockEstimate) -> Iterator[str]:
    """What the project says in words that are not known, and what is taken in their place."""
    for name, stream in found.project.streams.items():
        if parse_type(stream.type) is None:
            yield f"stream '{name}' of '{stream.type[:30]}': taken as 16 bits"
    for layer in found.layers:
        yield from (f"layer '{layer.call.layer}': {each}" for each in (layer.estimates or {}).get("assumed", ()))


def as_json(found: StockEstimate) -> dict[str, Any]:
    """Every estimated number stands under a key "estimates"; "figures" says what each means."""
    project = found.project
    return {
        "kind": NOTE,
        "figures": FIGURES,
        "project": {"top": project.top, "backend": project.backend, "part": project.part, "clock_ns": project.clock_ns},
        "slowest": found.slowest.call.layer,
        "assumed": list(assumed(found)),
        "deadlock": [str(wait) for wait in found.waits],
        "estimates": {
            "interval": found.interval.value,
            "interval_range": [found.interval.low, found.interval.high],
            "latency": found.simulated.latency,
            "fps": found.fps,
            "kernels": _predictions(found.total()),
            "synthesized": _predictions(found.total(after_synthesis=True)),
            "fifos": {"lut": found.fifos.lut_csynth, "bram18": found.fifos.bram18_csynth},
            "depths": found.depths,
        },
        "layers": [
            {
                "layer": layer.call.layer,
                "function": layer.call.function,
                "words": {"in": list(layer.frame.reads), "out": layer.frame.writes},
                "estimates": {"cycles": layer.cycles.value, "cycles_range": [layer.cycles.low, layer.cycles.high]}
                | (dict(layer.estimates) if layer.estimates else {}),
            }
            for layer in found.layers
        ],
        "streams": {
            name: {"declared": depth, "bits": project.streams[name].width} for name, depth in declared(project).items()
        },
    }


def _predictions(found: dict[str, Prediction]) -> dict[str, Any]:
    return {kind: {"value": each.value, "range": [each.low, each.high]} for kind, each in found.items()}


def render(found: StockEstimate) -> Group:
    parts = [_kernels(found), _totals(found)]
    if found.depths is not None:
        parts.append(_depths(found.depths, found))
    return Group(*parts, _rate(found))


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, box=SIMPLE, padding=(0, 0))
    table.add_column(headings[0], overflow="fold", min_width=10)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _kernels(found: StockEstimate) -> Table:
    table = _table(f"Kernels, as csynth ({NOTE})", ("layer", "kernel", "cycles", *map(str.upper, KINDS)))
    for layer in found.layers:
        amounts = [f"{layer.estimates[kind]:,}" if layer.estimates else "?" for kind in KINDS]
        style = "bold" if layer is found.slowest else None
        table.add_row(layer.call.layer, layer.call.function, f"{layer.cycles.value:,}", *amounts, style=style)
    return table


def _totals(found: StockEstimate) -> Table:
    """FIFOs stand beside the kernels, since their law is another."""
    device, csynth, after = found.device, found.total(), found.total(after_synthesis=True)
    fifos = {"lut": found.fifos.lut_csynth, "bram18": found.fifos.bram18_csynth}
    title = f"On {found.project.part} ({NOTE})"
    table = _table(title, ("resource", "csynth", "range", "FIFOs", "after synthesis", "device", "share"))
    for kind in KINDS:
        each, left = csynth[kind], after[kind].value
        held = fifos.get(kind, 0)
        own = getattr(device, kind) if device else None
        share = (f"{own:,}", f"{(left + held) / own:.1%}") if own else ("?", "?")
        span = f"{each.low:,} to {each.high:,}"
        table.add_row(kind.upper(), f"{each.value:,}", span, f"{held:,}", f"{left:,}", *share)
    unknown = sorted({layer.call.function for layer in found.layers if layer.estimates is None})
    notes = [f"without {', '.join(unknown)}, of which there is no report"] if unknown else []
    if held := sum(_held_bits(found.project, layer) for layer in found.layers):
        notes.append(f"transpositions hold their frames in {held:,} flip-flops, not counted")
    table.caption = "\n".join(notes)
    return table


def _held_bits(project: StockProject, layer: StockLayer) -> int:
    if layer.call.function != "transpose":
        return 0
    return layer.frame.reads[0] * project.streams[layer.call.inputs[0]].width


def _depths(depths: dict[str, int], found: StockEstimate) -> Table:
    table = _table("FIFOs that keep the rate (estimates)", ("stream", "declared", "smallest", "bits"))
    for name, depth in declared(found.project).items():
        table.add_row(name, f"{depth:,}", f"{depths[name]:,}", str(found.project.streams[name].width))
    return table


def _rate(found: StockEstimate) -> Text:
    clock, span = 1000 / found.project.clock_ns, ""
    if found.slowest.estimates:
        span = f" ({found.interval.low:,} to {found.interval.high:,} if no other kernel is slower than estimated)"
    ms = found.simulated.latency / clock / 1000
    lines = [
        f"estimate: {found.fps:,.2f} frames a second at {clock:g} MHz ({found.project.backend}); "
        f"{found.simulated.interval:,.10g} clocks from one to the next{span}, set by {found.slowest.call.layer}",
        f"a frame has left {found.simulated.latency:,} clocks ({ms:,.3g} ms) after it began, simulated",
    ]
    if found.waits:
        lines.append(f"at the declared depths it stands still: {', '.join(map(str, found.waits))}")
        lines.append("rates are of FIFOs of any depth; --depths finds the smallest")
    return Text("\n".join([*lines, *assumed(found)]))
