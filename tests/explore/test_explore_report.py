"""What a search reports: table, commands, JSON, charts and the page."""

import base64
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from hwsr.cli import app
from hwsr.errors import DoesNotFit
from hwsr.explore.figures import COSTS, write_charts
from hwsr.explore.hardware import Hardware
from hwsr.explore.page import write_page
from hwsr.explore.search import Found, Rejected, Tally
from hwsr.explore.show import Report, as_json, check_front, commands, render
from tests.explore.workers import make_search

SPECS = [f"bl x2 n{n} g0 b2 noca anchor direct int8" for n in (4, 8, 12, 16)]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Three networks on the front and one that is not, one below what is asked, and one that does not fit."""
    figures = [(30.0, 1000, 4, 2), (31.0, 2000, 0, 3), (30.5, 2500, 9, 9), (32.0, 3000, 70, 30)]
    found = [
        Found(i, spec, psnr, 0.9, Hardware(lut, lut, dsp, bram, 60.25), 2.0, "host<b>", f"w/{i}")
        for i, (spec, (psnr, lut, dsp, bram)) in enumerate(zip(SPECS, figures, strict=True))
    ]
    rejected = (
        Rejected(8, "bl x2 n64 g0 b9 noca anchor direct int8", "short of 9 lut & more", 0.5),
        Rejected(9, "bl x2 n32 g0 b9 noca anchor direct int8", "short of 1 lut", 0.25),
    )
    return Report(make_search(tmp_path), Tally(tuple(found), rejected, running=1), 30.2)


class _Links(HTMLParser):
    """All that a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_the_page_needs_nothing_but_itself(report: Report, tmp_path: Path) -> None:
    charts = write_charts(report, tmp_path)
    write_page(report, charts, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    links = _Links()
    links.feed(text)
    inside = [base64.b64decode(link.removeprefix("data:image/png;base64,")) for link in links.found]
    assert inside == [path.read_bytes() for path in charts.values()] and list(charts) == list(COSTS)
    assert all(picture.startswith(b"\x89PNG") for picture in inside)
    assert not {"link", "iframe", "object", "base", "form"} & set(links.tags)
    rest = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//\w|url\(|@import|\bimport\b|fetch\(", rest)
    # What comes from elsewhere is text.
    assert "host&lt;b&gt;" in text and "host<b>" not in text and "lut &amp; more" in text
    for spec in SPECS:
        assert text.count(f"<td>{spec}</td>") == 1
    places = [text.index(f"<td>{spec}</td>") for spec in (SPECS[3], SPECS[1], SPECS[0], SPECS[2])]
    assert places == sorted(places)


def test_the_table_holds_the_front_alone(report: Report) -> None:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render(report))
    text = captured.get()
    assert [spec in text for spec in SPECS] == [False, True, False, True]
    assert "at least 30.2 dB" in text and "32.00" in text and "1 under way" in text


def test_the_json_holds_everything(report: Report) -> None:
    found = json.loads(json.dumps(as_json(report)))
    assert [each["spec"] for each in found["front"]] == [SPECS[3], SPECS[1]]
    assert [each["spec"] for each in found["others"]] == [SPECS[0], SPECS[2]]
    assert found["front"][0]["hardware"] == {"lut": 3000, "ff": 3000, "dsp": 70, "bram18": 30, "fps": 60.25}
    assert [each["reason"] for each in found["rejected"]] == ["short of 9 lut & more", "short of 1 lut"]
    assert found["target"]["device"] == "xck26" and found["target"]["out"] == [48, 64]


def test_the_commands_are_commands(report: Report) -> None:
    """The command line knows every command and every option of them."""
    group = get_command(app)
    for line in commands(report, report.best[0]):
        program, name, *words = shlex.split(line)
        assert program == "hwsr"
        command = group.commands[name]  # type: ignore[attr-defined]  # the app is a group
        command.make_parser(command.make_context(name, [], resilient_parsing=True)).parse_args(list(words))
    training, _, planning, _ = commands(report, report.best[0])
    assert f"'{SPECS[3]}'" in training and "--fps 60" in planning and "--out 64x48" in planning


def test_an_empty_front_says_what_came_closest(report: Report) -> None:
    check_front(report)
    with pytest.raises(DoesNotFit, match=rf"reaches 40 dB; closest is '{SPECS[3]}' with 32.00 dB"):
        check_front(Report(report.search, report.tally, 40.0))
    none = Tally(rejected=report.tally.rejected)
    with pytest.raises(DoesNotFit, match=r"closest is 'bl x2 n32 .*': short of 1 lut"):
        check_front(Report(report.search, none, None))
    with pytest.raises(DoesNotFit, match="none was tried"):
        check_front(Report(report.search, Tally(), 30.0))


def test_help_names_the_exit_code() -> None:
    assert "Exit code 3" in CliRunner().invoke(app, ["explore", "--help"]).stdout
