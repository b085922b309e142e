"""Depth of every stream: from the shape of the network alone, or as a plan has found it.

A stream between two stages that keep pace needs a word or two. Where paths part and meet again, the short one has
to hold what the long one takes in before its first word comes out, or the pipeline deadlocks: the lag of a
convolution is kh // 2 rows and kw // 2 pixels, that of a spatial sum the whole frame. A pipelined stage moreover
holds words in flight while it has nothing to read, for its pipeline does not flush before the frame's end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hwsr.errors import HwsrError
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.fused import beginnings, endings
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Concat,
    Conv,
    IntGraph,
    Node,
    PixelShuffle,
    Rescale,
    SpatialSum,
    Tensor,
    Upsample,
)
from hwsr.ir.stages import Stage

# One stream into one node: its reader's name and which of its inputs it is.
Edge = tuple[str, int]

# A word being written while the one before is read.
PLAIN = 2

# Words that a stage may hold in flight: the depth of a pipeline that takes a word a clock, which is a read, a
# multiplication, an adder tree over hundreds of products, a rounding and a write. A folded stage holds fewer.
IN_FLIGHT = 16
# Of these, those beside its sums. An adder graph may be deeper than a tree, and a slow clock has one adder in a row.
AROUND_SUMS = 6
# Beyond these, those of an affine rescaling behind a convolution's sums: a product of 32 by 31 bits, two roundings.
IN_RESCALING = 8

# hls4ml's clone_stream has this many outputs at most.
MAX_FORK = 7


def with_depths(stages: Sequence[Stage], found: Mapping[str, int]) -> tuple[Stage, ...]:
    """The stages with every stream that has a reader as deep as `found` says, by the stream's name.

    Raises HwsrError for a stream that is not among theirs, and for one of theirs that is not named.
    """
    read = {stream for stage in stages for stream in stage.inputs}
    for stream in sorted(read ^ found.keys()):
        raise HwsrError(f"depth of stream '{stream}': " + ("none is given" if stream in read else "there is no such"))
    return tuple(
        replace(stage, streams={stream: found.get(stream, depth) for stream, depth in stage.streams.items()})
        for stage in stages
    )


def fork_stages(readers: int) -> int:
    """Stages that a stream to as many readers takes: of several forks, the last output of each feeds the next."""
    return -(-(readers - 1) // (MAX_FORK - 1)) if readers > 1 else 0


def lags(graph: IntGraph) -> dict[str, int]:
    """Input pixels that enter the network before each tensor's first word comes out (an upper bound), by name."""
    result: dict[str, int] = {}
    for node in graph.nodes:
        before = max((result[name] for name in node.inputs), default=0)
        result[node.name] = before + _own_lag(graph, node)
    return result


