"""The plan as a file: what `hwsr hls --plan` builds by and `hwsr estimate --plan` prices."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsr.errors import HwsrError
from hwsr.estimate.figures import NOTE
from hwsr.estimate.show import as_json
from hwsr.files import write_text
from hwsr.hls.project import graph_hash
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding, Multiplier, foldings, loops
from hwsr.ir.tiling import on_frame
from hwsr.plan.design import Planned

# A plan of a network of thousands of stages is smaller; a larger file is none.
MAX_BYTES = 16 << 20

Count = Annotated[int, Field(ge=1, le=1 << 31)]
Size = tuple[Annotated[int, Field(ge=1, le=99999)], Annotated[int, Field(ge=1, le=99999)]]


class PlannedStage(BaseModel):
    """The folding of the stage that a node of the network becomes: see `hwsr.ir.stages.Folding`.

    reuse_factor: clocks a pixel, which follows from the rest and the node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    node: str
    groups: Count
    outputs: Count
    simd: Count
    multiplier: Literal["any", "dsp", "lut"]
    reuse_factor: Count

    @property
    def folding(self) -> Folding:
        return Folding(self.groups, self.outputs, self.simd, Multiplier[self.multiplier.upper()])


class Plan(BaseModel):
    """A plan file. graph: digest of the network on `frame`, the (H, W) that the hardware works on; image: (H, W) of the
    input, cut into such frames; out, fps: what was asked; estimates: those of `hwsr estimate`, for reading alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["hwsr plan"] = "hwsr plan"
    version: Literal[1] = 1
    note: str = NOTE
    graph: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    device: str
    backend: Literal["Vitis", "Vivado"]
    clock_mhz: Annotated[float, Field(ge=1, le=2000)]
    out: Size
    fps: float | None
    image: Size
    frame: Size
    proved: bool
    stages: tuple[PlannedStage, ...]
    estimates: dict[str, Any]

    @property
    def foldings(self) -> dict[str, Folding]:
        return {stage.node: stage.folding for stage in self.stages}


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
            reuse_factor=folding.reuse(loops(planned.graph, nodes[name])),
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
        stages=stages,
        estimates=as_json(found)["estimates"],
    )


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
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise HwsrError(
            f"{path} is no plan of version 1 ({where}: {first['msg']}); make one with 'hwsr plan'"
        ) from error
    built = on_frame(graph, plan.frame)
    if graph_hash(built) != plan.graph:
        raise HwsrError(
            f"{path} was made for another model, or this one was trained or exported anew; run 'hwsr plan' again"
        )
    _check(path, plan, built)
    return plan, built


def _check(path: Path, plan: Plan, graph: IntGraph) -> None:
    """Raise unless every stage that multiplies has its folding, once, with the clocks that it names."""
    again = f"; run 'hwsr plan' again ({path})"
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
