"""Operations of a trained network, layer by layer, read off its integers: the weights that are there, not formulas.

A zero weight costs nothing, a sum of k inputs k - 1 additions, a constant one multiplication unless it is a power of
two. With adders alone, factors are sums of shifted inputs as well. As in the source's tables biases, skip connections
and channel attention are not counted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from hwsr.adders.layers import Layer, Matrix, layers
from hwsr.adders.shared import Adders, shared, together
from hwsr.errors import HwsrError
from hwsr.ir.graph import IntArray, IntGraph

Progress = Callable[[Iterable[Layer]], Iterable[Layer]]


@dataclass(frozen=True)
class LayerCost:
    """One layer; operations are for each pixel of the input image.

    weights, zeros: of its convolutions; multiplications, additions: as trained. `sums` and `factors` are adder graphs
    of its convolutions and of its factors, subexpressions shared: adders and bits for each pixel as well, and the
    depth of the deepest graph.
    """

    name: str
    shape: str
    weights: int
    zeros: int
    multiplications: int
    additions: int
    sums: Adders
    factors: Adders


def count(graph: IntGraph, progress: Progress = iter) -> list[LayerCost]:
    """The cost of every layer that works on the image.

    Raises HwsrError where there is none, and when the cache cannot be written.
    """
    found = layers(graph)
    if not found:
        raise HwsrError("the network has no convolution, and so nothing to add up; give another one")
    return [_cost(layer) for layer in progress(found)]


def _cost(layer: Layer) -> LayerCost:
    matrices = [matrix.values for matrix in (*layer.sums, *layer.factors)]
    return LayerCost(
        layer.name,
        layer.shape,
        layer.weights,
        layer.zeros,
        layer.repeats * sum(map(multiplications, matrices)),
        layer.repeats * sum(map(additions, matrices)),
        _shared(layer.sums, layer.repeats),
        _shared(layer.factors, layer.repeats),
    )


def _shared(matrices: Sequence[Matrix], repeats: int) -> Adders:
    one = together([shared(matrix) for matrix in matrices])
    return Adders(repeats * one.adders, repeats * one.bits, one.depth)


def multiplications(matrix: IntArray) -> int:
    """Constants of an (inputs, outputs) matrix that are neither zero nor a power of two in size."""
    size = np.abs(matrix)
    return int((size & (size - 1) != 0).sum())


def additions(matrix: IntArray) -> int:
    """One less than it has inputs, for every output of an (inputs, outputs) matrix that has any."""
    return int(np.maximum((matrix != 0).sum(0) - 1, 0).sum())


def total(costs: Sequence[LayerCost]) -> LayerCost:
    """The whole network; its depth is that of the deepest layer."""
    sums, factors = together([each.sums for each in costs]), together([each.factors for each in costs])
    weights, zeros = sum(each.weights for each in costs), sum(each.zeros for each in costs)
    multiplied, added = sum(each.multiplications for each in costs), sum(each.additions for each in costs)
    return LayerCost("total", "", weights, zeros, multiplied, added, sums, factors)


def render(costs: Sequence[LayerCost]) -> Table:
    """The layers and the whole network as a table."""
    table = Table(title="operations a pixel of the input image; shared: by adders alone")
    table.add_column("layer", overflow="fold", min_width=10)
    for header in ("zeros", "mult.", "add.", "shared sums", "factors", "bits", "depth"):
        table.add_column(header, justify="right", no_wrap=not header.startswith("shared"))
    for each in (*costs, total(costs)):
        depth = max(each.sums.depth, each.factors.depth)
        operations = (each.multiplications, each.additions, each.sums.adders, each.factors.adders, _bits(each), depth)
        zeros = f"{each.zeros / each.weights:.0%}" if each.weights else ""
        cells = (zeros, *(f"{number:,}" for number in operations))
        table.add_row(f"{each.name} {each.shape}".rstrip(), *cells, end_section=each is costs[-1])
    return table


def _bits(cost: LayerCost) -> int:
    return cost.sums.bits + cost.factors.bits


def as_json(costs: Sequence[LayerCost]) -> dict[str, Any]:
    """The figures of `render`."""
    return {"total": _figures(total(costs)), "layers": [_figures(each) for each in costs]}


def _figures(cost: LayerCost) -> dict[str, Any]:
    sparsity = cost.zeros / cost.weights if cost.weights else None
    return asdict(cost) | {"sparsity": sparsity, "adder_bits": _bits(cost)}
