"""The laws of hwsr's folded convolution, held against what its C++ says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hwsr.estimate.fabric import ULTRASCALE_PLUS, Timing
from hwsr.estimate.folded import FoldedConv, structure, tree_bits
from hwsr.estimate.memories import bram18
from hwsr.estimate.products import Products
from hwsr.estimate.structure import Multipliers, price
from hwsr.hls.fifo import IN_FLIGHT
from hwsr.hls.lower import lower
from hwsr.ir.check import make_graph
from tests.hls.hls_graphs import Net

VITIS = Timing(ULTRASCALE_PLUS, "vitis", 5.0)
FRAME = (40, 64)


def conv(
    reuse: int = 16, timing: Timing = VITIS, c_in: int = 16, c_out: int = 16, x_bits: int = 8, **made: Any
) -> FoldedConv:
    """A 3x3 convolution of 16 channels as the lowering builds it, with `reuse` clocks a pixel."""
    net = Net(FRAME, channels=c_in)
    x = "x" if x_bits == 8 else net.requantize("x", bits=x_bits, name="wide")
    net.conv("c", x, c_out, **({"spread": 0} | made))
    stage = lower(make_graph(net.nodes, net.frame), {"c": reuse})[-1]
    weight = net.nodes[-1].weight
    bias = stage.constants["bias"].values
    return FoldedConv(
        settings=stage.settings,
        x_bits=x_bits,
        out_bits=stage.result.bits,
        products=Products.of(weight),
        bias_bits=13 if bias.any() else 0,
        shifts=len(np.unique(stage.constants["up"].values)),
        timing=timing,
    )


@pytest.mark.parametrize("reuse", [1, 4, 16, 144])
@pytest.mark.parametrize(("kernel", "fill"), [((3, 3), 65), ((1, 1), 0), ((5, 1), 128), ((1, 5), 2)])
def test_turns_are_the_loops_trip_count(reuse: int, kernel: tuple[int, int], fill: int) -> None:
    built = structure(conv(reuse, k=kernel))
    steps = conv(reuse, k=kernel)["n_steps"]
    assert steps <= reuse
    assert built.turns == fill + 40 * 64 * steps
    assert built.cycles == built.turns + built.depth


@pytest.mark.parametrize("clock_ns", [10.0, 5.0, 2.5])
@pytest.mark.parametrize("bits", [2, 8, 16])
def test_the_pipeline_is_no_deeper_than_streams_allow_for(clock_ns: float, bits: int) -> None:
    for reuse in (1, 16, 144):
        assert 5 < structure(conv(reuse, replace(VITIS, clock_ns=clock_ns), bits=bits)).depth <= IN_FLIGHT


def test_small_products_stay_in_luts_on_vitis_and_half_of_them_on_vivado() -> None:
    vitis, vivado = (structure(conv(16, replace(VITIS, backend=name))).multipliers for name in ("vitis", "vivado"))
    # a pixel of 8 bits without a sign takes 9 with it
    assert vitis == Multipliers(small=144, product_bits=9 * 8)
    assert vivado == replace(vitis, small_in_dsp=72)
    for made, dsp in ((VITIS, 0), (replace(VITIS, backend="vivado"), 72)):
        priced = price(structure(conv(16, made)))
        assert (priced.value.dsp, priced.least.dsp, priced.most.dsp) == (dsp, 0, 144)
        assert priced.value.lut_csynth > (144 - dsp) * 9 * 8


def test_wide_products_take_dsps() -> None:
    assert structure(conv(16, bits=16, x_bits=12)).multipliers == Multipliers(wide_dsp=144)
    priced = price(structure(conv(16, bits=16, x_bits=12)))
    assert (priced.least.dsp, priced.value.dsp, priced.most.dsp) == (144, 144, 144)


@pytest.mark.parametrize("reuse", [1, 4, 16, 144])
def test_ternary_weights_multiply_nothing(reuse: int) -> None:
    ternary, full = (price(structure(conv(reuse, bits=bits))) for bits in (2, 8))
    assert ternary.most.dsp == 0
    assert ternary.value.lut < full.value.lut
    assert ternary.value.bram18 <= full.value.bram18


def test_sharing_multipliers_saves_logic_and_takes_memory() -> None:
    costs = [price(structure(conv(reuse))).value for reuse in (1, 4, 16, 144)]
    assert [cost.lut for cost in costs] == sorted((cost.lut for cost in costs), reverse=True)
    assert [cost.bram18 for cost in costs] == sorted(cost.bram18 for cost in costs)


def test_memories_by_shape() -> None:
    held = structure(conv(144)).memories
    # two rows of 64 pixels of 16 channels, 16 weights of 8 bits in two words, 16 biases; no shifts, all scales are one
    assert held == ((64, 128), (64, 128), (144, 64), (144, 64), (16, 13))
    assert price(structure(conv(144))).value.bram18 == 2 * bram18(64, 128) + 2 * bram18(144, 64)
    assert structure(conv(1)).memories == ((64, 128), (64, 128))
    assert structure(conv(144, k=(1, 1), bias=False)).memories == ((128, 16),)
    spread = structure(conv(144, spread=2)).memories
    assert spread[-2:] == ((16, 13), (16, 2))


def test_weights_in_luts() -> None:
    """144 words of 64 bits: three LUTs deep, for the two block RAMs that each would take."""
    block = conv(144)
    bound = replace(block, settings=block.settings | {"weights_in": 1})
    found = structure(bound)
    assert (found.in_luts, structure(block).in_luts) == (((144, 64), (144, 64)), ())
    assert found.memories == ((64, 128), (64, 128), (16, 13))
    held, kept = price(structure(block)).value, price(found).value
    assert held.bram18 - kept.bram18 == 2 * bram18(144, 64)
    assert kept.lut - held.lut == kept.lut_csynth - held.lut_csynth == 2 * 3 * 64


def test_a_pixels_row_makes_the_line_buffer_longer_and_nothing_else() -> None:
    short = conv(16)
    long = replace(short, settings=short.settings | {"width": 640})
    assert long.line_buffer_bits == 10 * short.line_buffer_bits == 2 * 640 * 128
    assert price(structure(long)).value.bram18 == 2 * bram18(640, 128) > price(structure(short)).value.bram18
    assert price(structure(long)).value.ff - price(structure(short)).value.ff < 30  # bits of counters


def test_unshared_weights_are_constants() -> None:
    dense = conv(1)
    sparse = replace(dense, products=Products.of(np.eye(144, dtype=np.int64)[:16]))
    assert price(structure(sparse)).value.lut < price(structure(dense)).value.lut / 10
    shared = conv(4)
    assert structure(replace(shared, products=sparse.products)) == structure(shared)


def test_every_turn_chooses_from_the_window_where_inputs_are_folded() -> None:
    def chosen(made: FoldedConv) -> float:
        return sum(term.amount for term in structure(made).lut.terms if term.name == "LUTs to choose an input's bit")

    assert chosen(conv(1)) == 0
    assert chosen(conv(16)) == 0  # every output takes the whole window
    assert chosen(conv(144)) == conv(144).window_bits == 9 * 16 * 8
    assert chosen(conv(16, groups=4)) == 9 * 16 * 8  # groups take turns


@pytest.mark.parametrize(("terms", "bits"), [(1, 0), (2, 9), (3, 9 + 10), (4, 2 * 9 + 10), (8, 4 * 9 + 2 * 10 + 10)])
def test_adder_trees_widen_up_to_the_sum(terms: int, bits: int) -> None:
    assert tree_bits(terms, 8, 10) == bits


def test_ranges_hold_the_estimate() -> None:
    for reuse in (1, 4, 16, 144):
        for bits in (2, 8, 16):
            priced = price(structure(conv(reuse, bits=bits)))
            for name in vars(priced.value):
                assert getattr(priced.least, name) <= getattr(priced.value, name) <= getattr(priced.most, name)
            assert priced.most.lut > 2 * priced.value.lut  # nothing is fitted to these kernels
