"""The laws of hwsr's other stream kernels and of the fork, from stages as the lowering makes them."""

from dataclasses import replace

import numpy as np
import pytest

from hwsr.estimate.fabric import ULTRASCALE_PLUS, Timing
from hwsr.estimate.law import Law
from hwsr.estimate.streams import FILL, Streams, structure
from hwsr.estimate.structure import Structure, price, rounding
from hwsr.hls.lower import lower
from hwsr.ir.stages import Reuse, Stage
from tests.hls.hls_graphs import attention_net, grouped_net, odd_net

TIMING = Timing(ULTRASCALE_PLUS, "vitis", 5.0)


def streams(kind: str, reuse: Reuse = 4, name: str = "") -> Streams:
    """The first stage of this kernel in networks that between them hold them all."""
    for graph in (attention_net(), grouped_net(), odd_net()):
        stages = lower(graph, reuse)
        bits = {stream: stage.result.bits for stage in stages for stream in stage.streams}
        for stage in stages:
            if stage.kind == kind and name in stage.name:
                return Streams(stage, tuple(bits[source] for source in stage.inputs), TIMING)
    raise AssertionError(f"no network has a stage '{kind}'")


def amount(found: Law, name: str) -> float:
    return sum(term.amount for term in found.terms if term.name == name)


def built(kind: str, reuse: Reuse = 4) -> tuple[Stage, Structure]:
    made = streams(kind, reuse)
    return made.stage, structure(made)


@pytest.mark.parametrize(
    "kind", ["add_streams", "channel_offset", "requantize", "channel_select", "concat", "Clone", "spatial_sum"]
)
def test_a_word_a_clock(kind: str) -> None:
    stage, found = built(kind)
    words = {"Clone": stage.shape[0] * stage.shape[1]}.get(kind) or stage.settings["n_pixels"]
    assert found.turns == found.cycles - FILL == words
    assert (found.multipliers.dsp, found.memories) == (0, ())
    assert price(found).value.lut > 0


@pytest.mark.parametrize("kind", ["pixel_shuffle", "upsample_nearest"])
def test_upscalings_take_their_outputs_pixels_and_keep_a_row(kind: str) -> None:
    stage, found = built(kind)
    height, width, channels = stage.shape
    waiting = channels * (2 if kind == "pixel_shuffle" else 1)  # of four pixels two leave at once; of one, none
    assert found.turns == height * width
    assert found.memories == ((width // 2, waiting * 8),)


def test_a_table_takes_as_many_roms_as_its_clocks_allow() -> None:
    _, shared = built("table_lookup")
    _, wide = built("table_lookup", {"ca.sigmoid": 2})
    assert (shared.turns, wide.turns) == (6, 2)
    assert (shared.memories, wide.memories) == (((256, 8),), ((256, 8),) * 3)
    assert (price(shared).value.bram18, price(wide).value.bram18) == (1, 3)


def test_an_attention_map_shares_multipliers() -> None:
    _, alone = built("channel_mul", 1)
    _, shared = built("channel_mul", {"ca.mul": 6})
    assert (alone.turns, shared.turns) == (12 * 16, 12 * 16 * 6)
    assert (alone.multipliers.small, shared.multipliers.small) == (6, 1)
    assert amount(alone.lut, "LUTs to choose an input's bit") == 0
    assert amount(shared.lut, "LUTs to choose an input's bit") > 0
    # no sum follows, so Vivado HLS has no reason for a DSP either
    vivado = replace(streams("channel_mul", 1), timing=replace(TIMING, backend="vivado"))
    assert structure(vivado).multipliers == alone.multipliers


def test_wires_cost_no_logic_beside_control() -> None:
    _, found = built("channel_select")
    assert {term.name for term in found.lut.terms} == {"LUTs of control, activation", "LUTs of an adder's bit"}


def test_adders_are_as_wide_as_their_sums() -> None:
    for kind in ("add_streams", "channel_offset", "spatial_sum"):
        made = streams(kind)
        control = amount(structure(streams("channel_select")).lut, "LUTs of an adder's bit")
        width = amount(structure(made).lut, "LUTs of an adder's bit")
        assert width - made["n_chan"] * made["bits"] == pytest.approx(control, abs=6)


def test_a_fork_registers_a_word_for_each_reader() -> None:
    made = streams("Clone")
    more = replace(made, stage=replace(made.stage, streams=dict.fromkeys("abcde", 2)))
    word = made.stage.shape[2] * made.out_bits
    assert structure(more).ff.fixed - structure(made).ff.fixed == (5 - len(made.stage.streams)) * word


@pytest.mark.parametrize(
    ("bits", "shift", "result", "expected"), [(12, 4, 8, 12), (12, 3, 8, 20), (8, 0, 8, 0), (9, 0, 8, 8), (6, -4, 8, 8)]
)
def test_what_fits_and_drops_nothing_is_not_rounded(bits: int, shift: int, result: int, expected: int) -> None:
    assert rounding(5, bits, shift, result)[1] == 5 * expected


def test_every_kernel_of_the_lowering_has_a_law() -> None:
    kinds = {stage.kind for graph in (attention_net(), grouped_net(), odd_net()) for stage in lower(graph, 2)}
    for kind in kinds - {"InputLayer", "conv"}:
        assert np.isfinite(price(structure(streams(kind, 2))).value.lut)
