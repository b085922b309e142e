"""The page: whole HTML that fetches nothing, shows every figure of its JSON, and escapes what it is given."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsr.cli import main
from hwsr.data.images import write_png
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.report.claims import Absent, Kind
from hwsr.report.gather import Report, as_json
from hwsr.report.page import render
from hwsr.report.verdict import Compared, Status, Verdict
from tests.export.test_qonnx import random_network
from tests.report.gathered import gathered
from tests.report.html import Page

SPECS = [
    "bl x2 n4 g0 b1 noca anchor direct int8",
    "bl x3 n4 g1 b1 int8",
    "ST-bl x2 n4 g0 b1 noca direct r1",
    "bl x2 n4 g0 b1 noca anchor int8a",
    "espcn x3 int8",
]
HOSTILE = '"><script>alert(1)<'


@pytest.fixture(scope="module", params=SPECS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "model.onnx"
    export_qonnx(random_network(request.param), path, (12, 14))
    return gathered(path, images(folder / "photos", "one", "two"))


def images(folder: Path, *names: str) -> Path:
    """A folder of images of noise that is smooth enough to be upscaled."""
    folder.mkdir()
    for seed, name in enumerate(names):
        coarse = np.random.default_rng(seed).integers(0, 256, (12, 15, 3)).astype(np.uint8)
        write_png(folder / f"{name}.png", np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1))
    return folder


def test_a_page_is_whole_html(found: Report) -> None:
    page = Page(render(found))
    assert page.tags[0] == ("html", {"lang": "en"})
    assert len(page.all("h1")) == 1 and len(page.all("figure")) == 2
    assert all(image["alt"] for image in page.all("img"))
    assert all(control["aria-label"] for control in page.all("input"))


def test_a_page_fetches_nothing(found: Report) -> None:
    html = render(found)
    page = Page(html)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import|\bfetch\(|XMLHttpRequest|WebSocket|https?://", html)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'")


def test_every_figure_of_the_json_is_on_the_page(found: Report) -> None:
    text = Page(render(found)).text
    titles = " ".join(re.findall(r"<title>([^<]*)</title>", render(found)))
    words = set(re.findall(r"[+-]?\d[\d,]*(?:\.\d+)?", text + titles))
    figures = list(leaves(json.loads(json.dumps(as_json(found)))))
    assert len(figures) > 100
    missing = [(path, value) for path, value in figures if not forms(value) & words]
    assert missing == []


def leaves(value: Any, path: str = "") -> Any:
    """Every number of JSON values with its place."""
    match value:
        case bool() | None | str():
            return
        case int() | float():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from leaves(item, f"{path}.{key}")
        case list():
            for i, item in enumerate(value):
                yield from leaves(item, f"{path}[{i}]")


def forms(value: float) -> set[str]:
    """How a figure may be written."""
    found = {f"{value:,.{digits}f}" for digits in (0, 1, 2, 4) if digits or float(value).is_integer()}
    return found | {f"{100 * value:.1f}"}


def test_the_pictures_are_no_figures(found: Report) -> None:
    assert "base64" not in json.dumps(as_json(found))
    assert len(re.findall(r'src="data:image/png;base64,[A-Za-z0-9+/=]+"', render(found))) == 6


def test_every_block_is_drawn_with_its_width_and_bits(found: Report) -> None:
    html = render(found)
    text = Page(html).text
    assert html.count('<g class="block') == len(found.blocks)
    for block in found.blocks:
        assert block.label in text and f"{block.shape[0]} × {block.bits} bit" in text


def test_a_page_is_the_same_each_time(found: Report) -> None:
    assert render(found) == render(found)


def test_names_are_text(tmp_path: Path) -> None:
    """Of the model, its nodes and the images."""
    path = tmp_path / f"{HOSTILE}.onnx"
    export_qonnx(random_network(SPECS[0]), tmp_path / "plain.onnx", (12, 14))
    (tmp_path / "plain.onnx").rename(path)
    made = gathered(path, images(tmp_path / "photos", HOSTILE))
    parts = [block.part and HOSTILE + block.part for block in made.blocks]
    named = tuple(
        replace(block, name=HOSTILE, label=HOSTILE, part=part) for block, part in zip(made.blocks, parts, strict=True)
    )
    rows = tuple(replace(row, name=HOSTILE, label=HOSTILE) for row in made.rows)
    compared = (Compared(HOSTILE, 1, "values", 0),)
    said = Verdict(Status.EQUAL, "", "Vitis", (1, 1), 0, compared, HOSTILE)
    html = render(replace(made, blocks=named, rows=rows, verdict=said))
    plain = Page(render(made))
    page = Page(html)
    assert HOSTILE not in html and HOSTILE in page.text
    assert len(page.all("script")) == len(plain.all("script")) == 1
    assert [tag for tag, _ in page.tags].count("rect") == [tag for tag, _ in plain.tags].count("rect")
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_what_has_no_hardware_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page has the network and its pictures, and says what it lacks and why."""
    path = tmp_path / "model.onnx"
    export_qonnx(random_network("bl x2 n4 g0 b1 noca int8"), path, (12, 14))

    def refuse(*_: object) -> None:
        raise HwsrError(f"node 'x': no kernel {HOSTILE}")

    monkeypatch.setattr("hwsr.report.gather.built", refuse)
    made = gathered(path, images(tmp_path / "photos", "one"))
    page = Page(render(made))
    assert len(page.all("script")) == 1 and len(made.rows) == len(made.blocks) - 1
    assert isinstance(made.hardware, Absent) and isinstance(made.timeline, Absent)
    assert page.text.count(made.hardware.reason) >= 4
    unproved = {
        claim.what for claim in made.claims if claim.kind is Kind.UNPROVED and made.hardware.reason in claim.how
    }
    assert len(unproved) == 2
    assert made.verdict.status is Status.NOT_RUN


def test_the_command_refuses_a_float_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = Path(__file__).parents[2] / "models" / "bl_x2_n16_b4"
    monkeypatch.setattr("sys.argv", ["hwsr", "report", str(folder), "--out", str(tmp_path / "page.html")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "float network" in (said := capsys.readouterr().err) and "hwsr quantize" in said
    assert not (tmp_path / "page.html").exists()
