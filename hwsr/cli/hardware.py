"""Commands from a model to hardware: hls, csim, estimate."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from hwsr.cli.app import (
    MISMATCH,
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


class Backend(StrEnum):
    """Whose HLS compiler the project is for."""

    VITIS = "Vitis"
    VIVADO = "Vivado"


@app.command()
def hls(
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="project folder")],
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    device: Annotated[str, typer.Option(help="board or part")] = "kv260",
    part: Annotated[str | None, typer.Option(help="part number for the HLS tool [that of --device]")] = None,
    clock: Annotated[float, typer.Option(help="clock in MHz")] = 200.0,
    reuse_factor: Annotated[int | None, typer.Option(help="clocks an input pixel may take [scale^2]")] = None,
    image: Annotated[
        Path | None, typer.Option(help="image whose tiles test the hardware [embedded photographs]")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Write the HLS C++ project of a model, with its testbench and the reference's outputs."""
    from hwsr.engines import model_graph
    from hwsr.estimate.devices import find_device
    from hwsr.hls.project import write_project
    from hwsr.reference.run import run
    from hwsr.tiles import test_tiles

    graph = model_graph(model)
    with console.status("writing the HLS project"):
        project = write_project(
            graph,
            out,
            test_tiles(graph, image),
            lambda tile: run(graph, tile),
            backend,
            part or find_device(device).hls_part,
            1000 / check_clock(clock),
            reuse_factor,
        )
    console.print(f"wrote {out}: {len(project.manifest.layers)} stages, {project.manifest.frames} test frames")
    write_figures(json, project.manifest.model_dump(mode="json"))


@app.command()
def csim(
    project: Annotated[Path, typer.Argument(help="HLS project folder")],
    model: ModelOption,
    image: Annotated[list[Path] | None, typer.Option(help="whole images to compare on as well, by tiles")] = None,
    dataflow: Annotated[
        bool, typer.Option("--dataflow", help="also run the stages side by side, FIFOs as deep as declared")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Compile the project's testbench with g++, run it, and compare it with the reference as integers."""
    from hwsr.verify import render_report, verify

    with console.status("compiling and simulating"):
        report = verify(project, model, image or [], dataflow)
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
    device: Annotated[str, typer.Option(help="board or part")] = "kv260",
    clock: Annotated[float, typer.Option(help="clock in MHz")] = 200.0,
    frame: Annotated[str | None, typer.Option(help="input frame, width x height [the model's own]")] = None,
    reuse_factor: Annotated[int | None, typer.Option(help="clocks an input pixel may take [scale^2]")] = None,
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    json: JsonOption = None,
) -> None:
    """Estimate resources, cycles and frame rate before any synthesis. Every figure is an estimate."""
    from hwsr.engines import model_graph
    from hwsr.estimate.design import estimate as estimate_design
    from hwsr.estimate.design import on_frame
    from hwsr.estimate.devices import find_device
    from hwsr.estimate.show import as_json, render
    from hwsr.hls.lower import lower

    graph = model_graph(model)
    size = parse_size(frame) if frame else graph.frame
    built = on_frame(graph, size)
    # As `hls` writes them, so that the estimate is of the project.
    stages = lower(built, graph.scale**2 if reuse_factor is None else reuse_factor)
    law: Literal["vitis", "vivado"] = "vitis" if backend is Backend.VITIS else "vivado"
    design = estimate_design(built, stages, find_device(device), check_clock(clock), size, law)
    console.print(render(design))
    write_figures(json, as_json(design))


@app.command("estimate-layers")
def estimate_layers(
    file: Annotated[Path, typer.Argument(help='layers as {"points": [...]}, in the schema of the calibration file')],
    out: Annotated[Path, typer.Option("--out", "-o", help="where to write the predictions")],
) -> None:
    """Predict csynth's and synthesis' figures of layers from their descriptions alone, without any tool."""
    from collections import Counter

    from hwsr.estimate.predict import estimate_file

    estimates = estimate_file(file)
    write_figures(out, estimates)
    points = estimates["points"]
    reasons = Counter(point["reason"] for point in points if point["reason"])
    console.print(
        f"wrote {out}: estimates of {sum(point['lut'] is not None for point in points)} of {len(points)} layers"
    )
    for reason, count in reasons.most_common():
        console.print(f"{count} layers: {reason}", markup=False)
