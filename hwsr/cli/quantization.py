"""Commands on precision: quantize, sensitivity, accumulators."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from hwsr.cli.app import DataOption, JsonOption, ModelFolder, app, console, write_figures


@app.command("quantize")
def quantize_command(
    model: Annotated[Path, typer.Argument(help="folder of a trained float model")],
    out: Annotated[Path, typer.Option(help="folder for weights and card")],
    to: Annotated[
        str, typer.Option(help="words of a spec: int8, int8t, int8a, 'w4a4 body.0=w8', 'int8 acc16'")
    ] = "int8",
    data: DataOption = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which patches are looked at")] = 0,
    json: JsonOption = None,
) -> None:
    """Quantize a trained float model from a few images, without training."""
    from hwsr.quantize import quantize_model
    from hwsr.train.checkpoint import load_tensors, model_file

    progress = partial(track, description="quantizing", console=console, transient=True)
    card = quantize_model(model, to, out, data, seed, progress)
    full = load_tensors(model_file(model))[1].history
    beside = f" (float: {full[-1].mean:.2f})" if full else ""
    console.print(f"quantized {card.spec}: {card.history[-1].mean:.2f} dB on the validation images{beside} -> {out}")
    write_figures(json, card.model_dump(mode="json"))


@app.command("sensitivity")
def sensitivity_command(
    model: Annotated[Path, typer.Argument(help="folder of a fixed-point model")],
    weights: Annotated[int, typer.Option(help="bits that weights are lowered to")] = 4,
    activations: Annotated[int, typer.Option(help="bits that what a layer reads is lowered to")] = 4,
    data: Annotated[Path | None, typer.Option(help="data set to score on \\[embedded photographs]")] = None,
    json: JsonOption = None,
) -> None:
    """Lower the bits of each layer alone, without training, and show the dB that it costs."""
    from hwsr.bits import Widths
    from hwsr.data.datasets import validation_images
    from hwsr.quantize import patches
    from hwsr.sensitivity import render, sensitivity
    from hwsr.train.checkpoint import load_model

    lowered, spec = Widths(weights, activations), load_model(model)[0]
    progress = partial(track, description="lowering", console=console, transient=True)
    found = sensitivity(model, lowered, validation_images(spec.scale, data), patches(spec), progress)
    console.print(render(found))
    write_figures(json, asdict(found))


@app.command("accumulators")
def accumulators_command(model: ModelFolder, json: JsonOption = None) -> None:
    """Show how wide each convolution's accumulator must be, proved from the weights of an exported model."""
    from hwsr.engines import model_graph
    from hwsr.ir.accumulators import accumulators, render

    found = accumulators(model_graph(model))
    console.print(render(found))
    write_figures(json, [asdict(each) for each in found])
