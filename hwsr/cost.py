"""Networks at equal cost: quality beside the bits of the model and the adder bits of a pixel, and widths that match.

Float networks are counted by their formulas: 32 bits a parameter, and of a multiplication or addition the 24 bits of
its significands alone. What shifts, rounds and adds exponents is left out, in their favour.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from hwsr.adders.cost import NetworkCost, network_cost
from hwsr.adders.count import Progress
from hwsr.bits import ALL_8
from hwsr.data.datasets import validation_images
from hwsr.engine import Engine
from hwsr.engines import default_engine, make_upscaler, model_graph
from hwsr.errors import HwsrError
from hwsr.evaluate import evaluate
from hwsr.export.qonnx import export_qonnx
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, set_quantized
from hwsr.release import released
from hwsr.spec import ModelSpec, Precision, Spec
from hwsr.train.checkpoint import load_model, load_network
from hwsr.zoo.accounting import count, low_resolution
from hwsr.zoo.network import Network

FLOAT_BITS, SIGNIFICAND = 32, 24
# The widest network that is looked for.
WIDEST = 256


@dataclass(frozen=True)
class Costed:
    """One network: its name, what its precision is, its cost, and its mean Y-PSNR in dB and Y-SSIM."""

    label: str
    spec: str
    source: str
    cost: NetworkCost
    psnr: float
    ssim: float

    @property
    def bits(self) -> int:
        return self.cost.bits

    @property
    def adder_bits(self) -> int:
        return self.cost.adder_bits

    @property
    def shared_bits(self) -> int | None:
        return self.cost.shared_bits


@dataclass(frozen=True)
class Match:
    """The network of a precision that comes nearest to another in one cost, `measure` naming which; ratio: of them."""

    measure: str
    spec: str
    cost: NetworkCost
    ratio: float


def costed(folder: Path, benchmark: str, data: Path | None, share: bool, progress: Progress = iter) -> Costed:
    """A model, with its release's scores on `benchmark`, or with those on `data`. Raises HwsrError where it has none.

    share: with the adder bits of da4ml's graphs, where it is an integer network.
    """
    spec = load_model(folder)[0]
    if data is not None:
        run, scale = make_upscaler(default_engine(folder), folder)
        mean = evaluate(run, validation_images(scale, data), scale)[-1]
        psnr, ssim = mean.psnr, mean.ssim
    else:
        scores = released(folder).scores
        if benchmark not in scores:
            raise HwsrError(f"{folder}: its release has no score on {benchmark}; it has {', '.join(scores)}")
        psnr, ssim = scores[benchmark].psnr, scores[benchmark].ssim
    cost = model_cost(folder, share, progress)
    return Costed(folder.resolve().name, str(spec), str(spec.precision), cost, psnr, ssim)


def model_cost(folder: Path, share: bool = False, progress: Progress = iter) -> NetworkCost:
    """What the model in a folder costs. Raises HwsrError."""
    if default_engine(folder) is Engine.TORCH:
        return float_cost(load_network(folder))
    return network_cost(model_graph(folder), share, progress)


def float_cost(network: Network) -> NetworkCost:
    """The cost of a float network. Raises HwsrError for any other, which is to be exported first."""
    spec = network.spec
    if spec.precision is not Precision.FLOAT:
        raise HwsrError(f"'{spec}' is no float network; export it, and its integers are counted (hwsr export)")
    height, width = low_resolution(spec.scale)
    whole = count(network)
    work = whole.without_attention()
    multiplied, added = (round(each / (height * width)) for each in (work.multiplications, work.additions))
    bits = multiplied * SIGNIFICAND**2 + added * SIGNIFICAND
    return NetworkCost(FLOAT_BITS * whole.params, multiplied, added, bits)


def drawn_cost(spec: Spec) -> NetworkCost:
    """The cost of a network of any precision with weights as they are drawn before training. Raises HwsrError."""
    return float_cost(build(spec)) if spec.precision is Precision.FLOAT else network_cost(drawn_graph(spec))


def drawn_graph(spec: Spec) -> IntGraph:
    """The integers of a network with weights as they are drawn before training. Raises HwsrError for a float one."""
    network = build(spec)
    set_quantized(network, spec.precision is not Precision.FLOAT)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        export_qonnx(network, path)
        return read_qonnx(path)


def matches(
    spec: Spec, cost: NetworkCost, precisions: Sequence[Precision] = (Precision.FLOAT, Precision.INT8)
) -> list[Match]:
    """For each precision the widths at which `spec` comes nearest to `cost`, in bits and in adder bits.

    Raises HwsrError for a published network, whose width is given.
    """
    if not isinstance(spec, ModelSpec):
        raise HwsrError(f"'{spec}' has one width alone; give a network whose features can be chosen (nN)")
    found = []
    for precision in precisions:
        specs = _widths(replace(spec, precision=precision, sp_ratio=1, bits=ALL_8))
        costs: dict[int, NetworkCost] = {}
        for measure in ("bits", "adder_bits"):
            best = _nearest(specs, getattr(cost, measure), measure, costs)
            ratio = getattr(costs[best], measure) / getattr(cost, measure)
            found.append(Match(measure, str(specs[best]), costs[best], ratio))
    return found


def _widths(spec: ModelSpec) -> list[ModelSpec]:
    """The network at every width that its layers can have."""
    found = []
    for n in range(1, WIDEST + 1):
        try:
            found.append(replace(spec, n=n))
        except HwsrError:
            continue
    return found


def _nearest(specs: Sequence[Spec], wanted: int, measure: str, costs: dict[int, NetworkCost]) -> int:
    """The index of the network whose cost, which grows with the width, has the smallest ratio to what is wanted."""

    def cost(index: int) -> int:
        if index not in costs:
            costs[index] = drawn_cost(specs[index])
        return int(getattr(costs[index], measure))

    low, high = 0, 1
    while high < len(specs) - 1 and cost(high) < wanted:
        low, high = high, min(2 * high, len(specs) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < wanted else (low, middle)
    return min((low, high), key=lambda index: max(cost(index) / wanted, wanted / cost(index)))


HEADERS = ("network", "dB", "SSIM", "model bits", "mult.", "add.", "adder bits", "shared")


def _cells(each: Costed) -> tuple[str, ...]:
    shared = "" if each.shared_bits is None else f"{each.shared_bits:,}"
    numbers = (each.bits, each.cost.multiplications, each.cost.additions, each.adder_bits)
    return (each.label, f"{each.psnr:.2f}", f"{each.ssim:.4f}", *(f"{number:,}" for number in numbers), shared)


def render(found: Sequence[Costed], title: str) -> Table:
    """The networks as a table, cheapest in bits first."""
    table = Table(title=f"{title}; operations for each pixel of the input image")
    for header in HEADERS:
        table.add_column(header, justify="left" if header == "network" else "right")
    for each in _sorted(found):
        table.add_row(*_cells(each))
    return table


def markdown(found: Sequence[Costed]) -> str:
    """The same as Markdown."""
    rows = [HEADERS, ("---",) * len(HEADERS), *map(_cells, _sorted(found))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _sorted(found: Sequence[Costed]) -> list[Costed]:
    return sorted(found, key=lambda each: each.bits)


def render_matches(found: Sequence[Match], spec: str) -> Table:
    """Matches as a table."""
    table = Table("equal", "network", title=f"networks at about the cost of {spec}, weights as drawn")
    for header in ("model bits", "adder bits", "ratio"):
        table.add_column(header, justify="right")
    for each in found:
        measure = each.measure.replace("_", " ")
        table.add_row(measure, each.spec, f"{each.cost.bits:,}", f"{each.cost.adder_bits:,}", f"{each.ratio:.2f}")
    return table


def as_json(found: Sequence[Costed], title: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of `render`."""
    return {**title, "networks": [asdict(each) for each in _sorted(found)]}


def model_matches(folder: Path) -> tuple[str, list[Match]]:
    """The spec of a model, and the float and int8 networks at about its cost. Raises HwsrError."""
    spec = load_model(folder)[0]
    return str(spec), matches(spec, model_cost(folder))
