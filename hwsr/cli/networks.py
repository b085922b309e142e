"""Commands about networks: count, adders, equal, tables, matrix, summary."""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from hwsr.cli.app import MISMATCH, JsonOption, ModelFolder, app, console, write_figures
from hwsr.errors import HwsrError
from hwsr.files import cache_folder


@app.command("count")
def count_command(
    spec: Annotated[str, typer.Argument(help="the network, for example 'blm1-e\\[rg+u] x3'")],
    json: JsonOption = None,
) -> None:
    """Count parameters, Mult-Adds, multiplications and additions of every layer for a 1280x720 output."""
    from hwsr.quant import build
    from hwsr.spec import parse_spec
    from hwsr.tables import count_json, render_count
    from hwsr.zoo.accounting import count

    parsed = parse_spec(spec)
    cost = count(build(parsed))
    console.print(render_count(parsed, cost))
    write_figures(json, count_json(parsed, cost))


@app.command()
def adders(model: ModelFolder, json: JsonOption = None) -> None:
    """Count what the trained weights of an exported model take a pixel: zeros, operations, shared adders and bits."""
    from hwsr.adders.count import as_json, count, render
    from hwsr.engines import model_graph

    progress = partial(track, description="sharing sums", console=console, transient=True)
    costs = count(model_graph(model), progress)
    console.print(render(costs))
    write_figures(json, as_json(costs))


@app.command()
def equal(model: Annotated[Path, typer.Argument(help="folder of an exported model")], json: JsonOption = None) -> None:
    """Find the float and the int8 network at about the bits and at about the adder bits of an exported model."""
    from hwsr.cost import model_matches, render_matches

    with console.status("looking for widths"):
        spec, found = model_matches(model)
    console.print(render_matches(found, spec))
    write_figures(json, {"spec": spec, "matches": [asdict(each) for each in found]})


@app.command()
def tables(json: JsonOption = None) -> None:
    """Reprint the paper's tables: its figures, ours, and the difference."""
    from hwsr.tables import our_tables, render_tables

    with console.status("counting"):
        ours = our_tables()
    for table in render_tables(ours):
        console.print(table)
    write_figures(json, ours)


@app.command()
def matrix(
    hls: Annotated[bool, typer.Option("--hls", help="the HLS C++ of every network, simulated")] = False,
    models: Annotated[
        Path | None, typer.Option(help="with --hls: also the released integer models in this folder")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="with --hls: networks at a time \\[processors]")] = None,
    work: Annotated[
        Path | None, typer.Option(help="with --hls: folder that keeps what is done \\[~/.cache/hwsr/matrix]")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Every unit, upscaling, scale and precision through training, export and reference; or, as C++, through csim."""
    if hls:
        _hls_matrix(models, jobs or os.cpu_count() or 1, work or cache_folder("matrix"), json)
        return
    for name, value in {"models": models, "jobs": jobs, "work": work}.items():
        if value is not None:
            raise HwsrError(f"--{name} is for --hls; write both, or leave it out")
    from hwsr.matrix import check, combinations, render

    outcomes = [check(spec) for spec in track(combinations(), "networks", console=console)]
    console.print(render(outcomes))
    write_figures(json, [outcome.as_json() for outcome in outcomes])
    if any(outcome.failure for outcome in outcomes):
        raise typer.Exit(MISMATCH)


def _hls_matrix(models: Path | None, jobs: int, work: Path, json: Path | None) -> None:
    from hwsr.coverage.kept import Kept
    from hwsr.coverage.networks import networks, released
    from hwsr.coverage.run import run
    from hwsr.coverage.show import render

    cells = [*networks(), *(released(models) if models else [])]
    outcomes = run(cells, Kept(work / "hls.jsonl"), jobs, console)
    console.print(render(outcomes))
    write_figures(json, [outcome.as_json() for outcome in outcomes])
    if any(outcome.failure for outcome in outcomes):
        raise typer.Exit(MISMATCH)


@app.command()
def summary(
    folder: Annotated[Path, typer.Argument(help="run folder that holds the figures of the other commands")],
    project: Annotated[Path, typer.Option(help="the HLS project of that run")],
) -> None:
    """Sum up what the commands of one run measured."""
    from hwsr.summary import render_summary

    console.print(render_summary(folder, project))
