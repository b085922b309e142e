"""What a network takes on a device at a rate, by `hwsr plan`: before it is trained, with weights as they are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from hwsr.estimate.devices import KINDS
from hwsr.ir.graph import IntGraph
from hwsr.plan.design import Planned, Target, plan
from hwsr.plan.explain import describe_shortfall


@dataclass(frozen=True)
class Hardware:
    """Estimates of the planned design; fps: images a second."""

    lut: int
    ff: int
    dsp: int
    bram18: int
    fps: float


@dataclass(frozen=True)
class Verdict:
    """What a network takes, and why it cannot be; short: one line, empty where it can.

    violation: by what share it is beyond the device, the rate or a limit; 0 where it can be.
    """

    hardware: Hardware
    short: str
    violation: float


def judge(graph: IntGraph, target: Target, limits: Mapping[str, int]) -> Verdict:
    """Plan a network. limits: the most of each resource that it may take. Raises HwsrError where it has no hardware."""
    planned = plan(graph, target)
    found = planned.estimate
    amounts = {name: getattr(found.resources, name) for name in KINDS}
    hardware = Hardware(**amounts, fps=round(found.fps, 3))
    if not planned.met:
        return Verdict(hardware, describe_shortfall(planned), _violation(planned))
    beyond = {name: amounts[name] / max(limit, 1) for name, limit in limits.items() if amounts[name] > limit}
    words = ", ".join(f"{amounts[name]:,} {name} of {limits[name]:,}" for name in beyond)
    short = f"beyond the limits asked for: {words} (estimate)" if beyond else ""
    return Verdict(hardware, short, sum(share - 1 for share in beyond.values()))


def _violation(planned: Planned) -> float:
    if planned.too_slow:
        assert planned.budget is not None
        return planned.choices.least_clocks / max(planned.budget, 1) - 1
    return sum(share - 1 for share in planned.estimate.usage.values() if share > 1)
