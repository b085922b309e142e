"""What one of hwsr's own kernels is built of, and what that should cost.

No tool has reported on these kernels. Their structure is counted; what a bit of a sum, a register or a choice costs are
the coefficients that `hwsr.estimate.fit` learnt from reports of hls4ml's stock kernels, and what synthesis leaves of it
are the shares read off other pipelined kernels. Nothing is fitted to these kernels themselves, so ranges are wide.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hwsr.estimate.fabric import Backend, dsps
from hwsr.estimate.law import Law, law
from hwsr.estimate.memories import INDEX_ROM_BITS, LUT_MEMORY_BITS, MEMORY_BITS
from hwsr.estimate.model import shipped
from hwsr.estimate.products import LUT_PRODUCT_BITS
from hwsr.estimate.resources import Resources, luts, memory
from hwsr.estimate.synthesis import FOLDED_RANGE, OF_CSYNTH
from hwsr.ir.stages import Multiplier

# Ranges that reports of stock kernels taught are widened by this factor at both ends: chosen, not measured.
UNFITTED = 1.5

# (words, bits of each)
Memory = tuple[int, int]
# (name, amount, prior) of a law.
Piece = tuple[str, float, float]


@dataclass(frozen=True)
class Multipliers:
    """Those of two variables or of a wide constant.

    wide_dsp: DSPs of products that no LUTs hold, or that are bound to DSPs. small: multipliers that HLS may build
    either way, from a DSP or from `product_bits` bits of partial products in LUTs each; small_in_dsp: those that it is
    taken to give a DSP. bound_to_luts: multipliers that it may not give one.
    """

    wide_dsp: int = 0
    bound_to_luts: int = 0
    small: int = 0
    small_in_dsp: int = 0
    product_bits: int = 0

    @property
    def dsp(self) -> int:
        return self.wide_dsp + self.small_in_dsp

    def luts(self, in_luts: int) -> float:
        """LUTs in csynth's report of those bound to LUTs and of so many small ones."""
        count = in_luts + self.bound_to_luts
        bits = law(0, ("LUTs of a small product's bit", count * self.product_bits, 1))
        return bits.value(shipped()["lut"].coefficients)


@dataclass(frozen=True)
class Structure:
    """A kernel of one pipelined loop.

    turns: of the loop for a frame, one a clock; depth: clocks from the last turn's start to its end. lut, ff: laws of
    its logic, multipliers and memories apart. in_luts: memories that are bound to LUTs.
    """

    turns: int
    depth: int
    lut: Law
    ff: Law
    multipliers: Multipliers = Multipliers()
    memories: tuple[Memory, ...] = ()
    in_luts: tuple[Memory, ...] = ()

    @property
    def cycles(self) -> int:
        """Clocks from one frame to the next."""
        return self.turns + self.depth


@dataclass(frozen=True)
class Priced:
    """Resources as estimated, and the least and the most that they may come to."""

    value: Resources
    least: Resources
    most: Resources

    def __add__(self, other: "Priced") -> "Priced":
        return Priced(self.value + other.value, self.least + other.least, self.most + other.most)


def exactly(resources: Resources) -> Priced:
    return Priced(resources, resources, resources)


def multipliers(
    count: int, a_bits: int, b_bits: int, summed: int, backend: Backend, bound: Multiplier = Multiplier.ANY
) -> Multipliers:
    """`count` multipliers of which `summed` at a time add to one sum, 0 where none is added to anything.

    What they are bound to decides. Of the others, both factors together up to LUT_PRODUCT_BITS: LUTs on Vitis HLS, as
    in the reports of stock kernels; on Vivado HLS, as there, a DSP for one of every two products that are summed.
    Beyond: DSPs.
    """
    if bound is Multiplier.LUT:
        return Multipliers(bound_to_luts=count, product_bits=a_bits * b_bits)
    if bound is Multiplier.DSP or a_bits + b_bits > LUT_PRODUCT_BITS:
        return Multipliers(wide_dsp=count * dsps(a_bits, b_bits))
    in_dsp = count // summed * -(-summed // 2) if summed and backend == "vivado" else 0
    return Multipliers(small=count, small_in_dsp=in_dsp, product_bits=a_bits * b_bits)


