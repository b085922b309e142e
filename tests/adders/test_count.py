"""Operations of whole networks, against counts by plain loops."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hwsr.adders import count as module
from hwsr.adders.count import additions, as_json, count, multiplications, render, total
from hwsr.adders.shared import Adders
from hwsr.export.qonnx import export_qonnx
from hwsr.ir.graph import Conv, IntGraph, Scale
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, set_quantized
from hwsr.spec import parse_spec
from tests.adders.test_layers import spconv, ternary


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def exported(text: str, folder: Path) -> IntGraph:
    network = build(parse_spec(text))
    set_quantized(network, True)
    export_qonnx(network, folder / "model.onnx", (8, 8))
    return read_qonnx(folder / "model.onnx")


def test_small_matrices_by_hand() -> None:
    matrix = np.array([[1, 0, 3, 0], [-1, 0, -4, 7], [1, 0, 5, 0]])
    assert (multiplications(matrix), additions(matrix)) == (3, 2 + 0 + 2 + 0)


@pytest.mark.parametrize("groups", [1, 2])
def test_without_zeros_an_spconv_takes_what_the_formulas_say(groups: int) -> None:
    c_in, r, c_out = 4, 6, 8
    signs = np.random.default_rng(0).choice([-1, 1], (r, c_in // groups, 3, 3))
    mixing = np.random.default_rng(1).choice([-1, 1], (c_out, r // groups, 1, 1))
    (cost,) = count(spconv(signs, np.array([3, 5, 6, 7, 9, 127]), mixing, groups))
    per_group = (9 * c_in // groups - 1) * r // groups + (r // groups - 1) * c_out // groups
    assert (cost.multiplications, cost.additions) == (r, groups * per_group)
    assert cost.zeros == 0 and cost.weights == signs.size + mixing.size
    assert cost.sums.adders < cost.additions


@pytest.mark.parametrize("text", ["ST-bl x2 n4 g0 b1 noca direct r2", "ST-blclc(g1=4,g2=2) x2 n8 g0 b1 noca"])
def test_a_ternary_network_against_plain_loops(text: str, tmp_path: Path) -> None:
    graph = exported(text, tmp_path)
    added = multiplied = zeros = weights = 0
    for node in graph.nodes:
        repeats = graph.tensors[node.name].upscale ** 2
        if isinstance(node, Conv):
            for channel in node.weight:
                used = sum(1 for weight in channel.flat if weight)
                added += repeats * max(used - 1, 0)
                zeros, weights = zeros + channel.size - used, weights + channel.size
        if isinstance(node, Scale):
            multiplied += repeats * sum(1 for factor in node.factor if bin(abs(factor)).count("1") > 1)
    costs = count(graph)
    whole = total(costs)
    assert (whole.zeros, whole.weights) == (zeros, weights)
    # Hidden channels that nothing reads, of which small networks have a few, take nothing.
    assert 0.9 * added < whole.additions <= added
    assert 0.9 * multiplied <= whole.multiplications <= multiplied
    assert whole.sums.adders < 0.9 * whole.additions
    assert len({cost.name for cost in costs}) == len(costs)


def test_an_8_bit_network_takes_a_multiplication_a_weight(tmp_path: Path) -> None:
    graph = exported("bl x2 n4 g0 b1 direct int8", tmp_path)
    costs = {cost.name: cost for cost in count(graph)}
    assert set(costs) == {"head_conv", "body_0_first_conv", "body_0_second_conv", "upsampler_0_conv"}
    weight = next(node.weight for node in graph.nodes if node.name == "body_0_first_conv")
    assert costs["body_0_first_conv"].multiplications == sum(bin(abs(w)).count("1") > 1 for w in weight.flat)
    assert costs["body_0_first_conv"].additions == sum(max(np.count_nonzero(each) - 1, 0) for each in weight)
    assert costs["body_0_first_conv"].sums.adders > costs["body_0_first_conv"].additions
    assert total(list(costs.values())).factors == Adders(0, 0, 0)


def test_progress_sees_every_layer_and_figures_are_those_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "shared", lambda matrix: Adders(2, 30, len(matrix.values)))
    graph = exported("ST-bl x2 n4 g0 b1 noca", tmp_path)
    seen = []
    costs = count(graph, lambda layers: (seen.append(layer.name) or layer for layer in layers))
    assert seen == [cost.name for cost in costs] and "upsampler_3" in seen
    # Behind the shuffle a layer works four times for every pixel of the input.
    tail = costs[-1]
    assert (tail.sums, tail.factors) == (Adders(16, 240, 36), Adders(8, 120, 3))
    figures = as_json(costs)
    assert figures["total"]["adder_bits"] == sum(each["adder_bits"] for each in figures["layers"])
    assert figures["layers"][-1]["adder_bits"] == 360
    assert figures["total"]["sparsity"] == total(costs).zeros / total(costs).weights
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(render(costs))
    printed = console.export_text()
    assert f"{total(costs).additions:,}" in printed and "3x3" in printed and "…" not in printed


def test_factors_of_zero_and_powers_of_two_are_no_multiplications() -> None:
    first, second = ternary(0, 4, 2, 3, 3) | 1, np.ones((2, 4, 1, 1), np.int64)
    (cost,) = count(spconv(first, np.array([0, 64, -32, 65]), second))
    assert cost.multiplications == 1
    assert cost.factors.adders == 1  # 64 x + x
    assert cost.additions == 3 * (18 - 1) + 2 * (3 - 1)
