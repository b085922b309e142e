"""Everything that a page says of a model, worked out here; `hwsr.report.page` shows it, `as_json` writes it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hwsr import __version__
from hwsr.data.datasets import ImagePair
from hwsr.dataflow import dataflow
from hwsr.engine import Engine
from hwsr.engines import default_engine
from hwsr.errors import HwsrError
from hwsr.estimate.cross_validation import HeldOut, cross_validation
from hwsr.estimate.design import Estimate, estimate, timing_on
from hwsr.estimate.devices import Device
from hwsr.estimate.fabric import Backend
from hwsr.hls.lower import lower
from hwsr.hls.project import graph_hash, hardware_hash, layers_of
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import Conv, IntGraph, Scale
from hwsr.ir.stages import Reuse, Stage, foldings
from hwsr.plan.depths import Hardware as Built
from hwsr.plan.depths import built, interval_at, spread_at
from hwsr.report.blocks import Block, blocks
from hwsr.report.claims import Absent, Claim, claims
from hwsr.report.crops import Crop
from hwsr.report.hardware import Hardware, Row, hardware, rows
from hwsr.report.quality import Quality, quality
from hwsr.report.timeline import Timeline, timeline
from hwsr.report.verdict import Verdict, verdict
from hwsr.spec import Precision, parse_spec
from hwsr.train.checkpoint import load_tensors, model_file

# The pictures of a crop, which no figure is.
PIXELS = ("bicubic", "network", "original")


@dataclass(frozen=True)
class Design:
    """What hardware is built by, as `hwsr estimate` takes it.

    graph: on the hardware's frame; image: (H, W); depths: words of every stream, by default those of the lowering.
    """

    graph: IntGraph
    image: tuple[int, int]
    reuse: Reuse
    device: Device
    clock_mhz: float
    backend: Backend
    adders: Mapping[str, AdderGraph]
    depths: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Model:
    """name: of its folder or file; spec: empty for a QONNX file alone; weights: of all convolutions and scalings."""

    name: str
    spec: str
    scale: int
    frame: tuple[int, int]
    graph: str
    weights: int
    weight_bits: int
    macs: float


@dataclass(frozen=True)
class Report:
    """A page. Figures of hardware and dataflow are absent where the network has no hardware yet."""

    hwsr: str
    model: Model
    blocks: tuple[Block, ...]
    rows: tuple[Row, ...]
    hardware: Hardware | Absent
    timeline: Timeline | Absent
    quality: Quality
    crops: tuple[Crop, ...]
    verdict: Verdict
    claims: tuple[Claim, ...]
    cross_validation: tuple[HeldOut, ...]


def check_model(path: Path) -> None:
    """Raise HwsrError for a float network, which has no integers to report on."""
    if default_engine(path) is not Engine.TORCH or not model_file(path).is_file():
        return
    spec = parse_spec(load_tensors(model_file(path))[1].spec)
    if spec.precision is Precision.FLOAT:
        raise HwsrError(
            f"{path}: '{spec}' is a float network, of which no hardware is made; quantize it "
            f"('hwsr quantize {path} --out FOLDER --to int8'), export that, and report on it"
        )


def report(
    path: Path,
    design: Design,
    pairs: Sequence[ImagePair],
    data: Path | None,
    csim: Path,
    progress: Callable[[Sequence[ImagePair]], Iterable[ImagePair]] = iter,
) -> Report:
    """Gather a page of the model at `path`, of which `design` has the graph. pairs: images of `data`; csim: a file.

    Raises HwsrError for foldings that the network cannot have; where it has no hardware at all the page says so.
    """
    graph = design.graph
    foldings(graph, design.reuse)
    shown = blocks(graph)
    made, found, flow = _hardware(design)
    layers = found.layers if not isinstance(found, Absent) else ()
    table = rows(shown, made, layers)
    taken = found if isinstance(found, Absent) else hardware(found)

    def hardware_of(on_its_frame: IntGraph) -> str:
        stages = lower(on_its_frame, design.reuse, design.adders)
        return hardware_hash(design.backend, layers_of(stages))

    checked = verdict(csim, graph, hardware_of, design.backend)
    scores, crops = quality(path, graph.scale, pairs, data, progress)
    return Report(
        __version__,
        _model(path, graph, sum(block.macs for block in shown)),
        shown,
        table,
        taken,
        flow,
        scores,
        crops,
        checked,
        claims(checked, flow, taken),
        cross_validation(),
    )


def _hardware(design: Design) -> tuple[tuple[Stage, ...], Estimate | Absent, Timeline | Absent]:
    """Stages, their estimate and their simulation, or why there are none of them."""
    graph = design.graph
    try:
        stages = built(graph, design.reuse, design.adders, design.depths)
    except HwsrError as error:
        return (), Absent(str(error)), Absent(str(error))
    return stages, _estimate(design, stages), _timeline(design, stages)


def _estimate(design: Design, stages: Sequence[Stage]) -> Estimate | Absent:
    timing = timing_on(design.device, design.clock_mhz, design.backend)
    target = design.device, design.clock_mhz, design.image, design.backend
    try:
        hardware = Built(design.reuse, design.adders, timing)
        interval = interval_at(design.graph, hardware, design.depths)
        spread = spread_at(design.graph, hardware, design.depths, interval)
        return estimate(design.graph, stages, *target, interval=interval, spread=spread)
    except HwsrError as error:
        return Absent(str(error))


def _timeline(design: Design, stages: Sequence[Stage]) -> Timeline | Absent:
    try:
        return timeline(dataflow(design.graph, stages, timing_on(design.device, design.clock_mhz, design.backend)))
    except HwsrError as error:
        return Absent(str(error))


def _model(path: Path, graph: IntGraph, macs: float) -> Model:
    spec = load_tensors(model_file(path))[1].spec if path.is_dir() and model_file(path).is_file() else ""
    sizes = [(node.weight.size, node.weight_bits) for node in graph.nodes if isinstance(node, Conv)]
    sizes += [(len(node.factor), node.factor_bits) for node in graph.nodes if isinstance(node, Scale)]
    return Model(
        path.resolve().name,
        spec,
        graph.scale,
        graph.frame,
        graph_hash(graph),
        sum(count for count, _ in sizes),
        sum(count * bits for count, bits in sizes),
        macs,
    )


def as_json(found: Report) -> dict[str, Any]:
    """Plain dicts, lists and numbers: every figure of the page, without the pictures."""
    values = asdict(found)
    values["crops"] = [{key: value for key, value in crop.items() if key not in PIXELS} for crop in values["crops"]]
    return values
