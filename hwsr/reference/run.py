"""Runs an IntGraph in numpy, whole or by tiles."""

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
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
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.tiling import Tiling, default_tiling, run_tiled
from hwsr.reference import kernels

Image = NDArray[np.uint8]


def run(graph: IntGraph, image: NDArray[np.integer]) -> IntArray:
    """Run one image, (C, H, W) integers of the input's type. Returns the output's integers (C, sH, sW)."""
    return run_all(graph, image, keep=False)[graph.output.name]


def run_all(graph: IntGraph, image: NDArray[np.integer], keep: bool = True) -> dict[str, IntArray]:
    """As `run`, but returns every tensor by its node's name (only the output's when not `keep`).

    Raises HwsrError when the image's shape or values do not fit the network's input.
    """
    _check_input(graph, image)
    values: dict[str, IntArray] = {}
    readers = {name: len(nodes) for name, nodes in graph.consumers.items()}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.name] = image.astype(np.int64) if isinstance(node, Input) else evaluate(graph, node, inputs)
        for name in node.inputs:
            readers[name] -= 1
            if not readers[name] and not keep:
                del values[name]
    return values


def evaluate(graph: IntGraph, node: Node, inputs: list[IntArray]) -> IntArray:
    """One node on its input integers."""
    of = [graph.tensors[name] for name in node.inputs]
    match node:
        case Conv():
            return kernels.conv(node, inputs[0], of[0].lo, of[0].hi)
        case Scale():
            return kernels.scale(inputs[0], node.factor, node.factor_frac)
        case Offset():
            return kernels.offset(inputs[0], of[0].type.frac, node.offset, node.offset_frac)
        case Add():
            return kernels.add(inputs[0], of[0].type.frac, inputs[1], of[1].type.frac)
        case ChannelMul():
            return inputs[0] * inputs[1]
        case Requantize():
            return kernels.requantize(inputs[0], of[0].type.frac, node.type)
        case Table():
            return kernels.table(inputs[0], of[0].type.lo, node.values)
        case SpatialSum():
            return kernels.spatial_sum(inputs[0])
        case PixelShuffle():
            return kernels.pixel_shuffle(inputs[0], node.factor)
        case ChannelShuffle():
            return kernels.channel_shuffle(inputs[0], node.groups)
        case ChannelSlice():
            return inputs[0][node.start : node.stop]
        case Concat():
            return kernels.concat(inputs, [tensor.type.frac for tensor in of])
        case Upsample():
            return kernels.upsample(inputs[0], node.factor)
    raise HwsrError(f"node '{node.name}': the reference has no kernel for {type(node).__name__}")


def upscale(graph: IntGraph, image: Image, tiling: Tiling | None = None) -> Image:
    """Upscale a whole (C, H, W) uint8 image of any size: by tiles when given or when the network needs them."""
    tiling = tiling or (default_tiling(graph) if graph.fixed_frame else None)
    if tiling is None:
        return run(graph, image).astype(np.uint8)
    return run_tiled(lambda tile: run(graph, tile).astype(np.uint8), image, tiling, graph.scale)


def _check_input(graph: IntGraph, image: NDArray[np.integer]) -> None:
    wanted = graph.input
    if image.ndim != 3 or image.shape[0] != wanted.channels or min(image.shape) < 1:
        raise HwsrError(f"the network takes {wanted.channels} x H x W, this input is {image.shape}")
    if graph.fixed_frame and image.shape[1:] != graph.frame:
        raise HwsrError(f"channel attention fixes the frame to {graph.frame}; cut the image into tiles of it")
    if image.min() < wanted.type.lo or image.max() > wanted.type.hi:
        raise HwsrError(f"input values lie outside the network's {wanted.type}")
