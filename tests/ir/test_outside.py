"""Which FIFOs hold a frame, and what they take outside."""

import pytest

from hwsr.errors import HwsrError
from hwsr.hls.lower import lower
from hwsr.ir.outside import LEFT, Outside, frame_deep, left_inside
from tests.hls.hls_graphs import Net, attention_net, tiny_net

FRAME = (9, 11)


def test_fifos_around_a_mean_hold_its_frame():
    stages = lower(attention_net(FRAME), 9)
    found = {fifo.stream: fifo for fifo in frame_deep(stages)}
    # The map's other factor, the block's skip, the long skip, and the image that is added at the end.
    assert {name.split("_to")[0] for name in found} == {"n_block_1_b", "n_head", "image"} and len(found) == 4
    depths = {name: depth for stage in stages for name, depth in stage.streams.items()}
    for name, fifo in found.items():
        assert fifo.words == FRAME[0] * FRAME[1] <= fifo.depth == depths[name]
    attention = next(fifo for name, fifo in found.items() if name.startswith("n_block_1_b"))
    assert (attention.channels, attention.bits, attention.tdata) == (6, 8, 64)
    assert attention.frame_bytes == 99 * 8 and attention.held_bytes == attention.depth * 8
    image = next(fifo for name, fifo in found.items() if name.startswith("image"))
    assert (image.channels, image.bits, image.tdata) == (3, 8, 32)


def test_nothing_else_changes_and_little_is_left_inside():
    stages = lower(attention_net(FRAME), 9)
    outside = frame_deep(stages)
    moved = {fifo.stream for fifo in outside}
    for before, after in zip(stages, left_inside(stages, outside), strict=True):
        assert after.streams == {name: 2 * LEFT if name in moved else n for name, n in before.streams.items()}
        assert (after.name, after.settings, after.inputs) == (before.name, before.settings, before.inputs)


@pytest.mark.parametrize("bits, tdata", [(1, 32), (32, 32), (33, 64), (128, 128), (129, 256), (1024, 1024)])
def test_words_are_powers_of_two(bits, tdata):
    assert Outside("x", 10, 12, 1, bits).tdata == tdata


def test_a_network_whose_fifos_hold_rows_has_nothing_to_move():
    with pytest.raises(HwsrError, match=r"--off-chip has nothing to move"):
        frame_deep(lower(tiny_net((12, 12)), 4))


def test_words_that_are_too_wide_are_refused():
    net = Net((3, 3))
    wide = net.layer("wide", net.head(4), 130)
    graph = net.finish(net.layer("tail", net.attention("ca", wide), 3))
    with pytest.raises(HwsrError, match=r"words of 1040 bits, 1024 are what"):
        frame_deep(lower(graph, 999))
