"""Commands that run a pipeline under back-pressure: simulate."""

from enum import StrEnum
from typing import Annotated, Literal

import typer

from hwsr.cli.app import MISMATCH, JsonOption, ModelFolder, app, check_clock, console, parse_size, write_figures
from hwsr.cli.hardware import Backend


class Depths(StrEnum):
    """How deep FIFOs are."""

    DECLARED = "declared"
    SMALLEST = "smallest"


@app.command()
def simulate(
    model: ModelFolder,
    device: Annotated[str, typer.Option(help="board or part, whose pipelines are as deep as estimated")] = "kv260",
    clock: Annotated[float, typer.Option(help="clock in MHz")] = 200.0,
    frame: Annotated[str | None, typer.Option(help="input frame, width x height [the model's own]")] = None,
    reuse_factor: Annotated[int | None, typer.Option(help="clocks an input pixel may take [scale^2]")] = None,
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    depths: Annotated[
        Depths, typer.Option(help="FIFOs as the project declares them, or the smallest that keep the rate")
    ] = Depths.DECLARED,
    loss: Annotated[float, typer.Option(help="percent of the slowest stage's rate that the smallest may cost")] = 0.0,
    json: JsonOption = None,
) -> None:
    """Simulate the pipeline clock by clock with finite FIFOs: frame rate, stalls, deadlocks and FIFO depths."""
    from hwsr.dataflow import as_json, check_frame, dataflow, render
    from hwsr.engines import model_graph
    from hwsr.estimate.design import on_frame
    from hwsr.estimate.devices import find_device
    from hwsr.estimate.fabric import Timing, fabric_of
    from hwsr.hls.lower import lower

    graph = model_graph(model)
    size = parse_size(frame) if frame else graph.frame
    check_frame(graph, size)
    built = on_frame(graph, size)
    # As `hls` writes them, so that the simulation is of the project.
    stages = lower(built, graph.scale**2 if reuse_factor is None else reuse_factor)
    law: Literal["vitis", "vivado"] = "vitis" if backend is Backend.VITIS else "vivado"
    timing = Timing(fabric_of(find_device(device).full_part), law, 1000 / check_clock(clock))
    with console.status("simulating"):
        flow = dataflow(built, stages, timing, depths is Depths.SMALLEST, loss / 100)
    console.print(render(flow))
    write_figures(json, as_json(flow))
    if flow.run.waits:
        raise typer.Exit(MISMATCH)
