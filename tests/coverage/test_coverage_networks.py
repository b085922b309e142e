"""What `hwsr matrix --hls` covers: no combination is left out, and what is not defined is so by a rule of the spec."""

import shutil
from itertools import product
from pathlib import Path

import pytest

from hwsr.coverage.networks import UNITS, networks, released
from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.spec import NOT_AFFINE, PEERS, SCALES, UNIT_ARGS, ModelSpec, PeerSpec, Precision, parse_spec

CELLS = networks()
SPECS = {cell: parse_spec(cell.network) for cell in CELLS if not cell.rule}


def test_the_eleven_units_meet_every_upsampler_scale_and_precision() -> None:
    assert len(UNITS) == 11 and {unit.name for unit in UNITS} == set(UNIT_ARGS)
    for precision in (Precision.INT8, Precision.TERNARY):
        found = [
            (str(spec.unit), spec.erum, spec.scale)
            for cell, spec in SPECS.items()
            if cell.table == f"units, {precision}" and isinstance(spec, ModelSpec) and spec.precision is precision
        ]
        assert sorted(found) == sorted(product(map(str, UNITS), (False, True), SCALES))


def test_units_stand_in_every_place_with_either_upsampler() -> None:
    found = {
        (str(spec.unit), spec.erum, spec.place)
        for spec in SPECS.values()
        if isinstance(spec, ModelSpec) and spec.precision is Precision.INT8 and spec.scale == 2 and not spec.attention
    }
    places = ((False, "rb"), (False, "rg"), (True, "rb"), (True, "rg"), (True, "rg+u"))
    assert {(str(unit), *place) for unit in UNITS[1:] for place in places} <= found


def test_peers_attention_luma_and_fewer_bits_are_there_at_every_scale() -> None:
    peers = {(spec.name, spec.scale) for spec in SPECS.values() if isinstance(spec, PeerSpec)}
    assert peers == set(product(PEERS, SCALES))
    own = [spec for spec in SPECS.values() if isinstance(spec, ModelSpec)]
    for scale in SCALES:
        these = [spec for spec in own if spec.scale == scale]
        assert {spec.attention for spec in these} == {spec.anchor for spec in these} == {False, True}
        assert {spec.luma for spec in these} == {spec.direct for spec in these} == {False, True}
        assert any(spec.bits.layers for spec in these) and any(spec.bits.accumulator for spec in these)
        assert {spec.sp_ratio for spec in these} == {1, 2, 4, 6}
        assert {spec.precision for spec in these} == set(Precision) - {Precision.FLOAT}


def test_only_peers_are_not_defined_and_every_cell_has_a_place_of_its_own() -> None:
    rules = [cell.rule for cell in CELLS if cell.rule]
    assert sum("no ternary form" in rule for rule in rules) == len(PEERS) * len(SCALES)
    assert sum("no affine form" in rule for rule in rules) == len(NOT_AFFINE) * len(SCALES)
    assert len(rules) == (len(PEERS) + len(NOT_AFFINE)) * len(SCALES)
    assert len({(cell.table, cell.row, cell.column) for cell in CELLS}) == len(CELLS)
    assert len({(str(spec), cell.backend) for cell, spec in SPECS.items()}) == len(SPECS)


def test_released_models_are_those_with_integers(tmp_path: Path) -> None:
    float_model = next(path.parent for path in sorted(Path("models").glob("*/release.json")))
    shutil.copytree(float_model, tmp_path / "float")
    with pytest.raises(HwsrError, match="no released integer model"):
        released(tmp_path)
    shutil.copytree(float_model, tmp_path / "net" / "int8")
    (tmp_path / "net" / "int8" / "model.onnx").write_bytes(b"")
    (cell,) = released(tmp_path)
    assert (cell.network, cell.released, cell.rule) == (str(tmp_path / "net" / "int8"), True, None)


def test_the_layers_that_words_name_are_those_of_the_networks() -> None:
    for spec in SPECS.values():
        if spec.bits.layers:
            build(spec)  # raises HwsrError for a layer that is not there
