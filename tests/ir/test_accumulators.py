"""The proved widths of accumulators, against inputs that reach them."""

import numpy as np

from hwsr.ir.accumulators import accumulators, render
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, Input, QType, Requantize
from hwsr.reference.run import run_all


def test_the_worst_cases_are_reached_and_not_exceeded() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-7, 8, (1, 2, 3, 3))
    bias = np.array([45])
    zeros = np.zeros(1, np.int64)
    nodes = [
        Input("image", (), 2, QType(4, False, 4)),
        Conv("conv", ("image",), weight, 4, zeros, bias),
        Requantize("out", ("conv",), QType(8, True, 4)),
    ]
    graph = make_graph(nodes, (3, 3))
    (found,) = accumulators(graph)
    # One pixel in the middle of a 3x3 image sees every weight once.
    highest = run_all(graph, np.where(weight[0] > 0, 15, 0))["conv"][0, 1, 1]
    lowest = run_all(graph, np.where(weight[0] < 0, 15, 0))["conv"][0, 1, 1]
    assert (found.lo, found.hi) == (lowest, highest)
    assert (found.layer, found.reads, found.weight_bits) == ("conv", "uint4*2^-4", 4)
    assert -(2 ** (found.bits - 1)) <= lowest and highest < 2 ** (found.bits - 1)
    assert max(-lowest - 1, highest) >= 2 ** (found.bits - 2), "one bit less would not do"
    assert render([found]).row_count == 2
