"""Real image tiles of a network's frame size for testbenches."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsr.data.colour import as_channels
from hwsr.data.datasets import validation_images
from hwsr.data.images import read_image
from hwsr.hls.data import LARGE
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import Tiling, tiles

TILES = 8


def test_tiles(graph: IntGraph, image: Path | None) -> NDArray[np.uint8]:
    """Up to 8 tiles (N, C, H, W) spread over an image, or over the embedded low-resolution photographs; one large one.

    C: the network's image channels.
    """
    pictures = [read_image(image)] if image else [pair.lr for pair in validation_images(graph.scale)]
    cut = [
        tile
        for picture in pictures
        for _, _, tile in tiles(as_channels(picture, graph.input.channels).transpose(2, 0, 1), Tiling(graph.frame, 0))
    ]
    wanted = TILES if graph.frame[0] * graph.frame[1] <= LARGE else 1
    chosen = np.linspace(0, len(cut) - 1, min(wanted, len(cut))).round().astype(int)
    return np.stack([cut[i] for i in chosen])
