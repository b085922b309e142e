"""Whole affine networks through the C++ of their stages: the zoo's units and upsamplers, peers, and random networks."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwsr.hls.data import adversarial
from hwsr.hls.lower import identifiers, lower
from hwsr.ir.graph import ChannelShuffle, ChannelSlice, Concat, Conv, IntGraph, Rescale
from hwsr.ir.read import read_qonnx
from hwsr.ir.stages import Reuse
from hwsr.reference.run import run
from tests.affine_models import OPERATIONS, one_operation, random_network
from tests.hls.test_networks import check, graph_of

# (spec, clocks a pixel): attention or not, units that group, shuffle or split, every upsampler and scale.
SAMPLE = [
    ("bls2 x4 n8 g0 b1 noca int8a", 100),
    ("blclc-e(g1=4,g2=2)[rg+u] x2 n8 g0 b1 noca int8a", 9),
]
MORE = [
    *SAMPLE,
    ("bl x2 n4 g0 b1 anchor direct int8a", 4),
    ("bleff(r=2) x3 n4 g0 b1 noca direct int8a", 1),
    ("bl x3 n8 g1 b2 int8a", 16),
    ("bl x2 n8 g0 b1 noca anchor direct luma int8a", 1),
    ("blrn(r=2) x2 n8 g1 b1 noca int8a", 1),
    ("blrxn(r=2,g=2) x2 n8 g0 b1 int8a", 4),
    ("blrxn-e(r=2,g=2) x2 n8 g0 b1 noca int8a", 7),
    ("bls1(r=2,g=2) x3 n8 g0 b1 noca direct anchor int8a", 16),
    ("bls1-e(r=2,g=2) x4 n8 g0 b1 int8a", 36),
    ("blclc(g1=8,g2=2) x2 n16 g0 b1 noca direct int8a", 1),
    ("bls2-e x2 n8 g0 b1 int8a", 4),
    ("bleff-e(r=2) x4 n8 g0 b1 int8a", 16),
    ("blm1-e[rg+u] x4 n8 g0 b1 noca int8a", 5),
    ("blm2 x3 n8 g0 b1 noca int8a", 9),
]
PEERS = ("espcn x3", "carn-m x2", "abpn x2", "xlsr x3")
FRAME = (6, 7)


@pytest.mark.parametrize("specs", [SAMPLE, pytest.param(MORE, marks=pytest.mark.slow)], ids=["sample", "more"])
def test_units_equal_the_reference(specs: list[tuple[str, int]], tmp_path: Path) -> None:
    graphs: list[tuple[IntGraph, Reuse]] = [(graph_of(spec, tmp_path), clocks) for spec, clocks in specs]
    nodes = [node for graph, _ in graphs for node in graph.nodes]
    assert {ChannelShuffle, ChannelSlice, Concat, Rescale} <= set(map(type, nodes))
    assert any(isinstance(node, Conv) and node.groups > 1 and not node.depthwise for node in nodes)
    check(graphs, tmp_path)


@pytest.mark.slow
def test_published_networks_equal_the_reference(tmp_path: Path) -> None:
    check([(graph_of(f"{name} int8a", tmp_path), 64) for name in PEERS], tmp_path)


@pytest.mark.slow
def test_exact_widths_hold_every_value(tmp_path: Path) -> None:
    check([(graph_of(spec, tmp_path), clocks) for spec, clocks in MORE[:4]], tmp_path, "-DHWSR_EXACT_WIDTHS")


@pytest.mark.slow
def test_no_undefined_behaviour(tmp_path: Path) -> None:
    # Xilinx' ap_int extends signs by shifting negative integers, which g++ defines and C++11 does not.
    flags = ("-fsanitize=address,undefined", "-fno-sanitize=shift-base", "-fno-sanitize-recover=all")
    check([(graph_of("bl x2 n4 g0 b1 anchor direct int8a", tmp_path), 4)], tmp_path, *flags)


def drawn(make, rng: np.random.Generator, folder: Path) -> tuple[IntGraph, int]:
    """A graph whose picture is not constant, and the clocks that its pixels take."""

    def choose(lo: int, hi: int) -> int:
        return int(rng.integers(lo, hi + 1))

    while True:
        onnx.save(make(choose, (choose(1, 9), choose(1, 9))), folder / "model.onnx")
        graph = read_qonnx(folder / "model.onnx")
        if np.ptp(run(graph, adversarial(graph.input, graph.frame)[-1])) > 8:
            return graph, choose(1, 40)


@pytest.mark.parametrize(
    "flag",
    ["-UHWSR_EXACT_WIDTHS", pytest.param("-DHWSR_EXACT_WIDTHS", marks=pytest.mark.slow)],
    ids=["native", "exact"],
)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_every_operation_equals_the_reference(seed: int, flag: str, tmp_path: Path) -> None:
    """On random grids: saturated or not, zero points at both ends, ReLUs, extreme weights, ties."""
    rng = np.random.default_rng(seed)
    check([drawn(lambda c, f, k=kind: one_operation(c, f, k), rng, tmp_path) for kind in OPERATIONS], tmp_path, flag)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow) for seed in range(4)])
def test_random_networks_equal_the_reference(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    check([drawn(random_network, rng, tmp_path) for _ in range(8)], tmp_path)


@pytest.mark.slow
def test_a_stage_of_its_own_folds(tmp_path: Path) -> None:
    """The rescalings of a sum by every number of clocks that divides its channels."""
    graph = graph_of("bl x2 n6 g0 b1 noca anchor direct int8a", tmp_path)
    alone = {stage.name: stage.shape[2] for stage in lower(graph, 1) if stage.kind == "rescale"}
    names = [name for name, identifier in identifiers(graph).items() if identifier in alone]
    assert len(names) >= 3 and 6 in alone.values()
    graphs: list[tuple[IntGraph, Reuse]] = [(graph, dict.fromkeys(names, clocks)) for clocks in (2, 3, 6)]
    for own, clocks in graphs:
        steps = {stage.reuse_factor for stage in lower(own, clocks) if alone.get(stage.name) == 6}
        assert steps == set(clocks.values())
    check(graphs, tmp_path)
