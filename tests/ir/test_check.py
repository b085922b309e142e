import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.ir.check import check_image_network, make_graph, round_half_even
from hwsr.ir.graph import (
    Add,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Upsample,
)

IMAGE = Input("image", (), 2, QType(8, False, 8))


def conv(weight: np.ndarray, frac: list[int], bias: list[int], groups: int = 1, name: str = "conv") -> Conv:
    return Conv(name, ("image",), weight, 8, np.array(frac), np.array(bias), groups)


def test_the_accumulators_range_is_the_worst_case_of_the_actual_weights() -> None:
    weight = np.array([[[[3]], [[-2]]], [[[1]], [[1]]]])
    graph = make_graph([IMAGE, conv(weight, [4, 6], [10, -5])], (4, 4))
    made = graph.tensors["conv"]
    # Channel 0 reaches -510 + 10 and 765 + 10, shifted left by 2 to the grid of channel 1.
    assert (made.lo, made.hi, made.type) == (-500 * 4, 775 * 4, QType(13, True, 14))


@given(st.integers(-(2**20), 2**20), st.integers(0, 2**20), st.integers(-8, 8))
def test_the_narrowest_type_holds_its_range(lo: int, width: int, frac: int) -> None:
    hi = lo + width
    qtype = QType.holding(lo, hi, frac)
    assert qtype.lo <= lo and hi <= qtype.hi
    assert qtype.signed == (lo < 0)
    if qtype.bits > 1:
        narrower = QType(qtype.bits - 1, qtype.signed, frac)
        assert lo < narrower.lo or narrower.hi < hi


@pytest.mark.parametrize(
    ("q", "shift", "rounded"), [(5, 1, 2), (7, 1, 4), (-5, 1, -2), (-7, 1, -4), (3, -2, 12), (9, 2, 2)]
)
def test_ties_round_to_even(q: int, shift: int, rounded: int) -> None:
    assert round_half_even(q, shift) == rounded


def test_radius_counts_each_convolution_at_its_resolution() -> None:
    weight = np.zeros((8, 2, 3, 3), np.int64)
    tail = Conv("tail", ("shuffle",), np.zeros((3, 2, 5, 5), np.int64), 8, np.zeros(3, np.int64), np.zeros(3, np.int64))
    nodes = [IMAGE, conv(weight, [0] * 8, [0] * 8), PixelShuffle("shuffle", ("conv",), 2), tail]
    graph = make_graph(nodes, (9, 9))
    assert graph.tensors["tail"].radius == 1 + 2 / 2
    assert graph.shape("tail", 9, 7) == (3, 18, 14)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (conv(np.zeros((2, 2, 2, 2), int), [0, 0], [0, 0]), "2x2 is even"),
        (conv(np.zeros((2, 3, 3, 3), int), [0, 0], [0, 0]), "2 -> 2 channels"),
        (conv(np.full((2, 2, 1, 1), 200), [0, 0], [0, 0]), "8 bits"),
        (conv(np.ones((2, 2, 1, 1), int), [0, 60], [0, 0]), "accumulator needs"),
        (conv(np.zeros((2, 2, 3, 3), int), [0], [0, 0]), "one a channel"),
        (PixelShuffle("conv", ("image",), 2), "do not shuffle"),
        (ChannelShuffle("conv", ("image",), 3), "do not fit 3 groups"),
        (ChannelSlice("conv", ("image",), 1, 3), "channels 1 to 3 of 2"),
        (Add("conv", ("image", "nothing")), "'nothing'"),
        (Scale("conv", ("image",), np.array([1]), 8, np.array([0])), "one a channel"),
        (Scale("conv", ("image",), np.array([1, 3]), 8, np.array([0, 70])), "too far apart"),
        (Offset("conv", ("image",), np.array([1, 1]), 80), "too far apart"),
        (Requantize("conv", ("image",), QType(8, True, 80)), "too far apart"),
        (Upsample("conv", ("image",), 0), "upsamples by 0; it takes a whole number"),
        (PixelShuffle("conv", ("image",), 0), "do not shuffle"),
        (Offset("conv", ("image",), np.array([1, 2, 3]), 0), "one a channel"),
        (Requantize("image", ("image",), QType(8, True, 7)), "two nodes"),
    ],
)
def test_a_node_that_does_not_fit_is_named(node: object, words: str) -> None:
    with pytest.raises(HwsrError, match=words) as error:
        make_graph([IMAGE, node], (4, 4))  # type: ignore[list-item]
    assert "node '" in str(error.value)


def test_a_mean_is_no_image_to_upsample() -> None:
    with pytest.raises(HwsrError, match="node 'up': upsamples by 2"):
        make_graph([IMAGE, SpatialSum("sum", ("image",)), Upsample("up", ("sum",), 2)], (4, 4))


def test_a_spatial_sum_fixes_the_frame() -> None:
    graph = make_graph([IMAGE, SpatialSum("sum", ("image",))], (5, 6))
    assert graph.fixed_frame
    assert graph.tensors["sum"].hi == 255 * 30


def test_concat_holds_every_part_on_the_finest_grid() -> None:
    fine = Requantize("fine", ("image",), QType(4, True, 10))
    joined = make_graph([IMAGE, fine, Concat("joined", ("image", "fine"))], (4, 4)).tensors["joined"]
    assert (joined.channels, joined.type.frac, joined.lo, joined.hi) == (4, 10, 0, 4 * 255)


def test_concat_of_two_sizes_is_refused() -> None:
    total = SpatialSum("total", ("image",))
    with pytest.raises(HwsrError, match="'joined': joins tensors of different sizes"):
        make_graph([IMAGE, total, Concat("joined", ("image", "total"))], (4, 4))


def test_an_image_network_takes_and_makes_8_bit_rgb() -> None:
    pixels = QType(8, False, 8)
    image = Input("image", (), 3, pixels)
    check_image_network(make_graph([image, Requantize("out", ("image",), pixels)], (4, 4)))
    for to in (QType(8, True, 8), QType(10, False, 8), QType(8, False, 7)):
        with pytest.raises(HwsrError, match="'out'"):
            check_image_network(make_graph([image, Requantize("out", ("image",), to)], (4, 4)))
