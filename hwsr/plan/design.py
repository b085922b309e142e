"""A plan: what is asked of a network on a device, and the hardware that gives it with the least resources."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from math import floor

from hwsr.adders.stages import Progress, Solved
from hwsr.errors import HwsrError
from hwsr.estimate.design import Estimate, count_tiles, estimate, timing_on
from hwsr.estimate.devices import KINDS, Device
from hwsr.estimate.fabric import Backend
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding
from hwsr.ir.tiling import on_frame
from hwsr.plan.adders import Summed, expected, solved_graphs
from hwsr.plan.depths import Hardware, clocks_at, found_depths, hoped_depths, spread_at
from hwsr.plan.options import Choices, choices
from hwsr.plan.search import Selection, cheapest, fastest, shares

# Strips that a frame is cut into at most, where its rows are too long for the device's memories.
MOST_STRIPS = 8
# Times that foldings are chosen anew for the FIFOs that the last ones need.
ROUNDS = 3
# Block RAMs that no network takes.
BOUNDLESS = 10**9


@dataclass(frozen=True)
class Target:
    """What is asked. out: (H, W) of the output image; fps: images a second, as many as fit where None."""

    device: Device
    clock_mhz: float
    out: tuple[int, int]
    fps: float | None = None
    backend: Backend = "vitis"

    def __post_init__(self) -> None:
        if self.fps is not None and not 1e-3 <= self.fps < 1e6:
            raise HwsrError(f"a rate of {self.fps:g} images a second; give one from 0.001 to a million")

    def image(self, scale: int) -> tuple[int, int]:
        """(H, W) of the input; where `scale` does not divide the output, what lies beyond it is cut off."""
        height, width = self.out
        return -(-height // scale), -(-width // scale)


@dataclass(frozen=True, eq=False)
class Sharing:
    """Adder graphs of a network's ternary convolutions: as expected until one is chosen, then as found.

    seconds: the bound of each search, none where None.
    """

    seconds: float | None = None
    summed: Mapping[str, Summed] = field(default_factory=dict)
    solved: Mapping[str, Solved] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """The best hardware for a target, which may still be short of it.

    graph: the network on the frame that the hardware works on; choices: what there was to choose from; depths: words of
    every stream, those of the lowering where None, which are not simulated: then the rate is the slowest stage's;
    interval: clocks from one frame to the next, latency: until the first has left, both simulated.
    """

    target: Target
    graph: IntGraph
    choices: Choices
    selection: Selection
    sharing: Sharing = field(default_factory=Sharing)
    depths: Mapping[str, int] | None = None
    interval: float | None = None
    latency: float | None = None

    @property
    def foldings(self) -> dict[str, Folding]:
        return {name: option.folding for name, option in self.selection.options.items()}

    @property
    def adders(self) -> dict[str, AdderGraph]:
        """Those that compute a convolution's sums."""
        return {name: option.summed.graph for name, option in self.selection.options.items() if option.summed}

    @property
    def unsolved(self) -> list[str]:
        """Convolutions whose adder graph was chosen by what it is expected to cost."""
        return [name for name in self.adders if name not in self.sharing.solved]

    @property
    def hardware(self) -> Hardware:
        target = self.target
        timing = timing_on(target.device, target.clock_mhz, target.backend)
        return Hardware(self.foldings, self.adders, timing)

    @cached_property
    def estimate(self) -> Estimate:
        """Of the stages that a project is generated from."""
        target = self.target
        interval = self.selection.clocks(self.choices) if self.interval is None else self.interval
        image = target.image(self.graph.scale)
        stages = self.hardware.stages(self.graph, self.depths)
        asked = target.device, target.clock_mhz, image, target.backend
        return estimate(self.graph, stages, *asked, interval=interval, latency=self.latency)

    @cached_property
    def ranged(self) -> Estimate:
        """The estimate with the range of its rate, where that was simulated."""
        if self.interval is None:
            return self.estimate
        return replace(self.estimate, spread=spread_at(self.graph, self.hardware, self.depths, self.interval))

    @property
    def budget(self) -> int | None:
        """Clocks that a frame of the hardware may take at the rate that is asked."""
        return _budget(self.graph, self.target)

    @property
    def too_slow(self) -> bool:
        """No folding is fast enough, whatever it takes."""
        return self.budget is not None and self.choices.least_clocks > self.budget

    @property
    def taken(self) -> dict[str, int]:
        """Resources by kind; of an adder graph that was not sought what it is expected to take."""
        return dict(zip(KINDS, self.selection.total, strict=True))

    @property
    def usage(self) -> dict[str, float]:
        """Share of the device by kind: 1 is all of it."""
        found = shares(self.selection.total, self.target.device)
        return {kind: float(share) for kind, share in zip(KINDS, found, strict=True)}

    @property
    def overflow(self) -> dict[str, int]:
        """What the device is short of, by kind."""
        beyond = {kind: taken - getattr(self.target.device, kind) for kind, taken in self.taken.items()}
        return {kind: missing for kind, missing in beyond.items() if missing > 0}

    @property
    def met(self) -> bool:
        in_time = self.budget is None or self.estimate.interval <= self.budget
        return not self.too_slow and in_time and not self.overflow


