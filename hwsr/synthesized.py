"""A synthesized HLS project's reports, each stage's beside what hwsr estimated before any synthesis."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

from hwsr.adders.stages import graphs, solve
from hwsr.engines import model_graph, project_of
from hwsr.errors import HwsrError
from hwsr.estimate.fabric import Timing, fabric_of
from hwsr.estimate.layers import Layer as Estimate
from hwsr.estimate.layers import estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.hls.fifo import with_depths
from hwsr.hls.lower import lower
from hwsr.hls.project import Project, load_project
from hwsr.hls.reports import RESOURCES, Module, Reports, read_reports
from hwsr.ir.fused import beginnings
from hwsr.ir.graph import Conv, IntGraph
from hwsr.simulate.process import depths

# The estimate of each figure: in csynth's report, and after Vivado's synthesis.
CSYNTH = {"lut": "lut_csynth", "ff": "ff_csynth", "dsp": "dsp", "bram18": "bram18_csynth", "uram": "uram"}
VIVADO = {"lut": "lut", "ff": "ff", "dsp": "dsp", "bram18": "bram18", "uram": "uram"}
NOTE = "measured / estimated; an estimate has the FIFOs into its stage, of which csynth tells in the total alone"


@dataclass(frozen=True)
class Synthesized:
    """A project, what the tools reported of its top functions that were built, and the estimates of its stages by name;
    none without the model."""

    project: Project
    reports: tuple[Reports, ...]
    estimates: dict[str, Estimate]

    @property
    def total(self) -> Resources | None:
        """The estimate of all stages together."""
        if not self.estimates:
            return None
        return sum((layer.resources for layer in self.estimates.values()), Resources())

    @property
    def cycles(self) -> int | None:
        """The estimated clocks from one frame to the next: those of the slowest stage."""
        return max((layer.cycles for layer in self.estimates.values()), default=None)


def synthesized(folder: Path, model: Path | None) -> Synthesized:
    """Read the reports in `folder`. Raises HwsrError where there are none, or when it was not made from the model."""
    project = load_project(folder)
    estimates: dict[str, Estimate] = {}
    if model:
        project, graph = project_of(folder, model, model_graph(model))
        estimates = _estimates(graph, project)
    return Synthesized(project, read_reports(project), estimates)


def _estimates(graph: IntGraph, project: Project) -> dict[str, Estimate]:
    """Of the project's own stages. Raises HwsrError where this release of hwsr would fold them otherwise."""
    manifest = project.manifest
    fused = beginnings(graph)
    own = [layer for layer in manifest.layers if layer.traced]
    named = {fused.get(layer.makes, layer.makes): layer for layer in own}
    summing = [node for node in graph.nodes if isinstance(node, Conv) and named[node.name].adders is not None]
    foldings = {name: layer.folding or layer.reuse_factor for name, layer in named.items()}
    stages = lower(graph, foldings, graphs(solve(graph, summing)))
    if [stage.streams.keys() for stage in stages] == [layer.streams.keys() for layer in manifest.layers]:
        declared = depths(stages).keys()
        every = {stream: depth for layer in manifest.layers for stream, depth in layer.streams.items()}
        stages = with_depths(stages, {stream: every[stream] for stream in declared})
    folded = [(stage.name, stage.kind, stage.folding, stage.streams) for stage in stages]
    if folded != [(layer.name, layer.kind, layer.folding, layer.streams) for layer in manifest.layers]:
        raise HwsrError(
            f"{project.folder} was written by another release of hwsr; without --model its reports are read"
        )
    timing = Timing(fabric_of(manifest.part), "vitis" if manifest.backend == "Vitis" else "vivado", manifest.clock_ns)
    return {layer.stage: layer for layer in estimate_layers(graph, stages, timing)}


def as_json(found: Synthesized) -> dict[str, Any]:
    """Plain values; what a tool did not report, or hwsr did not estimate, is null."""
    return {
        "project": str(found.project.folder),
        "part": found.project.manifest.part,
        "clock_ns": found.project.manifest.clock_ns,
        "tops": [_top_as_json(reports, found) for reports in found.reports],
    }


