"""The page in a browser: as wide as a phone and as a desk's screen, light and dark, its slider by keys."""

from pathlib import Path

import pytest

from hwsr.export.qonnx import export_qonnx
from hwsr.report.page import render
from tests.export.test_qonnx import random_network
from tests.report.chromium import chromium
from tests.report.gathered import gathered
from tests.report.test_report_page import images

pytestmark = pytest.mark.slow
NETWORKS = ["bl x2 n4 g1 b2 int8", "bl x2 n4 g0 b1 noca anchor direct int8a"]


@pytest.fixture(scope="module", params=NETWORKS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    # A long name has nowhere to break.
    path = folder / f"{'m' * 60}.onnx"
    export_qonnx(random_network(request.param), folder / "model.onnx", (16, 18))
    (folder / "model.onnx").rename(path)
    out = folder / "page.html"
    out.write_text(render(gathered(path, images(folder / "photos", "one", "two"))), encoding="utf-8")
    return out


def test_the_page_in_a_browser(page: Path, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as tab:
        for width in (390, 1280):
            tab.open(page, width, 900)
            assert tab.value("innerWidth") == width
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value("document.documentElement.scrollHeight") > 900
            assert [address for address in tab.requests if not address.startswith(("file:", "data:"))] == []
            colours = []
            for dark in (False, True):
                tab.open(page, width, 900, dark)
                colours.append(tab.value("getComputedStyle(document.body).backgroundColor"))
            assert len(set(colours)) == 2
        shown = "getComputedStyle(document.querySelectorAll('.slider .over')[1]).clipPath"
        slider = "document.querySelectorAll('.pair input')[1]"
        middle = tab.value(shown)
        tab.value(f"{slider}.focus()")
        assert tab.value(f"document.activeElement === {slider}")
        tab.press("ArrowRight", 10)
        assert tab.value(f"{slider}.value") == "60"
        right = tab.value(shown)
        tab.press("End")
        assert tab.value(f"{slider}.value") == "100"
        assert len({middle, right, tab.value(shown)}) == 3
        first = "document.querySelectorAll('.pair input')[0].value"
        assert tab.value(first) == "50"
        pictures = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert tab.value(pictures) and tab.value("document.images.length") == 6
