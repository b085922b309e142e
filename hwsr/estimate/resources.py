"""Amounts of FPGA resources, and what memories of a given shape take."""

from dataclasses import dataclass, fields

# Below this many bits HLS keeps a memory in LUTs instead of block RAM.
LUT_MEMORY_BITS = 1024
# One LUT6 is a shift register or a memory of this many bits.
SRL_BITS, MEMORY_BITS = 32, 64


@dataclass(frozen=True)
class Resources:
    """`lut_csynth` is what HLS's own report would say, `lut` what is left after logic synthesis; BRAM in 18 Kb."""

    lut_csynth: int = 0
    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def luts(count: float) -> Resources:
    """LUTs that logic synthesis leaves as HLS counted them."""
    return Resources(lut_csynth=round(count), lut=round(count))


def bram18(words: int, width: int) -> int:
    """Block RAMs for `words` of `width` bits: 1024 x 18 each, the last words at 512 x 36 where they fit."""
    full, rest = divmod(words, 1024)
    blocks = full * -(-width // 18)
    if rest:
        blocks += -(-width // (36 if rest <= 512 else 18))
    return blocks


def shift_register(words: int, width: int) -> Resources:
    """`width` shift registers of `words` bits in SRLs."""
    return luts(width * -(-words // SRL_BITS))


def memory(words: int, width: int) -> Resources:
    """Constants or a buffer with addresses: LUTs when small, else block RAM."""
    if words * width <= LUT_MEMORY_BITS:
        return luts(width * -(-words // MEMORY_BITS))
    return Resources(bram18=bram18(words, width))


def fifo(words: int, width: int) -> Resources:
    """A stream of `words` deep: shift registers when shallow, else block RAM."""
    if words <= SRL_BITS or words * width <= LUT_MEMORY_BITS:
        return shift_register(words, width)
    return Resources(bram18=bram18(words, width))
