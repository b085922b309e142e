"""The plan as a file: what `hwsr hls --plan` builds by and `hwsr estimate --plan` prices."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsr.adders.stages import Progress, Solved, solve
from hwsr.errors import HwsrError
from hwsr.estimate.figures import NOTE
from hwsr.estimate.show import as_json
from hwsr.files import write_text
from hwsr.hls.project import graph_hash
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding, Multiplier, Weights, foldings, loops
from hwsr.ir.tiling import on_frame
from hwsr.plan.adders import ternary
from hwsr.plan.depths import built
from hwsr.plan.design import Planned
from hwsr.simulate.process import depths

# A plan of a network of thousands of stages is smaller; a larger file is none.
MAX_BYTES = 16 << 20

Count = Annotated[int, Field(ge=1, le=1 << 31)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = tuple[Annotated[int, Field(ge=1, le=99999)], Annotated[int, Field(ge=1, le=99999)]]


class PlannedAdders(BaseModel):
    """An adder graph: its size, its digest, and whether sums were shared as far as without a bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    adders: Annotated[int, Field(ge=0)]
    digest: Digest
    complete: bool


class PlannedStage(BaseModel):
    """The folding of the stage that a node of the network becomes: see `hwsr.ir.stages.Folding`.

    reuse_factor: clocks a pixel, which follows from the rest and the node; adders: of one that an adder graph computes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    node: str
    groups: Count
    outputs: Count
    simd: Count
    multiplier: Literal["any", "dsp", "lut"]
    weights: Literal["any", "lut"] = "any"
    reuse_factor: Count
    adders: PlannedAdders | None = None

    @property
    def folding(self) -> Folding:
        bound = Multiplier[self.multiplier.upper()], Weights[self.weights.upper()]
        return Folding(self.groups, self.outputs, self.simd, *bound)


class Plan(BaseModel):
    """A plan file. graph: digest of the network on `frame`, the (H, W) that the hardware works on; image: (H, W) of the
    input, cut into such frames; out, fps: what was asked; adder_seconds: the bound of the search for each adder graph;
    depths: words of every stream between two stages; estimates: those of `hwsr estimate`, for reading alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["hwsr plan"] = "hwsr plan"
    version: Literal[2] = 2
    note: str = NOTE
    graph: Digest
    device: str
    backend: Literal["Vitis", "Vivado"]
    clock_mhz: Annotated[float, Field(ge=1, le=2000)]
    out: Size
    fps: Annotated[float, Field(gt=0, le=1e9)] | None
    image: Size
    frame: Size
    proved: bool
    adder_seconds: Annotated[float, Field(gt=0)] | None
    stages: tuple[PlannedStage, ...]
    depths: dict[str, Count]
    estimates: dict[str, Any]

    @property
    def foldings(self) -> dict[str, Folding]:
        return {stage.node: stage.folding for stage in self.stages}

    @property
    def adders(self) -> dict[str, PlannedAdders]:
        """The adder graphs, by the node's name."""
        return {stage.node: stage.adders for stage in self.stages if stage.adders}


def plan_file(planned: Planned) -> Plan:
    """The file of a plan."""
    target, found = planned.target, planned.estimate
    nodes = {node.name: node for node in planned.graph.nodes}
    stages = tuple(
        PlannedStage(
            node=name,
            groups=folding.groups,
            outputs=folding.outputs,
            simd=folding.simd,
            multiplier=folding.multiplier.name.lower(),  # type: ignore[arg-type]  # one of the literals
            weights=folding.weights.name.lower(),  # type: ignore[arg-type]  # one of the literals
            reuse_factor=folding.reuse(loops(planned.graph, nodes[name])),
            adders=_adders(planned, name),
        )
        for name, folding in planned.foldings.items()
    )
    return Plan(
        graph=graph_hash(planned.graph),
        device=target.device.part,
        backend="Vitis" if target.backend == "vitis" else "Vivado",
        clock_mhz=target.clock_mhz,
        out=target.out,
        fps=target.fps,
        image=found.image,
        frame=found.frame,
        proved=planned.selection.proved,
        adder_seconds=planned.sharing.seconds,
        stages=stages,
        depths=depths(planned.hardware.stages(planned.graph, planned.depths)),
        estimates=as_json(planned.ranged)["estimates"],
    )


