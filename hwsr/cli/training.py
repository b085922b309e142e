"""Commands that train and export: train, sweep, export."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import DataOption, JsonOption, app, console, parse_size, write_figures
from hwsr.form import Form
from hwsr.train.recipe import FloatPrecision, Preset, Settings

FAILED = 1

RecipeOption = Annotated[Preset, typer.Option(help="named recipe; source is the paper's")]
StepsOption = Annotated[int | None, typer.Option(min=2, help="updates, float warm-up included \\[the recipe's]")]
RateOption = Annotated[float | None, typer.Option(help="peak learning rate \\[the recipe's]")]
BatchOption = Annotated[int | None, typer.Option(min=1, help="patches a step \\[the recipe's]")]
PatchOption = Annotated[int | None, typer.Option(min=4, help="patch size in low-resolution pixels \\[the recipe's]")]
CopiesOption = Annotated[
    str | None, typer.Option(help="sizes in percent at which every image is there once more, such as 90,80,70,60,50")
]
PrecisionOption = Annotated[
    FloatPrecision, typer.Option(help="floats of the float stages; quantized ones take 32 bits")
]
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
    copies: CopiesOption = None,
    init: Annotated[
        Path | None, typer.Option(help="trained model to start from: x2 for x3 and x4, float for int8")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="trained model to learn from, beside the originals: any of this scale")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or processes where there is none")] = 1,
    precision: PrecisionOption = FloatPrecision.FULL,
    every: Annotated[int, typer.Option(min=1, help="steps from one validation and checkpoint to the next")] = 500,
    resume: Annotated[bool, typer.Option(help="go on from the checkpoint in --out")] = False,
    json: JsonOption = None,
) -> None:
    """Train a network: float warm-up, then quantized. Ctrl-C keeps the state, --resume goes on to the same bits.

    Ternary networks end with their ternary weights frozen, while factors, biases and ranges are tuned.
    A fixed-point network that starts from its own float model (--init) needs no warm-up: every step is quantized.
    """
    from hwsr.spec import parse_spec
    from hwsr.train.checkpoint import load_tensors
    from hwsr.train.loop import train as run_training
    from hwsr.train.start import starts_warmed_up

    parsed = parse_spec(spec)
    warmed_up = init is not None and starts_warmed_up(init, parsed)
    made = Settings(recipe, steps, rate, batch, patch, seed, copies).make(parsed.precision, warmed_up)
    path = run_training(parsed, made, out, data, resume, every, console, devices, precision, init, teacher)
    card = load_tensors(path)[1]
    console.print(f"trained {card.spec}: {card.history[-1].mean:.2f} dB on the validation images -> {path}")
    write_figures(json, card.model_dump(mode="json"))


@app.command()
def sweep(
    specs: Annotated[list[str] | None, typer.Argument(help="networks, each quoted")] = None,
    out: Annotated[Path, typer.Option(help="folder that takes a folder for each network")] = Path("runs/sweep"),
    specs_file: Annotated[Path | None, typer.Option("--specs", help="text file of more networks, one a line")] = None,
    data: DataOption = None,
    recipe: RecipeOption = Preset.DEFAULT,
    steps: StepsOption = None,
    rate: RateOption = None,
    batch: BatchOption = None,
    patch: PatchOption = None,
    seed: SeedOption = 0,
    copies: CopiesOption = None,
    every: Annotated[int, typer.Option(min=1, help="steps from one validation and checkpoint to the next")] = 500,
    precision: PrecisionOption = FloatPrecision.FULL,
    jobs: Annotated[int, typer.Option(min=1, help="networks trained at a time, one thread each")] = 1,
    evaluate: Annotated[
        Path | None, typer.Option("--eval", help="folder of data sets to score on \\[embedded photographs]")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Train many networks and print a table of them. Started again, it skips what is finished and resumes the rest."""
    from hwsr.sweep import Sweep, collect, data_sets, read_specs, render_sweep, run_sweep

    sets = data_sets(evaluate)
    settings = Settings(recipe, steps, rate, batch, patch, seed, copies)
    asked = Sweep(read_specs(specs or [], specs_file), settings, out, data, every, precision)
    failures = run_sweep(asked, jobs, console)
    rows = collect(asked, failures, sets, console)
    console.print(render_sweep(rows))
    write_figures(json, {"networks": [asdict(row) for row in rows], "failed": [asdict(each) for each in failures]})
    for failure in failures:
        console.print(f"failed: {failure.spec}: {failure.error}", highlight=False)
    if failures:
        raise typer.Exit(FAILED)


@app.command("release")
def release_command(
    model: Annotated[Path, typer.Argument(help="folder of a trained float model, such as models/NAME")],
    form: Annotated[list[Form] | None, typer.Option(help="forms to make \\[all of them]")] = None,
    data: DataOption = None,
    steps: StepsOption = None,
    rate: RateOption = None,
    batch: BatchOption = None,
    patch: PatchOption = None,
    seed: SeedOption = 0,
    precision: PrecisionOption = FloatPrecision.FULL,
    evaluate: Annotated[
        Path | None, typer.Option("--eval", help="folder of data sets to score on \\[embedded photographs]")
    ] = None,
    work: Annotated[Path, typer.Option(help="folder for trainings and their checkpoints")] = Path("runs/release"),
    json: JsonOption = None,
) -> None:
    """Make the quantized forms of a float model, in folders beside it. Started again, it goes on where it was."""
    from hwsr.release import Order, as_json, release, render
    from hwsr.sweep import data_sets

    asked = Settings(Preset.DEFAULT, steps, rate, batch, patch, seed)
    made = release(
        Order(model, tuple(form or Form), data, data_sets(evaluate), work, asked, precision),
        console,
    )
    console.print(render(made))
    write_figures(json, as_json(made))


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
