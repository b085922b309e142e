"""IntGraph -> stages: the dataflow processes of the hardware, with every type, constant and stream depth decided.

Pure: nothing of hls4ml is needed to lower a graph. `hwsr.hls.project` turns stages into an hls4ml model.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.hls import fifo
from hwsr.ir.check import align
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Conv,
    Input,
    IntArray,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.stages import Reuse, accumulator_range, fused_requantizations, reuse_factors

# Weights reach hls4ml as doubles.
MAX_CONSTANT_BITS = 53
# hls4ml's clone_stream has this many outputs at most.
MAX_FORK = 7


@dataclass(frozen=True, eq=False)
class Stage:
    """One process.

    name: its C identifier; kind: its hls4ml layer class; makes: the tensor on its output;
    streams: its outputs, each with its depth in words; shape: (H, W, C) of its output;
    types: hls4ml's precision strings by what they are of (result, accum, weight, bias, constant).
    """

    name: str
    kind: str
    makes: str
    inputs: tuple[str, ...]
    streams: dict[str, int]
    shape: tuple[int, int, int]
    types: dict[str, str]
    attributes: dict[str, Any] = field(default_factory=dict)
    reuse_factor: int = 1
    helper: bool = False


def lower(graph: IntGraph, reuse_factor: Reuse) -> tuple[Stage, ...]:
    """Stages in topological order, the input first, the output last.

    reuse_factor: multiplications that share one multiplier, for every convolution at the input's resolution, or one
    by node name; a layer behind an upscaling by s works s^2 times as often and gets a s^2-th of it.
    Raises HwsrError naming the node that the HLS backend has no kernel for.
    """
    return _Lowering(graph, reuse_factor).run()


def precision(qtype: QType, rounded: bool = False) -> str:
    """hls4ml's name of a type; `rounded` makes assignments round half to even and saturate."""
    modes = ",RND_CONV,SAT,0" if rounded else ""
    return f"{'' if qtype.signed else 'u'}fixed<{qtype.bits},{qtype.bits - qtype.frac}{modes}>"


