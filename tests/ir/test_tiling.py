import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.ir.tiling import Tiling, run_tiled, spans


@given(st.integers(1, 200), st.integers(1, 60), st.data())
def test_spans_keep_every_pixel_once_and_a_halo_away_from_inner_edges(
    length: int, tile: int, data: st.DataObject
) -> None:
    halo = data.draw(st.integers(0, (tile - 1) // 2))
    kept = []
    for span in spans(length, tile, halo):
        kept += range(span.keep_from, span.keep_to)
        assert span.start == 0 or span.keep_from >= span.start + halo
        assert span.start + tile >= length or span.keep_to <= span.start + tile - halo
    assert kept == list(range(length))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(5, 12), st.integers(0, 2), st.integers(1, 3))
def test_tiles_of_nearest_upsampling_make_the_whole_image(h: int, w: int, tile: int, halo: int, scale: int) -> None:
    image = np.random.default_rng(h * 41 + w).integers(0, 256, (3, h, w)).astype(np.uint8)

    def run(part: np.ndarray) -> np.ndarray:
        assert part.shape == (3, tile, tile)
        return part.repeat(scale, 1).repeat(scale, 2)

    assert np.array_equal(run_tiled(run, image, Tiling((tile, tile), halo), scale), run_whole(image, scale))


def run_whole(image: np.ndarray, scale: int) -> np.ndarray:
    return image.repeat(scale, 1).repeat(scale, 2)


def test_a_halo_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(HwsrError, match="halo of 8"):
        Tiling((16, 32), 8)
