"""The command plan: from a rate to hardware."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from hwsr.cli.app import (
    Backend,
    JsonOption,
    ModelFolder,
    app,
    check_clock,
    checked_early,
    console,
    parse_size,
    write_figures,
)
from hwsr.cli.hardware import DeviceOption, LimitOption, SecondsOption
from hwsr.errors import DoesNotFit


@app.command()
def plan(
    model: ModelFolder,
    out: Annotated[str, typer.Option("--out", help="output image, width x height")],
    device: DeviceOption = None,
    fps: Annotated[float | None, typer.Option(help="images a second \\[as many as fit]")] = None,
    clock: Annotated[float | None, typer.Option(help="clock in MHz \\[the device's usual one]")] = None,
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    limit: LimitOption = None,
    adder_seconds: SecondsOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="where to write the plan file", callback=checked_early)
    ] = None,
    json: JsonOption = None,
) -> None:
    """Choose every stage's folding, adder graphs and FIFOs: a rate with the least hardware. All figures are estimates.

    They count the network alone: what feeds it (DMA, video, interconnect) comes on top. --limit keeps room for that.
    Exit code 3 where the device is too small or the clock too slow.
    """
    from hwsr.engines import model_graph
    from hwsr.estimate.devices import find_device, limited, parse_limits
    from hwsr.plan.design import Target
    from hwsr.plan.design import plan as plan_hardware
    from hwsr.plan.explain import describe_shortfall, explain
    from hwsr.plan.file import plan_file, write_plan
    from hwsr.plan.show import as_json, render

    graph, part = model_graph(model), find_device(backend.board if device is None else device)
    _ = part.hls_part  # what is planned is built by HLS
    limits = parse_limits(limit or [], part)
    part = limited(part, limits)
    mhz = part.clock_mhz if clock is None else check_clock(clock)
    target = Target(part, mhz, parse_size(out), fps, backend.law)
    progress = partial(track, description="sharing sums", console=console, transient=True)
    if limits:
        amounts = ", ".join(f"{amount:,} {name}" for name, amount in limits.items())
        console.print(f"limited to {amounts}: what follows counts these as all that the device has")
    console.print("planning ...")
    planned = plan_hardware(graph, target, adder_seconds, progress, console.print)
    with console.status("explaining"):
        facts = explain(graph, planned)
    console.print(render(planned, facts))
    write_figures(json, as_json(planned, facts) | {"limits": limits})
    if not planned.met:
        raise DoesNotFit(describe_shortfall(planned))
    if output:
        write_plan(output, plan_file(planned))
        console.print(f"wrote {output}")
