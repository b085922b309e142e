"""Memories by shape."""

import pytest

from hwsr.estimate.resources import Resources, bram18, fifo, memory, shift_register


@pytest.mark.parametrize(
    ("words", "width", "blocks"),
    [(1, 36, 1), (512, 36, 1), (512, 37, 2), (513, 36, 2), (1024, 18, 1), (1152, 8192, 456 + 228), (3072, 18, 3)],
)
def test_block_rams_by_shape(words: int, width: int, blocks: int) -> None:
    assert bram18(words, width) == blocks


def test_small_memories_are_luts() -> None:
    assert memory(64, 16) == Resources(lut_csynth=16, lut=16)
    assert memory(65, 16) == Resources(bram18=1)
    assert fifo(2, 128) == shift_register(2, 128) == Resources(lut_csynth=128, lut=128)
    assert fifo(33, 128) == Resources(bram18=4)


def test_resources_add_up() -> None:
    assert Resources(1, 2, 3, 4, 5) + Resources(10, 20, 30, 40, 50) == Resources(11, 22, 33, 44, 55)