def control(turns: int, *counts: int) -> tuple[Piece, ...]:
    """LUTs of a stream's handshake and of the counters of a loop: an increment and a comparison each."""
    return (
        ("LUTs of control, activation", 1, 50),
        ("LUTs of an adder's bit", 2 * _counter_bits(turns, *counts), 1),
    )


def control_registers(turns: int, *counts: int) -> tuple[int, Piece]:
    """Flip-flops of the counters, one a bit, and the term of the handshake's."""
    return _counter_bits(turns, *counts), ("FFs of control, activation", 1, 10)


def _counter_bits(*counts: int) -> int:
    return sum(count.bit_length() for count in counts if count > 1)


def rounding(lanes: int, bits: int, shift: int, result_bits: int) -> Piece:
    """Requantization: an adder that rounds where bits are dropped, a choice where what is left may not fit."""
    rounded = bits if shift > 0 else 0
    saturated = result_bits if bits - shift > result_bits else 0
    return "LUTs of a rounded bit", lanes * (rounded + saturated), 1


def price(structure: Structure) -> Priced:
    """What csynth would report of a kernel, and what synthesis would leave of it."""
    lut = structure.lut.value(shipped()["lut"].coefficients)
    ff = structure.ff.value(shipped()["ff"].coefficients)
    products = structure.multipliers
    in_luts = products.small - products.small_in_dsp
    priced = Priced(
        _logic(lut + products.luts(in_luts), ff) + Resources(dsp=products.dsp),
        _end(lut + products.luts(0), ff, 0) + Resources(dsp=products.wide_dsp),
        _end(lut + products.luts(products.small), ff, 1) + Resources(dsp=products.wide_dsp + products.small),
    )
    bound = sum(width * -(-words // MEMORY_BITS) for words, width in structure.in_luts)
    return sum(_memories(structure.memories), priced) + exactly(luts(bound))


def _logic(lut: float, ff: float) -> Resources:
    """Pipelined as unrolled stock kernels are, so synthesis is taken to leave as much."""
    shares = OF_CSYNTH["unrolled"]
    return Resources(
        lut_csynth=round(lut), lut=round(lut * shares["lut"][0]), ff_csynth=round(ff), ff=round(ff * shares["ff"][0])
    )


def _end(lut: float, ff: float, end: int) -> Resources:
    """One end of the range of folded stock kernels (0 low, 1 high), widened."""
    widened = UNFITTED if end else 1 / UNFITTED
    csynth, after = ({name: each[name][end] * widened for name in ("lut", "ff")} for each in (_csynth(), FOLDED_RANGE))
    shares = OF_CSYNTH["unrolled"]
    return Resources(
        lut_csynth=round(lut * csynth["lut"]),
        lut=round(lut * shares["lut"][0] * after["lut"]),
        ff_csynth=round(ff * csynth["ff"]),
        ff=round(ff * shares["ff"][0] * after["ff"]),
    )


def _csynth() -> dict[str, tuple[float, float]]:
    return {name: shipped()[name].ranges["folded"] for name in ("lut", "ff")}


def _memories(held: Iterable[Memory]) -> Iterable[Priced]:
    """Whether HLS keeps a memory of a few thousand bits in LUTs or in a block is not known of these kernels."""
    for (words, width), count in Counter(held).items():
        value = memory(words, width) * count
        if LUT_MEMORY_BITS < words * width <= INDEX_ROM_BITS["vitis"]:
            yield Priced(value, Resources(), value + luts(width * -(-words // MEMORY_BITS)) * count)
        else:
            yield exactly(value)
