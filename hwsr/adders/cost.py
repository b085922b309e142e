"""What an integer network costs in two numbers that do not depend on a device: bits of the model, adder bits a pixel.

Bits are those of the constants as they are stored: weights as wide as declared (2 bits where they are ternary), the
biases of a layer as wide as its widest, factors, tables, and of affine networks a multiplier and a shift a channel,
or one for all channels where they are alike. Power-of-two scales are wiring.

An addition of w bits takes w adder bits, a multiplication of a by b bits a * b, as the rows of an array multiplier do;
zeros, powers of two and rounding take none. Sums are as wide as they are proved to be. As in `hwsr.adders.count`
biases, skip connections and channel attention are not counted.
"""

from dataclasses import dataclass

import numpy as np

from hwsr.adders.count import Progress, additions, multiplications
from hwsr.adders.layers import Layer, Matrix, layers
from hwsr.adders.shared import shared
from hwsr.ir.graph import Conv, IntArray, IntGraph, QType, Rescale, Scale, Table

# Of an affine multiplier: its own bits, and those of its shift, which has a sign.
MULTIPLIER_BITS, SHIFT_BITS = 31, 6


@dataclass(frozen=True)
class NetworkCost:
    """bits: of the model; the rest for each pixel of the input image. shared_bits: adder bits of da4ml's graphs, which
    share common sums and multiply by additions; None where they were not asked for, or have no meaning (float).
    """

    bits: int
    multiplications: int
    additions: int
    adder_bits: int
    shared_bits: int | None = None


def network_cost(graph: IntGraph, share: bool = False, progress: Progress = iter) -> NetworkCost:
    """The cost of a network; with `share` also by adder graphs, which take minutes for 8-bit weights.

    Raises HwsrError when the cache of adder graphs cannot be written.
    """
    found = layers(graph)
    matrices = [(layer.repeats, matrix) for layer in found for matrix in (*layer.sums, *layer.factors)]
    rescaled = [(graph.tensors[node.name].upscale ** 2, node) for node in _rescales(graph)]
    per_rescale = [(times, _true_multipliers(node), _bits(graph, node)) for times, node in rescaled]
    rescaling = sum(times * count * bits * MULTIPLIER_BITS for times, count, bits in per_rescale)
    return NetworkCost(
        bits=model_bits(graph),
        multiplications=sum(times * multiplications(matrix.values) for times, matrix in matrices)
        + sum(times * count for times, count, _ in per_rescale),
        additions=sum(times * additions(matrix.values) for times, matrix in matrices),
        adder_bits=sum(times * matrix_bits(matrix) for times, matrix in matrices) + rescaling,
        shared_bits=sum(map(_shared_bits, progress(found))) + rescaling if share else None,
    )


def model_bits(graph: IntGraph) -> int:
    """The bits of all constants."""
    bits = 0
    for node in graph.nodes:
        match node:
            case Conv():
                bits += node.weight.size * node.weight_bits + _narrowest(node.bias)
            case Scale():
                bits += len(node.factor) * node.factor_bits
            case Rescale():
                constants = np.stack([node.multiplier, node.left, node.right])
                alike = bool((constants == constants[:, :1]).all())
                bits += (1 if alike else len(node.multiplier)) * (MULTIPLIER_BITS + SHIFT_BITS)
            case Table():
                bits += len(node.values) * node.type.bits
    return bits


def matrix_bits(matrix: Matrix) -> int:
    """Adder bits of x @ matrix: a multiplier for each constant that is no power of two, and a sum for each output."""
    values = matrix.values
    constant = QType.holding(int(values.min(initial=0)), int(values.max(initial=0)), 0).bits
    size = np.abs(values)
    multiplied = ((size & (size - 1)) != 0).sum(1)
    products = sum(
        int(count) * constant * QType.holding(int(lo), int(hi), 0).bits
        for count, lo, hi in zip(multiplied, matrix.lo, matrix.hi, strict=True)
    )
    positive, negative = np.maximum(values, 0), np.minimum(values, 0)
    lowest = matrix.lo @ positive + matrix.hi @ negative
    highest = matrix.hi @ positive + matrix.lo @ negative
    summed = np.maximum((values != 0).sum(0) - 1, 0)
    return products + sum(
        int(count) * QType.holding(int(lo), int(hi), 0).bits
        for count, lo, hi in zip(summed, lowest, highest, strict=True)
    )


def _narrowest(values: IntArray) -> int:
    """Bits of integers in the narrowest signed type that holds them all; none where all are zero."""
    if not values.any():
        return 0
    return len(values) * QType.holding(min(int(values.min()), -1), int(values.max()), 0).bits


def _rescales(graph: IntGraph) -> list[Rescale]:
    """Those that work on the image."""
    return [node for node in graph.nodes if isinstance(node, Rescale) and not graph.tensors[node.name].pooled]


def _true_multipliers(node: Rescale) -> int:
    return int((node.multiplier & (node.multiplier - 1) != 0).sum())


def _bits(graph: IntGraph, node: Rescale) -> int:
    """The width of what is multiplied."""
    return graph.tensors[node.inputs[0]].type.bits


def _shared_bits(layer: Layer) -> int:
    return layer.repeats * sum(shared(matrix).bits for matrix in (*layer.sums, *layer.factors))
