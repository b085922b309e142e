"""A whole network as a pipeline of its stages on a device: frame rate and resources, all of them estimates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from hwsr.errors import HwsrError
from hwsr.estimate.devices import KINDS, Device
from hwsr.estimate.fabric import Backend, Timing, fabric_of
from hwsr.estimate.layers import Counts, Layer, Ranges, ends, estimate_layers
from hwsr.estimate.resources import Resources
from hwsr.estimate.structure import Priced, exactly
from hwsr.ir.graph import IntGraph, SpatialSum
from hwsr.ir.outside import Outside, left_inside
from hwsr.ir.stages import Stage
from hwsr.ir.tiling import default_tiling, spans


@dataclass(frozen=True)
class Estimate:
    """A design.

    image: (H, W) in input pixels of what is upscaled; frame: (H, W) that the hardware works on, a tile of it where
    tiles > 1; layers: its stages in order. Stages work at the same time, so the slowest sets the pace.
    passes: times of the slowest stage from one frame to the next, more than 1 where frames have to wait. outside: FIFOs
    in external memory. simulated: clocks from one frame to the next as the pipeline was simulated, None where it was
    not: then they are estimated. latency: simulated clocks from a frame's first pixel in to its last one out. spread:
    the fewest and most simulated clocks from one frame to the next, whatever depth HLS gives to the stages' pipelines.
    """

    device: Device
    clock_mhz: float
    backend: Backend
    image: tuple[int, int]
    frame: tuple[int, int]
    tiles: int
    passes: int
    layers: tuple[Layer, ...]
    outside: tuple[Outside, ...] = ()
    simulated: float | None = None
    latency: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def memory_mb_s(self) -> float:
        """Megabytes (10^6) a second that the FIFOs outside write to external memory and read from it, together."""
        return 2 * sum(fifo.frame_bytes for fifo in self.outside) * self.tiles * self.fps / 1e6

    @property
    def bottleneck(self) -> Layer:
        return max(self.layers, key=lambda layer: layer.cycles)

    @property
    def interval(self) -> float:
        """Clocks from one frame to the next when they follow each other without a pause."""
        return self.passes * self.bottleneck.cycles if self.simulated is None else self.simulated

    @property
    def cycles_per_image(self) -> int:
        """Cycles from one image to the next when they follow each other without a pause."""
        return ceil(self.tiles * self.interval)

    @property
    def fps(self) -> float:
        """Images a second."""
        return self.clock_mhz * 1e6 / self.cycles_per_image

    @property
    def fps_range(self) -> tuple[float, float] | None:
        """Fewest and most images a second, by `spread`."""
        if self.spread is None:
            return None
        fewest, most = (self.clock_mhz * 1e6 / ceil(self.tiles * clocks) for clocks in reversed(self.spread))
        return fewest, most

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
        return {name: getattr(total, name) / getattr(self.device, name) for name in KINDS}

    @property
    def overflow(self) -> dict[str, int]:
        """What the device is short of: resources beyond its own, by name; empty when the design fits."""
        total = self.resources
        return {
            name: getattr(total, name) - getattr(self.device, name) for name, share in self.usage.items() if share > 1
        }


def estimate(
    graph: IntGraph,
    stages: Sequence[Stage],
    device: Device,
    clock_mhz: float | None = None,
    image: tuple[int, int] | None = None,
    backend: Backend = "vitis",
    outside: tuple[Outside, ...] = (),
    interval: float | None = None,
    latency: float | None = None,
    spread: tuple[float, float] | None = None,
) -> Estimate:
    """Estimate a network in hardware.

    stages: those that code is generated from, of `graph` on its own frame (`on_frame` gives it another). clock_mhz: the
    device's usual clock by default. image: (H, W) in input pixels of what is upscaled, the graph's frame by default; an
    image of another size is taken by tiles of the graph's frame. outside: FIFOs that are in external memory.
    Raises HwsrError for a clock or image of no size, or a frame that tiles with their halo do not fit into.
    """
    clock_mhz = device.clock_mhz if clock_mhz is None else clock_mhz
    image = graph.frame if image is None else image
    if not clock_mhz > 0:
        raise HwsrError(f"a clock of {clock_mhz} MHz: give a positive one")
    if min(image) < 1:
        raise HwsrError(f"an image of {image[1]}x{image[0]} pixels: give a width and a height of at least 1")
    layers = estimate_layers(graph, left_inside(stages, outside), timing_on(device, clock_mhz, backend))
    passes = count_passes(graph) if interval is None else 1
    tiles = count_tiles(graph, image)
    simulated = interval, latency, spread
    return Estimate(device, clock_mhz, backend, image, graph.frame, tiles, passes, layers, outside, *simulated)


def timing_on(device: Device, clock_mhz: float, backend: Backend) -> Timing:
    return Timing(fabric_of(device.full_part), backend, 1000 / clock_mhz)


def count_tiles(graph: IntGraph, image: tuple[int, int]) -> int:
    """Frames of the graph's size that an image of (H, W) takes, each with its halo. Raises HwsrError."""
    if image == graph.frame:
        return 1
    tiling = default_tiling(graph)
    rows, columns = (len(spans(length, tile, tiling.halo)) for length, tile in zip(image, tiling.frame, strict=True))
    return rows * columns


def count_passes(graph: IntGraph) -> int:
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
