"""A network as a reader sees it: one block for each operation with the rounding that ends it."""

import re
from dataclasses import dataclass
from math import prod

from hwsr.estimate.layers import operations
from hwsr.ir.fused import beginnings, endings
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    Requantize,
    Rescale,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)

# Parts that exported names begin with: what is drawn as one band.
_PART = re.compile(r"(head|body_\d+(?:_\d+)?|tail|upsampler|image_in|image_out)_")


@dataclass(frozen=True)
class Block:
    """One operation. makes: the tensor at its end, of `channels` channels of `bits` bits; inputs: blocks by name.

    shape: (C, H, W) of that tensor on the graph's frame; part: of the network, empty where its name tells none;
    weight_bits: of a convolution or a scaling; macs: products for each pixel of the network's input.
    """

    name: str
    makes: str
    label: str
    inputs: tuple[str, ...]
    part: str
    shape: tuple[int, int, int]
    bits: int
    signed: bool
    weight_bits: int | None
    macs: float

    @property
    def width(self) -> int:
        """Bits of a word, which is a pixel of all channels."""
        return self.shape[0] * self.bits


def blocks(graph: IntGraph) -> tuple[Block, ...]:
    """Every operation of a network, in order; a rounding that its stage ends with belongs to it (`hwsr.ir.fused`)."""
    ends, within = endings(graph), beginnings(graph)
    pixels = prod(graph.frame)
    found = []
    for node in graph.nodes:
        if node.name in within:
            continue
        made = (node, *ends.get(node.name, ()))[-1]
        tensor = graph.tensors[made.name]
        part = _PART.match(node.name)
        found.append(
            Block(
                node.name,
                made.name,
                _label(node),
                tuple(within.get(name, name) for name in node.inputs),
                part[1].replace("_", " ") if part else "",
                graph.shape(made.name, *graph.frame),
                tensor.type.bits,
                tensor.type.signed,
                _weight_bits(node),
                operations(graph, node).macs / pixels,
            )
        )
    return tuple(found)


def _label(node: Node) -> str:
    match node:
        case Input():
            return "image"
        case Conv():
            return _conv_label(node)
        case PixelShuffle() | Upsample():
            return f"{'pixel shuffle' if isinstance(node, PixelShuffle) else 'nearest neighbour'} ×{node.factor}"
        case ChannelSlice():
            return f"channels {node.start} to {node.stop - 1}"
        case ChannelShuffle():
            return f"channel shuffle of {node.groups}"
    names = {
        Scale: "scale",
        Offset: "offset",
        Add: "add",
        ChannelMul: "attention",
        Requantize: "round",
        Rescale: "rescale",
        SpatialSum: "mean",
        Concat: "concatenate",
        Table: "table",
    }
    return names[type(node)]


def _conv_label(node: Conv) -> str:
    height, width = node.weight.shape[2:]
    kind = "depthwise" if node.depthwise else "conv"
    groups = f" of {node.groups} groups" if node.groups > 1 and not node.depthwise else ""
    return f"{kind} {height}×{width}{groups}"


def _weight_bits(node: Node) -> int | None:
    match node:
        case Conv():
            return node.weight_bits
        case Scale():
            return node.factor_bits
    return None
