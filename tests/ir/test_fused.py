"""Which nodes end the stage of what they read."""

import numpy as np

from hwsr.ir.check import make_graph
from hwsr.ir.fused import beginnings, endings, rescale_of
from hwsr.ir.graph import Add, Conv, Input, IntGraph, Node, Offset, QType, Requantize, Rescale

INT8 = QType(8, True, 0)


def conv(name: str, source: str, grids: int = 0) -> Conv:
    zeros = np.zeros(2, np.int64)
    return Conv(name, (source,), np.ones((2, 2, 1, 1), np.int64), 8, np.array([0, grids]), zeros)


def rescale(name: str, source: str) -> Rescale:
    row = np.full(2, 1 << 30)
    return Rescale(name, (source,), row, row * 0, row * 0 + 3, -5, -128, 127, INT8, 0.1)


def offset(name: str, source: str, *values: int) -> Offset:
    return Offset(name, (source,), np.array(values), 0)


def graph(*nodes: Node) -> IntGraph:
    return make_graph([Input("x", (), 2, INT8), *nodes], (3, 4))


def ends(made: IntGraph) -> dict[str, list[str]]:
    return {name: [node.name for node in ending] for name, ending in endings(made).items()}


def test_a_rescaling_ends_its_convolution_and_takes_off_its_zero_point() -> None:
    made = graph(conv("c", "x"), rescale("r", "c"), offset("o", "r", 5, 5), conv("d", "o"), rescale("s", "d"))
    assert ends(made) == {"c": ["r", "o"], "d": ["s"]}
    assert beginnings(made) == {"r": "c", "o": "c", "s": "d"}
    assert rescale_of(made.nodes[1], endings(made)["c"]) == (made.nodes[2], 5)
    assert rescale_of(made.nodes[4], endings(made)["d"]) == (made.nodes[5], 0)


def test_a_rescaling_of_anything_else_begins_a_stage() -> None:
    made = graph(rescale("r", "x"), offset("o", "r", 5, 5), Requantize("q", ("o",), QType(4, True, 0)))
    assert ends(made) == {"r": ["o"]}
    assert rescale_of(made.nodes[1], endings(made)["r"]) == (made.nodes[1], 5)
    assert rescale_of(made.nodes[3], ()) is None


def test_what_others_read_or_no_single_number_takes_off_is_not_fused() -> None:
    assert ends(graph(conv("c", "x"), rescale("r", "c"), rescale("s", "c"), Add("a", ("r", "s")))) == {}
    assert ends(graph(conv("c", "x"), rescale("r", "c"), offset("o", "r", 5, 4))) == {"c": ["r"]}
    assert ends(graph(conv("c", "x", grids=1), rescale("r", "c"))) == {}
    both = graph(conv("c", "x"), rescale("r", "c"), offset("o", "r", 5, 5), Add("a", ("r", "o")))
    assert ends(both) == {"c": ["r"]}
