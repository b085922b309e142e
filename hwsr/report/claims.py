"""What is proved of a model's hardware, what is tested, what is estimated, and what nobody knows before synthesis."""

from dataclasses import dataclass
from enum import StrEnum

from hwsr.report.hardware import Hardware
from hwsr.report.timeline import Timeline
from hwsr.report.verdict import Status, Verdict


class Kind(StrEnum):
    """How much a claim is worth."""

    PROVED = "proved"
    TESTED = "tested"
    ESTIMATED = "estimated"
    UNPROVED = "not proved"
    REFUTED = "refuted"


@dataclass(frozen=True)
class Claim:
    """kind: what it is worth; what: it says; how: it is known, or why it is not."""

    kind: Kind
    what: str
    how: str


@dataclass(frozen=True)
class Absent:
    """A part that the page cannot have, and why."""

    reason: str


def claims(verdict: Verdict, flow: Timeline | Absent, design: Hardware | Absent) -> tuple[Claim, ...]:
    """Every claim of the page, the strongest first."""
    found = [_accumulators(), _bits(verdict), *_depths(flow), *_estimates(design)]
    found += [
        Claim(
            Kind.UNPROVED,
            "synthesis, timing closure, power, a board",
            "nothing was synthesized: the vendor's tools were not run",
        )
    ]
    order = list(Kind)
    order.remove(Kind.REFUTED)
    order.insert(0, Kind.REFUTED)
    return tuple(sorted(found, key=lambda claim: order.index(claim.kind)))


def _accumulators() -> Claim:
    how = "the worst case over the actual weights, worked out for every tensor as the network was read"
    return Claim(Kind.PROVED, "no accumulator overflows", how)


def _bits(verdict: Verdict) -> Claim:
    what = "the generated C++ computes the reference's integers, bit for bit"
    match verdict.status:
        case Status.NOT_RUN:
            return Claim(Kind.UNPROVED, what, f"C simulation not run: {verdict.reason}")
        case Status.DIFFERS:
            return Claim(Kind.REFUTED, what, f"C simulation: {verdict.mismatches:,} values differ")
    assert verdict.frame is not None
    height, width = verdict.frame
    compared = ", ".join(f"{each.what}: {each.count:,} {each.unit}" for each in verdict.compared)
    note = f"; {verdict.note}" if verdict.note else ""
    where = f"C simulation by g++ of this model in this hardware, on frames of {width}x{height}"
    how = f"{where}: {compared}; all equal{note}"
    return Claim(Kind.TESTED, what, how)


def _depths(flow: Timeline | Absent) -> list[Claim]:
    what = "FIFOs are deep enough: the pipeline does not deadlock"
    if isinstance(flow, Absent):
        return [Claim(Kind.UNPROVED, what, f"not simulated: {flow.reason}")]
    if flow.deadlock:
        return [Claim(Kind.REFUTED, what, f"in the simulation {'; '.join(flow.deadlock)}")]
    how = (
        f"{flow.frames} frames ran through them, simulated clock by clock at the depths declared; the latencies of its "
        "stages are estimates, and no co-simulation was run"
    )
    return [
        Claim(Kind.TESTED, what, how),
        Claim(
            Kind.ESTIMATED,
            "clocks, stalls and frames a second",
            "exact for the model simulated, not for what HLS makes",
        ),
    ]


def _estimates(design: Hardware | Absent) -> list[Claim]:
    what = "LUT, FF, DSP, BRAM and cycles"
    if isinstance(design, Absent):
        return [Claim(Kind.UNPROVED, what, f"not estimated: {design.reason}")]
    how = "counted in the stages that code is generated from, priced by what reports of hls4ml's stock kernels taught"
    return [Claim(Kind.ESTIMATED, what, f"{how}; error {design.error}")]
