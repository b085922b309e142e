"""A kernel of a stock project as a row of the calibration schema, so that the laws of stock kernels apply to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwsr.errors import HwsrError
from hwsr.estimate.reports import DESCRIPTION
from hwsr.estimate.types import DEFAULT, parse_type
from hwsr.stock.project import Call, StockProject, Stream, number

# nnet:: function -> layer type of the schema.
LAYER_TYPES = {
    "conv_1d_cl": "conv1d",
    "conv_2d_cl": "conv2d",
    "pointwise_conv_1d_cl": "pointwise_conv1d",
    "pointwise_conv_2d_cl": "pointwise_conv2d",
    "depthwise_conv_1d_cl": "depthwise_conv1d",
    "depthwise_conv_2d_cl": "depthwise_conv2d",
    "dense": "dense",
    "pooling1d_cl": "pooling1d",
    "pooling2d_cl": "pooling2d",
    "global_pooling1d_cl": "global_pooling1d",
    "global_pooling2d_cl": "global_pooling2d",
    "zeropad1d_cl": "zeropad1d",
    "zeropad2d_cl": "zeropad2d",
    "resize_nearest": "resize_nearest",
    "normalize": "batchnorm",
    "concatenate1d": "concatenate",
    "concatenate2d": "concatenate",
    "concatenate3d": "concatenate",
    **{
        name: name
        for name in ("relu", "leaky_relu", "prelu", "linear", "hard_tanh", "hard_sigmoid", "sigmoid", "tanh", "softmax")
    },
}
# Without a report to learn resources from: they take and make a word a clock, or collect a frame before they make one.
WORD_BY_WORD = frozenset(("clone_stream", "add", "subtract", "multiply", "average", "maximum", "minimum"))
REORDERED = frozenset(("transpose", "repack_stream"))


@dataclass(frozen=True)
class Frame:
    """Words that a kernel takes from each of its inputs in a frame, and that it makes for each output."""

    reads: tuple[int, ...]
    writes: int


def frames(project: StockProject) -> dict[str, Frame]:
    """By layer. Raises HwsrError for a kernel that is not known, or whose words its settings do not tell."""
    words: dict[str, int] = {}
    found = {}
    for call in project.calls:
        settings = project.settings.get(call.config, {})
        reads = tuple(words.get(name) or _taken(project, call, settings, name) for name in call.inputs)
        values = sum(each * project.streams[name].channels for each, name in zip(reads, call.inputs, strict=True))
        writes = _made(call, settings, reads[0], values, project.streams[call.outputs[0]].channels)
        words |= dict.fromkeys(call.outputs, writes)
        found[call.layer] = Frame(reads, writes)
    return found


def _taken(project: StockProject, call: Call, settings: Mapping[str, str], name: str) -> int:
    """Words of a port: by the rows of the first kernel's input, or by its values."""
    sides = [number(settings, side) for side in ("in_height", "in_width")]
    if settings.keys() >= {"height", "width"}:
        sides = [number(settings, side) for side in ("height", "width")]
    if sides[1]:
        return (sides[0] or 1) * sides[1]
    for values in ("n_in", "n_elem", "N"):
        if count := number(settings, values):
            return max(count // project.streams[name].channels, 1)
    if call.config.isdigit():  # clone_stream and repack_stream have the number of values in its place
        return max(int(call.config) // project.streams[name].channels, 1)
    raise HwsrError(f"layer '{call.layer}': nothing tells how many words of '{name}' a frame has")


def _made(call: Call, settings: Mapping[str, str], taken: int, values: int, channels: int) -> int:
    kind = call.function
    if kind not in LAYER_TYPES and kind not in WORD_BY_WORD | REORDERED:
        known = ", ".join(sorted(LAYER_TYPES.keys() | WORD_BY_WORD | REORDERED))
        raise HwsrError(f"layer '{call.layer}': nothing is known of nnet::{kind}; known are {known}")
    if kind == "dense" or kind.startswith("global_pooling"):
        return 1
    high, wide = ("new_height", "new_width") if kind == "resize_nearest" else ("out_height", "out_width")
    if width := number(settings, wide) or (number(settings, "n_out") if kind == "pooling1d_cl" else None):
        return (number(settings, high) or 1) * width
    gathers = kind in REORDERED or kind.startswith("concatenate")
    return max(values // channels, 1) if gathers else taken


def row(project: StockProject, call: Call) -> dict[str, Any] | None:
    """A layer's description in the schema of `hwsr estimate-layers`; None where no report teaches its kernel."""
    if call.function not in LAYER_TYPES:
        return None
    settings = project.settings.get(call.config, {})
    numbers = {name: number(settings, name) for name in settings if name in DESCRIPTION}
    types = {name: project.types.get(settings.get(name, "")) for name in ("accum_t", "weight_t")}
    words = [project.streams[name] for name in (call.inputs[0], call.outputs[0])]
    return {
        **{name: value for name, value in numbers.items() if value is not None},
        **{name: text for name, text in types.items() if text},
        "layer_type": LAYER_TYPES[call.function],
        "tool": "Vitis HLS" if project.backend == "vitis" else "Vivado HLS",
        "device": project.part,
        "clock_target_ns": project.clock_ns,
        "io_type": "io_stream",
        "module": f"{call.function}_{'_'.join(map(_spelled, words))}_{call.config}_s",
        "strategy": settings.get("strategy", "latency").removeprefix("nnet::"),
        "implementation": settings.get("implementation", ""),
    }


def _spelled(stream: Stream) -> str:
    """A word's type as HLS spells it in the names of modules."""
    found = parse_type(stream.type) or DEFAULT
    kind = "fixed" if found.signed else "ufixed"
    modes = "4_0_0" if found.rounds else "5_3_0"
    return f"array_ap_{kind}_{found.bits}_{max(found.integer, 0)}_{modes}_{stream.channels}u"
