"""Commands on precision: quantize, sensitivity."""

from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import DataOption, JsonOption, app, console, write_figures


@app.command("quantize")
def quantize_command(
    model: Annotated[Path, typer.Argument(help="folder of a trained float model")],
    out: Annotated[Path, typer.Option(help="folder for weights and card")],
    to: Annotated[str, typer.Option(help="words of a spec: int8, int8t, 'w4a4 body.0=w8', 'int8 acc16'")] = "int8",
    data: DataOption = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which patches are looked at")] = 0,
    json: JsonOption = None,
) -> None:
    """Quantize a trained float model from a few images, without training."""
    from functools import partial

    from rich.progress import track

    from hwsr.quantize import quantize_model

    progress = partial(track, description="quantizing", console=console, transient=True)
    card = quantize_model(model, to, out, data, seed, progress)
    console.print(f"quantized {card.spec}: {card.history[-1].mean:.2f} dB on the validation images -> {out}")
    write_figures(json, card.model_dump(mode="json"))
