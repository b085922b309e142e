"""Any folding of a convolution, its products and weights wherever they are, computes the same integers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.hls.data import adversarial, hard_frames
from hwsr.ir.graph import IntGraph
from hwsr.ir.stages import Folding, Multiplier, Weights, loops, memories, multipliers, unrollings
from hwsr.reference.run import run
from tests.hls.batch import Batch
from tests.hls.hls_graphs import tiny_net
from tests.hls.test_conv_kernel import drawn


def drawn_folding(graph: IntGraph, rng: np.random.Generator) -> Folding:
    node = graph.nodes[1]
    work = loops(graph, node)
    every = list(unrollings(work))
    folding = every[rng.integers(len(every))]
    shared = folding.reuse(work) > 1
    multiplier, weights = rng.choice(multipliers(node, shared)), rng.choice(memories(node, shared))
    return replace(folding, multiplier=Multiplier(multiplier), weights=Weights(weights))


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_every_folding_equals_the_reference(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    graphs = [drawn(rng)[0] for _ in range(30)]
    folded = [drawn_folding(graph, rng) for graph in graphs]
    assert {folding.multiplier for folding in folded} == set(Multiplier)
    assert {folding.weights for folding in folded} == set(Weights)
    batch = Batch([(graph, {"c": folding}) for graph, folding in zip(graphs, folded, strict=True)], tmp_path, flag)
    frames = [adversarial(graph.input, graph.frame)[[1, 5, 7]] for graph in graphs]
    for i, (made, own) in enumerate(zip(batch.run(frames), frames, strict=True)):
        assert batch.stages[i][1].folding == folded[i]
        assert np.array_equal(np.stack(made), np.stack([run(graphs[i], frame) for frame in own])), folded[i]


def test_large_frames_hold_every_pattern_in_one() -> None:
    image, frame = tiny_net().input, (300, 250)
    (made,) = hard_frames(image, frame)
    assert made.shape == (3, *frame)
    bands = adversarial(image, (34, 250))
    assert np.array_equal(made[:, :34], bands[0]) and np.array_equal(made[:, 34:68], bands[1])
    assert np.array_equal(made[:, 272:], bands[8][:, :28])
    assert np.array_equal(hard_frames(image, (20, 30)), adversarial(image, (20, 30)))
