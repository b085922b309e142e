"""Batches are a pure function of (seed, step) and their LR and HR patches belong together."""

import numpy as np
import pytest

from hwsr.data.datasets import ImagePair
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError


def pair(name: str, height: int, width: int, scale: int) -> ImagePair:
    """LR pixels that are all different; HR repeats each."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    lr = np.stack([y, x, np.full_like(y, len(name))], axis=2)
    return ImagePair(name, lr.repeat(scale, 0).repeat(scale, 1), lr)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_and_hr_show_the_same_place_the_same_way(scale: int) -> None:
    sampler = PatchSampler([pair("a", 20, 30, scale), pair("bb", 25, 16, scale)], scale, 8, 16, seed=1)
    for step in range(20):
        lr, hr = sampler.batch_at(step)
        assert lr.shape == (16, 3, 8, 8) and hr.shape == (16, 3, 8 * scale, 8 * scale)
        assert lr.dtype == hr.dtype == np.uint8
        assert np.array_equal(lr.repeat(scale, 2).repeat(scale, 3), hr)


def test_batches_depend_on_seed_and_step_alone() -> None:
    images = [pair("a", 20, 30, 2)]
    forward, backward = (PatchSampler(images, 2, 8, 4, seed=1) for _ in range(2))
    batches = {step: forward.batch_at(step) for step in range(5)}
    for step in reversed(range(5)):
        for mine, again in zip(batches[step], backward.batch_at(step), strict=True):
            assert np.array_equal(mine, again)
    other = PatchSampler(images, 2, 8, 4, seed=2)
    assert not np.array_equal(other.batch_at(0)[0], batches[0][0])
    assert not np.array_equal(batches[0][0], batches[1][0])


def test_all_places_images_and_symmetries_are_drawn() -> None:
    sampler = PatchSampler([pair("a", 9, 10, 2), pair("bb", 8, 8, 2)], 2, 8, 64, seed=0)
    lr = np.concatenate([sampler.batch_at(step)[0] for step in range(8)])
    assert set(lr[:, 2, 0, 0]) == {1, 2}
    assert {(int(p[0].min()), int(p[1].min())) for p in lr if p[2, 0, 0] == 1} == {
        (y, x) for y in (0, 1) for x in (0, 1, 2)
    }
    corners = {tuple(map(int, (p[0, 0, 0], p[1, 0, 0], p[0, 0, 7], p[1, 0, 7]))) for p in lr if p[2, 0, 0] == 2}
    assert len(corners) == 8


def test_small_images_are_left_out() -> None:
    sampler = PatchSampler([pair("a", 7, 30, 2), pair("bb", 8, 8, 2)], 2, 8, 8, seed=0)
    assert sampler.usable == 1
    assert set(sampler.batch_at(0)[0][:, 2].ravel()) == {2}
    with pytest.raises(HwsrError, match="no training image holds a patch of 62x62 pixels"):
        PatchSampler([pair("a", 30, 40, 2)], 2, 31, 8, seed=0)
