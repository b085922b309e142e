"""IntGraph -> stages: the dataflow processes of the hardware, with every type, constant and stream depth decided.

Pure: nothing of hls4ml is needed to lower a graph. `hwsr.hls.project` turns stages into an hls4ml model. Streams carry
integers; what power of two they count is known here alone, and reaches the kernels as shifts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hwsr.errors import HwsrError
from hwsr.hls import adder_graph, convolution, fifo, rescaling
from hwsr.hls.convolution import WORD, WORD_BITS, clipped_shift, native, signed_bits
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.check import infer
from hwsr.ir.fused import endings, rescale_of
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    IntArray,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Tensor,
    Upsample,
)
from hwsr.ir.stages import Constant, Folding, Loops, Reuse, Settings, Stage, channel_ranges, foldings, loops

# A kernel counts the clocks of a frame in 32 bits; half of them leave room for the pixels that it takes in first.
MAX_CLOCKS = 1 << 31


def lower(graph: IntGraph, reuse_factor: Reuse, adders: Mapping[str, AdderGraph] | None = None) -> tuple[Stage, ...]:
    """Stages in topological order, the input first, the output last.

    reuse_factor: clocks that a pixel may take, as `hwsr.ir.stages.foldings` reads it. adders: by name, the adder graphs
    (window -> sums, as `hwsr.adders.stages` makes them) of convolutions that take one clock a pixel.
    Raises HwsrError naming the node that the HLS backend has no kernel for.
    """
    return _Lowering(graph, reuse_factor, adders or {}).run()


def refolded(stage: Stage, work: Loops, folding: Folding) -> Stage:
    """The stage with another folding, its constants in the order of the old one: to be priced, not to be built.

    work: what the stage loops over.
    """
    reuse = folding.reuse(work)
    if stage.kind == "conv":
        chosen = convolution.folded(work, folding, stage.settings["weight_bits"])
    elif stage.kind == "table_lookup":
        chosen = {"n_steps": reuse, "n_lanes": folding.pe}
    else:
        chosen = {"n_steps": reuse}
    return replace(stage, settings=stage.settings | chosen, folding=folding, reuse_factor=reuse)


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

    def __init__(self, graph: IntGraph, reuse_factor: Reuse, adders: Mapping[str, AdderGraph]) -> None:
        self.graph = graph
        self.adders = adders
        self.foldings = foldings(graph, reuse_factor)
        self.names = identifiers(graph)
        self.taken = {name.lower() for name in self.names.values()}
        self.depths = fifo.depths(graph, adders)
        self.endings = endings(graph)
        self.skipped = {node.name for ending in self.endings.values() for node in ending}
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
        made = self.graph.tensors[node.name]
        inputs = [self.graph.tensors[name] for name in node.inputs]
        match node:
            case Input():
                self._add(node, "InputLayer")
            case Conv():
                self._conv(node, node)
            case Scale():
                self._conv(node, as_convolution(node))
            case Offset():
                self._offset(node, inputs[0])
            case Add():
                self._add(node, "add_streams", self._sizes(node) | self._aligned(node, inputs))
            case ChannelMul():
                self._channel_mul(node, *inputs)
            case Requantize():
                bits = signed_bits(inputs[0].type)
                self._add(node, "requantize", self._sizes(node) | self._rounding(node, bits, inputs[0].type.frac))
            case Rescale():
                self._rescale(node, inputs[0])
            case SpatialSum():
                bits = max(signed_bits(made.type), signed_bits(inputs[0].type))
                self._add(node, "spatial_sum", self._sizes(node) | self._rounding(node, bits, made.type.frac))
            case Table():
                self._table(node)
            case PixelShuffle():
                self._add(node, "pixel_shuffle", self._sizes(node) | {"factor": node.factor})
            case Upsample():
                self._add(node, "upsample_nearest", self._sizes(node) | {"factor": node.factor})
            case ChannelShuffle():
                self._select(node, np.arange(made.channels).reshape(node.groups, -1).T.reshape(-1))
            case ChannelSlice():
                self._select(node, np.arange(node.start, node.stop))
            case Concat():
                self._concat(node)
            case _:
                raise HwsrError(f"node '{node.name}': the HLS backend has no kernel for {type(node).__name__}")

    def _shape(self, name: str) -> tuple[int, int, int]:
        channels, height, width = self.graph.shape(name, *self.graph.frame)
        return height, width, channels

    def _steps(self, node: Node) -> int:
        """Clocks that the node's stage takes for a pixel."""
        folding = self.foldings.get(node.name)
        return folding.reuse(loops(self.graph, node)) if folding else 1

    def _sizes(self, node: Node) -> Settings:
        """What every kernel is told: the channels that it makes, and the frame that it reads."""
        height, width, _ = self._shape(node.inputs[0])
        channels = self.graph.tensors[node.name].channels
        return {"n_chan": channels, "n_pixels": height * width, "in_height": height, "in_width": width}

    def _result(self, node: Node) -> QType:
        """The type on the output of the node's stage: that of what its stage ends with."""
        return self.graph.tensors[self._last(node).name].type

    def _last(self, node: Node) -> Node:
        """The node whose tensor the stage of `node` makes."""
        return (node, *self.endings.get(node.name, ()))[-1]

    def _rounding(self, node: Node, bits: int, frac: int) -> Settings:
        """How integers of `bits` bits on the grid 2**-frac become the result. Raises HwsrError where too wide."""
        result = self._result(node)
        if bits >= WORD_BITS:
            raise HwsrError(
                f"node '{node.name}': its inputs need {bits} bits on one grid, {WORD_BITS - 1} are supported"
            )
        return {"bits": bits, "shift": clipped_shift(bits, frac - result.frac, result)}

    def _aligned(self, node: Node, inputs: Sequence[Tensor]) -> Settings:
        """Two inputs on the finest of the grids, and how what is made of them there becomes the result."""
        made = self.graph.tensors[node.name].type
        a, b = (made.frac - x.type.frac for x in inputs)
        bits = max(signed_bits(made), *(signed_bits(x.type) + made.frac - x.type.frac for x in inputs))
        return {"up_a": a, "up_b": b} | self._rounding(node, bits, made.frac)

    def _add(
        self,
        node: Node,
        kind: str,
        settings: Settings | None = None,
        constants: dict[str, Constant] | None = None,
        inputs: tuple[str, ...] | None = None,
    ) -> None:
        """Append the stage of `node`, and the fork that its output needs when it has several readers."""
        made = self._last(node)
        name = self.names[node.name]
        folding, reuse = self.foldings.get(node.name), self._steps(node)
        height, width, _ = self._shape(node.name)
        if height * width * reuse > MAX_CLOCKS:
            raise HwsrError(
                f"node '{node.name}': {reuse} clocks for each of {height} x {width} pixels are more than its counter "
                "holds; lower the reuse factor"
            )
        edges = [
            (reader.name, i)
            for reader in dict.fromkeys(self.graph.consumers[made.name])
            for i, source in enumerate(reader.inputs)
            if source == made.name
        ]
        depth = self.depths[edges[0]] if len(edges) == 1 else fifo.PLAIN
        stage = Stage(
            name,
            kind,
            made.name,
            self._sources(node) if inputs is None else inputs,
            {name: depth},
            self._shape(made.name),
            self._result(node),
            settings or {},
            constants or {},
            folding,
            reuse,
            adders=self.adders.get(node.name),
        )
        self.stages.append(stage)
        if len(edges) > 1:
            self._fork(stage, edges)
        elif edges:
            self.sources[edges[0]] = name

    def _sources(self, node: Node) -> tuple[str, ...]:
        return tuple(self.sources[node.name, i] for i in range(len(node.inputs)))

    def _fork(self, stage: Stage, edges: list[fifo.Edge]) -> None:
        """Append what forks the stream of `stage` to `edges`."""
        last = len(edges) <= fifo.MAX_FORK
        direct = edges if last else edges[: fifo.MAX_FORK - 1]
        streams = {_unused(f"{stage.name}_to{i}", self.taken): self.depths[edge] for i, edge in enumerate(direct)}
        self.sources |= dict(zip(direct, streams, strict=True))
        name, more = _unused(f"{stage.name}_fork", self.taken), _unused(f"{stage.name}_more", self.taken)
        source = next(reversed(stage.streams))
        if not last:
            streams[more] = fifo.PLAIN
        fork = Stage(name, "Clone", stage.makes, (source,), streams, stage.shape, stage.result, helper=True)
        self.stages.append(fork)
        if not last:
            self._fork(fork, edges[len(direct) :])

    def _conv(self, node: Node, conv: Conv) -> None:
        x, y = self.graph.tensors[node.inputs[0]], self.graph.tensors[node.name]
        work, folding = loops(self.graph, node), self.foldings[node.name]
        frame = self._shape(node.name)[:2]
        chosen = convolution.settings(conv, x, y, self._result(node), frame, work, folding)
        words, rescale = None, rescale_of(node, self.endings.get(node.name, ()))
        if rescale:
            words = rescaling.words(rescale[0])
            chosen = rescaling.ended(chosen, rescaling.settings(*rescale, *channel_ranges(conv, x)))
        constants = convolution.constants(conv, work, folding, words)
        adders = self.adders.get(node.name)
        if adders is None:
            return self._add(node, "conv", chosen, constants)
        if folding.reuse(work) > 1:
            raise HwsrError(
                f"node '{node.name}': an adder graph takes one clock a pixel, not {folding.reuse(work)}; "
                "lower its reuse factor to 1"
            )
        kept = {key: constants[key] for key in constants if key not in ("weights", "tap_column")}
        return self._add(node, "adder_conv", adder_graph.settings(node.name, chosen, adders), kept)

    def _rescale(self, node: Rescale, x: Tensor) -> None:
        found = rescale_of(node, self.endings.get(node.name, ()))
        assert found
        ends = (np.full(x.channels, end, np.int64) for end in (x.lo, x.hi))
        sizes = {"n_steps": self._steps(node), "bits": signed_bits(x.type)}
        words = rescaling.words(node).reshape(sizes["n_steps"], -1)
        self._add(
            node,
            "rescale",
            self._sizes(node) | sizes | rescaling.settings(*found, *ends),
            {"rescaling": Constant(WORD, words)},
        )

    def _offset(self, node: Offset, x: Tensor) -> None:
        made = self.graph.tensors[node.name].type
        constant = node.offset << (made.frac - node.offset_frac)
        up = made.frac - x.type.frac
        held = QType.holding(int(constant.min()), int(constant.max()), 0)
        bits = max(signed_bits(made), signed_bits(x.type) + up, signed_bits(held))
        self._add(
            node,
            "channel_offset",
            self._sizes(node) | {"up": up} | self._rounding(node, bits, made.frac),
            {"constant": native(constant)},
        )

    def _channel_mul(self, node: ChannelMul, x: Tensor, attention: Tensor) -> None:
        made = self.graph.tensors[node.name].type
        data, by = signed_bits(x.type), signed_bits(attention.type)
        sizes = {"data_bits": data, "map_bits": by, "n_steps": self._steps(node)}
        self._add(node, "channel_mul", self._sizes(node) | sizes | self._rounding(node, data + by, made.frac))

    def _table(self, node: Table) -> None:
        steps, lanes = self._steps(node), self.foldings[node.name].pe
        sizes = {"n_steps": steps, "n_lanes": lanes, "table_size": len(node.values)}
        copies = native(np.tile(node.values, (lanes, 1)))
        self._add(node, "table_lookup", self._sizes(node) | sizes, {"constant": copies})

    def _select(self, node: Node, source: IntArray) -> None:
        self._add(node, "channel_select", self._sizes(node), {"source": Constant("unsigned short", source)})

    def _concat(self, node: Concat) -> None:
        """Join the first two inputs, then what came of it with the third, and so on."""
        tensors, sources = [self.graph.tensors[name] for name in node.inputs], self._sources(node)
        made = self.graph.tensors[node.name]
        if len(tensors) == 1:
            return self._add(
                node, "requantize", self._sizes(node) | self._rounding(node, signed_bits(made.type), made.type.frac)
            )
        joined, source = tensors[0], sources[0]
        for x, other in zip(tensors[1:-1], sources[1:-1], strict=True):
            joined, source = self._join(node, joined, x, (source, other))
        sizes = self._sizes(node) | self._aligned(node, (joined, tensors[-1]))
        return self._add(node, "concat", sizes, inputs=(source, sources[-1]))

    def _join(self, node: Concat, a: Tensor, b: Tensor, sources: tuple[str, ...]) -> tuple[Tensor, str]:
        """Append the stage that joins some of a concatenation's inputs. Returns what it makes and its stream."""
        name = _unused(f"{self.names[node.name]}_part", self.taken)
        joined = infer(Concat(name, sources), [a, b], self.graph.frame)
        height, width, _ = self._shape(node.name)
        ups = {"up_a": joined.type.frac - a.type.frac, "up_b": joined.type.frac - b.type.frac}
        settings = self._sizes(node) | ups | {"bits": signed_bits(joined.type), "shift": 0}
        shape = (height, width, joined.channels)
        self.stages.append(
            Stage(name, "concat", node.name, sources, {name: fifo.PLAIN}, shape, joined.type, settings, helper=True)
        )
        return joined, name


def as_convolution(node: Scale) -> Conv:
    """Factors are weights of a 1x1 convolution with a channel a group."""
    weight = node.factor.reshape(-1, 1, 1, 1)
    bias = np.zeros(len(node.factor), np.int64)
    return Conv(node.name, node.inputs, weight, node.factor_bits, node.factor_frac, bias, len(weight))
