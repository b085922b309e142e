"""Commands about hls4ml's own kernels: estimate-layers, estimate-hls4ml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import MISMATCH, JsonOption, app, console, write_figures


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
    for assumed, count in Counter(each for point in points for each in point["assumed"]).most_common():
        console.print(f"{count} layers: {assumed}", markup=False)


@app.command("estimate-hls4ml")
def estimate_hls4ml(
    project: Annotated[Path, typer.Argument(help="folder that hls4ml wrote an io_stream project to")],
    depths: Annotated[
        bool, typer.Option("--depths", help="also find the smallest FIFO depths that keep the rate")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Estimate a project of hls4ml's own kernels: clocks of the whole pipeline, resources, FIFO depths."""
    from hwsr.stock.estimate import as_json, estimate_stock, render
    from hwsr.stock.project import read_stock

    stock = read_stock(project)
    with console.status("simulating"):
        found = estimate_stock(stock, depths)
    console.print(render(found))
    write_figures(json, as_json(found))
    if found.waits:
        raise typer.Exit(MISMATCH)
