"""For every ternary model a float and an int8 network of about its bits and of about its additions, trained and scored.

Their folders are written as those of `hwsr release` are; `hwsr plot cost` draws them beside the ternary ones. Started
again, it goes on where it was.

python -m benchmarks.equal_cost models/A_r2 models/A_r4 --data TRAIN --eval SETS --out models/equal_cost
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from hwsr.cost import model_matches
from hwsr.files import write_json, write_text
from hwsr.release import RELEASE, Form, Order, release, render, training_log
from hwsr.spec import Precision, Spec, parse_spec
from hwsr.sweep import data_sets, timed, training_seconds
from hwsr.train.checkpoint import load_network, load_tensors, save_model
from hwsr.train.loop import train
from hwsr.train.recipe import FloatPrecision, Settings


def wanted(models: list[Path]) -> dict[Spec, bool]:
    """The float networks to train, and whether an int8 one is made of it. Raises HwsrError."""
    specs = [parse_spec(match.spec) for model in models for match in model_matches(model)[1]]
    found: dict[Spec, bool] = {}
    for spec in specs:
        in_float = replace(spec, precision=Precision.FLOAT)
        found[in_float] = found.get(in_float, False) or spec.precision is Precision.INT8
    return found


def make(spec: Spec, with_int8: bool, options: argparse.Namespace, console: Console) -> None:
    """Train, score and write a float network and, if asked, its int8 form. Raises HwsrError."""
    work, target = options.work / spec.slug, options.out / spec.slug
    if not (work / "model.safetensors").exists():
        settings = Settings(steps=options.float_steps, rate=1e-3, batch=8)
        resume = (work / "checkpoint.safetensors").exists()
        with timed(work):
            train(
                spec,
                settings.make(Precision.FLOAT),
                work,
                options.data,
                resume,
                every=1000,
                console=console,
                precision=FloatPrecision.MIXED,
            )
    card = load_tensors(work / "model.safetensors")[1]
    save_model(target, load_network(work), card)
    write_text(target / "train.log", training_log(card))
    forms = (Form.INT8,) if with_int8 else ()
    asked = Settings(steps=options.int8_steps, batch=8)
    made = release(Order(target, forms, options.data, data_sets(options.eval), options.work, asked), console)
    own = made[target.name].model_copy(update={"seconds": training_seconds(work)})
    write_json(target / RELEASE, own.model_dump(mode="json"))
    console.print(render(made | {target.name: own}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/equal_cost"))
    parser.add_argument("--float-steps", type=int, default=10_000)
    parser.add_argument("--int8-steps", type=int, default=1000)
    options = parser.parse_args()
    for spec, with_int8 in wanted(options.models).items():
        make(spec, with_int8, options, Console())


if __name__ == "__main__":
    main()
