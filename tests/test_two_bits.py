"""Weights and activations of 2 bits, all the way: quantized after training and in training, exported, upscaled."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsr.engines import model_graph, upscale_in_torch
from hwsr.ir.graph import Conv
from hwsr.reference.run import upscale
from hwsr.train.checkpoint import load_network
from tests.test_cli import hwsr

FLOAT = "bl x2 n8 g0 b2 noca anchor direct"
# The blocks' convolutions: the first and the last of the network have 8 bits.
BLOCKS = 4
OPTIONS = ["--batch", 4, "--patch", 12]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float model of 40 steps, and w2a2 without and with 20 steps of training."""
    folder = tmp_path_factory.mktemp("two bits")
    with pytest.MonkeyPatch.context() as patch:
        assert hwsr(patch, "train", FLOAT, "--out", folder / "float", "--steps", 40, *OPTIONS) == 0
        assert hwsr(patch, "quantize", folder / "float", "--out", folder / "after", "--to", "w2a2") == 0
        words = ["train", f"{FLOAT} w2a2", "--init", folder / "float", "--out", folder / "trained", "--steps", 20]
        assert hwsr(patch, *words, *OPTIONS) == 0
        for name in ("after", "trained"):
            assert hwsr(patch, "export", folder / name, "--frame", "20x16") == 0
    return folder


def psnr(folder: Path) -> float:
    scores = json.loads((folder / "model.json").read_text())["history"][-1]["psnr_y"]
    return float(np.mean(list(scores.values())))


@pytest.mark.parametrize("name", ["after", "trained"])
def test_the_integers_are_of_two_bits_and_the_engines_agree(folder: Path, name: str) -> None:
    graph = model_graph(folder / name)
    narrow = [node for node in graph.nodes if isinstance(node, Conv) and node.weight_bits == 2]
    assert len(narrow) == BLOCKS
    for node in narrow:
        read = graph.tensors[node.inputs[0]]
        assert read.type.bits == 2 and set(np.unique(node.weight)) == {-1, 0, 1}
    image = np.random.default_rng(0).integers(0, 256, (24, 29, 3)).astype(np.uint8)
    expected = upscale_in_torch(load_network(folder / name), image, None)
    assert np.array_equal(upscale(graph, image.transpose(2, 0, 1)), expected.transpose(2, 0, 1))


def test_training_wins_back_what_two_bits_cost(folder: Path) -> None:
    assert 28 < psnr(folder / "after") < psnr(folder / "trained") < psnr(folder / "float") + 0.5
