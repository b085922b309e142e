"""Runs an IntGraph in numpy, whole or by tiles."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import Input, IntArray, IntGraph
from hwsr.ir.tiling import Tiling, default_tiling, run_tiled
from hwsr.reference import kernels
from hwsr.reference.plan import make_plan
from hwsr.reference.stream import stream

Image = NDArray[np.uint8]


def run(graph: IntGraph, image: NDArray[np.integer]) -> IntArray:
    """Run one image, (C, H, W) integers of the input's type. Returns the output's integers (C, sH, sW).

    Raises HwsrError when the image's shape or values do not fit the network's input.
    """
    return prepare(graph)(image)


def prepare(graph: IntGraph, dtype: DTypeLike = np.int64) -> Callable[[NDArray[np.integer]], NDArray]:
    """`run` of one graph for many images, with results of `dtype`, which must hold the output's type."""
    plan = make_plan(graph)

    def prepared(image: NDArray[np.integer]) -> NDArray:
        _check_input(graph, image)
        if plan is None:
            return _evaluate_all(graph, image, keep=False)[graph.output.name].astype(dtype)
        return stream(plan, image, dtype)

    return prepared


def run_all(graph: IntGraph, image: NDArray[np.integer]) -> dict[str, IntArray]:
    """As `run`, but returns every tensor by its node's name, each node computed as it stands in the graph."""
    _check_input(graph, image)
    return _evaluate_all(graph, image, keep=True)


def _evaluate_all(graph: IntGraph, image: NDArray[np.integer], keep: bool) -> dict[str, IntArray]:
    """Every tensor by its node's name; where not `keep`, those that nothing reads any more are dropped."""
    values: dict[str, IntArray] = {}
    readers = {name: len(nodes) for name, nodes in graph.consumers.items()}
    for node in graph.nodes:
        inputs, of = [values[name] for name in node.inputs], [graph.tensors[name] for name in node.inputs]
        values[node.name] = image.astype(np.int64) if isinstance(node, Input) else kernels.evaluate(node, inputs, of)
        for name in node.inputs:
            readers[name] -= 1
            if not readers[name] and not keep:
                del values[name]
    return values


def upscale(graph: IntGraph, image: Image, tiling: Tiling | None = None) -> Image:
    """Upscale a whole (C, H, W) uint8 image of any size: by tiles when given or when the network needs them."""
    tiling = tiling or (default_tiling(graph) if graph.fixed_frame else None)
    prepared = prepare(graph, np.uint8)
    return prepared(image) if tiling is None else run_tiled(prepared, image, tiling, graph.scale)


def _check_input(graph: IntGraph, image: NDArray[np.integer]) -> None:
    wanted = graph.input
    if image.ndim != 3 or image.shape[0] != wanted.channels or min(image.shape) < 1:
        raise HwsrError(f"the network takes {wanted.channels} x H x W, this input is {image.shape}")
    if graph.fixed_frame and image.shape[1:] != graph.frame:
        raise HwsrError(f"channel attention fixes the frame to {graph.frame}; cut the image into tiles of it")
    if image.min() < wanted.type.lo or image.max() > wanted.type.hi:
        raise HwsrError(f"input values lie outside the network's {wanted.type}")
