"""The layers of an IntGraph as constant matrices, which inputs are multiplied by and summed.

What costs nothing is gone: a hidden channel of an SP-conv that is always zero, or that nothing reads.
"""

from dataclasses import dataclass, replace
from os.path import commonprefix

import numpy as np
from numpy.typing import NDArray

from hwsr.ir.graph import Conv, IntArray, IntGraph, Node, Requantize, Scale, Tensor
from hwsr.ir.stages import channel_ranges


@dataclass(frozen=True, eq=False)
class Matrix:
    """(inputs, outputs) integers; input i is an integer from lo[i] to hi[i]."""

    values: IntArray
    lo: IntArray
    hi: IntArray


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, an SP-conv, or factors alone, applied `repeats` times for each pixel of the input image.

    weights, zeros: how many its convolutions have, as trained; sums: their matrices, one a group; factors: one a
    channel, as a diagonal.
    """

    name: str
    shape: str
    repeats: int
    weights: int
    zeros: int
    sums: tuple[Matrix, ...]
    factors: tuple[Matrix, ...]


def layers(graph: IntGraph) -> list[Layer]:
    """Every layer that works on the image, in order. What works once a frame (channel attention) is left out."""
    found: list[Layer] = []
    taken: set[str] = set()
    for node in graph.nodes:
        if graph.tensors[node.name].pooled or node.name in taken:
            continue
        if isinstance(node, Conv):
            chain = _chain(graph, node)
            taken.update(each.name for each in chain)
            found.append(_layer(graph, *chain))
        elif isinstance(node, Scale):
            factors = (_diagonal(node, *_whole_range(graph.tensors[node.inputs[0]], len(node.factor))),)
            found.append(Layer(node.name, f"{len(node.factor)} factors", _repeats(graph, node), 0, 0, (), factors))
    return found


def _chain(graph: IntGraph, conv: Conv) -> tuple[Conv] | tuple[Conv, Scale] | tuple[Conv, Scale, Conv]:
    """The nodes of an SP-conv: convolution, factors, 1x1; of a depthwise one, without 1x1; or a convolution alone."""
    factors = _only_reader(graph, conv)
    if not isinstance(factors, Scale):
        return (conv,)
    last = _only_reader(graph, factors)
    last = _only_reader(graph, last) if isinstance(last, Requantize) else last
    return (conv, factors, last) if isinstance(last, Conv) and last.weight.shape[2:] == (1, 1) else (conv, factors)


def _only_reader(graph: IntGraph, node: Node) -> Node | None:
    readers = graph.consumers[node.name]
    return readers[0] if len(readers) == 1 else None


def _layer(graph: IntGraph, conv: Conv, scale: Scale | None = None, last: Conv | None = None) -> Layer:
    convs = [conv, last] if last else [conv]
    shape = " + ".join(map(_shape, convs))
    factors: tuple[Matrix, ...] = ()
    name = commonprefix([each.name for each in convs]).strip("_") or conv.name
    weights, zeros = sum(each.weight.size for each in convs), sum(int((each.weight == 0).sum()) for each in convs)
    if scale:
        alive = _alive(conv, scale, last)
        conv = replace(conv, weight=conv.weight * alive[:, None, None, None])
        ranges = channel_ranges(conv, graph.tensors[conv.inputs[0]])
        factors = (_diagonal(replace(scale, factor=scale.factor * alive), *ranges),)
        if last:
            read = np.repeat(alive.reshape(last.groups, -1), len(last.weight) // last.groups, axis=0)
            convs = [conv, replace(last, weight=last.weight * read[:, :, None, None])]
        else:
            convs = [conv]
    sums = [matrix for each in convs for matrix in matrices(each, graph.tensors[each.inputs[0]])]
    return Layer(name, shape, _repeats(graph, conv), weights, zeros, tuple(sums), factors)


def _alive(conv: Conv, scale: Scale, last: Conv | None) -> NDArray[np.bool_]:
    """The hidden channels that are not always zero, and that something reads."""
    alive = (np.any(conv.weight, axis=(1, 2, 3)) | (conv.bias != 0)) & (scale.factor != 0)
    if last is None:
        return alive
    by_group = last.weight.reshape(last.groups, -1, last.weight.shape[1])
    return alive & by_group.any(axis=1).reshape(-1)


def matrices(conv: Conv, x: Tensor) -> list[Matrix]:
    """A matrix a group, with a row for each input pixel under the kernel."""
    by_group = conv.weight.reshape(conv.groups, len(conv.weight) // conv.groups, -1).transpose(0, 2, 1)
    lo, hi = _whole_range(x, by_group.shape[1])
    return [Matrix(values, lo, hi) for values in by_group]


def _diagonal(scale: Scale, lo: IntArray, hi: IntArray) -> Matrix:
    return Matrix(np.diag(scale.factor), lo, hi)


def _whole_range(x: Tensor, inputs: int) -> tuple[IntArray, IntArray]:
    """The range of a tensor for every input; padding puts zeros among them."""
    return np.full(inputs, min(x.lo, 0), np.int64), np.full(inputs, max(x.hi, 0), np.int64)


def _repeats(graph: IntGraph, node: Node) -> int:
    return graph.tensors[node.name].upscale ** 2


def _shape(conv: Conv) -> str:
    c_out, c_group, *kernel = conv.weight.shape
    groups = f" in {conv.groups} groups" if conv.groups > 1 else ""
    return f"{kernel[0]}x{kernel[1]} {c_group * conv.groups}->{c_out}{groups}"
