"""Cuts an image into overlapping tiles of one size and puts the results together again.

Hardware with channel attention works on frames of a fixed size. Every engine tiles in the same way, so that
tiled results can be compared bit for bit. Without attention and with a halo of the network's radius the tiled
result equals the whole frame's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import IntGraph

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Span:
    """One tile along one axis: reads [start, start + tile), keeps [keep_from, keep_to) of the image."""

    start: int
    keep_from: int
    keep_to: int


@dataclass(frozen=True)
class Tiling:
    """Tiles of `frame` (H, W) pixels whose outer `halo` pixels are dropped where they touch another tile."""

    frame: tuple[int, int]
    halo: int

    def __post_init__(self) -> None:
        if min(self.frame) <= 2 * self.halo:
            raise HwsrError(
                f"a {self.frame[1]}x{self.frame[0]} tile has nothing left inside a halo of {self.halo} pixels; "
                "give a larger --frame, to 'hwsr export' where there is channel attention, else to 'hwsr hls'"
            )


def default_tiling(graph: IntGraph) -> Tiling:
    """Tiles of the graph's frame.

    Without channel attention the halo is the network's radius, so that tiles give the whole frame's result. With it
    no halo does (a mean sees the whole tile); there it is the radius up to a quarter of the frame.
    Raises HwsrError when the frame is too small for the halo.
    """
    if graph.fixed_frame:
        return Tiling(graph.frame, min(graph.radius, min(graph.frame) // 4))
    return Tiling(graph.frame, graph.radius)


def on_frame(graph: IntGraph, frame: tuple[int, int]) -> IntGraph:
    """The graph in hardware that works on frames of (H, W); on its own frame where that is fixed.

    Raises HwsrError for a frame of no size.
    """
    if min(frame) < 1:
        raise HwsrError(f"a frame of {frame[1]}x{frame[0]} pixels: give a width and a height of at least 1")
    return graph if graph.fixed_frame else replace(graph, frame=frame)


def spans(length: int, tile: int, halo: int) -> list[Span]:
    """Tiles that cover an axis of `length` pixels; the last one is moved back to end with the image."""
    starts = [*range(0, max(length - tile, 0), tile - 2 * halo), max(length - tile, 0)]
    ends = [start + halo for start in starts[1:]] + [length]
    begins = [0, *ends[:-1]]
    return [Span(*three) for three in zip(starts, begins, ends, strict=True)]


def tiles(image: Image, tiling: Tiling) -> Iterator[tuple[Span, Span, Image]]:
    """Yield (rows, columns, tile) over a (C, H, W) image; a smaller image is extended by its edge pixels."""
    height, width = tiling.frame
    missing = [(0, 0), (0, max(height - image.shape[1], 0)), (0, max(width - image.shape[2], 0))]
    padded = np.pad(image, missing, mode="edge")
    for rows in spans(image.shape[1], height, tiling.halo):
        for columns in spans(image.shape[2], width, tiling.halo):
            tile = padded[:, rows.start : rows.start + height, columns.start : columns.start + width]
            yield rows, columns, np.ascontiguousarray(tile)


def paste(target: Image, rows: Span, columns: Span, tile: Image, scale: int) -> None:
    """Copy the kept part of an upscaled tile into the (C, sH, sW) `target`."""
    (y0, y1), (x0, x1) = ((s * scale for s in (span.keep_from, span.keep_to)) for span in (rows, columns))
    top, left = rows.start * scale, columns.start * scale
    target[:, y0:y1, x0:x1] = tile[:, y0 - top : y1 - top, x0 - left : x1 - left]


def run_tiled(run: Callable[[Image], Image], image: Image, tiling: Tiling, scale: int) -> Image:
    """Apply `run`, which upscales one (C, H, W) tile, to a whole (C, H, W) image. Returns (C, sH, sW)."""
    result = np.zeros((image.shape[0], image.shape[1] * scale, image.shape[2] * scale), np.uint8)
    for rows, columns, tile in tiles(image, tiling):
        paste(result, rows, columns, run(tile), scale)
    return result