def _top_as_json(reports: Reports, found: Synthesized) -> dict[str, Any]:
    total = found.total
    return {
        "top": reports.design,
        "older_than_project": reports.older,
        "stages": [
            {
                "stage": layer.name,
                "kind": layer.kind,
                "csynth": asdict(module) if (module := reports.stages.get(layer.name)) else None,
                "estimates": _estimated(found.estimates.get(layer.name)),
            }
            for layer in found.project.manifest.layers[1:]
        ],
        "other_modules": [asdict(module) for module in reports.others],
        "total": {
            "csynth": asdict(reports.top) if reports.top else None,
            "vivado": reports.vivado,
            "estimates": {"cycles": found.cycles} | asdict(total) if total else None,
        },
        "cosim": [asdict(run) for run in reports.cosim],
    }


def _estimated(layer: Estimate | None) -> dict[str, int] | None:
    return {"cycles": layer.cycles} | asdict(layer.resources) if layer else None


def render(found: Synthesized) -> Group:
    """Of each top function stages, totals and co-simulation, for `rich` to print."""
    return Group(*(part for reports in found.reports for part in _parts(reports, found)))


def _parts(reports: Reports, found: Synthesized) -> Iterator[Any]:
    if reports.older:
        yield f"{reports.design}: written before the project was; if that has changed, run its build_prj.tcl again"
    yield _stages(reports, found)
    if reports.vivado:
        title = f"{reports.design}: after Vivado's synthesis"
        yield _table(title, {"all": (None, None, None, reports.vivado)}, found, VIVADO)
    if reports.top:
        yield f"clock by csynth: {_cell(reports.top.clock_ns)} ns of {_cell(reports.top.clock_target_ns)} ns"
    for run in reports.cosim:
        yield (
            f"co-simulation ({run.rtl}): {run.status}, latency {_span(run.latency_min, run.latency_max)}, "
            f"interval {_span(run.interval_min, run.interval_max)} clocks"
        )


def _stages(reports: Reports, found: Synthesized) -> Table:
    measured: dict[str, Any] = {}
    for layer in found.project.manifest.layers[1:]:
        module = reports.stages.get(layer.name)
        measured[layer.name] = _figures(module) if module else (None, None, None, {})
    measured |= {module.name: _figures(module) for module in reports.others}
    if reports.top:
        measured["all"] = _figures(reports.top)
    return _table(f"{reports.design}: csynth", measured, found, CSYNTH)


def _figures(module: Module) -> tuple[int | None, int | None, int | None, Mapping[str, int | None]]:
    return module.latency_max, module.interval_max, module.ii, module.resources


def _table(title: str, rows: Mapping[str, Any], found: Synthesized, names: Mapping[str, str]) -> Table:
    table = Table(title=title, caption=NOTE if found.estimates else None, box=SIMPLE, padding=(0, 0))
    table.add_column("stage", overflow="fold", min_width=10)
    for heading in ("latency", "interval", "II", "LUT", "FF", "DSP", "BRAM18", "URAM"):
        table.add_column(heading, justify="right", overflow="fold")
    for name, (latency, interval, ii, resources) in rows.items():
        layer = found.estimates.get(name)
        taken = found.total if name == "all" else layer.resources if layer else None
        cycles = found.cycles if name == "all" else layer.cycles if layer else None
        figures = asdict(taken) if taken else {}
        cells = [_pair(resources.get(key), figures.get(names.get(key, ""))) for key in RESOURCES]
        table.add_row(name, _cell(latency), _pair(interval, cycles), _cell(ii), *cells)
    return table


def _pair(measured: int | None, estimated: int | None) -> str:
    return _cell(measured) if estimated is None else f"{_cell(measured)} / {_cell(estimated)}"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _span(least: int | None, most: int | None) -> str:
    return _cell(most) if least == most else f"{_cell(least)} to {_cell(most)}"