def _own_lag(graph: IntGraph, node: Node) -> int:
    height, width = graph.frame
    match node:
        case Conv() if not graph.tensors[node.name].pooled:
            upscale = graph.tensors[node.name].upscale
            rows, columns = (-(-(side // 2) // upscale) for side in node.weight.shape[2:])
            return rows * width + columns
        case PixelShuffle() | Upsample():
            # The first of the rows that an input row becomes leaves at once, the others wait for that row's end.
            return width
        case SpatialSum():
            return height * width
    return 0


def depths(graph: IntGraph, adders: Mapping[str, AdderGraph] | None = None) -> dict[Edge, int]:
    """Words that the stream into each input of each node has to hold, so that the pipeline cannot deadlock.

    adders: by name, the adder graphs of convolutions.
    A skip across several spatial sums holds one frame as well: enough, but then the next frame has to wait for it.
    """
    lag, before, more = lags(graph), _ancestors(graph), _more_in_flight(graph, adders or {})
    result: dict[Edge, int] = {}
    for node in graph.nodes:
        for i, name in enumerate(node.inputs):
            result[node.name, i] = PLAIN
            if isinstance(node, PixelShuffle):
                # While it sends the later rows of a group it reads nothing; its input goes on coming.
                result[node.name, i] = max(PLAIN, graph.shape(name, *graph.frame)[2])
    for node in graph.nodes:
        if isinstance(node, Add | ChannelMul | Concat):
            for i, name in enumerate(node.inputs):
                edge, source = _cheapest(graph, (node.name, i), name)
                # The short path's stages may hold nothing while those of the long one hold all that they can.
                ahead = _cascaded(graph, before[name]) + max(
                    lag[other] - lag[name] + _held(graph, other, before[name], more) + _joining(graph, node, j, i)
                    for j, other in enumerate(node.inputs)
                )
                result[edge] = max(result[edge], PLAIN + _words(graph, source, max(ahead, 0)))
    return result


def _ancestors(graph: IntGraph) -> dict[str, frozenset[str]]:
    """Every tensor's name and those of all that it is made of."""
    result: dict[str, frozenset[str]] = {}
    for node in graph.nodes:
        result[node.name] = frozenset({node.name}).union(*(result[name] for name in node.inputs))
    return result


def _more_in_flight(graph: IntGraph, adders: Mapping[str, AdderGraph]) -> dict[str, int]:
    """Words beyond IN_FLIGHT that stages may hold: those of adder graphs and of fused rescalings, by node name."""
    found = {name: max(AROUND_SUMS + own.cycles(1) - IN_FLIGHT, 0) for name, own in adders.items()}
    for name, ending in endings(graph).items():
        if isinstance(ending[0], Rescale):
            found[name] = found.get(name, 0) + IN_RESCALING
    return found


def _held(graph: IntGraph, name: str, shared: frozenset[str], more: Mapping[str, int]) -> int:
    """Input pixels whose words the stages on a path to tensor `name` hold in flight, behind those of `shared`."""
    fused = beginnings(graph)
    result: dict[str, int] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.name]
        stages = 0 if node.name in fused else 1
        if isinstance(node, Concat):
            stages += max(len(node.inputs) - 2, 0)  # those that join some of its inputs
        stages += fork_stages(len(graph.consumers[node.name]))
        # A pooled tensor is one word a frame, and at the frame's end every pipeline flushes.
        beyond = -(-more.get(node.name, 0) // tensor.upscale**2)
        held = stages * _in_flight(tensor) + beyond + _between_rows(graph, node)
        own = 0 if node.name in shared or tensor.pooled else held
        result[node.name] = own + max((result[before] for before in node.inputs), default=0)
    return result[name]


def _between_rows(graph: IntGraph, node: Node) -> int:
    """Input pixels that wait in front of a pixel shuffle while it sends the later rows of a group and reads nothing.

    Of the s rows that an input row becomes it reads in the first alone: while it sends the others, up to (s - 1) / s of
    an input row comes in.
    """
    if not isinstance(node, PixelShuffle):
        return 0
    before, after = (graph.tensors[name].upscale for name in (node.inputs[0], node.name))
    return -(-graph.frame[1] * (after - before) // (before * after))


def _cascaded(graph: IntGraph, shared: frozenset[str]) -> int:
    """Input pixels that the later forks of a tensor hold before its last readers, while its first ones go without."""
    later = {name: max(fork_stages(len(graph.consumers[name])) - 1, 0) for name in shared}
    return sum(stages * _in_flight(graph.tensors[name]) for name, stages in later.items())


def _joining(graph: IntGraph, node: Node, first: int, last: int) -> int:
    """Input pixels that the stages which join input `first` of a node with others hold before input `last` enters."""
    return max(max(last - 1, 0) - max(first - 1, 0), 0) * _in_flight(graph.tensors[node.name])


def _in_flight(tensor: Tensor) -> int:
    """Input pixels whose words of `tensor` one stage holds in flight."""
    return -(-IN_FLIGHT // tensor.upscale**2)


def _cheapest(graph: IntGraph, edge: Edge, name: str) -> tuple[Edge, str]:
    """Where on the way to `edge` waiting words cost least: in front of what multiplies or widens them."""
    by_name, fused = {node.name: node for node in graph.nodes}, beginnings(graph)
    while name not in fused and len(graph.consumers[name]) == 1 and _grows(graph, by_name[name]):
        edge, name = (name, 0), by_name[name].inputs[0]
    return edge, name


def _grows(graph: IntGraph, node: Node) -> bool:
    """Whether waiting words take more room behind a node: more of them, or wider ones, as the operands of a sum."""
    if isinstance(node, Rescale):
        return graph.tensors[node.name].type.bits > graph.tensors[node.inputs[0]].type.bits
    return isinstance(node, Upsample)


def _words(graph: IntGraph, name: str, pixels: int) -> int:
    """Words of tensor `name` that `pixels` input pixels become, at most one frame of them."""
    tensor = graph.tensors[name]
    if tensor.pooled:
        return 0
    return min(pixels, graph.frame[0] * graph.frame[1]) * tensor.upscale**2
