"""A whole network as a pipeline of its stages on a device: frame rate and resources, all of them estimates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwsr.errors import HwsrError
from hwsr.estimate.devices import Device
from hwsr.estimate.fabric import Backend, Timing, fabric_of
from hwsr.estimate.layers import Counts, Layer, Ranges, ends, estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.estimate.structure import Priced, exactly
from hwsr.ir.graph import IntGraph, SpatialSum
from hwsr.ir.stages import Stage
from hwsr.ir.tiling import default_tiling, spans


@dataclass(frozen=True)
class Estimate:
    """A design.

    image: (H, W) in input pixels of what is upscaled; frame: (H, W) that the hardware works on, a tile of it where
    tiles > 1; layers: its stages in order. Stages work at the same time, so the slowest sets the pace.
    passes: times of the slowest stage from one frame to the next, more than 1 where frames have to wait.
    """

    device: Device
    clock_mhz: float
    backend: Backend
    image: tuple[int, int]
    frame: tuple[int, int]
    tiles: int
    passes: int
    layers: tuple[Layer, ...]

    @property
    def bottleneck(self) -> Layer:
        return max(self.layers, key=lambda layer: layer.cycles)

    @property
    def cycles_per_image(self) -> int:
        """Cycles from one image to the next when they follow each other without a pause."""
        return self.tiles * self.passes * self.bottleneck.cycles

    @property
    def fps(self) -> float:
        """Images a second."""
        return self.clock_mhz * 1e6 / self.cycles_per_image

    @property
    def overlap(self) -> float:
        """Input pixels that the hardware takes in over those of the image."""
        return self.tiles * self.frame[0] * self.frame[1] / (self.image[0] * self.image[1])

    @property
    def counts(self) -> Counts:
        """Totals for one frame of the hardware."""
        return sum((layer.counts for layer in self.layers), Counts())

    @property
    def priced(self) -> Priced:
        return sum((layer.priced for layer in self.layers), exactly(Resources()))

    @property
    def resources(self) -> Resources:
        return self.priced.value

    @property
    def ranges(self) -> Ranges:
        """Of all stages together, each at its low or at its high end."""
        turns = max(layer.turns for layer in self.layers)
        return {"cycles": (turns, self.bottleneck.cycles)} | ends(self.priced)

    @property
    def usage(self) -> dict[str, float]:
        """Share of the device, by resource: 1 is all of it. All are those after logic synthesis."""
        total = self.resources
        return {name: getattr(total, name) / getattr(self.device, name) for name in ("lut", "ff", "dsp", "bram18")}

    @property
    def overflow(self) -> dict[str, int]:
        """What the device is short of: resources beyond its own, by name; empty when the design fits."""
        total = self.resources
        return {
            name: getattr(total, name) - getattr(self.device, name) for name, share in self.usage.items() if share > 1
        }


def on_frame(graph: IntGraph, image: tuple[int, int] | None) -> IntGraph:
    """The graph on the frame that hardware for images of (H, W) works on: the image, or its own where it needs tiles.

    Raises HwsrError for an image of no size.
    """
    if image is None:
        return graph
    if min(image) < 1:
        raise HwsrError(f"an image of {image[0]}x{image[1]} pixels: give a height and a width of at least 1")
    return graph if graph.fixed_frame else replace(graph, frame=image)


def estimate(
    graph: IntGraph,
    stages: Sequence[Stage],
    device: Device,
    clock_mhz: float | None = None,
    image: tuple[int, int] | None = None,
    backend: Backend = "vitis",
) -> Estimate:
    """Estimate a network in hardware.

    stages: those that code is generated from, of `graph` on its own frame (`on_frame` gives it another). clock_mhz: the
    device's usual clock by default. image: (H, W) in input pixels of what is upscaled, the graph's frame by default; a
    network with a spatial sum takes it by tiles of its frame, any other as one frame.
    Raises HwsrError for a clock or image of no size, or a frame that the stages are not for.
    """
    clock_mhz = device.clock_mhz if clock_mhz is None else clock_mhz
    image = graph.frame if image is None else image
    if not clock_mhz > 0:
        raise HwsrError(f"a clock of {clock_mhz} MHz: give a positive one")
    if on_frame(graph, image).frame != graph.frame:
        raise HwsrError(f"the stages work on frames of {graph.frame}, not {image}: make them for the image's size")
    frame, tiles = _frames(graph, image)
    timing = Timing(fabric_of(device.full_part), backend, 1000 / clock_mhz)
    layers = estimate_layers(graph, stages, timing)
    return Estimate(device, clock_mhz, backend, image, frame, tiles, _passes(graph), layers)


def _frames(graph: IntGraph, image: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The frame that the hardware works on and how many of them an image takes."""
    if not graph.fixed_frame:
        return image, 1
    tiling = default_tiling(graph)
    rows, columns = (len(spans(length, tile, tiling.halo)) for length, tile in zip(image, tiling.frame, strict=True))
    return tiling.frame, rows * columns


def _passes(graph: IntGraph) -> int:
    """Frame times between frames: the most spatial sums that one side of a merge crosses beyond the other, at least 1.

    Each of them holds its frame back for one frame time, and a stream holds one frame at most, so the next frame
    cannot enter the short side before the last one has left it.
    """
    crossed: dict[str, int] = {}
    passes = 1
    for node in graph.nodes:
        before = [crossed[name] for name in node.inputs] or [0]
        crossed[node.name] = max(before) + isinstance(node, SpatialSum)
        passes = max(passes, max(before) - min(before))
    return passes
