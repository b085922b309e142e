"""A search's results as a table for a terminal, as plain JSON values, and as commands to go on with."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from hwsr.errors import DoesNotFit
from hwsr.estimate.figures import NOTE
from hwsr.explore.front import front, reaching
from hwsr.explore.search import Found, Rejected, Search, Tally

# How much longer the network that is chosen trains, and at least.
LONGER, LEAST_STEPS = 20, 40_000
HEADERS = ("", "network", "dB", "LUT", "DSP", "BRAM18", "fps")


@dataclass(frozen=True)
class Report:
    """A search and what came of it; min_psnr: what the front has to reach."""

    search: Search
    tally: Tally
    min_psnr: float | None

    @property
    def best(self) -> list[Found]:
        """The front, as far as it reaches what is asked."""
        return front(reaching(self.tally.found, self.min_psnr), self.search.objectives)

    @property
    def others(self) -> list[Found]:
        best = self.best
        return [each for each in self.tally.found if each not in best]

    @property
    def title(self) -> str:
        target = self.search.target
        rate = f" at {target.fps:g} fps" if target.fps else ""
        size = f"{target.out[1]}x{target.out[0]}"
        return f"x{self.search.scale} to {size}{rate} on {target.device.part} ({target.device.board})"

    @property
    def reached(self) -> str:
        """The words of the command line for what is asked of the front."""
        return "" if self.min_psnr is None else f" of at least {self.min_psnr:g} dB"


def render(report: Report) -> Table:
    """The front, the best picture first."""
    table = Table(title=f"{report.title}: the front{report.reached} ({NOTE})", box=SIMPLE, padding=(0, 1))
    for header in HEADERS:
        table.add_column(header, justify="left" if header == "network" else "right")
    for rank, each in enumerate(report.best, 1):
        table.add_row(str(rank), each.spec, *cells(each))
    table.caption = summary(report)
    return table


def cells(each: Found) -> tuple[str, ...]:
    """dB and estimates as they are printed."""
    hardware = each.hardware
    counts = (f"{amount:,}" for amount in (hardware.lut, hardware.dsp, hardware.bram18))
    return f"{each.psnr:.2f}", *counts, f"{hardware.fps:,.1f}"


def summary(report: Report) -> str:
    """How many trials came to what, in a sentence."""
    tally = report.tally
    said = f"{len(tally.found)} networks trained that fit, {len(tally.rejected)} that do not fit or train"
    running = f", {tally.running} under way" if tally.running else ""
    waiting = f", {tally.waiting} waiting" if tally.waiting else ""
    return f"{said}{running}{waiting}; dB of the integer reference after {steps(report.search):,} steps"


def steps(search: Search) -> int:
    """Of every network's training."""
    assert search.settings.steps is not None
    return search.settings.steps


def commands(report: Report, each: Found) -> list[str]:
    """What to go on with: train longer, export, plan, and write the HLS project."""
    search, target = report.search, report.search.target
    model, plan = f"runs/{each.slug}", f"runs/{each.slug}/plan.json"
    training = ["hwsr", "train", each.spec, "--out", model, "--steps", str(max(LONGER * steps(search), LEAST_STEPS))]
    training += ["--data", str(search.data)] if search.data else []
    planning = ["hwsr", "plan", model, "--device", target.device.part, "--clock", f"{target.clock_mhz:g}"]
    planning += ["--out", f"{target.out[1]}x{target.out[0]}"]
    planning += ["--fps", f"{target.fps:g}"] if target.fps else []
    planning += ["--backend", "Vivado"] if target.backend == "vivado" else []
    building = ["hwsr", "hls", model, "--plan", plan, "--out", f"hls_projects/{each.slug}"]
    return [shlex.join(words) for words in (training, ["hwsr", "export", model], [*planning, "-o", plan], building)]


def as_json(report: Report) -> dict[str, Any]:
    """All figures, of the networks that are not on the front too."""
    search, target = report.search, report.search.target
    return {
        "study": search.name,
        "note": NOTE,
        "target": asdict(target) | {"device": target.device.part},
        "scale": search.scale,
        "space": search.space.model_dump(mode="json"),
        "recipe": asdict(search.settings),
        "limits": dict(search.limits),
        "objectives": search.objectives,
        "min_psnr": report.min_psnr,
        "front": [asdict(each) | {"commands": commands(report, each)} for each in report.best],
        "others": [asdict(each) for each in report.others],
        "rejected": [asdict(each) for each in report.tally.rejected],
        "dropped": dict(report.tally.dropped),
        "running": report.tally.running,
        "waiting": report.tally.waiting,
    }


def check_front(report: Report) -> None:
    """Raise DoesNotFit where the front is empty, with what came closest to it."""
    if report.best:
        return
    found, rejected = report.tally.found, report.tally.rejected
    if found:
        closest = max(found, key=lambda each: each.psnr)
        raise DoesNotFit(
            f"no network reaches {report.min_psnr:g} dB; closest is '{closest.spec}' with {closest.psnr:.2f} dB: train "
            "with more --steps, or lower --min-psnr"
        )
    raise DoesNotFit(f"no network was found for {report.title}; {_closest(rejected)}")


def _closest(rejected: Sequence[Rejected]) -> str:
    if not rejected:
        return "none was tried: give more --trials or --timeout"
    closest = min(rejected, key=lambda each: each.violation)
    return f"closest is '{closest.spec}': {closest.reason}"
