"""A plan: what is asked of a network on a device, and the hardware that gives it with the least resources."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor

from hwsr.errors import HwsrError
from hwsr.estimate.design import Estimate, count_passes, count_tiles, estimate, timing_on
from hwsr.estimate.devices import Device
from hwsr.estimate.fabric import Backend
from hwsr.hls.lower import lower
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding, Stage
from hwsr.ir.tiling import on_frame
from hwsr.plan.options import Choices, choices
from hwsr.plan.search import Selection, cheapest, fastest

# Strips that a frame is cut into at most, where its rows are too long for the device's memories.
MOST_STRIPS = 8


@dataclass(frozen=True)
class Target:
    """What is asked. out: (H, W) of the output image; fps: images a second, as many as fit where None."""

    device: Device
    clock_mhz: float
    out: tuple[int, int]
    fps: float | None = None
    backend: Backend = "vitis"

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise HwsrError(f"a rate of {self.fps:g} images a second; give one above 0")

    def image(self, scale: int) -> tuple[int, int]:
        """(H, W) of the input; where `scale` does not divide the output, what lies beyond it is cut off."""
        height, width = self.out
        return -(-height // scale), -(-width // scale)


@dataclass(frozen=True)
class Planned:
    """The best hardware for a target, which may still be short of it.

    graph: the network on the frame that the hardware works on; choices: what there was to choose from.
    """

    target: Target
    graph: IntGraph
    choices: Choices
    selection: Selection

    @property
    def foldings(self) -> dict[str, Folding]:
        return {name: option.folding for name, option in self.selection.options.items()}

    @cached_property
    def estimate(self) -> Estimate:
        """Of the stages that a project is generated from."""
        target = self.target
        image = target.image(self.graph.scale)
        return estimate(
            self.graph, built(self.graph, self.foldings), target.device, target.clock_mhz, image, target.backend
        )

    @property
    def budget(self) -> int | None:
        """Clocks that a frame of the hardware may take at the rate that is asked."""
        return _budget(self.graph, self.target)

    @property
    def too_slow(self) -> bool:
        """No folding is fast enough, whatever it takes."""
        return self.budget is not None and self.choices.least_clocks > self.budget

    @property
    def met(self) -> bool:
        return not self.too_slow and not self.estimate.overflow


def built(graph: IntGraph, foldings: Mapping[str, Folding]) -> tuple[Stage, ...]:
    """The stages of a plan. Their streams are as deep as `hwsr.hls.fifo` says; simulated depths would enter here."""
    return lower(graph, foldings)


def plan(graph: IntGraph, target: Target) -> Planned:
    """Plan hardware. Whole frames stream; only where their rows need more block RAM than there is, strips of them.

    A network with a spatial sum works on tiles of its own frame. Where nothing meets the target the result is what
    comes closest: the least hardware of the rate, or, where no hardware is fast enough, the fastest that fits.
    Raises HwsrError for a network that has no hardware.
    """
    frames = _frames(graph, target.image(graph.scale))
    closest = _on_frame(next(frames), target)
    for on_its_frame in frames:
        if "bram18" not in closest.estimate.overflow:
            break
        found = _on_frame(on_its_frame, target)
        if found.met or (closest.too_slow and not found.estimate.overflow):
            return found
    return closest


def _frames(graph: IntGraph, image: tuple[int, int]) -> Iterator[IntGraph]:
    """The whole frame, then strips of it with their halo: ever more of them, ever narrower."""
    whole = on_frame(graph, image)
    yield whole
    if whole.fixed_frame:
        return
    height, width = image
    for strips in range(2, MOST_STRIPS + 1):
        strip = -(-(width + 2 * graph.radius * (strips - 1)) // strips)
        if not 2 * graph.radius < min(strip, height) or strip >= width:
            return
        yield on_frame(graph, (height, strip))


def _on_frame(graph: IntGraph, target: Target) -> Planned:
    """The best on the graph's frame."""
    timing = timing_on(target.device, target.clock_mhz, target.backend)
    found = choices(graph, timing)
    budget = _budget(graph, target)
    selection = cheapest(found, target.device, budget) if budget is not None else None
    if selection is None:
        fitting = fastest(found, target.device)
        selection = fitting[1] if fitting else _smallest(found, target.device)
    return Planned(target, graph, found, selection)


def _smallest(found: Choices, device: Device) -> Selection:
    """The least hardware at any pace."""
    slowest = max([found.least_clocks, *(option.clocks for own in found.options.values() for option in own)])
    selection = cheapest(found, device, slowest)
    assert selection is not None
    return selection


def _budget(graph: IntGraph, target: Target) -> int | None:
    if target.fps is None:
        return None
    frames = count_tiles(graph, target.image(graph.scale)) * count_passes(graph)
    return floor(Fraction(target.clock_mhz) * 10**6 / (Fraction(target.fps) * frames))
