"""The kernel whose sums are adder graphs against the definition: every form, type and frame."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.adders.which import Which
from hwsr.errors import HwsrError
from hwsr.hls.data import adversarial
from hwsr.hls.lower import lower
from hwsr.ir.graph import Conv, IntGraph, QType
from hwsr.reference.run import run
from tests.hls.batch import Batch, graphs_of
from tests.hls.test_conv_kernel import FRAMES, KERNELS, one_conv


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def drawn(rng: np.random.Generator, bits: int) -> IntGraph:
    """A convolution of random shape, types and constants; some channels always zero, some alike."""
    form = rng.choice(["dense", "grouped", "depthwise"])
    groups = 1 if form == "dense" else int(rng.integers(2, 5))
    inputs = 1 if form == "depthwise" else int(rng.integers(1, 5))
    outputs = groups * (1 if form == "depthwise" else int(rng.integers(1, 6)))
    limit = 1 if bits == 2 else (1 << bits - 1) - 1
    weight = rng.integers(-limit, limit + 1, (outputs, inputs, *KERNELS[rng.integers(len(KERNELS))]))
    weight[rng.random(outputs) < 0.1] = 0
    if rng.random() < 0.3:
        weight[-1] = -weight[0]
    x = QType(int(rng.choice([1, 4, 8, 8, 13])), bool(rng.random() < 0.5), int(rng.integers(-2, 9)))
    weight_frac = int(rng.integers(-1, 8)) + rng.integers(0, rng.choice([1, 4]), outputs)
    bias = rng.integers(-(1 << 12), 1 << 12, outputs) if rng.random() < 0.6 else np.zeros(outputs, np.int64)
    frac = x.frac + int(weight_frac.max())
    to = QType(int(rng.choice([4, 8, 8, 12])), bool(rng.random() < 0.5), frac - int(rng.integers(-4, 10)))
    frame = FRAMES[rng.integers(len(FRAMES))]
    return one_conv(x, weight, bits, weight_frac, bias, groups, to if rng.random() < 0.8 else None, frame)


def check(graphs: list[IntGraph], folder: Path, *flags: str, adders: Which = Which.TERNARY) -> None:
    batch = Batch([(graph, 1) for graph in graphs], folder, *flags, adders=adders)
    frames = [adversarial(graph.input, graph.frame)[[0, 1, 3, 5, 7]] for graph in graphs]
    lively = 0
    for i, (made, own) in enumerate(zip(batch.run(frames), frames, strict=True)):
        assert batch.stages[i][1].kind == "adder_conv"
        expected = [run(graphs[i], frame) for frame in own]
        assert np.array_equal(np.stack(made), np.stack(expected)), (i, batch.stages[i][1].settings)
        lively += np.ptp(expected[-1]) > 0
    assert lively > 0.7 * len(graphs)


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_ternary_sums_equal_the_definition(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    check([drawn(rng, 2) for _ in range(24)], tmp_path, flag)


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_any_constants_may_be_adder_graphs(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    check([drawn(rng, int(bits)) for bits in rng.choice([3, 5, 8], 8)], tmp_path, flag, adders=Which.ALL)
