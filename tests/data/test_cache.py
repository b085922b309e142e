"""Data sets larger than memory: decoded once into files, mapped, and the same bytes as when held in memory."""

import errno
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsr.data import cache, datasets
from hwsr.data.datasets import ImagePair, fingerprint, training_images
from hwsr.data.images import write_png
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError

COUNT, SIDE = 24, 120


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hwsr" / "images"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    for number in range(COUNT):
        pixels = random.integers(0, 256, (SIDE + 1, SIDE, 3)).astype(np.uint8)
        write_png(tmp_path / "images" / "HR" / f"{number:02}.png", pixels)
    write_png(tmp_path / "images" / "LR_bicubic" / "X2" / "03x2.png", pixels[: SIDE // 2, : SIDE // 2])
    return tmp_path / "images"


def is_mapped(pair: ImagePair) -> bool:
    return isinstance(pair.hr, np.memmap) and isinstance(pair.lr, np.memmap)


def test_mapped_images_give_the_same_batches_and_fingerprint(
    monkeypatch: pytest.MonkeyPatch, entries: Path, images: Path
) -> None:
    held = training_images(images, 2)
    assert not any(map(is_mapped, held)) and not entries.exists()
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    mapped = training_images(images, 2)
    assert all(map(is_mapped, mapped)) and [p.name for p in mapped] == [p.name for p in held]
    assert fingerprint(mapped) == fingerprint(held)
    for step in range(3):
        batches = [PatchSampler(pairs, 2, 16, 8, seed=1).batch_at(step) for pairs in (held, mapped)]
        for mine, others in zip(*batches, strict=True):
            assert mine.tobytes() == others.tobytes() and mine.strides == others.strides


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch, entries: Path, images: Path) -> None:
    size = SIDE * SIDE * 3 * 5 // 4
    monkeypatch.setattr(datasets, "IN_MEMORY", 2 * size)
    tracemalloc.start()
    pairs = training_images(images, 2)
    sampler = PatchSampler(pairs, 2, 8, 4, seed=0)
    fingerprint(pairs)
    for step in range(20):
        sampler.batch_at(step)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [is_mapped(pair) for pair in pairs] == [False] * 2 + [True] * (COUNT - 2)
    assert held < COUNT * size / 4


def test_images_are_decoded_once(monkeypatch: pytest.MonkeyPatch, entries: Path, images: Path) -> None:
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    before = fingerprint(training_images(images, 2))
    assert len(list(entries.iterdir())) == 2 * COUNT
    read: list[str] = []
    decode = datasets._read_pair

    def noted(hr: Path, lr: Path | None, scale: int, size: int) -> ImagePair:
        read.append(hr.stem)
        return decode(hr, lr, scale, size)

    monkeypatch.setattr(datasets, "_read_pair", noted)
    assert fingerprint(training_images(images, 2)) == before and read == []
    write_png(images / "HR" / "07.png", np.zeros((40, 40, 3), np.uint8))
    assert fingerprint(training_images(images, 2)) != before and read == ["07"]
    training_images(images, 3)
    assert len(read) == 1 + COUNT


@pytest.mark.parametrize("damage", ["truncated", "pickled", "other numbers", "absent"])
def test_a_damaged_entry_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, entries: Path, images: Path, damage: str
) -> None:
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    before = fingerprint(training_images(images, 2))
    path = sorted(entries.glob("*_hr.npy"))[0]
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:1000])
        case "pickled":
            np.save(path, np.array([{"a": 1}]), allow_pickle=True)
        case "other numbers":
            np.save(path, np.zeros((4, 4, 3)))
        case "absent":
            path.unlink()
    assert fingerprint(training_images(images, 2)) == before


def test_a_full_disk_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, entries: Path, images: Path) -> None:
    def full(path: Path, pixels: np.ndarray, **_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    monkeypatch.setattr(cache.np, "save", full)
    with pytest.raises(HwsrError, match=r"cannot write .*No space left on device.* set XDG_CACHE_HOME") as raised:
        training_images(images, 2)
    assert "\n" not in str(raised.value) and list(entries.iterdir()) == []
