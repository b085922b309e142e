"""The command line: one thin function a command. Figures go to the terminal and, with --json, to a file."""

import re
import sys
import traceback
import warnings
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from hwsr.engines import Engine
from hwsr.errors import HwsrError, Interrupted
from hwsr.files import write_json

# Exit codes: 0 done, 1 a comparison found a mismatch, 2 bad input or environment, 70 an error in hwsr itself (with its
# traceback), 130 interrupted.
MISMATCH, BAD_INPUT, INTERNAL, INTERRUPTED = 1, 2, 70, 130


class Backend(StrEnum):
    """Whose HLS compiler the project is for."""

    VITIS = "Vitis"
    VIVADO = "Vivado"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hardware-oriented codegen for single-image super-resolution.",
)
console = Console()

ModelFolder = Annotated[Path, typer.Argument(help="folder of a trained model, or a QONNX file")]
ModelOption = Annotated[Path, typer.Option("-m", "--model", help="folder of a trained model, or a QONNX file")]
DataOption = Annotated[Path | None, typer.Option(help="folder of images or of EDSR-layout data sets")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="also write the figures to this file")]
ProjectOption = Annotated[Path | None, typer.Option(help="HLS project (for --engine csim)")]
EngineOption = Annotated[Engine, typer.Option(help="what computes")]


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
    _write(json, card.model_dump(mode="json"))


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


@app.command()
def hls(
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="project folder")],
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    part: Annotated[str | None, typer.Option(help="FPGA part number")] = None,
    clock: Annotated[float, typer.Option(help="clock in MHz")] = 200.0,
    reuse_factor: Annotated[int | None, typer.Option(help="multiplications that share a multiplier")] = None,
    image: Annotated[
        Path | None, typer.Option(help="image whose tiles test the hardware [embedded photographs]")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Write the HLS C++ project of a model, with its testbench and the reference's outputs."""
    from hwsr.engines import model_graph
    from hwsr.hls.project import DEFAULT_PART, write_project
    from hwsr.reference.run import run
    from hwsr.tiles import test_tiles

    graph = model_graph(model)
    with console.status("writing the HLS project"):
        project = write_project(
            graph,
            out,
            test_tiles(graph, image),
            lambda tile: run(graph, tile),
            backend,
            part or DEFAULT_PART,
            1000 / check_clock(clock),
            reuse_factor,
        )
    console.print(f"wrote {out}: {len(project.manifest.layers)} stages, {project.manifest.frames} test frames")
    _write(json, project.manifest.model_dump(mode="json"))


@app.command()
def csim(
    project: Annotated[Path, typer.Argument(help="HLS project folder")],
    model: ModelOption,
    image: Annotated[list[Path] | None, typer.Option(help="whole images to compare on as well, by tiles")] = None,
    json: JsonOption = None,
) -> None:
    """Compile the project's testbench with g++, run it, and compare it with the reference as integers."""
    from hwsr.verify import render_report, verify

    with console.status("compiling and simulating"):
        report = verify(project, model, image or [])
    console.print(render_report(report))
    _write(json, report.as_json())
    if report.mismatches:
        raise typer.Exit(MISMATCH)


@app.command()
def estimate(
    model: ModelFolder,
    device: Annotated[str, typer.Option(help="board or part")] = "kv260",
    clock: Annotated[float, typer.Option(help="clock in MHz")] = 200.0,
    frame: Annotated[str | None, typer.Option(help="input frame, width x height [the model's own]")] = None,
    reuse_factor: Annotated[int | None, typer.Option(help="multiplications that share a multiplier")] = None,
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    json: JsonOption = None,
) -> None:
    """Estimate resources, cycles and frame rate before any synthesis. Every figure is an estimate."""
    from hwsr.engines import model_graph
    from hwsr.estimate.design import estimate as estimate_design
    from hwsr.estimate.devices import find_device
    from hwsr.estimate.show import as_json, render
    from hwsr.hls.fifo import depths

    graph = model_graph(model)
    size = parse_size(frame) if frame else graph.frame
    # Streams deepen with the width of the frame that the hardware is built for.
    built = graph if graph.fixed_frame else replace(graph, frame=size)
    reuse = graph.scale**2 if reuse_factor is None else reuse_factor
    law: Literal["vitis", "vivado"] = "vitis" if backend is Backend.VITIS else "vivado"
    design = estimate_design(built, find_device(device), check_clock(clock), size, reuse, law, depths(built))
    console.print(render(design))
    _write(json, as_json(design))


@app.command()
def upscale(
    image: Annotated[Path, typer.Argument(help="image to upscale")],
    model: ModelOption,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="PNG to write [IMAGE_xS.png]")] = None,
    engine: EngineOption = Engine.REFERENCE,
    project: ProjectOption = None,
) -> None:
    """Upscale an image of any size with a trained model and write a PNG."""
    from hwsr.data.images import read_image, write_png
    from hwsr.engines import make_upscaler

    pixels = read_image(image)
    run, scale = make_upscaler(engine, model, project)
    with console.status(f"upscaling with {engine}"):
        result = run(pixels)
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
    _write(json, {"model": str(model), "engine": str(engine), "scale": scale, "images": [asdict(s) for s in scores]})


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


@app.command("count")
def count_command(
    spec: Annotated[str, typer.Argument(help="the network, for example 'blm1-e[rg+u] x3'")],
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
    _write(json, count_json(parsed, cost))


@app.command()
def tables(json: JsonOption = None) -> None:
    """Reprint the paper's tables: its figures, ours, and the difference."""
    from hwsr.tables import our_tables, render_tables

    with console.status("counting"):
        ours = our_tables()
    for table in render_tables(ours):
        console.print(table)
    _write(json, ours)


@app.command()
def summary(
    folder: Annotated[Path, typer.Argument(help="run folder that holds the figures of the other commands")],
    project: Annotated[Path, typer.Option(help="the HLS project of that run")],
) -> None:
    """Sum up what the commands of one run measured."""
    from hwsr.summary import render_summary

    console.print(render_summary(folder, project))


def parse_size(text: str) -> tuple[int, int]:
    """'320x180' (width x height) -> (180, 320). Raises HwsrError."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not found:
        raise HwsrError(f"'{text}' is not a size; write width x height, for example 320x180")
    return int(found[2]), int(found[1])


def check_clock(mhz: float) -> float:
    """A clock in MHz that is one. Raises HwsrError."""
    if not 1 <= mhz <= 2000:
        raise HwsrError(f"a clock of {mhz:g} MHz; give 1 to 2000")
    return mhz


def _write(path: Path | None, value: Any) -> None:
    if path:
        write_json(path, value)


def main() -> None:
    """Run the command line; an HwsrError becomes one line and exit code 2."""
    # Brevitas warns of optional packages that nothing here needs.
    warnings.filterwarnings("ignore", module="brevitas")
    try:
        app()
    except HwsrError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        sys.exit(INTERNAL)
