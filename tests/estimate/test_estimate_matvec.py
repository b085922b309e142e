"""The laws of convolutions and dense layers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hwsr.estimate.fabric import ARTIX7, ULTRASCALE_PLUS, VIRTEX7, Timing, dsps, fabric_of
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.model import predict
from hwsr.estimate.products import Products
from hwsr.estimate.reports import NEWEST
from hwsr.estimate.synthesis import after_synthesis

# 8 -> 4 channels, 3x3, of random 8-bit weights, on a padded frame of 10 x 34.
WEIGHTS = np.random.default_rng(0).integers(-128, 128, (4, 8, 3, 3))
CONV = Kernel(
    kind="conv",
    backend="vitis",
    version=NEWEST,
    fabric=ULTRASCALE_PLUS,
    clock_ns=5.0,
    words=340,
    out_words=256,
    channels=8,
    out_channels=4,
    row=34,
    window=(3, 3),
    products=Products.of(WEIGHTS),
    x_bits=8,
    w_bits=8,
    acc_bits=20,
)
DENSE = replace(CONV, kind="dense", words=1, out_words=1, channels=72, row=1, window=(1, 1))


def folded(kernel: Kernel, reuse: int) -> Kernel:
    return replace(kernel, reuse_factor=reuse, folded=reuse > 1)


def value(kernel: Kernel, figure: str) -> int:
    return predict(kernel)[figure].value


@pytest.mark.parametrize(
    ("changed", "cycles_a_pixel"),
    [
        # 72 products outside DSPs: two levels of shifted sums and seven of the tree, three levels a cycle
        ({}, 3),
        ({"x_bits": 16, "w_bits": 16, "acc_bits": 16}, 3),  # a DSP and a level in the first cycle
        ({"clock_ns": 25.0}, 2),  # all in one cycle, but two rows of the line buffer lie in a memory
        ({"clock_ns": 25.0, "window": (5, 5)}, 3),
        ({"window": (5, 5)}, 6),
        ({"clock_ns": 25.0, "window": (1, 3)}, 1),
        ({"window": (1, 1)}, 1),
        # on the slowest fabric a product takes three cycles and every level one
        ({"fabric": ARTIX7, "x_bits": 16, "w_bits": 16, "acc_bits": 16}, 3 + 7),
        ({"backend": "vivado"}, 1),
        ({"backend": "vivado", "reuse_factor": 4}, 4),
        ({"reuse_factor": 16}, 16),
        # a loop of 36 steps: ROM, product and sum take two cycles more, the way in and out five
        ({"folded": True, "reuse_factor": 36}, 36 + 2 + 5),
        ({"folded": True, "reuse_factor": 36, "clock_ns": 25.0}, 36 + 5),
        ({"folded": True, "reuse_factor": 36, "backend": "vivado", "fabric": VIRTEX7, "clock_ns": 3.33}, 36 + 4 + 5),
    ],
)
def test_cycles_of_a_pixel(changed: dict, cycles_a_pixel: int) -> None:
    cycles = value(replace(CONV, **changed), "latency_max")
    assert 0 <= cycles - 340 * cycles_a_pixel <= 4


def test_a_folded_dense_layer_takes_its_reuse_factor() -> None:
    kernel = folded(DENSE, 72)
    assert value(kernel, "interval_max") == 72
    assert value(kernel, "latency_max") == 72 + 2 + 1
    vivado = replace(kernel, backend="vivado")
    assert value(vivado, "interval_max") == value(vivado, "latency_max") > 72


def test_multipliers_that_miss_the_clock_are_pipelined() -> None:
    fast, slow = Timing(ULTRASCALE_PLUS, "vivado", 5.0), Timing(ARTIX7, "vivado", 5.0)
    assert (fast.multiply_stages(16, 16), slow.multiply_stages(16, 16), slow.multiply_stages(32, 32)) == (1, 3, 5)
    assert value(replace(CONV, x_bits=16, w_bits=16, fabric=ARTIX7), "ff") > value(
        replace(CONV, x_bits=16, w_bits=16), "ff"
    )


@pytest.mark.parametrize(
    ("part", "fabric"),
    [
        ("xc7z020-clg400-1", ARTIX7),
        ("xc7a35t", ARTIX7),
        ("xc7vx690t-ffg1761-2", VIRTEX7),
        ("xc7z045", VIRTEX7),
        ("xcvu13p-flga2577-2-e", ULTRASCALE_PLUS),
        ("xcu250-figd2104-2L-e", ULTRASCALE_PLUS),
        ("xck26-sfvc784-2LV-c", ULTRASCALE_PLUS),
        ("", ULTRASCALE_PLUS),
    ],
)
def test_fabrics_by_part(part: str, fabric) -> None:
    assert fabric_of(part) == fabric
    assert fabric_of("xcku040-ffva1156-2-e") not in (ULTRASCALE_PLUS, VIRTEX7, ARTIX7)


def test_unrolled_int8_needs_no_dsp_and_wide_products_do() -> None:
    assert value(CONV, "dsp") == 0
    wide = replace(CONV, x_bits=16)
    assert value(wide, "dsp") == CONV.products.hard > 0
    assert value(wide, "lut") < value(replace(CONV, x_bits=12), "lut") + CONV.products.nonzero * 16


def test_folded_layers_share_multipliers() -> None:
    kernel = replace(folded(CONV, 36), x_bits=16)
    assert value(kernel, "dsp") == 288 // 36
    # 36 words of 8 weights, 8 bits each: two block RAMs of 512 x 36; one after synthesis, half at each port
    assert value(kernel, "bram18") == 2
    assert after_synthesis(kernel, predict(kernel))["bram18"].value == 1


@pytest.mark.parametrize(("reuse", "dsp"), [(36, 4), (18, 8), (9, 16), (72, 4), (288, 1)])
def test_vivado_gives_small_products_that_are_summed_a_dsp_for_two(reuse: int, dsp: int) -> None:
    # 288 products in 4 filters: 2, 4 and 8 a filter and step, then one of each, then one alone
    kernel = replace(folded(CONV, reuse), backend="vivado")
    assert value(kernel, "dsp") == dsp
    assert value(replace(kernel, backend="vitis"), "dsp") == 0
    assert value(replace(kernel, w_bits=2), "dsp") == 0


def test_a_dense_layer_reads_its_words_first() -> None:
    one, many = folded(DENSE, 72), folded(replace(DENSE, words=9, channels=8), 72)
    assert value(many, "latency_max") == value(one, "latency_max") + 9


def test_the_top_weight_of_a_rom_is_trimmed() -> None:
    # 32-bit products take 4 DSPs; weights of 18 bits in use make the last one 2, as reports of 2019.2 show
    products = replace(Products.of(np.full((4, 4, 3, 3), 2**16)), magnitude_bits=17)
    kernel = replace(folded(CONV, 36), products=products, x_bits=32, w_bits=32, channels=4)
    assert value(kernel, "dsp") == 3 * 4 + 2
    assert value(kernel, "bram18") == 4  # 3 * 32 + 18 bits at 36 a block


def test_ternary_layers_take_no_dsp() -> None:
    ternary = replace(CONV, w_bits=2, x_bits=24, products=Products.of(np.sign(WEIGHTS)))
    assert value(ternary, "dsp") == value(folded(ternary, 36), "dsp") == 0
    assert value(ternary, "lut") < value(replace(CONV, x_bits=12), "lut") * 2


def test_zero_weights_cost_nothing_when_unrolled() -> None:
    sparse = WEIGHTS.copy()
    sparse[:2] = 0
    assert value(replace(CONV, products=Products.of(sparse)), "lut") < value(CONV, "lut")


def test_line_buffer_takes_a_lut_for_32_pixels_of_a_bit() -> None:
    assert CONV.shift_registers == 2 * 8 * 8 * 2
    assert replace(CONV, row=65).shift_registers == 2 * 8 * 8 * 3
    assert replace(CONV, encoded=True).shift_registers == 0
    assert value(replace(CONV, row=650), "lut") > value(CONV, "lut")


@pytest.mark.parametrize("backend", ["vitis", "vivado"])
@pytest.mark.parametrize("w_bits", [2, 8, 16])
def test_a_higher_reuse_factor_is_slower_and_takes_less(backend: str, w_bits: int) -> None:
    base = replace(CONV, backend=backend, w_bits=w_bits)
    # From 72 inputs on accumulators are indexed, so the last one is not compared in logic.
    shared = [folded(base, reuse) for reuse in (2, 4, 8, 36, 72, 288)]
    for fast, slow in pairwise(shared):
        assert value(base, "latency_max") < value(fast, "latency_max") < value(slow, "latency_max")
        assert value(fast, "dsp") >= value(slow, "dsp")
    for fast, slow in pairwise(shared[:-1]):
        for name in ("lut", "ff"):
            assert value(fast, name) >= value(slow, name)
            after = [after_synthesis(kernel, predict(kernel))[name].value for kernel in (fast, slow)]
            assert after[0] >= after[1]


def test_synthesis_leaves_no_more_than_csynth_counts() -> None:
    for kernel in (CONV, folded(CONV, 36), DENSE, folded(DENSE, 8), replace(CONV, kind="zeropad")):
        csynth = predict(kernel)
        after = after_synthesis(kernel, csynth)
        for name in ("lut", "bram18", "dsp"):
            assert after[name].value <= csynth[name].value
        assert all(found.low <= found.value <= found.high for found in (*csynth.values(), *after.values()))


def test_dsps_of_a_multiplier() -> None:
    assert [dsps(8, 8), dsps(18, 27), dsps(27, 18), dsps(19, 27), dsps(32, 32)] == [1, 1, 1, 2, 4]
