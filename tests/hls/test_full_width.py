"""The paper's own networks, 64 features in two groups of five blocks, through csim on one tile of 24 x 24."""

import pytest

from hwsr.coverage.check import FULL_FRAME, random_graph, simulate
from hwsr.coverage.networks import Cell
from hwsr.hls.csim import FLAGS
from hwsr.spec import parse_spec


@pytest.mark.slow
@pytest.mark.parametrize("text", ["bl x2 int8", "ST-bl x2 r1"])
def test_full_width_equals_the_reference(text: str) -> None:
    spec = parse_spec(text)
    assert str(spec).startswith(f"{text.split()[0]} x2 n64 g2 b5 ")
    outcome = simulate(Cell("full width", text, "csim", text), spec.precision, random_graph(spec, FULL_FRAME), FLAGS)
    assert outcome.failure is None
    assert (outcome.pixels, outcome.mismatches) == (2 * 48 * 48, 0) and outcome.layers > 60
