"""Commands that train and export: train, export."""

from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import DataOption, JsonOption, app, console, parse_size, write_figures
from hwsr.train.recipe import FloatPrecision, Preset, Settings


RecipeOption = Annotated[Preset, typer.Option(help="named recipe; source is the paper's")]
StepsOption = Annotated[int | None, typer.Option(min=2, help="updates, float warm-up included [the recipe's]")]
RateOption = Annotated[float | None, typer.Option(help="peak learning rate [the recipe's]")]
BatchOption = Annotated[int | None, typer.Option(min=1, help="patches a step [the recipe's]")]
PatchOption = Annotated[int | None, typer.Option(min=4, help="patch size in low-resolution pixels [the recipe's]")]
SeedOption = Annotated[int, typer.Option(min=0, help="decides initial weights and every batch")]


@app.command()
def train(
    spec: Annotated[str, typer.Argument(help="the network, for example 'ST-bl x2 n16 g0 b3 noca anchor direct r1'")],
    out: Annotated[Path, typer.Option(help="folder for weights, card, checkpoint and log")],
    data: DataOption = None,
    recipe: RecipeOption = Preset.DEFAULT,
    steps: StepsOption = None,
    rate: RateOption = None,
    batch: BatchOption = None,
    patch: PatchOption = None,
    seed: SeedOption = 0,
    init: Annotated[Path | None, typer.Option(help="trained model to start from (x3 and x4: the trained x2)")] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or processes where there is none")] = 1,
    precision: Annotated[
        FloatPrecision, typer.Option(help="floats of the float stages; quantized ones take 32 bits")
    ] = FloatPrecision.FULL,
    every: Annotated[int, typer.Option(min=1, help="steps from one validation and checkpoint to the next")] = 500,
    resume: Annotated[bool, typer.Option(help="go on from the checkpoint in --out")] = False,
    json: JsonOption = None,
) -> None:
    """Train a network: float warm-up, then quantized. Ctrl-C keeps the state, --resume goes on to the same bits."""
    from hwsr.spec import parse_spec
    from hwsr.train.checkpoint import load_tensors
    from hwsr.train.loop import train as run_training

    parsed = parse_spec(spec)
    made = Settings(recipe, steps, rate, batch, patch, seed).make(parsed.precision)
    path = run_training(parsed, made, out, data, resume, every, console, devices, precision, init)
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