def _adders(planned: Planned, name: str) -> PlannedAdders | None:
    if name not in planned.adders:
        return None
    graph, solved = planned.adders[name], planned.sharing.solved.get(name)
    return PlannedAdders(adders=len(graph.sums), digest=graph.digest, complete=solved is not None and solved.complete)


def write_plan(path: Path, plan: Plan) -> None:
    """Raises HwsrError."""
    write_text(path, plan.model_dump_json(indent=2) + "\n")


def read_plan(path: Path, graph: IntGraph) -> tuple[Plan, IntGraph]:
    """A plan, and the network on the frame that it is for.

    Raises HwsrError when the file is no plan, or was not made for `graph`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise HwsrError(f"{path} is too large for a plan; make one with 'hwsr plan'")
        plan = Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise HwsrError(f"{path}: {error.strerror}; make a plan with 'hwsr plan'") from error
    except ValidationError as error:
        found = error.errors(include_url=False)
        if any(each["loc"] == ("version",) and each["input"] == 1 for each in found):
            raise HwsrError(
                f"{path} is a plan of version 1, which has no FIFO depths; run 'hwsr plan' again"
            ) from error
        first = found[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise HwsrError(
            f"{path} is no plan of version 2 ({where}: {first['msg']}); make one with 'hwsr plan'"
        ) from error
    built = on_frame(graph, plan.frame)
    if graph_hash(built) != plan.graph:
        raise HwsrError(
            f"{path} was made for another model, or this one was trained or exported anew; run 'hwsr plan' again"
        )
    _check(path, plan, built)
    return plan, built


def solved_adders(plan: Plan, graph: IntGraph, progress: Progress = iter) -> dict[str, Solved]:
    """The adder graphs of a plan, from the cache or sought as they were. graph: the plan's.

    Raises HwsrError where another graph was found, which a bound in time can lead to on another machine.
    """
    if not plan.adders:
        return {}
    wanted = [conv for conv in ternary(graph) if conv.name in plan.adders]
    solved = solve(graph, wanted, plan.adder_seconds, progress)
    for name, planned in plan.adders.items():
        made = solved[name].graph
        if made.digest != planned.digest:
            counts = f"{len(made.sums):,} adders instead of {planned.adders:,}"
            raise HwsrError(f"the adder graph of '{name}' is another than the plan's ({counts}); run 'hwsr plan' again")
    return solved


def _check(path: Path, plan: Plan, graph: IntGraph) -> None:
    """Raise unless sizes fit and every stage that multiplies has its folding, once, with the clocks that it names."""
    again = f"; run 'hwsr plan' again ({path})"
    image = tuple(-(-side // graph.scale) for side in plan.out)
    if plan.image != image:
        wrong = f"an image of {plan.image[1]}x{plan.image[0]} is not what {plan.out[1]}x{plan.out[0]} pixels come of"
        raise HwsrError(f"{wrong}{again}")
    if not graph.fixed_frame and not (plan.frame[0] == image[0] and plan.frame[1] <= image[1]):
        raise HwsrError(f"the plan's frame {plan.frame[1]}x{plan.frame[0]} is no strip of its image{again}")
    if len(plan.foldings) != len(plan.stages):
        raise HwsrError(f"the plan folds a stage twice{again}")
    try:
        wanted = foldings(graph, plan.foldings)
    except HwsrError as error:
        raise HwsrError(f"{error}{again}") from error
    nodes = {node.name: node for node in graph.nodes}
    for stage in plan.stages:
        reuse = stage.folding.reuse(loops(graph, nodes[stage.node]))
        if reuse != stage.reuse_factor:
            sizes = f"PE {stage.folding.pe} x SIMD {stage.simd} of '{stage.node}'"
            raise HwsrError(f"{sizes} gives a reuse factor of {reuse}, not {stage.reuse_factor}{again}")
    for name in (name for name in wanted if name not in plan.foldings):
        raise HwsrError(f"the plan folds nothing of '{name}'{again}")
    possible = {conv.name for conv in ternary(graph)}
    for stage in plan.stages:
        if stage.adders and (stage.reuse_factor > 1 or stage.node not in possible):
            raise HwsrError(f"the plan has an adder graph of '{stage.node}', which cannot be one{again}")
    try:
        built(graph, plan.foldings, found=plan.depths)
    except HwsrError as error:
        raise HwsrError(f"{error}{again}") from error
