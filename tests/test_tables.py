"""Golden: our figures beside every row of the paper's Tables 1, 2 and 5."""

from decimal import Decimal
from typing import Any

import pytest

from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.tables import SAVED_MULT_ADDS, SAVED_PARAMS, our_tables, published, render_tables, row_spec
from hwsr.zoo.accounting import BENCHMARKS, count, trade_off

COUNTED = [(name, index) for name in ("table1", "table2") for index in range(len(published()[name]))]
TERNARY = [index for index, row in enumerate(published()["table5"]) if row["r_over_c_out"]]

# The one figure that the paper misprints.
BL_MULT_ADDS = 231.31


@pytest.fixture(scope="module")
def ours() -> dict[str, list[dict[str, Any]]]:
    return our_tables()


def printed(value: float) -> float:
    """Half a unit of the last printed digit."""
    return 0.5 * 10.0 ** int(Decimal(repr(value)).as_tuple().exponent)


def reference(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return next(other for other in published()[name] if other["scale"] == row["scale"])


def test_every_row_is_there() -> None:
    assert [len(rows) for rows in published().values()] == [11, 21, 50, 6, 15]
    assert len(COUNTED) == 11 + 21
    assert len(TERNARY) == 12


@pytest.mark.parametrize(("name", "index"), COUNTED)
def test_mult_adds_as_printed(ours: dict[str, list[dict[str, Any]]], name: str, index: int) -> None:
    row, own = published()[name][index], ours[name][index]
    assert (own["model"], own["scale"]) == (row["model"], row["scale"])
    wanted = BL_MULT_ADDS if row["model"] == "bl" else row["mult_adds_g"]
    assert own["mult_adds_g"] == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize(("name", "index"), COUNTED)
def test_parameters_as_printed(ours: dict[str, list[dict[str, Any]]], name: str, index: int) -> None:
    row, own = published()[name][index], ours[name][index]
    # Thousands are truncated; with blm1-e[rb] the paper counts 1280 biases of the depthwise convolutions too.
    extra = 1.28 if row["model"] == "blm1-e[rb]" else 0
    assert int(own["params_k"] + extra) == row["params_k"]
    assert abs(own["params_k"] - row["params_k"]) < 1


@pytest.mark.parametrize(("name", "index"), COUNTED)
def test_trade_offs_within_rounding(ours: dict[str, list[dict[str, Any]]], name: str, index: int) -> None:
    row, own = published()[name][index], ours[name][index]
    base = reference(name, row)
    if row is base:
        assert own[SAVED_MULT_ADDS] is None and own[SAVED_PARAMS] is None
        return
    loss = 100 * sum(base["psnr_ssim"][key][0] - row["psnr_ssim"][key][0] for key in BENCHMARKS)
    # What rounding both counts moves the quotient by; bl's Mult-Adds are 0.12 off as printed.
    slack = {"mult_adds_g": 0.18 if base["model"] == "bl" else 0.1, "params_k": 2}
    for key, counted in ((SAVED_MULT_ADDS, "mult_adds_g"), (SAVED_PARAMS, "params_k")):
        from_print = trade_off(base[counted] - row[counted], row["psnr_ssim"], base["psnr_ssim"])
        assert from_print == pytest.approx(row[key], abs=1.01 * printed(row[key]))
        assert own[key] == pytest.approx(row[key], abs=slack[counted] / loss + printed(row[key]))


@pytest.mark.parametrize("index", TERNARY)
def test_reductions_as_printed(ours: dict[str, list[dict[str, Any]]], index: int) -> None:
    row, own = published()["table5"][index], ours["table5"][index]
    assert (own["r_over_c_out"], own["scale"]) == (row["r_over_c_out"], row["scale"])
    assert own["mult_reduction_pct"] == pytest.approx(row["mult_reduction_pct"], abs=0.0051)
    assert own["add_reduction_pct"] == pytest.approx(row["add_reduction_pct"], abs=0.0051)


def test_the_baseline_without_mean_shifts() -> None:
    assert round(count(build(parse_spec("bl x2"))).mult_adds / 1e9, 2) == BL_MULT_ADDS


def test_a_network_outside_the_zoo_is_left_blank(ours: dict[str, list[dict[str, Any]]]) -> None:
    index = next(i for i, row in enumerate(published()["table3"]) if row_spec(row) is None)
    assert ours["table3"][index]["mult_adds_g"] is None


def test_tables_render_every_row(ours: dict[str, list[dict[str, Any]]]) -> None:
    assert [table.row_count for table in render_tables(ours)] == [len(rows) for rows in published().values()]
