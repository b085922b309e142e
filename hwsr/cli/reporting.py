"""The command report: a model as one page."""

from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import DataOption, JsonOption, ModelFolder, app, console, write_figures
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
from hwsr.errors import HwsrError


@app.command()
def report(
    model: ModelFolder,
    plan: PlanOption = None,
    device: DeviceOption = None,
    clock: ClockOption = None,
    reuse_factor: ReuseOption = None,
    backend: BackendOption = None,
    adders: AddersOption = None,
    adder_seconds: SecondsOption = None,
    data: DataOption = None,
    csim: Annotated[Path | None, typer.Option(help="what csim --json wrote \\[csim.json beside the model]")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file to write")] = Path("report.html"),
    json: JsonOption = None,
) -> None:
    """Write one self-contained HTML page: network, hardware, dataflow, picture quality, and what is proved of it."""
    from functools import partial

    from rich.progress import track

    from hwsr.adders.stages import graphs
    from hwsr.data.datasets import validation_images
    from hwsr.files import write_text
    from hwsr.report.gather import Design, as_json, check_model
    from hwsr.report.gather import report as gather
    from hwsr.report.page import render
    from hwsr.report.verdict import beside

    check_model(model)
    if csim and not csim.is_file():
        raise HwsrError(f"{csim}: no such file; write it with 'hwsr csim PROJECT -m {model} --json {csim}'")
    asked = asked_of(model, plan, device, clock, reuse_factor, backend)
    solved = graphs(solve_adders(asked, adders, adder_seconds))
    pairs = validation_images(asked.graph.scale, data)
    target = asked.device, asked.clock_mhz, asked.backend.law
    design = Design(asked.graph, asked.image, asked.reuse, *target, solved, asked.depths)
    progress = partial(track, description="upscaling", console=console, transient=True)
    found = gather(model, design, pairs, data, csim or beside(model), progress)
    write_text(out, render(found))
    write_figures(json, as_json(found))
    console.print(f"wrote {out}", soft_wrap=True)
    reason = f": {found.verdict.reason}" if found.verdict.reason else ""
    console.print(f"csim: {found.verdict.status}{reason}", soft_wrap=True)
