"""Depth of every stream, from the shape of the network alone.

A stream between two stages that keep pace needs a word or two. Where paths part and meet again, the short one has
to hold what the long one takes in before its first word comes out, or the pipeline deadlocks: the lag of a
convolution is kh // 2 rows and kw // 2 pixels, that of a spatial sum the whole frame.
"""

from hwsr.ir.graph import Add, ChannelMul, Conv, IntGraph, Node, PixelShuffle, SpatialSum, Upsample

# One stream into one node: its reader's name and which of its inputs it is.
Edge = tuple[str, int]

# A word being written while the one before is read.
PLAIN = 2


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


def depths(graph: IntGraph) -> dict[Edge, int]:
    """Words that the stream into each input of each node has to hold, so that the pipeline cannot deadlock.

    A skip across several spatial sums holds one frame as well: enough, but then the next frame has to wait for it.
    """
    lag = lags(graph)
    result: dict[Edge, int] = {}
    for node in graph.nodes:
        for i, name in enumerate(node.inputs):
            result[node.name, i] = PLAIN
            if isinstance(node, PixelShuffle):
                # While it sends the later rows of a group it reads nothing; its input goes on coming.
                result[node.name, i] = max(PLAIN, graph.shape(name, *graph.frame)[2])
    for node in graph.nodes:
        if isinstance(node, Add | ChannelMul):
            latest = max(lag[name] for name in node.inputs)
            for i, name in enumerate(node.inputs):
                edge, source = _cheapest(graph, (node.name, i), name)
                result[edge] = max(result[edge], PLAIN + _words(graph, source, latest - lag[name]))
    return result


def _cheapest(graph: IntGraph, edge: Edge, name: str) -> tuple[Edge, str]:
    """Where on the way to `edge` waiting words cost least: in front of an Upsample, which multiplies them."""
    by_name = {node.name: node for node in graph.nodes}
    while isinstance(by_name[name], Upsample) and len(graph.consumers[name]) == 1:
        edge, name = (name, 0), by_name[name].inputs[0]
    return edge, name


def _words(graph: IntGraph, name: str, pixels: int) -> int:
    """Words of tensor `name` that `pixels` input pixels become, at most one frame of them."""
    tensor = graph.tensors[name]
    if tensor.pooled:
        return 0
    return min(pixels, graph.frame[0] * graph.frame[1]) * tensor.upscale**2
