"""FIFOs that are a frame deep, which a design can keep in external memory: what the hardware backends agree on.

A skip around a mean of the whole frame holds that frame. Outside, its words travel as AXI4-Streams of whole powers of
two of bits, as AMD's AXI Virtual FIFO Controller takes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from hwsr.errors import HwsrError
from hwsr.ir.stages import Stage

# What such a stream may be wide, in bits of TDATA.
NARROWEST, WIDEST = 32, 1024
# Words that are left of a FIFO in the hardware: one being written while the one before is read.
LEFT = 2


@dataclass(frozen=True)
class Outside:
    """A FIFO outside: the stream that it takes the place of, its words a frame and those that it has to hold, the bits
    of a channel and the channels of a word.
    """

    stream: str
    words: int
    depth: int
    bits: int
    channels: int

    @property
    def tdata(self) -> int:
        """Bits of a word as it travels."""
        return max(NARROWEST, 1 << (self.channels * self.bits - 1).bit_length())

    @property
    def frame_bytes(self) -> int:
        """Bytes that a frame writes to memory, and reads back."""
        return self.words * self.tdata // 8

    @property
    def held_bytes(self) -> int:
        return self.depth * self.tdata // 8


def frame_deep(stages: Sequence[Stage]) -> tuple[Outside, ...]:
    """The streams between stages that hold a frame of theirs.

    Raises HwsrError where there is none, or where a word is too wide to travel.
    """
    found = tuple(
        Outside(name, prod(stage.shape[:2]), depth, stage.result.bits, stage.shape[2])
        for stage in stages[1:]
        for name, depth in stage.streams.items()
        if depth >= prod(stage.shape[:2]) and depth > LEFT
    )
    if not found:
        raise HwsrError("no FIFO of this network holds a frame, so --off-chip has nothing to move; leave it out")
    for fifo in found:
        if fifo.tdata > WIDEST:
            raise HwsrError(
                f"stream '{fifo.stream}': words of {fifo.channels * fifo.bits} bits, {WIDEST} are what a FIFO in "
                "external memory takes; leave --off-chip out, or train with fewer channels"
            )
    return found


def left_inside(stages: Sequence[Stage], outside: Sequence[Outside]) -> tuple[Stage, ...]:
    """The stages, with no more left of those FIFOs than two streams between stages that keep pace."""
    moved = {fifo.stream for fifo in outside}
    return tuple(
        replace(stage, streams={name: 2 * LEFT if name in moved else depth for name, depth in stage.streams.items()})
        for stage in stages
    )
