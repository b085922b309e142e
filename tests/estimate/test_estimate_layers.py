"""Predictions for files in the calibration schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.fit import calibration
from hwsr.estimate.law import FIGURES
from hwsr.estimate.predict import NO_FRAME, SYNTHESIZED, estimate_file, estimate_point, read_points
from hwsr.estimate.reports import DESCRIPTION, Row, Streams, parse_module
from hwsr.estimate.types import FixedType, parse_type

CONV: dict[str, Any] = {
    "layer_type": "conv2d",
    "tool": "Vitis HLS",
    "tool_version": "2023.1",
    "device": "xcvu13p-flga2577-2-e",
    "clock_target_ns": 5.0,
    "io_type": "io_stream",
    "in_height": 34,
    "in_width": 34,
    "n_chan": 8,
    "n_filt": 16,
    "filt_height": 3,
    "filt_width": 3,
    "stride_height": 1,
    "stride_width": 1,
    "out_height": 32,
    "out_width": 32,
    "reuse_factor": 72,
    "strategy": "resource",
    "weight_t": "ap_fixed<16,6>",
    "accum_t": "ap_fixed<16,6>",
}
# What tools report: none of it may be looked at.
RESULTS: dict[str, Any] = {
    "latency_min": 1,
    "latency_max": 2,
    "interval_min": 3,
    "interval_max": 4,
    "bram18": 5,
    "dsp": 6,
    "ff": 7,
    "lut": 8,
    "uram": 9,
    "clock_est_ns": 1.5,
    "cycles_per_input_pixel": 77.0,
    "rf_from_report": 3,
    "reuse_factor_derived": 9,
    "pipeline": "yes",
    "loops": [{"name": "ReuseLoop", "ii": "5"}],
    "cosim": {"latency_max": 3},
    "vivado_synth": {"lut": 1, "ff": 2, "dsp": 3, "bram18": 4},
    "util_instance": {"lut": 4},
    "note": "trust nothing",
}


def test_a_point_gets_every_figure_with_a_range() -> None:
    found = estimate_point(CONV)
    assert found["reason"] is None
    for part, names in ((found, FIGURES), (found["vivado_synth"], SYNTHESIZED)):
        for name in names:
            low, high = part["ranges"][name]
            assert 0 <= low <= part[name] <= high
    assert found["dsp"] == 16
    assert found["latency_max"] == 34 * 34 * (72 + 2 + 5)
    assert found["vivado_synth"]["lut"] <= found["lut"]


def test_results_change_nothing() -> None:
    assert not DESCRIPTION & set(RESULTS)
    assert estimate_point(CONV | RESULTS) == estimate_point(CONV)
    for row in calibration():
        described = {name: value for name, value in row.items() if name in DESCRIPTION}
        assert estimate_point(described) == estimate_point(row) == estimate_point(described | RESULTS)


def test_a_file_keeps_its_order(tmp_path: Path) -> None:
    file = tmp_path / "layers.json"
    design = {"layer_type": "design", "lut": 3}
    file.write_text(json.dumps({"fields": {}, "points": [design, CONV, {}]}))
    first, second, third = estimate_file(file)["points"]
    assert first["layer_type"] == "design"
    assert "layers are not in its row" in first["reason"]
    assert all(first[name] is None and first["ranges"][name] is None for name in FIGURES)
    assert second == estimate_point(CONV)
    assert third["reason"] == "no model of layer type 'None'"


@pytest.mark.parametrize("missing", sorted(set(CONV) - {"layer_type"}))
def test_a_row_may_lack_anything(missing: str) -> None:
    found = estimate_point({name: value for name, value in CONV.items() if name != missing})
    if missing in ("reuse_factor", "n_chan", "n_filt"):
        assert f"no {missing}" in found["reason"]
    else:
        assert found["lut"] > 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "x",
        -1,
        0,
        0.5,
        1e400,
        float("nan"),
        [],
        {},
        True,
        2**70,
        "ap_fixed<0,0>",
        "ap_fixed<99999,1>",
        "ap_fixed<128,-128>",
    ],
)
@pytest.mark.parametrize("name", sorted(DESCRIPTION))
def test_strange_values_are_no_crash(name: str, value: object) -> None:
    found = estimate_point(CONV | {"module": "m", "n_zeros": 5} | {name: value})
    assert (found["lut"] is None) == (found["dsp"] is None)
    assert found["lut"] is not None or found["reason"]


@pytest.mark.parametrize("value", [-1, 0, 0.001, -3.5, "x", True, [], float("nan"), float("inf")])
@pytest.mark.parametrize(
    "name", ["in_height", "n_chan", "filt_width", "stride_height", "reuse_factor", "clock_target_ns"]
)
def test_numbers_that_are_none_are_named(name: str, value: object) -> None:
    found = estimate_point(CONV | {name: value})
    kind = "number" if name == "clock_target_ns" else "whole number"
    assert found["lut"] is None and found["reason"].startswith(f"{name} is '{value}', not a {kind} from ")


def test_numbers_that_make_no_layer_are_named() -> None:
    assert "reuse_factor is '2.7', not a whole number" in estimate_point(CONV | {"reuse_factor": 2.7})["reason"]
    assert "n_zeros is 1000000, of " in estimate_point(CONV | {"n_zeros": 1_000_000})["reason"]


@pytest.mark.parametrize(
    ("column", "value", "as_if"),
    [
        ("tool", "Catapult", {"tool": "Vivado HLS"}),
        ("strategy", "resorce", {"strategy": "latency"}),
        ("device", "LFE5U-85F", {"device": "xczu9eg-ffvb1156-2-e"}),
        ("weight_t", "float", {"weight_t": CONV.get("data_type")}),
        ("data_type", "50% pruned", {"data_type": "ap_fixed<16,6>"}),
    ],
)
def test_words_that_are_not_known_are_taken_for_others_and_said(column: str, value: str, as_if: Row) -> None:
    assert estimate_point(CONV)["assumed"] == []
    found, other = estimate_point(CONV | {column: value}), estimate_point(CONV | as_if)
    (assumed,) = found.pop("assumed")
    assert assumed.startswith(f"{column} ") and ": taken as " in assumed
    assert other.pop("assumed") == [] and found == other


def test_no_zeros_and_no_filters_are_said_so() -> None:
    assert estimate_point(CONV | {"n_zeros": 0})["lut"] == estimate_point(CONV)["lut"]
    batchnorm = {"layer_type": "batchnorm", "n_in": 64, "n_filt": -1, "reuse_factor": 1}
    assert estimate_point({**CONV, **batchnorm})["lut"] is not None


def test_what_the_module_name_says_stands_in() -> None:
    module = "relu_array_ap_fixed_13u_array_ap_ufixed_10_0_4_0_0_13u_relu_config8_s"
    relu = {"layer_type": "relu", "tool": "Vitis HLS", "module": module}
    found = estimate_point(relu)
    assert found["reason"] == NO_FRAME
    assert found["lut"] > estimate_point(relu | {"module": module.replace("_10_0_4_0_0", "_16_6_5_3_0")})["lut"]
    assert found["latency_max"] is None
    assert estimate_point(relu | {"n_in": 312})["latency_max"] == 24 + 2
    assert "no channels" in estimate_point({"layer_type": "relu"})["reason"]


def test_streams_of_a_module() -> None:
    assert parse_module("conv_2d_cl_array_ap_fixed_1u_array_ap_fixed_16_6_5_3_0_8u_config2_s") == Streams(
        1, 8, "ap_fixed", "ap_fixed_16_6_5_3_0"
    )
    assert parse_module("zeropad2d_cl_array_array_ap_fixed_4u_config24_s") == Streams(
        out_channels=4, out_type="ap_fixed"
    )
    assert parse_module("relu_config3") == parse_module(None) == Streams()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ap_fixed<16,6>", FixedType(16, 6, True, False)),
        ("ap_ufixed<8, 0, AP_RND_CONV, AP_SAT, 0>", FixedType(8, 0, False, True)),
        ("ap_fixed_16_6_5_3_0", FixedType(16, 6, True, False)),
        ("ap_ufixed_10_0_4_0_0", FixedType(10, 0, False, True)),
        ("ap_int<2>", FixedType(2, 2, True, False)),
        ("ap_uint<1>", FixedType(1, 1, False, False)),
        ("ap_fixed<12,-2>", FixedType(12, -2, True, False)),
        ("ap_fixed< 8, 1 >", FixedType(8, 1, True, False)),
        ("nnet::array<ap_fixed<8,1>,16*1>", FixedType(8, 1, True, False)),
        ("ac_fixed<8,1,true>", FixedType(8, 1, True, False)),
        ("ac_int<4, false>", FixedType(4, 4, False, False)),
        ("std::uint8_t", FixedType(8, 8, False, False)),
        ("float", None),
        ("ap_fixed<200,1>", None),
        (None, None),
    ],
)
def test_types(text: str | None, expected: FixedType | None) -> None:
    assert parse_type(text) == expected


def test_binary_and_ternary_weights_need_no_multiplier() -> None:
    for bits in ("ap_uint<1>", "ap_int<2>"):
        for strategy in ("resource", "latency"):
            assert estimate_point(CONV | {"weight_t": bits, "strategy": strategy})["dsp"] == 0


def test_distributed_arithmetic_needs_no_multiplier_and_shares_sums() -> None:
    unrolled = CONV | {
        "reuse_factor": 1,
        "strategy": "latency",
        "weight_t": "ap_fixed<8,1>",
        "data_type": "ap_fixed<8,1>",
    }
    shared = estimate_point(unrolled | {"strategy": "distributed_arithmetic"})
    assert shared["dsp"] == 0
    assert 0 < shared["lut"] < estimate_point(unrolled)["lut"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "no file of layers"),
        ('{"points": 3}', "no file of layers"),
        ('{"points": [{}, 3]}', "point 1 is not an object"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "layers.json"
    file.write_text(text)
    with pytest.raises(HwsrError, match=complaint):
        read_points(file)


def test_a_missing_file_and_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="cannot read"):
        read_points(tmp_path / "nothing.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HwsrError, match="not a JSON file"):
        read_points(tmp_path / "bytes.json")
