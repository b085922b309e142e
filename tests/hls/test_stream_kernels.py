"""Stream kernels whose channels take turns, or whose rows wait, against the reference."""

from pathlib import Path

import numpy as np
import pytest

from hwsr.hls.data import adversarial
from hwsr.hls.lower import lower
from hwsr.ir.graph import IntGraph, QType, Table
from hwsr.ir.stages import Reuse
from hwsr.reference.run import run
from tests.hls.batch import Batch
from tests.hls.hls_graphs import Net


def attention(frame: tuple[int, int] = (3, 4)) -> IntGraph:
    net = Net(frame, seed=6)
    return net.finish(net.layer("tail", net.attention("ca", net.head(6)), 3, k=(1, 1)))


def tables(frame: tuple[int, int] = (3, 5)) -> IntGraph:
    """A table of signed and one of unsigned integers, at every pixel of several channels."""
    net = Net(frame, seed=7)
    head = net.head(6)
    signed = net.add(Table("signed", (head,), net.rng.integers(-500, 500, 256), QType(10, True, 6)), 6)
    low = net.requantize(signed, bits=4, signed=False, frac=0)
    unsigned = net.add(Table("unsigned", (low,), net.rng.integers(0, 256, 16), QType(8, False, 8)), 6)
    return net.finish(net.layer("tail", unsigned, 3, k=(1, 1)))


def upscalings(factor: int, frame: tuple[int, int]) -> IntGraph:
    net = Net(frame, seed=factor)
    up = net.shuffle("shuffle", net.layer("up", net.head(4), 3 * factor**2), factor)
    return net.finish(net.requantize(up, bits=9, frac=8, name="wide"), net.upsample("nearest", "x", factor))


ATTENTION: list[tuple[IntGraph, Reuse]] = [(attention(), {"ca.mul": n, "ca.sigmoid": n}) for n in (1, 2, 3, 6)]
TABLES: list[tuple[IntGraph, Reuse]] = [(tables(), {"signed": n, "unsigned": 7 - n}) for n in (1, 2, 3, 6)]
UPSCALINGS: list[tuple[IntGraph, Reuse]] = [
    (upscalings(factor, frame), 1) for factor in (2, 3, 4) for frame in ((1, 1), (1, 4), (5, 1), (3, 4))
]


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_kernels_equal_the_reference(flag: str, tmp_path: Path) -> None:
    batch = Batch([*ATTENTION, *TABLES, *UPSCALINGS], tmp_path, flag)
    frames = [adversarial(graph.input, graph.frame)[[1, 3, 5, 7]] for graph in batch.graphs]
    for graph, made, own in zip(batch.graphs, batch.run(frames), frames, strict=True):
        expected = [run(graph, frame) for frame in own]
        assert np.array_equal(np.stack(made), np.stack(expected))
        assert np.ptp(expected[-1]) > 8, "a constant picture would prove nothing"


def test_look_ups_share_roms_as_clocks_allow() -> None:
    """Six channels in at most n clocks take ceil(6 / n) ROMs; once a frame, where none is asked for, one."""
    for clocks, lanes in ((1, 6), (2, 3), (3, 2), (4, 2), (6, 1), (100, 1)):
        stage = next(stage for stage in lower(tables(), {"signed": clocks}) if stage.makes == "signed")
        assert (stage.settings["n_lanes"], stage.settings["n_steps"]) == (lanes, 6 // lanes)
        assert stage.constants["constant"].values.shape == (lanes, 256)
    gate = next(stage for stage in lower(attention(), {"head": 2}) if stage.kind == "table_lookup")
    assert gate.settings["n_lanes"] == 1
