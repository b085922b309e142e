"""Plans how an IntGraph runs in floating point without a rounding error: types, grids and line buffers.

A float holds every integer up to 2**24 (float32) or 2**53 (float64), and any of them times a power of two. What is
proved of a graph's tensors says where these suffice; a sum of products is then exact in any order, so that BLAS may
compute it. Powers of two are folded into the weights, so that most requantizations only round and saturate.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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
    Table,
    Tensor,
    Upsample,
)
from hwsr.reference.winograd import LARGEST_SCALE, SIDE, packed, tile_operand

Float = type[np.float32] | type[np.float64]
# What convolutions multiply that make more than one output at once.
Product = type[np.float32] | type[np.int16]

# Largest integer, and largest spread of the graph's grids, with which no product of a float leaves its exponents.
_LIMITS: tuple[tuple[Float, int, int], ...] = ((np.float32, 1 << 24, 48), (np.float64, 1 << 53, 400))

# A convolution of fewer input times output channels gains nothing from making its columns in pairs.
LEAST_PAIRED = 128


@dataclass(frozen=True)
class Lines:
    """How one tensor is kept while rows stream through the network.

    What is stored is value * 2**grid as `dtype`. The tensor's rows come `lag` rows late, so that whoever makes them
    has the rows below them; `before` and `after` count the rows kept around those that one step makes. `margin` says
    that a reader looks beside the image, where it must find zeros.
    """

    dtype: Float
    grid: int
    lag: int
    before: int
    after: int
    margin: bool


@dataclass(frozen=True)
class Plan:
    """A graph and the lines of each of its tensors.

    fast: the convolutions that make tiles of 4x4 outputs at once of products of int16, or pairs of columns of float32;
    tiles: what the former's products multiply by, as `packed` makes it; phases: as how many rows an image row is
    stored, 4 where there are tiles, 2 where there are pairs only; margin: how many columns of a phase its widest kernel
    looks beside the image.
    """

    graph: IntGraph
    lines: dict[str, Lines]
    fast: dict[str, Product]
    tiles: dict[str, NDArray[np.int16]]
    phases: int
    margin: int


def make_plan(graph: IntGraph) -> Plan | None:
    """The plan of a graph; None where some number may not fit a float64, so that only integers are exact."""
    graph = _merge_zero_points(_merge_scales(graph))
    spread = _spread(graph)
    grids = _grids(graph)
    lags = _lags(graph)
    lines: dict[str, Lines] = {}
    for node in graph.nodes:
        name, readers = node.name, graph.consumers[node.name]
        dtypes = [_float(magnitude(graph, reader), spread) for reader in (node, *_convs(readers))]
        if None in dtypes:
            return None
        reach = [(lags[reader.name], _half(reader)) for reader in readers if not isinstance(reader, UPSCALING)]
        lines[name] = Lines(
            dtype=np.float64 if np.float64 in dtypes else np.float32,
            grid=grids[name],
            lag=lags[name],
            before=max([0, *(lag - lags[name] + half for lag, half in reach)]),
            after=max([0, *(half - (lag - lags[name]) for lag, half in reach)]),
            margin=any(reader.weight.shape[3] > 1 for reader in _convs(readers)),
        )
    products = {} if graph.fixed_frame else {conv.name: _product(graph, conv, lines) for conv in _convs(graph.nodes)}
    fast = {name: dtype for name, dtype in products.items() if dtype}
    tiles = {conv.name: packed(conv.weight) for conv in _convs(graph.nodes) if fast.get(conv.name) is np.int16}
    phases = SIDE if tiles else 2 if fast else 1
    margin = max([0, *(-(-(conv.weight.shape[3] // 2) // phases) for conv in _convs(graph.nodes))])
    return Plan(graph, lines, fast, tiles, phases, margin)


def _product(graph: IntGraph, node: Conv, lines: dict[str, Lines]) -> Product | None:
    """What a convolution of more than one output at once multiplies; None where it gains nothing, or no type is exact.

    The rule, as measured: tiles of int16 beat floats at every shape, 1 channel to 4 included, so they are taken
    wherever factors fit 16 bits and sums 32; pairs of float32 come next, and float64 gains nothing from them.
    """
    x, (c_out, c_in, kh, kw) = graph.tensors[node.inputs[0]], node.weight.shape
    if kw != 3 or node.groups > 1:
        return None
    fits = kh == 3 and tile_magnitude(node, x) < 1 << 31 and tile_operand(node, x) < 1 << 15
    if fits and _int16_is_exact():
        return np.int16
    if c_in * c_out < LEAST_PAIRED:
        return None
    floats = {lines[node.inputs[0]].dtype, lines[node.name].dtype}
    return np.float32 if floats == {np.float32} and pair_magnitude(node, x) <= _LIMITS[0][1] else None


def _int16_is_exact() -> bool:
    # Late, for numba takes long.
    from hwsr.reference.int16 import exact

    return exact()


def pair_magnitude(node: Conv, x: Tensor) -> int:
    """Largest number, in halves of the convolution's unit, that making its columns in pairs can meet."""
    difference, total = _pair_inputs(x)
    g0, g1, g2 = np.moveaxis(node.weight, 3, 0)
    halves = ((2 * g0, difference), (g0 + g1 + g2, total), (g0 - g1 + g2, difference), (2 * g2, difference))
    m0, m1, m2, m3 = (np.abs(weight).sum((1, 2)) * reach for weight, reach in halves)
    # What is added last makes the convolution's own sum.
    return max(int(np.max([m0, m1 + m2, m3])), 2 * conv_magnitude(node, x), 2 * total)


