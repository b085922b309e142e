"""A whole network as a pipeline of its stages on a device: frame rate and resources, all of them estimates."""

from collections.abc import Mapping
from dataclasses import dataclass

from hwsr.errors import HwsrError
from hwsr.estimate.devices import Device
from hwsr.estimate.fabric import Backend
from hwsr.estimate.layers import Counts, Edge, Layer, Site, Target, estimate_layer
from hwsr.estimate.resources import Resources
from hwsr.ir.graph import Input, IntGraph, SpatialSum
from hwsr.ir.stages import Reuse, fused_requantizations, reuse_factors
from hwsr.ir.tiling import default_tiling, spans

# Words of a stream that nothing was said about.
DEFAULT_DEPTH = 2


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
    def resources(self) -> Resources:
        return sum((layer.resources for layer in self.layers), Resources())

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


def estimate(
    graph: IntGraph,
    device: Device,
    clock_mhz: float | None = None,
    image: tuple[int, int] | None = None,
    reuse_factor: Reuse = 1,
    backend: Backend = "vitis",
    fifo_depths: Mapping[Edge, int] | None = None,
) -> Estimate:
    """Estimate a network in hardware.

    clock_mhz: the device's usual clock by default. image: (H, W) in input pixels, the graph's frame by default; a
    network with a spatial sum upscales it by tiles of its own frame, any other as one frame.
    reuse_factor: as `hwsr.ir.stages` takes it. fifo_depths: words of the stream into each input of each node, by
    (node, index); DEFAULT_DEPTH where missing, which is too little where paths part and meet.
    Raises HwsrError for a clock or image of no size, an unknown node, or a depth below 1.
    """
    clock_mhz = device.clock_mhz if clock_mhz is None else clock_mhz
    image = graph.frame if image is None else image
    if not clock_mhz > 0:
        raise HwsrError(f"a clock of {clock_mhz} MHz: give a positive one")
    if min(image) < 1:
        raise HwsrError(f"an image of {image[0]}x{image[1]} pixels: give a height and a width of at least 1")
    frame, tiles = _frames(graph, image)
    depths = _depths(graph, fifo_depths or {})
    factors = reuse_factors(graph, reuse_factor)
    requantizations = fused_requantizations(graph)
    target = Target(device.full_part, 1000 / clock_mhz, backend)
    inside = {node.name for node in requantizations.values()}
    layers = tuple(
        estimate_layer(
            node,
            Site(graph, frame, factors.get(node.name, 1), target),
            requantizations.get(node.name),
            depths,
        )
        for node in graph.nodes
        if not isinstance(node, Input) and node.name not in inside
    )
    if not layers:
        raise HwsrError("the network does nothing: it has an input and no layer")
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


def _depths(graph: IntGraph, given: Mapping[Edge, int]) -> dict[Edge, int]:
    edges = {(node.name, i): DEFAULT_DEPTH for node in graph.nodes for i in range(len(node.inputs))}
    for edge, words in given.items():
        if edge not in edges:
            raise HwsrError(f"FIFO depth for input {edge[1]} of '{edge[0]}': the network has no such stream")
        if words < 1:
            raise HwsrError(f"FIFO depth {words} into '{edge[0]}': a stream holds at least one word")
    return edges | dict(given)
