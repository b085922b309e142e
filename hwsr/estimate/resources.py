"""Amounts of FPGA resources, and what memories of a given shape take."""

from dataclasses import dataclass, fields

from hwsr.estimate.memories import LUT_MEMORY_BITS, MEMORY_BITS, SRL_BITS, bram18


@dataclass(frozen=True)
class Resources:
    """`*_csynth` is what HLS's own report would say, the others what is left after logic synthesis; BRAM in 18 Kb.

    uram: none, since no memory is bound to it, and HLS does not do so by itself.
    """

    lut_csynth: int = 0
    lut: int = 0
    ff_csynth: int = 0
    ff: int = 0
    dsp: int = 0
    bram18_csynth: int = 0
    bram18: int = 0
    uram: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: int) -> "Resources":
        return Resources(*(getattr(self, f.name) * count for f in fields(self)))


def luts(count: float) -> Resources:
    """LUTs that logic synthesis leaves as HLS counted them."""
    return Resources(lut_csynth=round(count), lut=round(count))


def blocks(count: int) -> Resources:
    """Block RAMs that logic synthesis leaves as HLS counted them."""
    return Resources(bram18_csynth=count, bram18=count)


def shift_register(words: int, width: int) -> Resources:
    """`width` shift registers of `words` bits in SRLs."""
    return luts(width * -(-words // SRL_BITS))


def memory(words: int, width: int) -> Resources:
    """Constants or a buffer with addresses: LUTs when small, else block RAM."""
    if words * width <= LUT_MEMORY_BITS:
        return luts(width * -(-words // MEMORY_BITS))
    return blocks(bram18(words, width))


def fifo(words: int, width: int) -> Resources:
    """A stream of `words` deep: shift registers when shallow, else block RAM."""
    if words <= SRL_BITS or words * width <= LUT_MEMORY_BITS:
        return shift_register(words, width)
    return blocks(bram18(words, width))
