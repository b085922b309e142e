"""What a network takes on a device: every stage of the hardware, and the device's resources. All of it estimates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from hwsr.estimate.design import Estimate
from hwsr.estimate.figures import UNFITTED
from hwsr.estimate.layers import Layer
from hwsr.ir.stages import Stage
from hwsr.report.blocks import Block

RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram18": "BRAM18"}


@dataclass(frozen=True)
class Amount:
    """An estimate between the ends of its range."""

    value: int
    low: int
    high: int


@dataclass(frozen=True)
class Taken:
    """What a stage is built with and takes. kind: its kernel; pe, simd: of one that multiplies or looks up."""

    kind: str
    pe: int | None
    simd: int | None
    reuse_factor: int
    adders: int | None
    cycles: Amount
    lut: Amount
    ff: Amount
    dsp: Amount
    bram18: Amount


@dataclass(frozen=True)
class Row:
    """One stage, or one operation where nothing is known of hardware. label: the operation, empty for a fork or join.

    shape: (C, H, W) of what it makes; bits: of a value; macs: products for each pixel of the network's input.
    """

    name: str
    label: str
    shape: tuple[int, int, int]
    bits: int
    weight_bits: int | None
    macs: float
    taken: Taken | None


@dataclass(frozen=True)
class Share:
    """One resource of the device, and the estimate of what the network takes of it after logic synthesis."""

    name: str
    amount: Amount
    device: int
    share: float


@dataclass(frozen=True)
class Hardware:
    """The whole design. fps: images a second of `image` (H, W), fewest and most in fps_range; frame: (H, W) that it
    works on; interval: clocks from one frame to the next; cycles: of the slowest stage for a frame by itself.

    short: what the device lacks, by resource; empty where the design fits.
    """

    part: str
    board: str
    clock_mhz: float
    backend: str
    image: tuple[int, int]
    frame: tuple[int, int]
    tiles: int
    passes: int
    fps: float
    fps_range: tuple[float, float]
    interval: Amount
    cycles: Amount
    bottleneck: str
    shares: tuple[Share, ...]
    short: dict[str, int]
    error: str
    note: str


def hardware(estimate: Estimate) -> Hardware:
    """An estimate as the page shows it."""
    device = estimate.device
    return Hardware(
        device.part,
        device.board,
        estimate.clock_mhz,
        estimate.backend,
        estimate.image,
        estimate.frame,
        estimate.tiles,
        estimate.passes,
        estimate.fps,
        estimate.fps_range or (estimate.fps, estimate.fps),
        _interval(estimate),
        Amount(estimate.bottleneck.cycles, *estimate.ranges["cycles"]),
        estimate.bottleneck.name,
        tuple(
            Share(
                title,
                Amount(getattr(estimate.resources, name), *estimate.ranges[name]),
                getattr(device, name),
                estimate.usage[name],
            )
            for name, title in RESOURCES.items()
        ),
        estimate.overflow,
        UNFITTED,
        device.note,
    )


def _interval(estimate: Estimate) -> Amount:
    low, high = estimate.spread or (estimate.interval, estimate.interval)
    return Amount(round(estimate.interval), floor(low), ceil(high))


def rows(shown: Sequence[Block], stages: Sequence[Stage] = (), layers: Sequence[Layer] = ()) -> tuple[Row, ...]:
    """A row for every priced stage; for every operation but the image where there are none."""
    if not layers:
        return tuple(_row(block, block.name, block.label, None) for block in shown if block.inputs)
    by_name, built = {block.name: block for block in shown}, {stage.name: stage for stage in stages}
    result = []
    for layer in layers:
        stage, block = built[layer.stage], by_name.get(layer.name)
        taken = _taken(layer, stage)
        if block:
            result.append(_row(block, block.name, block.label, taken))
        else:
            height, width, channels = stage.shape
            result.append(Row(layer.name, "", (channels, height, width), stage.result.bits, None, 0.0, taken))
    return tuple(result)


def _row(block: Block, name: str, label: str, taken: Taken | None) -> Row:
    return Row(name, label, block.shape, block.bits, block.weight_bits, block.macs, taken)


def _taken(layer: Layer, stage: Stage) -> Taken:
    amounts = {name: Amount(getattr(layer.resources, name), *layer.ranges[name]) for name in RESOURCES}
    adders = len(stage.adders.sums) if stage.adders else None
    cycles = Amount(layer.cycles, *layer.ranges["cycles"])
    return Taken(layer.kind, layer.pe, layer.simd, layer.reuse_factor, adders, cycles, **amounts)
