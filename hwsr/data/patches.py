"""Training patches as a pure function of (seed, step), so that a resumed run sees what an uninterrupted one does."""

from collections.abc import Sequence

import numpy as np

from hwsr.data.datasets import ImagePair
from hwsr.data.images import Uint8Image
from hwsr.errors import HwsrError


class PatchSampler:
    """Draws batches of random patches, flipped and turned by quarters at random.

    `patch` is the side of the low-resolution patch. Images smaller than it are never drawn; `usable` counts the
    others, and HwsrError is raised when there is none.
    """

    def __init__(self, images: Sequence[ImagePair], scale: int, patch: int, batch: int, seed: int) -> None:
        self._images, self._scale, self._patch, self._batch, self._seed = (images, scale, patch, batch, seed)
        self._large = [i for i, image in enumerate(images) if min(image.lr.shape[:2]) >= patch]
        if not self._large:
            side = patch * scale
            raise HwsrError(
                f"no training image holds a patch of {side}x{side} pixels; give larger images, or smaller patches"
            )
        self.usable = len(self._large)

    def batch_at(self, step: int) -> tuple[Uint8Image, Uint8Image]:
        """The batch of a step: LR (batch, 3, patch, patch) and HR (batch, 3, s patch, s patch), uint8.

        Channels lie innermost in memory, which convolutions on a CPU take fastest.
        """
        random = np.random.default_rng(np.random.SeedSequence([self._seed, step]))
        pairs = [self._draw(random) for _ in range(self._batch)]
        lr, hr = (np.stack(images).transpose(0, 3, 1, 2) for images in zip(*pairs, strict=True))
        return lr, hr

    def _draw(self, random: np.random.Generator) -> tuple[Uint8Image, Uint8Image]:
        image = self._images[self._large[random.integers(self.usable)]]
        y, x = (int(random.integers(size - self._patch + 1)) for size in image.lr.shape[:2])
        flips = random.integers(2, size=3)
        return _turned(_crop(image.lr, y, x, self._patch), flips), _turned(
            _crop(image.hr, y * self._scale, x * self._scale, self._patch * self._scale), flips
        )


def _crop(image: Uint8Image, y: int, x: int, side: int) -> Uint8Image:
    return image[y : y + side, x : x + side]


def _turned(patch: Uint8Image, flips: np.ndarray) -> Uint8Image:
    """Mirror up-down, mirror left-right, transpose, each where its flag is set: all eight symmetries."""
    patch = patch[::-1] if flips[0] else patch
    patch = patch[:, ::-1] if flips[1] else patch
    return patch.swapaxes(0, 1) if flips[2] else patch
