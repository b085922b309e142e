"""Commands on images: upscale, eval, compare."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import (
    DataOption,
    EngineOption,
    JsonOption,
    ModelFolder,
    ModelOption,
    ProjectOption,
    app,
    console,
    write_figures,
)
from hwsr.engines import Engine


@app.command()
def upscale(
    image: Annotated[Path, typer.Argument(help="image to upscale")],
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="PNG to write [IMAGE_xS.png]")] = None,
    engine: EngineOption = Engine.REFERENCE,
    project: ProjectOption = None,
) -> None:
    """Upscale an image of any size with a trained model and write a PNG; chroma is bicubic where it knows luma only."""
    from hwsr.data.colour import in_colour
    from hwsr.data.images import read_image, write_png
    from hwsr.engines import make_upscaler

    pixels = read_image(image)
    run, scale = make_upscaler(engine, model, project)
    with console.status(f"upscaling with {engine}"):
        result = in_colour(run(pixels), pixels, scale)
    path = out or Path(f"{image.stem}_x{scale}.png")
    write_png(path, result)
    console.print(f"{image} {pixels.shape[1]}x{pixels.shape[0]} -> {path} {result.shape[1]}x{result.shape[0]}")


@app.command("eval")
def evaluate_command(
    model: ModelFolder,
    data: DataOption = None,
    engine: EngineOption = Engine.REFERENCE,
    project: ProjectOption = None,
    json: JsonOption = None,
) -> None:
    """Y-PSNR and SSIM of a model on a benchmark set (embedded photographs by default), with bicubic beside it."""
    from hwsr.data.datasets import validation_images
    from hwsr.engines import make_upscaler
    from hwsr.evaluate import evaluate, render

    run, scale = make_upscaler(engine, model, project)
    with console.status(f"upscaling with {engine}"):
        scores = evaluate(run, validation_images(scale, data), scale)
    console.print(render(scores, f"{model}, {engine}, x{scale}"))
    write_figures(
        json, {"model": str(model), "engine": str(engine), "scale": scale, "images": [asdict(s) for s in scores]}
    )


@app.command()
def compare(
    model: ModelOption,
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG to write")],
    image: Annotated[Path | None, typer.Argument(help="original at full size [the photograph chelsea]")] = None,
    engine: EngineOption = Engine.REFERENCE,
    project: ProjectOption = None,
) -> None:
    """Draw an image beside its bicubic and its upscaled reduction, with their PSNR."""
    from hwsr.data.datasets import make_pair, validation_images
    from hwsr.data.images import read_image
    from hwsr.engines import make_upscaler
    from hwsr.pictures import comparison

    run, scale = make_upscaler(engine, model, project)
    pair = make_pair(image.stem, read_image(image), scale) if image else validation_images(scale)[-1]
    comparison(pair, run(pair.lr), scale, out)
    console.print(f"wrote {out}")
