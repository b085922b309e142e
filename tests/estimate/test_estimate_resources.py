"""Memories by shape."""

import pytest

from hwsr.estimate.memories import bram18, rom_bram18
from hwsr.estimate.resources import Resources, fifo, memory, shift_register


@pytest.mark.parametrize(
    ("words", "width", "blocks"),
    [
        (1, 36, 1),
        (2048, 9, 1),
        (3360, 5, 2),
        (4096, 4, 1),
        (512, 36, 1),
        (512, 37, 2),
        (513, 36, 2),
        (1024, 18, 1),
        (1152, 8192, 456 + 228),
        (3072, 18, 3),
    ],
)
def test_block_rams_by_shape(words: int, width: int, blocks: int) -> None:
    assert bram18(words, width) == blocks


def test_small_memories_are_luts() -> None:
    assert memory(64, 16) == Resources(lut_csynth=16, lut=16)
    assert memory(65, 16) == Resources(bram18_csynth=1, bram18=1)
    assert fifo(2, 128) == shift_register(2, 128) == Resources(lut_csynth=128, lut=128)
    assert fifo(33, 128) == Resources(bram18_csynth=4, bram18=4)


def test_resources_add_up() -> None:
    ten = Resources(10, 20, 30, 40, 50, 60, 70)
    assert Resources(1, 2, 3, 4, 5, 6, 7) + ten == Resources(11, 22, 33, 44, 55, 66, 77)


def test_few_constants_are_no_block_ram() -> None:
    assert rom_bram18(64, 16) == 0
    assert rom_bram18(65, 16) == 1