def plan(
    graph: IntGraph,
    target: Target,
    seconds: float | None = None,
    progress: Progress = iter,
    say: Callable[[str], None] = lambda _: None,
) -> Planned:
    """Plan hardware. Whole frames stream; strips of them, whose rows take less block RAM, where only these meet the
    rate, or where no rate is asked and more images fit so.

    A network with a spatial sum works on tiles of its own frame. Where nothing meets the target the result is what
    comes closest: the least hardware of the rate, or, where no hardware is fast enough, the fastest that fits.
    seconds, progress: of the search for the adder graphs that are chosen, see `hwsr.adders.stages.solve`. say: told of
    every search for FIFO depths, which takes most of the time.
    Raises HwsrError for a network that has no hardware.
    """
    best = _best(graph, target, Sharing(seconds, expected(graph)), lambda outlined: _finished(outlined, progress, say))
    return _summed(_closest(graph, best), progress)


def outline(graph: IntGraph, target: Target, like: Planned) -> Planned:
    """A plan with the lowering's FIFOs, simulated, and the adder graphs of another plan: good, and found soon.

    Other FIFOs are sought only where those miss the rate that is asked.
    """
    return _best(graph, target, like.sharing, _outlined)


def _best(graph: IntGraph, target: Target, sharing: Sharing, finished: Callable[[Planned], Planned]) -> Planned:
    if target.fps is None and (found := _fastest(graph, target, sharing, finished)):
        return found
    whole, *strips = _frames(graph, target.image(graph.scale))
    tried = [finished(plan_at(whole, target, sharing))]
    while strips and not _settled(tried[-1]) and _fits_but_for_memory(tried[-1]):
        planned = plan_at(strips.pop(0), target, sharing)
        tried.append(finished(planned) if _with_room(planned) else planned)
    return tried[-1] if _settled(tried[-1]) else tried[0]


def _settled(planned: Planned) -> bool:
    return planned.met or (planned.too_slow and not planned.overflow)


def _closest(graph: IntGraph, planned: Planned) -> Planned:
    """Where this is short of block RAM beside others, strips that are short of less, if there are any."""
    if planned.met or planned.too_slow:
        return planned
    tried = [planned]
    for strip in islice(_frames(graph, planned.target.image(graph.scale)), 1, None):
        if "bram18" not in tried[-1].overflow:
            break
        tried.append(plan_at(strip, planned.target, planned.sharing))
    return min(tried, key=_taken)


def _fits_but_for_memory(planned: Planned) -> bool:
    """It fits, or would with more block RAM, which is what strips and shallower FIFOs save."""
    boundless = replace(planned.target.device, bram18=BOUNDLESS)
    asked = None if planned.too_slow else planned.budget
    found = _smallest(planned.choices, boundless) if asked is None else cheapest(planned.choices, boundless, asked)
    return found is not None and found.share(boundless) <= 1


def _with_room(planned: Planned) -> Planned | None:
    """The plan where it fits, else what fits with shallower FIFOs, which save block RAM; None where nothing does."""
    if not planned.overflow:
        return planned
    if not _fits_but_for_memory(planned):
        return None
    depths = hoped_depths(planned.graph, full_rate=planned.target.fps is None)
    hoped = plan_at(planned.graph, planned.target, planned.sharing, depths)
    return None if hoped.overflow else hoped


def _fastest(
    graph: IntGraph, target: Target, sharing: Sharing, finished: Callable[[Planned], Planned]
) -> Planned | None:
    """Of the whole frame and strips of it what makes most images a second; None where nothing fits."""
    fastest: Planned | None = None
    for hoped, planned in _fitting(graph, target, sharing):
        if fastest and fastest.estimate.fps >= hoped:
            break
        found = finished(planned)
        if found.met and (fastest is None or found.estimate.fps > fastest.estimate.fps):
            fastest = found
    return fastest


def _fitting(graph: IntGraph, target: Target, sharing: Sharing) -> list[tuple[float, Planned]]:
    """What may fit with the images a second that it makes at most, the most first: on the whole frame, and on strips as
    long as they make more.
    """
    fitting: list[tuple[float, Planned]] = []
    for on_its_frame in _frames(graph, target.image(graph.scale)):
        planned = plan_at(on_its_frame, target, sharing)
        if not _fits_but_for_memory(planned):
            break
        roomy = _with_room(planned)
        if roomy is None:
            continue
        if fitting and roomy.estimate.fps <= fitting[-1][0]:
            break
        fitting.append((roomy.estimate.fps, planned))
    return fitting[::-1]


def plan_at(
    graph: IntGraph, target: Target, sharing: Sharing | None = None, depths: Mapping[str, int] | None = None
) -> Planned:
    """The best on the graph's frame with FIFOs of given depths, taken to keep the rate of the slowest stage."""
    timing = timing_on(target.device, target.clock_mhz, target.backend)
    sharing = sharing or Sharing()
    possible = choices(graph, timing, depths, sharing.summed)
    budget = _budget(graph, target)
    selection = cheapest(possible, target.device, budget) if budget is not None else None
    if selection is None:
        fitting = fastest(possible, target.device)
        selection = fitting[1] if fitting else _smallest(possible, target.device)
    return Planned(target, graph, possible, selection, sharing, depths)


