"""Commands from a model to hardware: hls, hls-lint, hls-report, csim, estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from hwsr.adders.which import Which
from hwsr.cli.app import (
    MISMATCH,
    Backend,
    JsonOption,
    ModelFolder,
    ModelOption,
    app,
    check_clock,
    console,
    parse_size,
    write_figures,
)
from hwsr.errors import HwsrError
from hwsr.hls.tlast import Tlast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsr.adders.stages import Solved
    from hwsr.estimate.devices import Device
    from hwsr.ir.adder_graph import AdderGraph
    from hwsr.ir.graph import IntGraph
    from hwsr.ir.stages import Reuse
    from hwsr.plan.depths import Hardware
    from hwsr.plan.file import Plan

PlanOption = Annotated[Path | None, typer.Option(help="plan file, which decides all that hardware is built by")]
DeviceOption = Annotated[str | None, typer.Option(help="board or part \\[kv260; for Vivado HLS projects zcu104]")]
LimitOption = Annotated[
    list[str] | None, typer.Option(help="most of a resource, such as lut=60000 or dsp=50% of the device")
]
ClockOption = Annotated[float | None, typer.Option(help="clock in MHz \\[the device's usual one]")]
ReuseOption = Annotated[int | None, typer.Option(help="clocks an input pixel may take \\[scale^2]")]
BackendOption = Annotated[Backend | None, typer.Option(help="whose HLS compiler \\[Vitis]")]


@dataclass(frozen=True)
class Asked:
    """What hardware is built by: options, or a plan in the place of all of them.

    graph: on the frame that the hardware works on; image: (H, W) of what is upscaled.
    """

    graph: IntGraph
    image: tuple[int, int]
    reuse: Reuse
    device: Device
    clock_mhz: float
    backend: Backend
    plan: Plan | None = None

    @property
    def depths(self) -> dict[str, int] | None:
        """Words of every stream, those of the lowering where None."""
        return self.plan.depths if self.plan else None

    def hardware(self, adders: Mapping[str, AdderGraph]) -> Hardware:
        """What stages are lowered by, on any frame."""
        from hwsr.estimate.design import timing_on
        from hwsr.plan.depths import Hardware

        return Hardware(self.reuse, adders, timing_on(self.device, self.clock_mhz, self.backend.law))


def asked_of(
    model: Path,
    plan: Path | None,
    device: str | None,
    clock: float | None,
    reuse_factor: int | None,
    backend: Backend | None,
    frame: str | None = None,
) -> Asked:
    """Raises HwsrError, also for an option that the plan decides."""
    from hwsr.engines import model_graph
    from hwsr.estimate.devices import find_device
    from hwsr.ir.tiling import on_frame
    from hwsr.plan.file import read_plan

    graph = model_graph(model)
    if plan is None:
        image = parse_size(frame) if frame else graph.frame
        reuse = graph.scale**2 if reuse_factor is None else reuse_factor
        built_by = backend or Backend.VITIS
        part = find_device(built_by.board if device is None else device)
        mhz = part.clock_mhz if clock is None else check_clock(clock)
        return Asked(on_frame(graph, image), image, reuse, part, mhz, built_by)
    given = {"device": device, "clock": clock, "reuse-factor": reuse_factor, "backend": backend, "frame": frame}
    for name, value in given.items():
        if value is not None:
            raise HwsrError(f"--{name} beside --plan, which decides it; leave one of them out")
    found, built = read_plan(plan, graph)
    part = find_device(found.device)
    return Asked(built, found.image, found.foldings, part, found.clock_mhz, Backend(found.backend), found)


AddersOption = Annotated[
    Which | None,
    typer.Option(help="convolutions of one clock a pixel that become adder graphs \\[ternary]"),
]
SecondsOption = Annotated[
    float | None, typer.Option(min=0.1, help="bound of the search for shared sums, for each convolution \\[none]")
]


OffChipOption = Annotated[
    bool, typer.Option("--off-chip", help="FIFOs that hold a frame are in external memory, outside the AXI4-Stream top")
]


def solve_adders(asked: Asked, which: Which | None, seconds: float | None) -> dict[str, Solved]:
    """The adder graphs of a network, with their progress shown; what was found is printed.

    Raises HwsrError for an option beside a plan, which decides them, and where a plan's are not found again.
    """
    from hwsr.adders.stages import chosen, describe, solve
    from hwsr.plan.file import solved_adders

    progress = partial(track, description="sharing sums", console=console, transient=True)
    if asked.plan:
        for name, value in {"adders": which, "adder-seconds": seconds}.items():
            if value is not None:
                raise HwsrError(f"--{name} beside --plan, which decides it; leave one of them out")
        solved = solved_adders(asked.plan, asked.graph, progress)
    else:
        wanted = chosen(asked.graph, asked.reuse, Which.TERNARY if which is None else which)
        solved = solve(asked.graph, wanted, seconds, progress)
    for line in describe(solved):
        console.print(line)
    return solved


@app.command()
def hls(
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="project folder")],
    plan: PlanOption = None,
    backend: BackendOption = None,
    device: DeviceOption = None,
    part: Annotated[str | None, typer.Option(help="part number for the HLS tool \\[that of --device]")] = None,
    clock: ClockOption = None,
    reuse_factor: ReuseOption = None,
    frame: Annotated[
        str | None, typer.Option(help="frame of the hardware, width x height \\[the plan's, or the model's own]")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="image whose tiles test the hardware \\[embedded photographs]")
    ] = None,
    adders: AddersOption = None,
    adder_seconds: SecondsOption = None,
    tlast: Annotated[Tlast, typer.Option(help="what TLAST ends in the AXI4-Stream top's video")] = Tlast.LINE,
    off_chip: OffChipOption = False,
    json: JsonOption = None,
) -> None:
    """Write the HLS C++ project of a model, with its testbench and the reference's outputs."""
    from hwsr.adders.stages import graphs
    from hwsr.hls.axi import has_board
    from hwsr.hls.project import is_too_new, write_project
    from hwsr.ir.tiling import on_frame
    from hwsr.ir.whole_frame import on_whole_frame
    from hwsr.plan.depths import found_depths
    from hwsr.reference.run import run
    from hwsr.tiles import test_tiles

    asked = asked_of(model, plan, device, clock, reuse_factor, backend)
    if frame:
        placed = on_whole_frame if off_chip else on_frame
        asked = replace(asked, graph=placed(asked.graph, parse_size(frame)))
        if asked.graph.frame != parse_size(frame):
            raise HwsrError(
                f"--frame {frame}: a mean over its frame fixes this network's; export it with --frame {frame}, or "
                "give --off-chip as well"
            )
    graph = asked.graph
    solved = solve_adders(asked, adders, adder_seconds)
    depths = asked.depths
    if asked.plan and graph.frame != asked.plan.frame:
        # Those of a plan are for its own rows.
        depths = found_depths(graph, asked.hardware(graphs(solved)))
    with console.status("writing the HLS project"):
        project = write_project(
            graph,
            out,
            test_tiles(graph, image),
            lambda tile: run(graph, tile),
            asked.backend,
            part or asked.device.hls_part,
            1000 / asked.clock_mhz,
            asked.reuse,
            graphs(solved),
            tlast,
            off_chip,
            depths,
        )
    console.print(f"wrote {out}: {len(project.manifest.layers)} stages, {project.manifest.frames} test frames")
    if off_chip:
        console.print(
            f"{project.manifest.axi_top} keeps {len(project.manifest.outside)} FIFOs outside: see docs/board.md"
        )
    short = None if part else _shortage(asked, graphs(solved), depths, off_chip)
    if short:
        console.print(f"on {asked.device.part}, by estimate, it {short}", soft_wrap=True)
    if not has_board(project.manifest.part):
        console.print(f"no block design for {project.manifest.part}: board.tcl is for KV260 and ZCU104 (docs/board.md)")
    elif tlast is Tlast.LINE:
        console.print("board.tcl's DMA engine takes frames: for a board write it with --tlast frame (docs/board.md)")
    if is_too_new(project.manifest.backend, project.manifest.part):
        console.print(f"Vivado HLS has no part {project.manifest.part}: its README.md says what to do")
    figures = project.manifest.model_dump(mode="json")
    write_figures(json, figures | {"adder_graphs": {name: each.as_json() for name, each in solved.items()}})


