"""Whole networks through the C++ of their stages: the zoo's units and upsamplers, peers, and random networks."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwsr.export.qonnx import export_qonnx
from hwsr.hls.data import adversarial
from hwsr.ir.graph import ChannelShuffle, ChannelSlice, Concat, Conv, IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.ir.stages import Reuse
from hwsr.reference.run import run
from hwsr.spec import PEERS
from tests.export.test_qonnx import random_network
from tests.hls.batch import Batch
from tests.random_models import random_model

# (spec, clocks a pixel): every unit that groups, shuffles or splits, both upsamplers, every scale, both precisions.
SAMPLE = [
    ("blrxn(r=2,g=2) x2 n8 g0 b1 int8", 4),
    ("bls1(r=2,g=2) x3 n8 g0 b1 noca direct int8", 16),
    ("blclc-e(g1=4,g2=2)[rg+u] x2 n8 g0 b1 noca int8", 9),
    ("bls2 x4 n8 g0 b1 noca int8t", 100),
    ("bleff(r=2) x2 n8 g0 b1 int8", 12),
    ("blm2 x3 n8 g0 b1 noca int8", 9),
    ("ST-bls2 x2 n8 g0 b1 noca direct r1", 7),
    ("xlsr x3 int8", 8),
]
MORE = [
    ("blrxn-e(r=2,g=2) x2 n8 g0 b1 noca int8", 1),
    ("bls1-e(r=2,g=2) x3 n8 g0 b1 noca int8", 36),
    ("blclc(g1=8,g2=2) x2 n16 g0 b1 noca direct int8", 1),
    ("bls2-e x2 n8 g0 b1 noca int8t", 4),
    ("bleff-e(r=2) x4 n8 g0 b1 noca int8", 16),
    ("blm1-e[rg] x2 n8 g0 b1 noca int8", 5),
    ("ST-blrxn-e(r=2,g=2) x3 n8 g0 b1 noca r2", 18),
    ("carn-m x2 int8", 64),
]
FRAME = (6, 7)


def graph_of(spec: str, folder: Path) -> IntGraph:
    export_qonnx(random_network(spec), folder / "model.onnx", FRAME)
    return read_qonnx(folder / "model.onnx")


def check(graphs: list[tuple[IntGraph, Reuse]], folder: Path, *flags: str) -> None:
    batch = Batch(graphs, folder, *flags)
    frames = [adversarial(graph.input, graph.frame)[[3, 7, 8]] for graph, _ in graphs]
    for i, made in enumerate(batch.run(frames)):
        expected = [run(batch.graphs[i], frame) for frame in frames[i]]
        assert np.array_equal(np.stack(made), np.stack(expected)), f"network {i}"
        assert np.ptp(expected[-1]) > 8, f"network {i}: a constant picture would prove nothing"


@pytest.mark.parametrize("specs", [SAMPLE, pytest.param(MORE, marks=pytest.mark.slow)], ids=["sample", "more"])
def test_units_equal_the_reference(specs: list[tuple[str, int]], tmp_path: Path) -> None:
    graphs = [(graph_of(spec, tmp_path), clocks) for spec, clocks in specs]
    nodes = [node for graph, _ in graphs for node in graph.nodes]
    assert {ChannelShuffle, ChannelSlice, Concat} <= set(map(type, nodes))
    assert any(isinstance(node, Conv) and node.groups > 1 and not node.depthwise for node in nodes)
    check(graphs, tmp_path)


# CARN-M alone takes twenty seconds to export.
QUICK_PEERS = tuple(name for name in PEERS if name != "carn-m")


@pytest.mark.parametrize(
    "scale, names",
    [(2, QUICK_PEERS), *(pytest.param(scale, tuple(PEERS), marks=pytest.mark.slow) for scale in (2, 3, 4))],
    ids=["sample", "x2", "x3", "x4"],
)
def test_published_networks_equal_the_reference(scale: int, names: tuple[str, ...], tmp_path: Path) -> None:
    """Among them PReLU, a transposed convolution as sub-pixel phases, and tables at every pixel."""
    graphs: list[tuple[IntGraph, Reuse]] = [
        (graph_of(f"{name} x{scale} int8", tmp_path), 16 * scale**2) for name in names
    ]
    check(graphs, tmp_path)


def test_no_undefined_behaviour(tmp_path: Path) -> None:
    graphs = [(graph_of(spec, tmp_path), clocks) for spec, clocks in SAMPLE[1:7:5]]
    # Xilinx' ap_int extends signs by shifting negative integers, which g++ defines and C++11 does not.
    flags = ("-fsanitize=address,undefined", "-fno-sanitize=shift-base", "-fno-sanitize-recover=all")
    check(graphs, tmp_path, *flags)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_random_networks_equal_the_reference(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)

    def choose(lo: int, hi: int) -> int:
        return int(rng.integers(lo, hi + 1))

    graphs: list[tuple[IntGraph, Reuse]] = []
    while len(graphs) < 12:
        onnx.save(random_model(choose, (choose(1, 9), choose(1, 9))), tmp_path / "model.onnx")
        graph = read_qonnx(tmp_path / "model.onnx")
        if np.ptp(run(graph, adversarial(graph.input, graph.frame)[-1])) > 8:
            graphs.append((graph, choose(1, 40)))
    check(graphs, tmp_path)
