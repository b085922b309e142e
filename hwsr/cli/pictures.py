"""Commands on images: upscale, eval, compare, plot."""

from dataclasses import asdict, replace
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
from hwsr.engine import Engine


@app.command()
def upscale(
    image: Annotated[Path, typer.Argument(help="image to upscale")],
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="PNG to write \\[IMAGE_xS.png]")] = None,
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
    from hwsr.evaluate import EMBEDDED, evaluate, networks_json, render

    run, scale = make_upscaler(engine, model, project)
    with console.status(f"upscaling with {engine}"):
        scores = evaluate(run, validation_images(scale, data), scale)
    console.print(render(scores, f"{model}, {engine}, x{scale}"))
    figures = {"model": str(model), "engine": str(engine), "scale": scale, "images": [asdict(s) for s in scores]}
    write_figures(json, figures | {"networks": networks_json(model, data.resolve().name if data else EMBEDDED, scores)})


@app.command()
def compare(
    model: ModelOption,
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG to write")],
    image: Annotated[Path | None, typer.Argument(help="original at full size \\[the photograph chelsea]")] = None,
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


plot = typer.Typer(no_args_is_help=True, help="Draw PSNR against cost, or crops of an image side by side.")
app.add_typer(plot, name="plot")


@plot.command("tradeoff")
def plot_tradeoff(
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG or SVG to write")],
    scale: Annotated[int, typer.Option(min=2, max=4, help="upscaling factor")] = 2,
    benchmark: Annotated[str, typer.Option("--set", help="benchmark set")] = "Set5",
    points: Annotated[list[Path] | None, typer.Option(help="JSON of hwsr eval or sweep: our networks")] = None,
    paper: Annotated[bool, typer.Option(help="the paper's networks too")] = True,
    json: JsonOption = None,
) -> None:
    """Draw PSNR against Mult-Adds and against parameters: the paper's networks and ours."""
    from hwsr.errors import HwsrError
    from hwsr.plot import check_suffix, own_points, paper_points, save, tradeoff

    check_suffix(out)
    shown = paper_points(scale, benchmark) if paper else []
    shown += [point for path in points or [] for point in own_points(path, scale, benchmark)]
    if not shown:
        raise HwsrError("no networks to draw; give some with --points FILE, or the paper's with --paper")
    save(tradeoff(shown, f"{benchmark}, x{scale}"), out)
    console.print(f"wrote {out}: {len(shown)} networks")
    write_figures(json, {"set": benchmark, "scale": scale, "networks": [asdict(point) for point in shown]})


@plot.command("cost")
def plot_cost(
    models: Annotated[list[Path], typer.Argument(help="folders of models, float or exported")],
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG or SVG to write")],
    benchmark: Annotated[str, typer.Option("--set", help="benchmark set of the models' release.json")] = "Set5",
    data: Annotated[Path | None, typer.Option(help="benchmark set to score on in place of that")] = None,
    share: Annotated[bool, typer.Option(help="also with common sums shared; minutes for 8-bit weights")] = False,
    table: Annotated[Path | None, typer.Option(help="also write the table as Markdown")] = None,
    json: JsonOption = None,
) -> None:
    """Draw PSNR against the bits of the model and the adder bits of a pixel, and print both."""
    from functools import partial

    from rich.progress import track

    from hwsr.cost import as_json, costed, markdown, render
    from hwsr.files import write_text
    from hwsr.plot import COST_AXES, PRECISION_STYLES, SHARED_AXES, check_suffix, save, short_labels, tradeoff

    check_suffix(out)
    name = data.resolve().name if data else benchmark
    progress = partial(track, description="sharing sums", console=console, transient=True)
    found = [costed(model, benchmark, data, share, progress) for model in models]
    console.print(render(found, name))
    labels = short_labels([each.spec for each in found])
    # Networks of one spec are told apart by their folders.
    shown = (
        [replace(each, label=label) for each, label in zip(found, labels, strict=True)]
        if len(set(labels)) == len(labels)
        else found
    )
    save(tradeoff(shown, name, SHARED_AXES if share else COST_AXES, PRECISION_STYLES), out)
    if table:
        write_text(table, markdown(found))
    write_figures(json, as_json(found, {"set": name}))


@plot.command("crops")
def plot_crops(
    image: Annotated[Path, typer.Argument(help="original at full size")],
    box: Annotated[str, typer.Option(help="left,top,width,height of the crop, in pixels")],
    model: Annotated[list[Path], typer.Option("-m", "--model", help="folder of a trained model, or a QONNX file")],
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG to write")],
    json: JsonOption = None,
) -> None:
    """Draw a crop of an image: the original, its bicubic, and what each model makes of its reduction."""
    from hwsr.data.datasets import make_pair
    from hwsr.data.images import read_image
    from hwsr.engines import default_engine, make_upscaler
    from hwsr.errors import HwsrError
    from hwsr.pictures import crops, parse_box, versions

    part, pixels = parse_box(box), read_image(image)
    part.cut(pixels)
    runs = [(path, *make_upscaler(default_engine(path), path)) for path in model]
    scales = sorted({scale for _, _, scale in runs})
    if len(scales) > 1:
        raise HwsrError(f"the models upscale by {' and '.join(map(str, scales))}; give models of one scale")
    pair = make_pair(image.stem, pixels, scales[0])
    with console.status("upscaling"):
        results = [
            (path.resolve().stem if path.is_file() else path.resolve().name, run(pair.lr)) for path, run, _ in runs
        ]
    shown = versions(pair, results, scales[0])
    crops(shown, part, out)
    console.print(f"wrote {out}")
    scores = [{"name": version.name, "psnr": version.psnr, "ssim": version.ssim} for version in shown]
    write_figures(json, {"image": str(image), "scale": scales[0], "box": asdict(part), "versions": scores})
