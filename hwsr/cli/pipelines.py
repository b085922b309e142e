"""Commands that run a pipeline under back-pressure: simulate."""

from enum import StrEnum
from typing import Annotated

import typer

from hwsr.cli.app import MISMATCH, JsonOption, ModelFolder, app, console, write_figures
from hwsr.cli.hardware import (
    AddersOption,
    BackendOption,
    ClockOption,
    DeviceOption,
    PlanOption,
    ReuseOption,
    SecondsOption,
    asked_of,
    solve_adders,
)


class Depths(StrEnum):
    """How deep FIFOs are."""

    DECLARED = "declared"
    SMALLEST = "smallest"


@app.command()
def simulate(
    model: ModelFolder,
    plan: PlanOption = None,
    device: DeviceOption = None,
    clock: ClockOption = None,
    frame: Annotated[str | None, typer.Option(help="input frame, width x height \\[the model's own]")] = None,
    reuse_factor: ReuseOption = None,
    backend: BackendOption = None,
    adders: AddersOption = None,
    adder_seconds: SecondsOption = None,
    depths: Annotated[
        Depths, typer.Option(help="FIFOs as the project declares them, or the smallest that keep the rate")
    ] = Depths.DECLARED,
    loss: Annotated[float, typer.Option(help="percent of the slowest stage's rate that the smallest may cost")] = 0.0,
    json: JsonOption = None,
) -> None:
    """Simulate the pipeline clock by clock with finite FIFOs: frame rate, stalls, deadlocks and FIFO depths."""
    from hwsr.adders.stages import graphs
    from hwsr.dataflow import as_json, check_frame, dataflow, render

    asked = asked_of(model, plan, device, clock, reuse_factor, backend, frame)
    if plan is None:
        check_frame(asked.graph, asked.image)
    # As `hls` writes them, so that the simulation is of the project.
    hardware = asked.hardware(graphs(solve_adders(asked, adders, adder_seconds)))
    stages = hardware.stages(asked.graph, asked.depths)
    with console.status("simulating"):
        flow = dataflow(asked.graph, stages, hardware.timing, depths is Depths.SMALLEST, loss / 100)
    console.print(render(flow))
    write_figures(json, as_json(flow))
    if flow.run.waits:
        raise typer.Exit(MISMATCH)
