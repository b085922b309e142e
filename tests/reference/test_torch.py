"""The definition and the engine against torch's own operations on 64-bit integers, whole networks too.

Sums reach far beyond 2^24, where the executors of floats are no witnesses any more.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hwsr.data.datasets import validation_images
from hwsr.engines import model_graph
from hwsr.ir.check import make_graph
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    Conv,
    IntArray,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.graph import Tensor as Known
from hwsr.ir.tiling import on_frame
from hwsr.reference import naive
from hwsr.reference.run import run
from tests.hls.hls_graphs import attention_net, x4_net

MODELS = Path(__file__).parents[2] / "models"


def convolved(node: Conv, q: Tensor) -> Tensor:
    weight, bias = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
    sums = F.conv2d(q[None], weight, bias, padding=[side // 2 for side in node.weight.shape[2:]], groups=node.groups)[0]
    return sums << torch.from_numpy(node.weight_frac.max() - node.weight_frac)[:, None, None]


def requantized(q: Tensor, frac: int, to: QType) -> Tensor:
    """Half to even: a half is added, and taken back where the result is odd and nothing else was left."""
    shift = frac - to.frac
    if shift > 0:
        half, floor = 1 << (shift - 1), q >> shift
        rest = q - (floor << shift)
        q = floor + ((rest > half) | ((rest == half) & (floor % 2 == 1))).long()
    else:
        q = q << -shift
    return q.clamp(to.lo, to.hi)


def made(node: Node, q: list[Tensor], of: list[Known]) -> Tensor:
    frac = of[0].type.frac
    match node:
        case Conv():
            return convolved(node, q[0])
        case Scale():
            factor = torch.from_numpy(node.factor << node.factor_frac.max() - node.factor_frac)
            return q[0] * factor[:, None, None]
        case Offset():
            grid = max(frac, node.offset_frac)
            return (q[0] << grid - frac) + (torch.from_numpy(node.offset)[:, None, None] << grid - node.offset_frac)
        case Add():
            grid = max(tensor.type.frac for tensor in of)
            return sum((each << grid - tensor.type.frac for each, tensor in zip(q, of, strict=True)), torch.tensor(0))
        case ChannelMul():
            return q[0] * q[1]
        case Requantize():
            return requantized(q[0], frac, node.type)
        case Table():
            return torch.from_numpy(node.values)[q[0] - of[0].type.lo]
        case SpatialSum():
            return q[0].sum((1, 2), keepdim=True)
        case PixelShuffle():
            return F.pixel_shuffle(q[0], node.factor)
        case Upsample():
            return q[0].repeat_interleave(node.factor, 1).repeat_interleave(node.factor, 2)
    raise NotImplementedError(type(node))


def by_torch(graph: IntGraph, image: IntArray) -> IntArray:
    values = {graph.input.name: torch.from_numpy(image.astype(np.int64))}
    for node in graph.nodes[1:]:
        of = [graph.tensors[name] for name in node.inputs]
        values[node.name] = made(node, [values[name] for name in node.inputs], of)
    return values[graph.output.name].numpy()


@given(
    st.sampled_from([(1, 1), (3, 3), (1, 3), (3, 1), (5, 3)]),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 3])),
    st.sampled_from([8, 16, 26]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_the_definition_of_a_convolution(
    kernel: tuple[int, int], frame: tuple[int, int], channels: tuple[int, int, int], bits: int, seed: int
) -> None:
    rng, (c_in, c_out, groups), limit = np.random.default_rng(seed), channels, 2 ** (bits - 1)
    shape = (c_out * groups, c_in, *kernel)
    weight = rng.choice([-limit, limit - 1], shape) if seed % 2 else rng.integers(-limit, limit, shape)
    steps, bias = rng.integers(0, 4, c_out * groups), rng.integers(-(2**20), 2**20, c_out * groups)
    node = Conv("conv", ("x",), weight, bits, steps, bias, groups)
    x = rng.choice([-limit, limit - 1], (c_in * groups, *frame))
    known = Known(QType(bits, True, 0), -limit, limit - 1, c_in * groups)
    assert np.array_equal(naive.evaluate(node, [x], [known]), convolved(node, torch.from_numpy(x)).numpy())


@given(st.integers(-(2**40), 2**40), st.integers(0, 20), st.integers(-8, 20), st.integers(2, 16), st.booleans())
def test_the_definition_of_a_requantization(q: int, frac: int, to: int, bits: int, signed: bool) -> None:
    kind = QType(bits, signed, to)
    assert naive.requantized(q, frac, kind) == int(requantized(torch.tensor(q), frac, kind))


@pytest.mark.parametrize("form", ["int8", "w4a4", "r2", "r4"])
def test_released_networks_on_photographs(form: str) -> None:
    photograph = np.ascontiguousarray(validation_images(2)[0].lr.transpose(2, 0, 1)[:, :61, :83])
    graph = on_frame(model_graph(MODELS / f"bl_x2_n16_b4_{form}"), photograph.shape[1:])
    expected = by_torch(graph, photograph)
    assert np.array_equal(run(graph, photograph), expected) and np.ptp(expected) > 100


@pytest.mark.parametrize("net", [attention_net, x4_net])
@pytest.mark.parametrize("seed", range(3))
def test_networks_with_weights_of_16_bits(net, seed: int) -> None:
    """Sums beyond what floats hold; attention, tables and two upscalings among the nodes."""
    rng, graph = np.random.default_rng(seed), net()
    nodes = [wide(node, rng) if isinstance(node, Conv) else node for node in graph.nodes]
    graph = make_graph(nodes, graph.frame)
    image = rng.integers(0, 256, (3, *graph.frame))
    expected = by_torch(graph, image)
    assert np.array_equal(run(graph, image), expected)
    assert max(tensor.hi for tensor in graph.tensors.values()) > 2**24


def wide(node: Conv, rng: np.random.Generator) -> Conv:
    return replace(node, weight=rng.integers(-(2**15), 2**15, node.weight.shape), weight_bits=16)
