"""Bits of a model and adder bits of a pixel, against counts by hand and by plain loops."""

from pathlib import Path

import numpy as np
import pytest

from hwsr.adders.cost import matrix_bits, model_bits, network_cost
from hwsr.adders.count import count, total
from hwsr.adders.layers import Matrix
from hwsr.export.qonnx import export_qonnx
from hwsr.ir.graph import Conv, IntGraph, Rescale, Scale
from hwsr.ir.read import read_qonnx
from tests.export.test_qonnx import random_network


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def exported(text: str, folder: Path) -> IntGraph:
    export_qonnx(random_network(text), folder / "model.onnx", (8, 8))
    return read_qonnx(folder / "model.onnx")


def test_a_matrix_by_hand() -> None:
    # Three inputs of 0 to 255: 8 bits. The constants -4 to 7 take 4 bits; 3, 5 and 7 are no powers of two.
    values = np.array([[1, 0, 3, 0], [-1, 0, -4, 7], [1, 0, 5, 0]])
    matrix = Matrix(values, np.zeros(3, np.int64), np.full(3, 255, np.int64))
    # x0 - x1 + x2 is -255 to 510, of 10 bits; 3 x0 - 4 x1 + 5 x2 is -1020 to 2040, of 12; 7 x1 is no sum.
    assert matrix_bits(matrix) == 3 * 4 * 8 + 2 * 10 + 2 * 12


def width(lo: int, hi: int) -> int:
    bits = 1
    while not (-(1 << (bits - 1)) <= lo and hi < 1 << (bits - 1)):
        bits += 1
    return bits if lo < 0 else max(bits - 1, 1)


@pytest.mark.parametrize("text", ["bl x2 n4 g0 b1 noca direct int8", "bl x2 n4 g0 b1 noca anchor int8t"])
def test_an_int8_network_against_plain_loops(text: str, tmp_path: Path) -> None:
    graph = exported(text, tmp_path)
    bits = adder_bits = 0
    for node in graph.nodes:
        if not isinstance(node, Conv):
            continue
        x = graph.tensors[node.inputs[0]]
        times = graph.tensors[node.name].upscale ** 2
        lo, hi = min(x.lo, 0), max(x.hi, 0)
        constant = width(min(int(node.weight.min()), 0), int(node.weight.max()))
        for channel in node.weight:
            weights = [int(weight) for weight in channel.flat if weight]
            products = sum(1 for weight in weights if bin(abs(weight)).count("1") > 1)
            ends = [[weight * lo, weight * hi] for weight in weights]
            sums = width(sum(map(min, ends)), sum(map(max, ends)))
            adder_bits += times * (products * constant * width(lo, hi) + (len(weights) - 1) * sums)
        bits += 8 * node.weight.size + len(node.bias) * width(min(int(node.bias.min()), -1), int(node.bias.max()))
    cost = network_cost(graph)
    assert (cost.bits, cost.adder_bits, cost.shared_bits) == (bits, adder_bits, None)


def test_a_ternary_network_multiplies_by_its_factors_alone(tmp_path: Path) -> None:
    graph = exported("ST-bl x2 n4 g0 b1 noca direct r2", tmp_path)
    cost, counted = network_cost(graph, share=True), total(count(graph))
    assert (cost.multiplications, cost.additions) == (counted.multiplications, counted.additions)
    assert cost.shared_bits == counted.sums.bits + counted.factors.bits
    assert 0 < cost.multiplications <= sum(len(node.factor) for node in graph.nodes if isinstance(node, Scale))
    ternary = sum(2 * node.weight.size for node in graph.nodes if isinstance(node, Conv))
    factors = sum(node.factor_bits * len(node.factor) for node in graph.nodes if isinstance(node, Scale))
    assert (
        ternary + factors
        < model_bits(graph)
        < ternary + factors + 32 * sum(len(node.bias) for node in graph.nodes if isinstance(node, Conv))
    )


def test_affine_networks_multiply_to_requantize(tmp_path: Path) -> None:
    affine = network_cost(exported("bl x2 n4 g0 b1 noca direct int8a", tmp_path))
    graph = read_qonnx(tmp_path / "model.onnx")
    rescales = [node for node in graph.nodes if isinstance(node, Rescale)]
    assert rescales
    without = network_cost(exported("bl x2 n4 g0 b1 noca direct int8", tmp_path))
    # The same weights but for their grids; every rescaled channel of a pixel takes a multiplier of 31 bits.
    rescaled = sum(31 * graph.tensors[node.inputs[0]].type.bits * len(node.multiplier) for node in rescales)
    assert affine.adder_bits > without.adder_bits + rescaled // 2
    assert affine.bits > without.bits