def identifiers(graph: IntGraph) -> dict[str, str]:
    """A C identifier for every node, different also without regard to case, which hls4ml ignores."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        base = "image" if isinstance(node, Input) else "n_" + re.sub(r"\W+", "_", node.name, flags=re.ASCII).strip("_")
        result[node.name] = _unused(base, taken)
    return result


def _unused(base: str, taken: set[str]) -> str:
    """`base`, numbered when a name in `taken` equals it but for case. Adds it to `taken`."""
    name, i = base, 1
    while name.lower() in taken:
        name, i = f"{base}_{i}", i + 1
    taken.add(name.lower())
    return name


class _Lowering:
    """The walk over one graph: keeps which stream each reader takes."""

    def __init__(self, graph: IntGraph, reuse_factor: Reuse) -> None:
        self.graph = graph
        self.reuse = reuse_factors(graph, reuse_factor)
        self.names = identifiers(graph)
        self.taken = {name.lower() for name in self.names.values()}
        self.depths = fifo.depths(graph)
        self.fused = fused_requantizations(graph)
        self.skipped = {node.name for node in self.fused.values()}
        self.stages: list[Stage] = []
        self.sources: dict[fifo.Edge, str] = {}

    def run(self) -> tuple[Stage, ...]:
        for node in self.graph.nodes:
            if node.name not in self.skipped:
                self._lower(node)
        if len(self.stages) < 2:
            raise HwsrError("the network does nothing: it has an input and no layer")
        return tuple(self.stages)

    def _lower(self, node: Node) -> None:
        sources = tuple(self.sources[node.name, i] for i in range(len(node.inputs)))
        match node:
            case Input():
                self._add(node, "InputLayer", (), {"input_shape": list(self._shape(node.name))})
            case Conv():
                self._conv(node, sources[0])
            case Scale():
                factor = align(node.factor, node.factor_frac)
                self._multiplying(node, "channel_scale", sources, factor, int(node.factor_frac.max()))
            case Offset():
                self._stream(node, "channel_offset", sources, constant=node.offset, frac=node.offset_frac)
            case Add():
                self._stream(node, "add_streams", sources)
            case ChannelMul():
                self._multiplying(node, "channel_mul", sources)
            case Requantize():
                self._stream(node, "requantize", sources)
            case SpatialSum():
                accumulator = precision(self.graph.tensors[node.name].type)
                self._stream(node, "spatial_sum", sources, attributes={"accum": f"ap_{accumulator}"})
            case Table():
                self._table(node, sources)
            case PixelShuffle():
                self._stream(node, "pixel_shuffle", sources, settings={"factor": node.factor})
            case Upsample():
                self._stream(node, "upsample_nearest", sources, settings={"factor": node.factor})
            case _:
                raise HwsrError(f"node '{node.name}': the HLS backend has no kernel for {type(node).__name__}")

    def _shape(self, name: str) -> tuple[int, int, int]:
        channels, height, width = self.graph.shape(name, *self.graph.frame)
        return height, width, channels

    def _add(
        self,
        node: Node,
        kind: str,
        inputs: tuple[str, ...],
        attributes: dict[str, Any],
        types: dict[str, str] | None = None,
        reuse: int = 1,
    ) -> None:
        """Append the stage of `node`, and the fork that its output needs when it has several readers."""
        made = self.fused.get(node.name, node)
        name = self.names[node.name]
        rounded = isinstance(made, Requantize)
        result = precision(self.graph.tensors[made.name].type, rounded)
        edges = [
            (reader.name, i)
            for reader in dict.fromkeys(self.graph.consumers[made.name])
            for i, source in enumerate(reader.inputs)
            if source == made.name
        ]
        depth = self.depths[edges[0]] if len(edges) == 1 else fifo.PLAIN
        shape = self._shape(made.name)
        types = {"result": result, **(types or {})}
        self.stages.append(Stage(name, kind, made.name, inputs, {name: depth}, shape, types, attributes, reuse))
        if len(edges) > 1:
            self._fork(name, made.name, edges, result)
        elif edges:
            self.sources[edges[0]] = name

    def _fork(self, name: str, makes: str, edges: list[fifo.Edge], result: str) -> None:
        if len(edges) > MAX_FORK:
            raise HwsrError(
                f"node '{makes}': {len(edges)} nodes read it, hls4ml's streams fork {MAX_FORK} ways at most"
            )
        streams = {_unused(f"{name}_to{i}", self.taken): self.depths[edge] for i, edge in enumerate(edges)}
        self.sources |= dict(zip(edges, streams, strict=True))
        shape = self._shape(makes)
        attributes = {"size": int(np.prod(shape))}
        fork, types = _unused(f"{name}_fork", self.taken), {"result": result}
        self.stages.append(Stage(fork, "Clone", makes, (name,), streams, shape, types, attributes, helper=True))

    def _stream(
        self,
        node: Node,
        kernel: str,
        inputs: tuple[str, ...],
        settings: dict[str, int] | None = None,
        constant: IntArray | None = None,
        frac: int = 0,
        constant_type: QType | None = None,
        attributes: dict[str, Any] | None = None,
        reuse: int = 1,
    ) -> None:
        """Append a stage of one of our kernels; `constant` are integers on the grid 2**-frac."""
        in_height, in_width, _ = self._shape(node.inputs[0])
        height, width, channels = self._shape(node.name)
        size = {"n_chan": channels, "n_pixels": in_height * in_width, "in_height": in_height, "in_width": in_width}
        attributes = {"kernel": kernel, "out_shape": [height, width, channels], **(attributes or {})}
        attributes["settings"] = size | (settings or {})
        types = {}
        if constant is not None:
            qtype = constant_type or QType.holding(int(constant.min()), int(constant.max()), frac)
            attributes["constant_data"] = _exact(node, constant, qtype)
            types["constant"] = precision(qtype)
        self._add(node, "HwsrStream", inputs, attributes, types, reuse)

    def _multiplying(
        self, node: Node, kernel: str, inputs: tuple[str, ...], constant: IntArray | None = None, frac: int = 0
    ) -> None:
        """One multiplication a channel and pixel, shared among channels as the reuse factor allows."""
        tensor = self.graph.tensors[node.name]
        reuse = self.reuse[node.name]
        settings = {"reuse_factor": reuse, "multiplier_limit": tensor.channels // reuse}
        self._stream(node, kernel, inputs, settings, constant, frac, reuse=reuse)

    def _table(self, node: Table, inputs: tuple[str, ...]) -> None:
        """The kernel addresses by bit pattern: the negative half of a signed input follows its positive half."""
        source = self.graph.tensors[node.inputs[0]].type
        values = np.roll(node.values, source.lo)
        settings = {"table_size": len(values)}
        self._stream(node, "table_lookup", inputs, settings, values, node.type.frac, node.type)

    def _conv(self, node: Conv, source: str) -> None:
        channels = self.graph.tensors[node.inputs[0]].channels
        if node.groups != 1 and not node.depthwise:
            raise HwsrError(f"node '{node.name}': the HLS backend has no convolution in {node.groups} groups yet")
        _, _, kh, kw = node.weight.shape
        height, width, _ = self._shape(node.inputs[0])
        if (kh, kw) != (1, 1):
            source = self._pad(node, source, kh // 2, kw // 2)
        x = self.graph.tensors[node.inputs[0]]
        weight_type = _weight_type(node)
        bias_type = QType.holding(int(node.bias.min()), int(node.bias.max()), x.type.frac)
        # Channels with a grid of their own: each sum is as wide as its integers need, before they are aligned.
        accumulator = QType.holding(*accumulator_range(node, x), x.type.frac)
        point, spread = int(node.weight_frac.max()), int(np.ptp(node.weight_frac))
        grid = QType(spread + 1, False, point)
        kind = "HwsrDepthwiseConv2D" if node.depthwise else "HwsrConv2D"
        attributes = {
            "data_format": "channels_last",
            "in_height": height + 2 * (kh // 2),
            "in_width": width + 2 * (kw // 2),
            "out_height": height,
            "out_width": width,
            "n_chan": channels,
            "n_filt": len(node.weight),
            "filt_height": kh,
            "filt_width": kw,
            **dict.fromkeys(("stride_height", "stride_width"), 1),
            **dict.fromkeys(("min_height", "min_width"), 1),  # of a table for an algorithm that is not used
            **dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0),
            "up": (point - node.weight_frac).tolist(),
            "grid": f"ap_{precision(grid)}",
            "depthwise_data" if node.depthwise else "weight_data": _channels_last(node),
            "bias_data": _exact(node, node.bias, bias_type),
        }
        types = {
            "accum": precision(accumulator),
            "weight": f"{'' if weight_type.signed else 'u'}int<{weight_type.bits}>",
            "bias": precision(bias_type),
        }
        self._add(node, kind, (source,), attributes, types, self.reuse[node.name])

    def _pad(self, node: Conv, source: str, rows: int, columns: int) -> str:
        """Append the stage that puts zeros around the frame. Returns its stream."""
        name = _unused(f"{self.names[node.name]}_pad", self.taken)
        makes = node.inputs[0]
        height, width, channels = self._shape(makes)
        shape = (height + 2 * rows, width + 2 * columns, channels)
        attributes = {
            "data_format": "channels_last",
            "in_height": height,
            "in_width": width,
            "out_height": shape[0],
            "out_width": shape[1],
            "n_chan": channels,
            **dict.fromkeys(("pad_top", "pad_bottom"), rows),
            **dict.fromkeys(("pad_left", "pad_right"), columns),
        }
        types = {"result": next(stage.types["result"] for stage in self.stages if source in stage.streams)}
        stage = Stage(
            name, "ZeroPadding2D", makes, (source,), {name: fifo.PLAIN}, shape, types, attributes, helper=True
        )
        self.stages.append(stage)
        return name


def _weight_type(node: Conv) -> QType:
    """The narrowest integer; ternary weights get two bits with a sign, for which hls4ml adds and never multiplies."""
    lo, hi = int(node.weight.min()), int(node.weight.max())
    if lo >= -1 and hi <= 1:
        return QType(2, True, 0)
    qtype = QType.holding(lo, hi, 0)
    return QType(3, True, 0) if qtype == QType(2, True, 0) else qtype  # -2 is not ternary


def _channels_last(node: Conv) -> NDArray[np.float64]:
    """Weights in hls4ml's order: (kh, kw, c_in, c_out), or (kh, kw, c, 1) of a depthwise convolution."""
    return node.weight.transpose((2, 3, 0, 1) if node.groups > 1 else (2, 3, 1, 0)).astype(np.float64)


def _exact(node: Node, values: IntArray, qtype: QType) -> NDArray[np.float64]:
    """Integers on the grid of `qtype` -> their values, which hls4ml prints in full. Raises HwsrError."""
    if qtype.bits > MAX_CONSTANT_BITS:
        raise HwsrError(
            f"node '{node.name}': its constants need {qtype.bits} bits on one grid, {MAX_CONSTANT_BITS} are supported; "
            "the scales of its channels lie too far apart"
        )
    return np.ldexp(values.astype(np.float64), -qtype.frac)