def tile_magnitude(node: Conv, x: Tensor) -> int:
    """Largest sum of a tile that has to fit, on the grid of its largest scale."""
    return LARGEST_SCALE * conv_magnitude(node, x)


def _pair_inputs(x: Tensor) -> tuple[int, int]:
    """Largest difference and sum of two inputs; beside the image there are zeros."""
    lo, hi = min(x.lo, 0), max(x.hi, 0)
    return hi - lo, 2 * max(-lo, hi)


UPSCALING = (PixelShuffle, Upsample)


def _convs(nodes: tuple[Node, ...]) -> list[Conv]:
    return [node for node in nodes if isinstance(node, Conv)]


def _half(node: Node) -> int:
    """Rows above and below that a node looks at."""
    return node.weight.shape[2] // 2 if isinstance(node, Conv) else 0


def magnitude(graph: IntGraph, node: Node) -> int:
    """Largest integer, constants and partial sums in any order included, that computing `node` can meet."""
    made = graph.tensors[node.name]
    if isinstance(node, Conv):
        return conv_magnitude(node, graph.tensors[node.inputs[0]])
    if isinstance(node, Scale):
        return max(_reach(graph.tensors[node.inputs[0]]), 1) * int(np.abs(node.factor).max())
    if isinstance(node, Offset):
        return max(_reach(made), int(np.abs(node.offset).max()))
    return _reach(made)


def conv_magnitude(node: Conv, x: Tensor, factor: np.ndarray | None = None) -> int:
    """Largest sum |w| max|x| + |bias| of a channel, each on its own grid, times `factor` where given."""
    sums = np.abs(node.weight).reshape(len(node.weight), -1).sum(1)
    factors = np.ones_like(sums) if factor is None else np.abs(factor)
    rows = zip(sums, np.abs(node.bias), factors, strict=True)
    return max((int(total) * max(_reach(x), 1) + int(bias)) * int(times) for total, bias, times in rows)


def _reach(tensor: Tensor) -> int:
    return max(abs(tensor.lo), abs(tensor.hi))


def _float(bound: int, spread: int) -> Float | None:
    """The smallest float that is exact up to `bound` on grids that lie `spread` bits apart."""
    return next((dtype for dtype, exact, wide in _LIMITS if bound <= exact and spread <= wide), None)


def _spread(graph: IntGraph) -> int:
    """How many bits lie between the coarsest and the finest grid of any value in the graph."""
    fracs = [tensor.type.frac for tensor in graph.tensors.values()]
    for node in graph.nodes:
        match node:
            case Conv():
                fracs += [graph.tensors[node.inputs[0]].type.frac + int(frac) for frac in node.weight_frac]
            case Scale():
                fracs += [graph.tensors[node.inputs[0]].type.frac + int(frac) for frac in node.factor_frac]
            case Offset():
                fracs.append(node.offset_frac)
    return max(fracs) - min(fracs)


