"""Commands that train and export: train, export."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import DataOption, JsonOption, app, console, parse_size, write_figures


@app.command()
def train(
    spec: Annotated[str, typer.Argument(help="the network, for example 'ST-bl x2 n16 g0 b3 noca anchor direct r1'")],
    out: Annotated[Path, typer.Option(help="folder for weights, card, checkpoint and log")],
    data: DataOption = None,
    steps: Annotated[int, typer.Option(min=2, help="updates, float warm-up included")] = 2000,
    rate: Annotated[float, typer.Option(help="peak learning rate")] = 2e-3,
    batch: Annotated[int, typer.Option(min=1, help="patches a step")] = 16,
    patch: Annotated[int, typer.Option(min=4, help="patch size in low-resolution pixels")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="decides initial weights and every batch")] = 0,
    every: Annotated[int, typer.Option(min=1, help="steps from one validation and checkpoint to the next")] = 500,
    resume: Annotated[bool, typer.Option(help="go on from the checkpoint in --out")] = False,
    json: JsonOption = None,
) -> None:
    """Train a network: float warm-up, then quantized. Ctrl-C keeps the state, --resume goes on to the same bits."""
    from hwsr.spec import parse_spec
    from hwsr.train.checkpoint import load_tensors
    from hwsr.train.loop import train as run_training
    from hwsr.train.recipe import default_recipe

    parsed = parse_spec(spec)
    recipe = replace(default_recipe(parsed.precision, steps, seed, rate), batch=batch, patch=patch)
    path = run_training(parsed, recipe, out, data, resume, every, console)
    card = load_tensors(path)[1]
    console.print(f"trained {card.spec}: {card.history[-1].mean:.2f} dB on the validation images -> {path}")
    write_figures(json, card.model_dump(mode="json"))


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="folder of a trained model")],
    frame: Annotated[str, typer.Option(help="width x height of the input that hardware is built for")] = "48x48",
) -> None:
    """Export a trained model as QONNX: model.onnx in its folder."""
    from hwsr.export.qonnx import export_qonnx
    from hwsr.train.checkpoint import load_network

    path = (model if model.is_dir() else model.parent) / "model.onnx"
    export_qonnx(load_network(model), path, parse_size(frame))
    console.print(f"wrote {path}")
