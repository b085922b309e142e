"""The kernel whose sums are adder graphs against the definition: every form, type and frame."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.adders.which import Which
from hwsr.errors import HwsrError
from hwsr.hls import adder_graph, source
from hwsr.hls.data import adversarial
from hwsr.hls.lower import lower
from hwsr.ir.graph import Conv, IntGraph, QType
from hwsr.reference.run import run
from tests.hls.batch import Batch, graphs_of
from tests.hls.hls_graphs import attention_net
from tests.hls.test_conv_kernel import FRAMES, KERNELS, one_conv


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
    assert lively > len(graphs) // 2


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_ternary_sums_equal_the_definition(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    check([drawn(rng, 2) for _ in range(24)], tmp_path, flag)


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_any_constants_may_be_adder_graphs(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    check([drawn(rng, int(bits)) for bits in rng.choice([3, 5, 8], 8)], tmp_path, flag, adders=Which.ALL)


def test_where_a_graph_serves(tmp_path: Path) -> None:
    """Ternary convolutions of one clock a pixel by default; the factors between them stay multiplications."""
    graph = attention_net()
    kinds = {stage.makes: stage.kind for stage in lower(graph, 1, graphs_of(graph, 1))}
    assert {name for name, kind in kinds.items() if kind == "adder_conv"} == {"sp.k", "sp.1x1.q"}
    assert kinds["sp.a.q"] == "conv"
    assert not graphs_of(graph, 1, Which.NONE) and not graphs_of(graph, 1000)
    assert set(graphs_of(graph, {"sp.k": 2})) >= {"sp.1x1"} and "sp.k" not in graphs_of(graph, {"sp.k": 2})
    every = graphs_of(graph, 1, Which.ALL)
    assert {node.name for node in graph.nodes if isinstance(node, Conv) and not graph.tensors[node.name].pooled} <= set(
        every
    )
    with pytest.raises(HwsrError, match=r"node 'sp.k': an adder graph takes one clock a pixel, not 2"):
        lower(graph, {"sp.k": 2}, graphs_of(graph, 1))


def test_sums_are_as_wide_as_their_ranges() -> None:
    weight = np.array([[1, 1, -1, 0], [1, 1, 0, 1]]).reshape(2, 4, 1, 1)
    graph = one_conv(QType(8, False, 0), weight, 2, np.array([0, 1]), np.array([0, 5]), 1, QType(8, True, -2), (2, 3))
    stage = lower(graph, 1, graphs_of(graph, 1))[1]
    text = source.definitions(stage)
    assert "natural<9, " in text  # 0 to 510
    assert "integer<10, " in text  # -255 to 510
    assert "natural<10, " in text  # 0 to 765
    assert len(re.findall(r"const [in]\d+ v\d+ = ", text)) == len(stage.adders.sums) == 3
    assert "*" not in text and stage.settings["sum_bits"] == 11


def test_what_is_too_wide_is_refused() -> None:
    weight = np.ones((1, 8, 3, 3), np.int64)
    graph = one_conv(QType(54, True, 0), weight, 2, np.array([0]), np.array([0]), 1, None, (2, 2))
    stage = lower(graph, 1, graphs_of(graph, 1))[1]
    assert stage.settings["graph_bits"] == stage.settings["room"] == 61
    shifted = replace(stage.adders, outputs=np.add(stage.adders.outputs, [0, 4, 0]))
    with pytest.raises(HwsrError, match="node 'c': its sums need 65 bits, 64 are supported"):
        adder_graph.settings("c", stage.settings, shifted)


def test_no_undefined_behaviour(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    flags = ("-fsanitize=address,undefined", "-fno-sanitize=shift-base", "-fno-sanitize-recover=all")
    check([drawn(rng, 2) for _ in range(6)], tmp_path, *flags)
