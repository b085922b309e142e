"""The laws of kernels without weights, on layers as the calibration schema has them."""

from typing import Any

import pytest

from hwsr.estimate.predict import estimate_point

VITIS = {"tool": "Vitis HLS", "tool_version": "2023.1", "device": "xcvu13p-flga2577-2-e", "clock_target_ns": 5.0}
POOL = VITIS | {
    "layer_type": "pooling2d",
    "in_height": 24,
    "in_width": 24,
    "n_chan": 4,
    "pool_height": 2,
    "pool_width": 2,
    "accum_t": "ap_fixed<16,6>",
}


def figure(row: dict[str, Any], name: str) -> int:
    value = estimate_point(row)[name]
    assert isinstance(value, int), row
    return value


@pytest.mark.parametrize(
    ("changed", "cycles_a_word"),
    [
        ({}, 1),
        ({"tool_version": "2024.2"}, 2),
        ({"tool": "Vivado HLS", "tool_version": "2020.1"}, 1),
        ({"tool": "Vivado HLS", "tool_version": "2020.1", "device": "xc7z020-clg400-1"}, 2),
    ],
)
def test_cycles_of_a_pooling(changed: dict[str, Any], cycles_a_word: int) -> None:
    assert 0 < figure(POOL | changed, "latency_max") - 576 * cycles_a_word <= 5


def test_a_larger_pooling_window_takes_more() -> None:
    wide = POOL | {"pool_height": 4, "pool_width": 4}
    assert figure(wide, "lut") > figure(POOL, "lut")
    assert figure(wide, "ff") > 3 * figure(POOL, "ff")


def test_a_word_alone_passes_within_the_cycle() -> None:
    relu = VITIS | {"layer_type": "relu", "module": "relu_array_array_ap_fixed_32u_relu_config3_s", "n_in": 32}
    assert (figure(relu, "latency_max"), figure(relu, "interval_max"), figure(relu, "ff")) == (0, 0, 3)
    vivado = relu | {"tool": "Vivado HLS", "tool_version": "2020.1"}
    assert (figure(vivado, "latency_max"), figure(vivado, "interval_max")) == (0, 1)
    assert figure(relu | {"n_in": 32 * 50}, "latency_max") == 50 + 2


def test_old_tools_register_an_activation_once_more() -> None:
    relu = {"layer_type": "relu", "tool": "Vivado HLS", "module": "relu_array_array_ap_fixed_16u_relu_config3_s"}
    early, late = (relu | {"tool_version": version, "n_in": 1600} for version in ("2019.2", "2020.1"))
    assert figure(early, "ff") > figure(late, "ff") + 16 * 16


def test_padding_takes_the_pixels_that_leave() -> None:
    row = {"layer_type": "zeropad2d", "tool": "Vivado HLS", "n_chan": 4, "in_height": 32, "in_width": 32}
    assert figure(row | {"out_height": 34, "out_width": 34}, "latency_max") == 34 * 34 + 3
    assert estimate_point(row)["latency_max"] is None


def test_upsampling_keeps_a_row() -> None:
    row = {"layer_type": "resize_nearest", "tool": "Vivado HLS", "n_chan": 4, "height": 8, "width": 8}
    small, large = (row | {"width": width, "new_height": 16, "new_width": 2 * width} for width in (8, 80))
    assert figure(small, "latency_max") == 256 + 2
    assert figure(large, "ff") - figure(small, "ff") == pytest.approx(72 * 4 * 16, rel=0.1)


def test_a_global_pooling_counts_words() -> None:
    row = VITIS | {"layer_type": "global_pooling", "n_in": 128, "n_filt": 16}
    assert 128 <= figure(row, "latency_max") <= 132


def test_tables_are_block_rams() -> None:
    sigmoid = VITIS | {"layer_type": "sigmoid", "module": "sigmoid_array_array_ap_fixed_1u_sigmoid_config2_s"}
    assert figure(sigmoid, "bram18") == 1
    softmax = {**sigmoid, "layer_type": "softmax", "n_in": 10}
    assert figure(softmax, "bram18") > 1
    assert figure(softmax, "dsp") > 0


@pytest.mark.parametrize(("reuse", "dsp"), [(1, 32), (8, 4), (10**6, 1)])
def test_a_normalization_shares_multipliers(reuse: int, dsp: int) -> None:
    row = VITIS | {"layer_type": "batchnorm", "n_filt": 32, "n_in": 320, "reuse_factor": reuse}
    assert figure(row, "dsp") == pytest.approx(dsp, abs=3 if reuse == 1 else 0)
