"""Which constants of a network are counted."""

import numpy as np

from hwsr.adders.layers import layers
from hwsr.ir.check import make_graph
from hwsr.ir.graph import (
    Conv,
    Input,
    IntArray,
    IntGraph,
    Node,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Upsample,
)

UINT8, INT8 = QType(8, False, 8), QType(8, True, 7)


def spconv(first: IntArray, factor: IntArray, second: IntArray | None, groups: int = 1) -> IntGraph:
    """One SP-conv on an image of as many channels as it reads."""

    def conv(name: str, of: str, weight: IntArray) -> Conv:
        zeros = np.zeros(len(weight), np.int64)
        return Conv(name, (of,), weight, 2, zeros, zeros, groups)

    nodes: list[Node] = [
        Input("x", (), first.shape[1] * groups, UINT8),
        conv("sp_first_conv", "x", first),
        Scale("sp_mul", ("sp_first_conv",), factor, 8, np.full(len(factor), 6)),
        Requantize("sp_grid", ("sp_mul",), INT8),
    ]
    if second is not None:
        nodes += [conv("sp_second_conv", "sp_grid", second), Requantize("y", ("sp_second_conv",), UINT8)]
    return make_graph(nodes, (4, 4))


def ternary(seed: int, *shape: int) -> IntArray:
    return np.random.default_rng(seed).integers(-1, 2, shape)


def test_an_spconv_is_one_layer_and_its_matrices_make_its_sums() -> None:
    first, second, factor = ternary(0, 3, 2, 3, 3), ternary(1, 4, 3, 1, 1), np.array([77, -100, 64])
    first[0, 0, 0], first[2, 1, 2], second[:, :, 0, 0] = 1, -1, second[:, :, 0, 0] | 1
    (layer,) = layers(spconv(first, factor, second))
    assert (layer.name, layer.shape, layer.repeats) == ("sp", "3x3 2->3 + 1x1 3->4", 1)
    assert (layer.weights, layer.zeros) == (first.size + second.size, (first == 0).sum() + (second == 0).sum())
    window = np.random.default_rng(2).integers(0, 256, (2, 3, 3))
    sums, mixed = layer.sums
    assert np.array_equal(window.reshape(-1) @ sums.values, [(window * each).sum() for each in first])
    assert np.array_equal(np.diag(layer.factors[0].values), factor)
    assert np.array_equal(mixed.values, second[:, :, 0, 0].T)
    assert (set(sums.lo), set(sums.hi), set(mixed.lo), set(mixed.hi)) == ({0}, {255}, {-128}, {127})
    # A factor meets what its own channel can be.
    assert np.array_equal(layer.factors[0].hi, [255 * (each == 1).sum() for each in first])
    assert np.array_equal(layer.factors[0].lo, [-255 * (each == -1).sum() for each in first])


def test_groups_have_matrices_of_their_own() -> None:
    first, second = ternary(0, 4, 2, 3, 3), ternary(1, 6, 2, 1, 1)
    first[:, 0, 0, 0], second[:] = 1, 1
    (layer,) = layers(spconv(first, np.array([5, 6, 7, 9]), second, groups=2))
    assert layer.shape == "3x3 4->4 in 2 groups + 1x1 4->6 in 2 groups"
    assert [matrix.values.shape for matrix in layer.sums] == [(18, 2), (18, 2), (2, 3), (2, 3)]
    for group, matrix in enumerate(layer.sums[:2]):
        assert np.array_equal(matrix.values, first[2 * group : 2 * group + 2].reshape(2, -1).T)


def test_a_depthwise_spconv_has_no_second_convolution() -> None:
    first = ternary(3, 3, 1, 3, 3)
    first[:, 0, 1, 1] = 1
    (layer,) = layers(spconv(first, np.array([5, 6, 7]), None, groups=3))
    assert (layer.name, layer.weights) == ("sp_first_conv", 27)
    assert [matrix.values.shape for matrix in layer.sums] == [(9, 1)] * 3


def test_hidden_channels_that_are_zero_or_unread_cost_nothing_but_count_as_weights() -> None:
    first, second, factor = np.ones((4, 2, 3, 3), np.int64), np.ones((2, 4, 1, 1), np.int64), np.array([3, 0, 5, 7])
    first[0], second[:, 2] = 0, 0
    (layer,) = layers(spconv(first, factor, second))
    sums, mixed = (matrix.values for matrix in layer.sums)
    assert np.array_equal(sums.any(axis=0), [False, False, False, True])
    assert np.array_equal(np.diag(layer.factors[0].values), [0, 0, 0, 7])
    assert np.array_equal(mixed.any(axis=1), [False, False, False, True])
    assert (layer.weights, layer.zeros) == (72 + 8, 18 + 2)


def test_what_is_read_in_one_group_alone_is_alive_there() -> None:
    first, second = np.ones((4, 1, 1, 1), np.int64), np.ones((2, 2, 1, 1), np.int64)
    second[1, 0] = 0  # the third hidden channel
    (layer,) = layers(spconv(first, np.full(4, 3), second, groups=2))
    assert np.array_equal(np.diag(layer.factors[0].values), [3, 3, 0, 3])


def test_layers_behind_an_upscaling_repeat_and_pooled_ones_are_left_out() -> None:
    zeros = np.zeros(3, np.int64)
    weight = ternary(0, 3, 3, 1, 1) | 1
    conv = Conv("conv", ("up",), weight, 2, zeros, zeros)
    factors = Scale("slopes", ("grid",), np.array([3, 5, 7]), 8, zeros)
    nodes: list[Node] = [
        Input("x", (), 3, UINT8),
        Upsample("up", ("x",), 2),
        conv,
        Requantize("grid", ("conv",), INT8),
        factors,
        Requantize("small", ("slopes",), UINT8),
    ]
    first, second = layers(make_graph(nodes, (4, 4)))
    assert (first.name, first.repeats, first.factors) == ("conv", 4, ())
    assert (second.name, second.shape, second.repeats, second.weights, second.sums) == ("slopes", "3 factors", 4, 0, ())
    assert set(second.factors[0].lo) == {-128} and set(second.factors[0].hi) == {127}
    pooled: list[Node] = [
        Input("x", (), 3, UINT8),
        SpatialSum("sum", ("x",)),
        Conv("squeeze", ("sum",), weight, 2, zeros, zeros),
    ]
    assert layers(make_graph(pooled, (4, 4))) == []