def _shortage(
    asked: Asked, adders: Mapping[str, AdderGraph], depths: Mapping[str, int] | None, off_chip: bool
) -> str | None:
    """What the asked device is short of, by estimate, in one line; None where the project fits."""
    from hwsr.estimate.design import estimate as estimate_design
    from hwsr.estimate.show import shortage
    from hwsr.ir.outside import frame_deep

    stages = asked.hardware(adders).stages(asked.graph, depths)
    outside = frame_deep(stages) if off_chip else ()
    target = asked.device, asked.clock_mhz, asked.graph.frame, asked.backend.law
    return shortage(estimate_design(asked.graph, stages, *target, outside))


@app.command("hls-lint")
def hls_lint(
    project: Annotated[Path, typer.Argument(help="HLS project folder")],
    json: JsonOption = None,
) -> None:
    """Look in a project's C++ for what Vitis and Vivado HLS refuse or answer with bad hardware. 'hls' does so too."""
    from dataclasses import asdict

    from hwsr.hls.project import FIRMWARE, lint_project, load_project

    findings = lint_project(project, load_project(project).manifest)
    for finding in findings:
        console.print(f"{project / FIRMWARE}/{finding}", soft_wrap=True)
    console.print(f"{len(findings)} findings" if findings else "no finding")
    write_figures(json, {"project": str(project), "findings": [asdict(finding) for finding in findings]})
    if findings:
        raise typer.Exit(MISMATCH)


