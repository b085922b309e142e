"""What Vitis or Vivado HLS, their co-simulation and Vivado's synthesis left in a project that its tcl was run on.

The files are those that build_prj.tcl makes of either top function: TOP_prj/solution1/syn/report/*_csynth.xml,
.../sim/report/TOP_cosim.rpt and TOP_vivado_synth.rpt. They come from outside: XML with a DOCTYPE is refused, and so is
a file too large for a report.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from hwsr.errors import HwsrError
from hwsr.hls.axi import VIVADO_SYNTH
from hwsr.hls.project import Project
from hwsr.hls.replacing import MANIFEST

# A report lists ports and loops; the largest known ones have some MB.
MAX_BYTES = 1 << 26
RESOURCES = ("lut", "ff", "dsp", "bram18", "uram")
# Vivado HLS counts DSP48E, Vitis HLS DSP.
_TAGS = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "DSP48E": "dsp", "BRAM_18K": "bram18", "URAM": "uram"}
# Rows of report_utilization, with what they count in units of ours; CLB on UltraScale, Slice before.
_SITES = {
    "CLB LUTs": ("lut", 1),
    "Slice LUTs": ("lut", 1),
    "CLB Registers": ("ff", 1),
    "Slice Registers": ("ff", 1),
    "DSPs": ("dsp", 1),
    "Block RAM Tile": ("bram18", 2),
    "URAM": ("uram", 1),
}


@dataclass(frozen=True)
class Module:
    """What csynth reports of one function: clocks, of which None were not to be told, and resources.

    ii: clocks from one turn to the next of its slowest pipelined loop; None without one.
    """

    name: str
    tool_version: str
    part: str
    clock_target_ns: float | None
    clock_ns: float | None
    latency_min: int | None
    latency_max: int | None
    interval_min: int | None
    interval_max: int | None
    ii: int | None
    resources: dict[str, int | None]
    available: dict[str, int | None]


@dataclass(frozen=True)
class Cosim:
    """One run of co-simulation: its status, latency and interval in clocks."""

    rtl: str
    status: str
    latency_min: int | None
    latency_max: int | None
    interval_min: int | None
    interval_max: int | None


@dataclass(frozen=True)
class Reports:
    """What was found of the top function named `design`: its module, those of its stages by the stage's name, all
    others; co-simulation; resources after Vivado's synthesis. older: one was written before the project was, so it may
    be of another one that was in its folder."""

    design: str
    top: Module | None
    stages: dict[str, Module]
    others: tuple[Module, ...]
    cosim: tuple[Cosim, ...]
    vivado: dict[str, int] | None
    older: bool


def read_reports(project: Project) -> tuple[Reports, ...]:
    """Read every report of a project, of each top function that has any: the plain one, then the AXI4-Stream one.

    Raises HwsrError where there is none, where one is damaged, or where one is of another design.
    """
    tops = (project.manifest.top, project.manifest.axi_top)
    solutions = {top: project.folder / f"{top}_prj" / "solution1" for top in tops}
    built = [top for top in tops if any((solutions[top] / part).is_dir() for part in ("syn", "sim"))]
    found = (_reports(project, top, solutions[top], built == [top]) for top in tops)
    reports = tuple(each for each in found if each.top or each.cosim or each.vivado)
    if not reports:
        raise HwsrError(
            f"{project.folder} holds no report of a synthesis ({tops[0]}_prj/solution1/syn/report/"
            f"{tops[0]}_csynth.xml, or the same of {tops[1]}); run its build_prj.tcl first, as its README.md says"
        )
    return reports


def _reports(project: Project, top: str, solution: Path, alone: bool) -> Reports:
    """Those of one top function; alone: it is the only one that was built."""
    modules = _modules(solution / "syn" / "report", top)
    cosim = solution / "sim" / "report" / f"{top}_cosim.rpt"
    # Of either top, in projects of earlier releases.
    names = (f"{top}_{VIVADO_SYNTH}", *((VIVADO_SYNTH,) if alone else ()))
    vivado = next((path for name in names if (path := project.folder / name).is_file()), None)
    read = (solution / "syn" / "report" / f"{top}_csynth.xml", cosim, vivado)
    written = (project.folder / MANIFEST).stat().st_mtime
    stages: dict[str, Module] = {}
    own = {top}
    for place, layer in enumerate(project.manifest.layers, 1):
        parts = {name: part for name in modules if (part := _part(name, layer.kind, place)) is not None}
        whole = next((name for name, part in parts.items() if not part), None)
        if whole:
            ii = max((modules[name].ii or 0 for name in parts), default=0) or None
            stages[layer.name] = replace(modules[whole], ii=ii)
            own |= parts.keys()
    return Reports(
        design=top,
        top=modules.get(top),
        stages=stages,
        others=tuple(module for name, module in sorted(modules.items()) if name not in own),
        cosim=read_cosim(cosim) if cosim.is_file() else (),
        vivado=read_utilization(vivado) if vivado else None,
        older=any(path.stat().st_mtime < written for path in read if path and path.is_file()),
    )


def _modules(folder: Path, top: str) -> dict[str, Module]:
    """The functions that csynth reports in a folder, by name; none, or that of `top` among them. Raises HwsrError."""
    paths = sorted(folder.glob("*_csynth.xml"))
    own = folder / f"{top}_csynth.xml"
    if paths and own not in paths:
        raise HwsrError(f"{folder}: {paths[0].name} but no {own.name}: reports of another design; run csynth again")
    found = {path: read_module(path) for path in paths}
    if found and found[own].name != top:
        raise HwsrError(f"{own}: a report of '{found[own].name}', which is another design; run csynth again")
    return {module.name: module for module in found.values()}


def _part(module: str, kernel: str, place: int) -> str | None:
    """Which part of the stage at `place` a module is: "" for all of it, a pipelined loop of it by name, None for none.

    The tools name a template's instance by its arguments, of which our kernels have the config struct last, numbered by
    the stage's place; Vitis HLS makes a function of each pipelined loop.
    """
    found = re.fullmatch(rf"{re.escape(kernel)}_\w*config{place}(?:_Pipeline_(\w+)|(?:_s)?(?:_\d+)?)", module)
    return found and (found[1] or "")


def read_module(path: Path) -> Module:
    """Read a *_csynth.xml. Raises HwsrError."""
    try:
        root = fromstring(_content(path), forbid_dtd=True)
    except DefusedXmlException as error:
        raise HwsrError(f"{path}: a report has no DOCTYPE or entities, so this is none; run csynth again") from error
    except ParseError as error:
        raise HwsrError(f"{path}: not XML ({error}); run csynth again") from error
    latency = "PerformanceEstimates/SummaryOfOverallLatency"
    return Module(
        name=_text(root, "UserAssignments/TopModelName") or path.name.removesuffix("_csynth.xml"),
        tool_version=_text(root, "ReportVersion/Version"),
        part=_text(root, "UserAssignments/Part"),
        clock_target_ns=_number(root, "UserAssignments/TargetClockPeriod"),
        clock_ns=_number(root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
        latency_min=_count(root, f"{latency}/Best-caseLatency"),
        latency_max=_count(root, f"{latency}/Worst-caseLatency"),
        interval_min=_count(root, f"{latency}/Interval-min"),
        interval_max=_count(root, f"{latency}/Interval-max"),
        ii=max(_intervals(root), default=None),
        resources=_resources(root, "AreaEstimates/Resources", path),
        available=_resources(root, "AreaEstimates/AvailableResources", path),
    )


def read_cosim(path: Path) -> tuple[Cosim, ...]:
    """Read a *_cosim.rpt: the rows of its table that were run. Raises HwsrError."""
    found = []
    for cells in _rows(path):
        if cells[0] in ("Verilog", "VHDL") and len(cells) >= 8 and cells[1] != "NA":
            latency, interval = ((_whole(cells[i]), _whole(cells[i + 2])) for i in (2, 5))
            found.append(Cosim(cells[0], cells[1], *latency, *interval))
    return tuple(found)


def read_utilization(path: Path) -> dict[str, int]:
    """Read Vivado's report_utilization: the design's totals. Raises HwsrError where they are missing."""
    totals: dict[str, int] = {}
    for cells in _rows(path):
        site = cells[0].rstrip("*")
        if site in _SITES and len(cells) > 1 and re.fullmatch(r"\d+(\.\d+)?", cells[1]):
            name, unit = _SITES[site]
            # Later tables count parts of the design again.
            totals.setdefault(name, round(float(cells[1]) * unit))
    missing = [name for name in RESOURCES[:4] if name not in totals]
    if missing:
        raise HwsrError(f"{path}: not a utilization report of Vivado (no {', '.join(missing)}); run vsynth again")
    return {"uram": 0} | totals


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a report's tables."""
    for line in _content(path).decode("utf-8", "replace").splitlines():
        if line.lstrip().startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise HwsrError(f"{path} has more than {MAX_BYTES >> 20} MB; no report is so large")
        return path.read_bytes()
    except OSError as error:
        raise HwsrError(f"{path}: {error.strerror}; make it readable") from error


def _text(root: Element, place: str) -> str:
    return (root.findtext(place) or "").strip()


def _intervals(root: Element) -> Iterator[int]:
    """Clocks a turn of every pipelined loop."""
    loops = root.find("PerformanceEstimates/SummaryOfLoopLatency")
    for found in loops.iter("PipelineII") if loops is not None else ():
        clocks = _whole((found.text or "").strip())
        if clocks is not None:
            yield clocks


def _number(root: Element, place: str) -> float | None:
    try:
        return float(_text(root, place))
    except ValueError:
        return None


def _count(root: Element, place: str) -> int | None:
    return _whole(_text(root, place))


def _whole(value: str) -> int | None:
    """A count of clocks or cells; the tools write '?', 'undef' or 'NA' where they cannot tell."""
    return int(value) if re.fullmatch(r"\d{1,18}", value) else None


def _resources(root: Element, place: str, path: Path) -> dict[str, int | None]:
    listed = root.find(place)
    if listed is None:
        raise HwsrError(f"{path}: no {place}; this is not a csynth report")
    found: Mapping[str, int | None] = {
        _TAGS[child.tag]: _whole((child.text or "").strip()) for child in listed if child.tag in _TAGS
    }
    return {name: found.get(name) for name in RESOURCES}
