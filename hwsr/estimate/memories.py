"""What memories of a given shape take."""

# Below this many bits HLS keeps a memory in LUTs instead of block RAM.
LUT_MEMORY_BITS = 1024
# One LUT6 is a shift register or a memory of this many bits.
SRL_BITS, MEMORY_BITS = 32, 64
# Vivado HLS keeps a FIFO in shift registers up to so many bits, and a table of regular numbers in LUTs.
FIFO_SRL_BITS, INDEX_ROM_BITS = 512, 4096


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


def rom_bram18(words: int, width: int) -> int:
    """Block RAMs of constants; none when they are few."""
    return bram18(words, width) if words * width > LUT_MEMORY_BITS else 0
