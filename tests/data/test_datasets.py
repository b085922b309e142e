"""Sources of images: embedded photographs, folders, EDSR's layout."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hwsr.data import datasets
from hwsr.data.bicubic import resize_bicubic
from hwsr.data.datasets import fingerprint, make_pair, training_images, training_sets, validation_images
from hwsr.data.images import write_png
from hwsr.errors import HwsrError

IMAGE = np.random.default_rng(6).integers(0, 256, (13, 17, 3), dtype=np.uint8)
LR = np.random.default_rng(7).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_embedded_photographs(scale: int) -> None:
    validation, training = validation_images(scale), training_images(None, scale)
    assert [pair.name for pair in validation] == ["astronaut", "chelsea"]
    names = [pair.name for pair in training]
    assert names == ["coffee", "motorcycle_left", "motorcycle_right", "rocket", "china", "flower"]
    for pair in validation + training:
        assert pair.hr.shape == (pair.lr.shape[0] * scale, pair.lr.shape[1] * scale, 3)
        assert np.array_equal(pair.lr, resize_bicubic(pair.hr, Fraction(1, scale)))


def test_folder_of_images_is_read_in_order_and_other_files_passed_over(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG"):
        write_png(tmp_path / name, IMAGE)
    (tmp_path / "notes.txt").write_text("not an image")
    pairs = training_images(tmp_path, 2)
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert np.array_equal(pairs[0].hr, IMAGE[:12, :16])


def test_edsr_layout_takes_lr_files_of_the_scale(tmp_path: Path) -> None:
    write_png(tmp_path / "HR" / "0001.png", IMAGE)
    write_png(tmp_path / "LR_bicubic" / "X2" / "0001x2.png", LR)
    assert np.array_equal(training_images(tmp_path, 2)[0].lr, LR)
    assert np.array_equal(training_images(tmp_path, 3)[0].lr, resize_bicubic(IMAGE[:12, :15], Fraction(1, 3)))
    assert np.array_equal(validation_images(2, tmp_path)[0].lr, LR)


@pytest.mark.parametrize("in_memory", [0, datasets.IN_MEMORY])
def test_copies_are_there_beside_the_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_memory: int) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "IN_MEMORY", in_memory)
    write_png(tmp_path / "HR" / "0001.png", IMAGE)
    write_png(tmp_path / "LR_bicubic" / "X2" / "0001x2.png", LR)
    whole, large, small = training_images(tmp_path, 2, copies=(80, 50))
    assert [pair.name for pair in (whole, large, small)] == ["0001", "0001 at 80 %", "0001 at 50 %"]
    assert np.array_equal(whole.lr, LR)
    for pair, size in ((large, Fraction(4, 5)), (small, Fraction(1, 2))):
        copy = resize_bicubic(IMAGE, size)
        assert np.array_equal(pair.hr, copy[: len(copy) // 2 * 2, : copy.shape[1] // 2 * 2])
        assert np.array_equal(pair.lr, resize_bicubic(pair.hr, Fraction(1, 2)))


def test_folder_of_several_data_sets(tmp_path: Path) -> None:
    write_png(tmp_path / "Second" / "HR" / "x.png", IMAGE)
    write_png(tmp_path / "First" / "HR" / "y.png", IMAGE)
    write_png(tmp_path / "First" / "LR_bicubic" / "X2" / "yx2.png", LR)
    pairs = training_images(tmp_path, 2)
    assert [pair.name for pair in pairs] == ["y", "x"]
    assert np.array_equal(pairs[0].lr, LR) and not np.array_equal(pairs[1].lr, LR)
    assert training_sets(tmp_path) == "First, Second"


def test_data_sets_are_named_without_their_path(tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "x.png", IMAGE)
    assert training_sets(tmp_path / "photos") == "photos"
    assert training_sets(None) == "embedded photographs"


def test_lr_made_from_the_uncropped_image_is_cropped() -> None:
    larger = resize_bicubic(IMAGE, Fraction(1, 2))
    assert larger.shape == (7, 9, 3)
    assert np.array_equal(make_pair("a", IMAGE, 2, larger).lr, larger[:6, :8])


@pytest.mark.parametrize("shape", [(5, 8), (6, 10), (12, 16)])
def test_lr_of_another_size_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(HwsrError, match=r"a: LR of .* is not 1/2 of HR"):
        make_pair("a", IMAGE, 2, np.zeros((*shape, 3), np.uint8))


def test_unusable_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(HwsrError, match="no such folder"):
        training_images(tmp_path / "absent", 2)
    with pytest.raises(HwsrError, match="no images in it"):
        training_images(tmp_path / "empty", 2)
    with pytest.raises(HwsrError, match="too few for scale x4"):
        make_pair("a", IMAGE[:3], 4)


def test_fingerprint_sees_names_pixels_and_order() -> None:
    a, b = make_pair("a", IMAGE, 2), make_pair("b", IMAGE, 2)
    other = make_pair("a", 255 - IMAGE, 2)
    prints = [fingerprint(pairs) for pairs in ([a, b], [b, a], [a], [other, b])]
    assert len(set(prints)) == 4
    assert fingerprint([make_pair("a", IMAGE.copy(), 2), b]) == prints[0]


def test_div2k_layout_trains_on_one_part_and_validates_on_the_other(tmp_path: Path) -> None:
    for part, name in (("train", "0001"), ("valid", "0801")):
        write_png(tmp_path / "DIV2K" / f"DIV2K_{part}_HR" / f"{name}.png", IMAGE)
    write_png(tmp_path / "DIV2K" / "DIV2K_train_LR_bicubic" / "X2" / "0001x2.png", LR)
    for folder in (tmp_path / "DIV2K", tmp_path):
        training, validation = training_images(folder, 2), validation_images(2, folder)
        assert ([pair.name for pair in training], [pair.name for pair in validation]) == (["0001"], ["0801"])
        assert np.array_equal(training[0].lr, LR) and not np.array_equal(validation[0].lr, LR)
