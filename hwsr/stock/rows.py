"""A kernel of a stock project as a row of the calibration schema, so that the laws of stock kernels apply to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from hwsr.errors import HwsrError
from hwsr.estimate.reports import DESCRIPTION
from hwsr.estimate.types import DEFAULT, parse_type
from hwsr.stock.project import MOST_WORDS, Call, StockProject, Stream, number

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
# The rest has no report to learn resources from. A word a clock, or one every `reuse_factor` clocks:
WORD_BY_WORD = frozenset(("clone_stream", "add", "subtract"))
SHARED_MERGES = frozenset(("multiply", "average", "maximum", "minimum"))
# These gather words into others of another length, or in another order.
REORDERED = frozenset(("transpose", "repack_stream"))


@dataclass(frozen=True)
class Frame:
    """Words that a kernel takes from each of its inputs in a frame, and that it makes for each output."""

    reads: tuple[int, ...]
    writes: int


def frames(project: StockProject) -> dict[str, Frame]:
    """By layer. Raises HwsrError for a kernel that is not known, or given other words than its settings say."""
    words: dict[str, int] = {}
    found = {}
    for call in project.calls:
        settings = project.settings.get(call.config, {})
        reads = tuple(_taken(project, call, place, words.get(name)) for place, name in enumerate(call.inputs))
        values = sum(each * project.streams[name].channels for each, name in zip(reads, call.inputs, strict=True))
        writes = _made(call, settings, reads, values, project.streams[call.outputs[0]].channels)
        if not 0 < max(*reads, writes) <= MOST_WORDS:
            raise HwsrError(f"layer '{call.layer}' has frames of {max(*reads, writes):,} words; {MOST_WORDS:,} at most")
        words |= dict.fromkeys(call.outputs, writes)
        found[call.layer] = Frame(reads, writes)
    return found


def _taken(project: StockProject, call: Call, place: int, given: int | None) -> int:
    """Words of an input: those that its writer makes and the settings tell, or one of both."""
    told = _told(project, call, place)
    if given is None and told is None:
        raise HwsrError(f"layer '{call.layer}': nothing tells how many words of '{call.inputs[place]}' a frame has")
    if given is not None and told is not None and given != told:
        raise HwsrError(
            f"layer '{call.layer}' takes {told:,} words of '{call.inputs[place]}' a frame and is given {given:,}: "
            "this project would stand still"
        )
    return given or told or 0


def _told(project: StockProject, call: Call, place: int) -> int | None:
    """What a kernel's settings say: rows and their words, words, or values."""
    settings, channels = project.settings.get(call.config, {}), project.streams[call.inputs[place]].channels
    kind = call.function
    if kind.startswith("concatenate"):
        return prod(_sides(call, settings)[place]) // channels
    for high, wide in (("in_height", "in_width"), ("height", "width")):
        if width := number(settings, wide):
            return (number(settings, high) or 1) * width
    if kind in ("pooling1d_cl", "global_pooling1d_cl"):
        return number(settings, "n_in")
    # clone_stream and repack_stream have the number of values in the place of settings
    values = int(call.config) if re.fullmatch(r"\d{1,12}", call.config) else None
    for name in (f"n_elem{place + 1}", "n_elem", "n_in", "N"):
        values = values or number(settings, name)
    return max(values // channels, 1) if values else None


def _sides(call: Call, settings: Mapping[str, str]) -> tuple[list[int], ...]:
    """Of both inputs of a concatenation."""
    rank, axis = int(call.function[-2]), joined_axis(call.function, settings)
    both = [[number(settings, f"n_elem{place}_{side}") or 0 for side in range(rank)] for place in (1, 2)]
    others = [sides[: axis - 1] + sides[axis:] for sides in both]
    if others[0] != others[1]:
        shapes = " and ".join("x".join(map(str, sides)) for sides in both)
        raise HwsrError(
            f"layer '{call.layer}' joins {shapes} along axis {axis}, which do not fit: this project would stand still"
        )
    return tuple(both)


def joined_axis(function: str, settings: Mapping[str, str]) -> int:
    """1 to the number of axes, the last of which are channels."""
    rank = int(function[-2])
    axis = number(settings, "axis") or rank
    return axis if 0 < axis <= rank else max(axis + rank + 1, 1) if axis < 0 else rank


def _made(call: Call, settings: Mapping[str, str], reads: tuple[int, ...], values: int, channels: int) -> int:
    kind = call.function
    if kind not in LAYER_TYPES and kind not in WORD_BY_WORD | SHARED_MERGES | REORDERED:
        known = ", ".join(sorted(LAYER_TYPES.keys() | WORD_BY_WORD | SHARED_MERGES | REORDERED))
        raise HwsrError(f"layer '{call.layer}': nothing is known of kernel '{kind}'; known are {known}")
    if kind == "dense" or kind.startswith("global_pooling"):
        return 1
    high, wide = ("new_height", "new_width") if kind == "resize_nearest" else ("out_height", "out_width")
    if width := number(settings, wide) or (number(settings, "n_out") if kind == "pooling1d_cl" else None):
        return (number(settings, high) or 1) * width
    gathers = kind in REORDERED or kind.startswith("concatenate")
    return max(values // channels, 1) if gathers else reads[0]


def row(project: StockProject, call: Call, frame: Frame) -> dict[str, Any] | None:
    """A layer's description in the schema of `hwsr estimate-layers`; None where no report teaches its kernel."""
    if call.function not in LAYER_TYPES:
        return None
    settings = project.settings.get(call.config, {})
    numbers = {name: number(settings, name) for name in settings if name in DESCRIPTION}
    types = {name: project.types.get(settings.get(name, "")) for name in ("accum_t", "weight_t")}
    words = [project.streams[name] for name in (call.inputs[0], call.outputs[0])]
    if call.function.startswith("concatenate"):
        numbers |= {"in_height": 1, "in_width": frame.writes}
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