@app.command("hls-report")
def hls_report(
    project: Annotated[Path, typer.Argument(help="HLS project folder in which the vendor's tools have run")],
    model: Annotated[
        Path | None, typer.Option("-m", "--model", help="also estimate this model, of which the project was made")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Show what csynth, co-simulation and Vivado's synthesis reported of a project, beside hwsr's estimates."""
    from hwsr.synthesized import as_json, render, synthesized

    found = synthesized(project, model)
    console.print(render(found))
    write_figures(json, as_json(found))


@app.command()
def csim(
    project: Annotated[Path, typer.Argument(help="HLS project folder")],
    model: ModelOption,
    image: Annotated[list[Path] | None, typer.Option(help="whole images to compare on as well, by tiles")] = None,
    dataflow: Annotated[
        bool, typer.Option("--dataflow", help="also run the stages side by side, FIFOs as deep as declared")
    ] = False,
    axi: Annotated[
        bool, typer.Option("--axi", help="also through the AXI4-Stream top, with its TLAST and TUSER")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Compile the project's testbench with g++, run it, and compare it with the reference as integers."""
    from hwsr.verify import render_report, verify

    with console.status("compiling and simulating"):
        report = verify(project, model, image or [], dataflow, axi)
    console.print(render_report(report))
    try:
        write_figures(json, report.as_json())
    except (HwsrError, OSError) as error:
        if not report.mismatches:
            raise
        console.print(f"error: {error}")
    if report.mismatches:
        raise typer.Exit(MISMATCH)


@app.command()
def estimate(
    model: ModelFolder,
    plan: PlanOption = None,
    device: DeviceOption = None,
    clock: ClockOption = None,
    frame: Annotated[str | None, typer.Option(help="input frame, width x height \\[the model's own]")] = None,
    reuse_factor: ReuseOption = None,
    backend: BackendOption = None,
    adders: AddersOption = None,
    adder_seconds: SecondsOption = None,
    off_chip: OffChipOption = False,
    json: JsonOption = None,
) -> None:
    """Estimate resources, cycles and frame rate before any synthesis. Every figure is an estimate."""
    from hwsr.adders.stages import graphs
    from hwsr.estimate.design import estimate as estimate_design
    from hwsr.estimate.show import as_json, render
    from hwsr.ir.outside import frame_deep
    from hwsr.ir.whole_frame import on_whole_frame
    from hwsr.plan.depths import clocks_at, spread_at

    asked = asked_of(model, plan, device, clock, reuse_factor, backend, frame)
    if off_chip and frame:
        asked = replace(asked, graph=on_whole_frame(asked.graph, asked.image))
    # As `hls` writes them, so that the estimate is of the project.
    solved = solve_adders(asked, adders, adder_seconds)
    hardware = asked.hardware(graphs(solved))
    stages = hardware.stages(asked.graph, asked.depths)
    outside = frame_deep(stages) if off_chip else ()
    with console.status("simulating"):
        clocks = clocks_at(asked.graph, hardware, asked.depths)
        spread = spread_at(asked.graph, hardware, asked.depths, clocks.interval)
    target = asked.device, asked.clock_mhz, asked.image, asked.backend.law
    design = estimate_design(asked.graph, stages, *target, outside, clocks.interval, clocks.latency, spread)
    console.print(render(design))
    write_figures(json, as_json(design))
