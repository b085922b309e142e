"""A search as one HTML page, which needs nothing but itself."""

import base64
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from hwsr.estimate.figures import NOTE
from hwsr.explore.figures import COSTS, write_charts
from hwsr.explore.show import HEADERS, Report, cells, commands, summary
from hwsr.files import write_text


def write_report(report: Report, folder: Path) -> Path:
    """Write the charts and the page; return the page's path. Raises HwsrError."""
    page = folder / "index.html"
    write_page(report, write_charts(report, folder), page)
    return page


def write_page(report: Report, charts: Mapping[str, Path], path: Path) -> None:
    """Write the page, the PNG files of `charts` inside it. Raises HwsrError."""
    template = files("hwsr.explore").joinpath("templates/page.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    best = report.best
    rows = [*((str(rank), each) for rank, each in enumerate(best, 1)), *(("", each) for each in report.others)]
    pictures = {COSTS[cost]: base64.b64encode(file.read_bytes()).decode() for cost, file in charts.items()}
    text = page.render(
        title=report.title,
        note=NOTE,
        summary=summary(report),
        reached=report.reached,
        headers=HEADERS,
        rows=[(rank, each.spec, cells(each)) for rank, each in rows],
        members=[(rank, each, commands(report, each)) for rank, each in enumerate(best, 1)],
        pictures=pictures,
        rejected=sorted(report.tally.rejected, key=lambda each: each.violation),
        study=report.search.name,
    )
    write_text(path, text)