def _merge_scales(graph: IntGraph) -> IntGraph:
    """Fold constant factors into the convolution that only they read, where float32 stays exact."""
    nodes: dict[str, Node] = {}
    consumers = dict(graph.consumers)
    for node in graph.nodes:
        conv = nodes[node.inputs[0]] if isinstance(node, Scale) else None
        if isinstance(node, Scale) and isinstance(conv, Conv) and len(consumers[conv.name]) == 1:
            source = conv.inputs[0]
            if conv_magnitude(conv, graph.tensors[source], node.factor) <= _LIMITS[0][1]:
                del nodes[conv.name]
                node = _scaled(conv, node)
                consumers[source] = tuple(node if reader is conv else reader for reader in consumers[source])
        nodes[node.name] = node
    return replace(graph, nodes=tuple(nodes.values()), consumers=consumers)


def _scaled(conv: Conv, scale: Scale) -> Conv:
    return replace(
        conv,
        name=scale.name,
        weight=conv.weight * scale.factor[:, None, None, None],
        weight_frac=conv.weight_frac + scale.factor_frac,
        bias=conv.bias * scale.factor,
    )


def _merge_zero_points(graph: IntGraph) -> IntGraph:
    """Leave zero points out of what is rescaled where its only reader subtracts them."""
    nodes: dict[str, Node] = {}
    consumers = dict(graph.consumers)
    for node in graph.nodes:
        rescale = nodes[node.inputs[0]] if isinstance(node, Offset) else None
        if isinstance(node, Offset) and isinstance(rescale, Rescale) and len(consumers[rescale.name]) == 1:
            same_grid = node.offset_frac == rescale.type.frac
            if same_grid and set(node.offset) == {-rescale.zero_point}:
                del nodes[rescale.name]
                zero, (source,) = rescale.zero_point, rescale.inputs
                node = replace(rescale, name=node.name, zero_point=0, lo=rescale.lo - zero, hi=rescale.hi - zero)
                consumers[source] = tuple(node if reader is rescale else reader for reader in consumers[source])
        nodes[node.name] = node
    return replace(graph, nodes=tuple(nodes.values()), consumers=consumers)


def _grids(graph: IntGraph) -> dict[str, int]:
    """The grid that each tensor is stored on: where it can, the one that its requantization rounds on."""
    wanted: dict[str, int] = {}
    for node in reversed(graph.nodes):
        reader = graph.consumers[node.name][0] if len(graph.consumers[node.name]) == 1 else None
        match reader:
            case Requantize():
                wanted[node.name] = reader.type.frac
            case Add() | Offset() | PixelShuffle() | ChannelShuffle() | ChannelSlice() | Concat() | Upsample():
                wanted[node.name] = wanted[reader.name]
            case _:
                wanted[node.name] = graph.tensors[node.name].type.frac
    grids: dict[str, int] = {}
    for node in graph.nodes:
        of = [grids[name] for name in node.inputs]
        match node:
            case Input() | Requantize() | Rescale() | Table():
                grids[node.name] = graph.tensors[node.name].type.frac
            case Conv() | Scale() | Concat():
                grids[node.name] = wanted[node.name]
            case Add():
                grids[node.name] = wanted[node.name] if wanted[node.name] in of else of[0]
            case ChannelMul():
                grids[node.name] = sum(of)
            case _:
                grids[node.name] = of[0]
    return grids


def _lags(graph: IntGraph) -> dict[str, int]:
    """How many rows late each tensor comes. A spatial sum needs every row at once, so there nothing streams."""
    lags: dict[str, int] = {}
    for node in graph.nodes:
        lag = max((lags[name] for name in node.inputs), default=0) + (0 if graph.fixed_frame else _half(node))
        lags[node.name] = lag * (node.factor if isinstance(node, UPSCALING) else 1)
    return lags
