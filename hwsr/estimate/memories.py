"""What memories of a given shape take."""

# Below this many bits HLS keeps a memory in LUTs instead of block RAM.
LUT_MEMORY_BITS = 1024
# One LUT6 is a shift register or a memory of this many bits.
SRL_BITS, MEMORY_BITS = 32, 64
# Vivado HLS keeps a FIFO in shift registers up to so many bits.
FIFO_SRL_BITS = 512
# Below this many bits a table of regular numbers stays in LUTs: Vitis HLS makes logic of larger ones.
INDEX_ROM_BITS = {"vivado": LUT_MEMORY_BITS, "vitis": 4096}


def bram18(words: int, width: int) -> int:
    """Block RAMs for `words` of `width` bits: 1024 x 18 each, the last words at 512 x 36 where they fit.

    Narrow words are 2048 x 9, 4096 x 4, 8192 x 2 or 16384 x 1.
    """
    for narrow, deep in ((1, 16384), (2, 8192), (4, 4096), (9, 2048)):
        if width <= narrow:
            return -(-words // deep)
    full, rest = divmod(words, 1024)
    blocks = full * -(-width // 18)
    if rest:
        blocks += -(-width // (36 if rest <= 512 else 18))
    return blocks


def rom_bram18(words: int, width: int, least: int = LUT_MEMORY_BITS) -> int:
    """Block RAMs of constants; none when they are no more than `least` bits."""
    return bram18(words, width) if words * width > least else 0
