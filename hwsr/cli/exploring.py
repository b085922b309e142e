"""The command explore: from a device and a rate to the networks worth training for it."""

from pathlib import Path
from typing import Annotated

import typer

from hwsr.cli.app import Backend, DataOption, JsonOption, app, check_clock, console, parse_size, write_figures
from hwsr.cli.hardware import LimitOption
from hwsr.train.recipe import Preset, Settings


@app.command()
def explore(
    out: Annotated[str, typer.Option("--out", help="output image, width x height")],
    device: Annotated[str, typer.Option(help="board or part")] = "kv260",
    fps: Annotated[float | None, typer.Option(help="images a second \\[sought as well]")] = None,
    clock: Annotated[float | None, typer.Option(help="clock in MHz \\[the device's usual one]")] = None,
    backend: Annotated[Backend, typer.Option(help="whose HLS compiler")] = Backend.VITIS,
    scale: Annotated[int, typer.Option(min=2, max=4, help="upscaling factor")] = 2,
    min_psnr: Annotated[float | None, typer.Option(help="dB that the front has to reach")] = None,
    limit: LimitOption = None,
    space: Annotated[Path | None, typer.Option(help="TOML file of what to choose from (docs/explore.md)")] = None,
    trials: Annotated[int, typer.Option(min=1, help="networks to train in all, by all workers")] = 50,
    timeout: Annotated[float | None, typer.Option(min=0, help="seconds after which no further one is begun")] = None,
    steps: Annotated[int, typer.Option(min=3, help="updates of each training, float warm-up included")] = 1000,
    batch: Annotated[int, typer.Option(min=1, help="patches a step")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="of each training: initial weights and batches")] = 0,
    data: DataOption = None,
    evaluate: Annotated[
        Path | None, typer.Option("--eval", help="folder of images to score on \\[embedded photographs]")
    ] = None,
    work: Annotated[Path, typer.Option(help="folder of trainings and of the report")] = Path("runs/explore"),
    storage: Annotated[
        str | None, typer.Option(help="journal file, its folder, or a database's URL that workers share \\[in --work]")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Search networks and precisions for the best quality at the least hardware. The same command again: a worker more.

    Ctrl-C keeps every state. Exit code 3 where nothing fits or reaches --min-psnr.
    """
    from hwsr.estimate.devices import find_device, parse_limits
    from hwsr.explore.page import write_report
    from hwsr.explore.search import Search, data_digest
    from hwsr.explore.show import Report, as_json, check_front, render
    from hwsr.explore.space import read_space
    from hwsr.explore.storage import JOURNAL, open_study
    from hwsr.explore.worker import Worker, tally
    from hwsr.files import writable_folder
    from hwsr.plan.design import Target

    part = find_device(device)
    target = Target(part, part.clock_mhz if clock is None else check_clock(clock), parse_size(out), fps, backend.law)
    limits, choices = parse_limits(limit or [], part), read_space(space)
    settings = Settings(Preset.DEFAULT, steps, batch=batch, seed=seed)
    with console.status("reading images"):
        sha256 = data_digest(data, evaluate, scale)
    search = Search(target, scale, choices, settings, limits, writable_folder(work), data, evaluate, sha256)
    study = open_study(storage or str(work / JOURNAL), search.name, list(search.objectives.values()))
    known = len(study.get_trials(deepcopy=False))
    console.print(f"{search.name}: {f'{known} trials so far' if known else 'a new search'}")
    Worker(search, study, trials, timeout, console).run()
    report = Report(search, tally(study), min_psnr)
    console.print(render(report))
    write_figures(json, as_json(report))
    console.print(f"wrote {write_report(report, work / 'report')}")
    check_front(report)