def _finished(planned: Planned, progress: Progress, say: Callable[[str], None]) -> Planned:
    """With adder graphs as they are found, and FIFOs as deep as the rate needs: the asked one, else the full one.

    Foldings are chosen anew for the FIFOs that were found: where the device has no room for these, and once more where
    a rate is asked, since they take other block RAM than those that foldings were chosen at. The best that meets the
    target is kept; if none does, the lowering's FIFOs have to. Where these have no room, foldings are chosen at
    shallower ones first. FIFOs that would miss the asked rate at other latencies than those estimated make way.
    """
    first = planned = _summed(planned, progress)
    roomy = None if planned.too_slow else _with_room(planned)
    if roomy is None:
        return planned
    if roomy is not planned:
        planned = _with_depths(_summed(roomy, progress), None)
    meeting: list[Planned] = []
    for _ in range(ROUNDS):
        height, width = planned.graph.frame
        say(f"FIFO depths on {width}x{height}, {planned.selection.clocks(planned.choices):,} clocks a frame")
        depths = found_depths(planned.graph, planned.hardware, planned.budget)
        kept = _paced(_with_depths(planned, depths))
        if kept.met:
            meeting.append(kept)
        if meeting and (planned is not first or planned.target.fps is None):
            break
        again = _summed(plan_at(planned.graph, planned.target, planned.sharing, depths), progress)
        nothing_fits = planned.target.fps is None and again.overflow
        if nothing_fits or (again.foldings == planned.foldings and again.adders.keys() == planned.adders.keys()):
            break
        planned = again
    # Without a rate, FIFOs that make the slowest stage wait may still make more images than slower stages do.
    if not meeting or (planned.target.fps is None and planned is not first):
        lowered = first if first.overflow else _paced(first)
        meeting += [lowered] if lowered.met else []
        kept = min((lowered, kept), key=_taken)
    return _steady(min(meeting, key=_preferred)) if meeting else kept


def _steady(planned: Planned) -> Planned:
    """With the lowering's FIFOs where those that were found hold the asked rate at the estimated latencies alone, and
    these at any, if they have room.
    """
    if planned.depths is None or _holds(planned):
        return planned
    default = with_default_fifos(planned)
    return default if default.met and _holds(default) else planned


def _holds(planned: Planned) -> bool:
    """The asked rate, however deep the pipelines are."""
    spread = planned.ranged.spread
    return planned.budget is None or spread is None or spread[1] <= planned.budget


def _preferred(planned: Planned) -> tuple[float, ...]:
    """The least hardware of an asked rate, else the most images."""
    taken = _taken(planned)
    return taken if planned.target.fps is not None else (-planned.estimate.fps, *taken)


def _taken(planned: Planned) -> tuple[float, float]:
    """Share of the scarcest resource, and all shares together."""
    return max(planned.usage.values()), sum(planned.usage.values())


def _outlined(planned: Planned) -> Planned:
    if planned.too_slow or planned.overflow:
        return planned
    lowered = _paced(planned)
    return lowered if lowered.met else _finished(planned, iter, lambda _: None)


def _paced(planned: Planned) -> Planned:
    """With the simulated clocks from one frame to the next."""
    clocks = clocks_at(planned.graph, planned.hardware, planned.depths)
    return replace(planned, interval=clocks.interval, latency=clocks.latency)


def _summed(planned: Planned, progress: Progress) -> Planned:
    """Planned again until every adder graph in it is one that was found."""
    while planned.unsolved:
        sharing = planned.sharing
        summed, solved = solved_graphs(planned.graph, planned.unsolved, sharing.seconds, progress)
        more = Sharing(sharing.seconds, {**sharing.summed, **summed}, {**sharing.solved, **solved})
        planned = plan_at(planned.graph, planned.target, more, planned.depths)
    return planned


def with_default_fifos(planned: Planned) -> Planned:
    """The same choice with the lowering's FIFOs, simulated."""
    return _paced(_with_depths(planned, None))


def _with_depths(planned: Planned, depths: Mapping[str, int] | None) -> Planned:
    """The same choice, with these FIFOs."""
    possible = choices(planned.graph, planned.hardware.timing, depths, planned.sharing.summed)
    return replace(planned, choices=possible, selection=planned.selection.among(possible), depths=depths)


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


def _smallest(found: Choices, device: Device) -> Selection:
    """The least hardware at any pace."""
    slowest = max([found.least_clocks, *(option.clocks for own in found.options.values() for option in own)])
    selection = cheapest(found, device, slowest)
    assert selection is not None
    return selection


def _budget(graph: IntGraph, target: Target) -> int | None:
    if target.fps is None:
        return None
    tiles = count_tiles(graph, target.image(graph.scale))
    return floor(Fraction(target.clock_mhz) * 10**6 / (Fraction(target.fps) * tiles))
