"""The paper's Tables 1 to 5: its figures, and those of the networks in the zoo beside them."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from rich.table import Table
from rich.text import Text

from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.spec import ModelSpec, Precision, Spec, parse_spec
from hwsr.zoo.accounting import Cost, count, low_resolution, reduction_pct, trade_off

Row = dict[str, Any]
Costing = Callable[[Spec], Cost]

SAVED_MULT_ADDS, SAVED_PARAMS = "mult_adds_saved_g_per_0.01db", "params_saved_k_per_0.01db"
FIGURES = {
    "params_k": "params K",
    "mult_adds_g": "Mult-Adds G",
    SAVED_MULT_ADDS: "G / 0.01 dB",
    SAVED_PARAMS: "K / 0.01 dB",
    "mult_reduction_pct": "mult. less %",
    "add_reduction_pct": "add. less %",
}
TITLES = {
    "table1": "Table 1: units",
    "table2": "Table 2: recursive upscaling",
    "table3": "Table 3: published networks",
    "table4": "Table 4: 8-bit",
    "table5": "Table 5: ternary",
}


@cache
def published() -> dict[str, list[Row]]:
    """The paper's tables: name -> rows."""
    data = json.loads(files("hwsr.zoo").joinpath("published.json").read_text(encoding="utf-8"))
    return {name: data[name] for name in TITLES}


def row_spec(row: Row) -> Spec | None:
    """The network of a published row; None where the zoo does not have it."""
    name, *quantized = row["model"].split()
    words = [name, f"x{row['scale']}", *(["int8"] if quantized else [])]
    words += [f"r{row['r_over_c_out']}"] if row.get("r_over_c_out") else []
    try:
        return parse_spec(" ".join(words))
    except HwsrError:
        return None


def our_tables() -> dict[str, list[Row]]:
    """Our figures of every published row, unrounded, in the layout and under the keys of the published ones.

    A network that the zoo does not have is null; trade-offs take the published PSNR; mean shifts count as in the paper.
    Table 3 itself counts FSRCNN's deconvolution at the output's size, and CARN-M with the upsamplers of three scales.
    """

    @cache
    def cost(spec: Spec) -> Cost:
        counted = count(build(spec))
        return counted.with_mean_shift(spec.scale) if spec.channels == 3 else counted

    return {
        name: [_reductions(row, cost) if name == "table5" else _counts(row, rows, cost) for row in rows]
        for name, rows in published().items()
    }


def _counts(row: Row, rows: list[Row], cost: Costing) -> Row:
    spec = row_spec(row)
    ours: Row = {"model": row["model"], "scale": row["scale"], "params_k": None, "mult_adds_g": None}
    if spec:
        ours |= {"params_k": cost(spec).params / 1e3, "mult_adds_g": cost(spec).mult_adds / 1e9}
    if SAVED_MULT_ADDS in row:
        ours |= {SAVED_MULT_ADDS: None, SAVED_PARAMS: None}
        # A table's first row of a scale is what the others are held against.
        first = next(other for other in rows if other["scale"] == row["scale"])
        base = row_spec(first)
        if spec and base and spec != base:
            for key, attribute, unit in ((SAVED_MULT_ADDS, "mult_adds", 1e9), (SAVED_PARAMS, "params", 1e3)):
                saved = (getattr(cost(base), attribute) - getattr(cost(spec), attribute)) / unit
                ours[key] = trade_off(saved, row["psnr_ssim"], first["psnr_ssim"])
    return ours


def _reductions(row: Row, cost: Costing) -> Row:
    ours: Row = {key: row[key] for key in ("model", "r_over_c_out", "scale")}
    spec = row_spec(row)
    if isinstance(spec, ModelSpec) and spec.precision is Precision.TERNARY:
        plain = replace(spec, precision=Precision.FLOAT, sp_ratio=1)
        ternary, full = cost(spec).without_attention(), cost(plain).without_attention()
        ours["mult_reduction_pct"] = reduction_pct(ternary.multiplications, full.multiplications)
        ours["add_reduction_pct"] = reduction_pct(ternary.additions, full.additions)
    return ours


def render_tables(ours: dict[str, list[Row]]) -> list[Table]:
    """Each table as text: the paper's figure, ours, and the difference."""
    return [_render(name, rows, ours[name]) for name, rows in published().items()]


def _render(name: str, rows: list[Row], ours: list[Row]) -> Table:
    keys = [key for key in FIGURES if any(key in row for row in rows)]
    table = Table(title=TITLES[name])
    table.add_column("network", no_wrap=True)
    table.add_column("scale")
    for key in keys:
        for header in (FIGURES[key], "ours", "diff."):
            table.add_column(header, justify="right")
    for row, own in zip(rows, ours, strict=True):
        ratio = f" r={row['r_over_c_out']}" if row.get("r_over_c_out") else ""
        cells = [cell for key in keys for cell in _cells(row.get(key), own.get(key))]
        table.add_row(Text(row["model"] + ratio), f"x{row['scale']}", *cells)
    return table


def _cells(paper: float | None, own: float | None) -> tuple[str, str, str]:
    difference = "" if paper is None or own is None else f"{own - paper:+.3f}"
    return "" if paper is None else f"{paper:g}", "" if own is None else f"{own:.3f}", difference


def render_count(spec: Spec, cost: Cost) -> Table:
    """Every layer of one network, and the totals."""
    height, width = low_resolution(spec.scale)
    table = Table(title=Text(f"{spec}: {width}x{height} to {width * spec.scale}x{height * spec.scale}"))
    table.add_column("layer")
    table.add_column("convolutions")
    for header in ("calls", "params", "Mult-Adds M", "mult. M", "add. M"):
        table.add_column(header, justify="right")
    for layer in cost.layers:
        work = (f"{value / 1e6:,.3f}" for value in (layer.mult_adds, layer.multiplications, layer.additions))
        last = layer is cost.layers[-1]
        table.add_row(layer.name, layer.layer, str(layer.calls), f"{layer.params:,}", *work, end_section=last)
    work = (f"{value / 1e6:,.3f}" for value in (cost.mult_adds, cost.multiplications, cost.additions))
    table.add_row("total", "", "", f"{cost.params:,}", *work)
    return table


def count_json(spec: Spec, cost: Cost) -> Row:
    """The figures of `render_count`."""
    totals = {key: getattr(cost, key) for key in ("params", "weights", "mult_adds", "multiplications", "additions")}
    layers = [layer.__dict__ for layer in cost.layers]
    return {"spec": str(spec), "low_resolution": list(low_resolution(spec.scale)), **totals, "layers": layers}
