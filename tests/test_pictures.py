"""Crops side by side: the pixels that are drawn, the scores, and boxes that are refused."""

from pathlib import Path

import numpy as np
import pytest

from hwsr.data.datasets import ImagePair, make_pair
from hwsr.data.images import read_image
from hwsr.data.metrics import psnr_y, ssim_y
from hwsr.errors import HwsrError
from hwsr.pictures import GAP, TEXT, Box, crops, parse_box, versions


@pytest.fixture
def pair() -> ImagePair:
    pixels = np.random.default_rng(0).integers(0, 256, (61, 80, 3)).astype(np.uint8)
    return make_pair("noise", pixels, 2)


def enlarged(pair: ImagePair, other: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(other, 2, axis=0), 2, axis=1)


def test_versions_carry_the_scores_of_the_whole_image(pair: ImagePair) -> None:
    result = enlarged(pair, pair.lr)
    shown = versions(pair, [("net", result)], 2)
    assert [version.name for version in shown] == ["HR", "bicubic x2", "net"]
    assert shown[0].psnr is None and np.array_equal(shown[0].image, pair.hr)
    assert (shown[2].psnr, shown[2].ssim) == (psnr_y(result, pair.hr, 2), ssim_y(result, pair.hr, 2))


@pytest.mark.parametrize("nets", [1, 3, 6])
def test_every_pixel_of_a_crop_is_a_square_of_its_colour(pair: ImagePair, tmp_path: Path, nets: int) -> None:
    results = [(f"net {k}", np.roll(pair.hr, k + 1, axis=0)) for k in range(nets)]
    shown, box = versions(pair, results, 2), Box(40, 20, 30, 25)
    crops(shown, box, tmp_path / "out.png")
    picture = read_image(tmp_path / "out.png")
    zoom = 300 // 30
    for version in shown:
        wanted = np.repeat(np.repeat(version.image[20:45, 40:70], zoom, axis=0), zoom, axis=1)
        assert holds(picture, wanted), version.name


def holds(picture: np.ndarray, part: np.ndarray) -> bool:
    """Whether `part` stands somewhere in a row of panels of the picture."""
    height, width = part.shape[:2]
    tops = range(GAP + TEXT, picture.shape[0] - height + 1, height + TEXT + GAP)
    starts = ((top, left) for top in tops for left in range(picture.shape[1] - width + 1))
    return any(np.array_equal(picture[y : y + height, x : x + width], part) for y, x in starts)


def test_boxes_are_left_top_width_height(pair: ImagePair) -> None:
    box = parse_box("40,20,30,25")
    assert np.array_equal(box.cut(pair.hr), pair.hr[20:45, 40:70])
    assert parse_box("0,0,80,60").cut(pair.hr).shape == (60, 80, 3)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0,4", "-1,2,3,4", "a,b,c,d", "1.5,2,3,4"])
def test_what_is_no_box(text: str) -> None:
    with pytest.raises(HwsrError, match="is not a box"):
        parse_box(text)


@pytest.mark.parametrize("text", ["60,0,21,5", "0,50,5,11", "900,900,5,5"])
def test_a_box_outside_the_image(pair: ImagePair, tmp_path: Path, text: str) -> None:
    with pytest.raises(HwsrError, match="beyond the image of 80x60 pixels"):
        crops(versions(pair, [], 2), parse_box(text), tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
