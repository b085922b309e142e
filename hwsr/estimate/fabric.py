"""How fast a part's multipliers and adders are, as far as HLS plans with it, and how it cuts them into cycles."""

import re
from dataclasses import dataclass
from math import ceil
from typing import Literal

Backend = Literal["vitis", "vivado"]

# The share of a clock period that the tool plans with: Vivado HLS keeps 12.5 % back, Vitis HLS 27 %.
USABLE = {"vivado": 0.875, "vitis": 0.73}
# Nanoseconds into a cycle at which a memory's word is there, and to choose an accumulator.
MEMORY_NS, CHOICE_NS = 1.2, 0.4


@dataclass(frozen=True)
class Fabric:
    """multiply_ns: one DSP's product; add_ns: a 16-bit sum in carry logic. Rounded delays that HLS plans with."""

    multiply_ns: float
    add_ns: float


ULTRASCALE_PLUS = Fabric(2.6, 1.0)
ULTRASCALE = Fabric(3.0, 1.2)
VIRTEX7 = Fabric(4.8, 1.7)
ARTIX7 = Fabric(5.8, 2.1)

_FABRICS = (
    (r"xc7(k|v|z0(30|35|45)|z100)", VIRTEX7),
    (r"xc7", ARTIX7),
    (r"xc(ku|vu)\d+p|xczu|xck\d|xcu\d|xcv[cmph]", ULTRASCALE_PLUS),
    (r"xc(ku|vu)", ULTRASCALE),
)


def fabric_of(part: str) -> Fabric:
    """The fabric of an AMD part number; UltraScale+ where the number says nothing."""
    return _fabric(part) or ULTRASCALE_PLUS


def is_known(part: str) -> bool:
    """Whether a part number says which fabric it is."""
    return _fabric(part) is not None


def _fabric(part: str) -> Fabric | None:
    return next((fabric for pattern, fabric in _FABRICS if re.match(pattern, part.lower())), None)


def dsps(a_bits: int, b_bits: int) -> int:
    """DSP slices of one multiplier: 18 x 27 bits each."""
    small, big = sorted((a_bits, b_bits))
    return ceil(small / 18) * ceil(big / 27)


@dataclass(frozen=True)
class Timing:
    """A fabric under a tool's clock of `clock_ns`."""

    fabric: Fabric
    backend: Backend
    clock_ns: float

    @property
    def usable(self) -> float:
        """Nanoseconds of a cycle that HLS fills."""
        return self.clock_ns * USABLE[self.backend]

    def multiply_ns(self, a_bits: int, b_bits: int) -> float:
        """A product of several DSPs runs through them one after the other."""
        return self.fabric.multiply_ns * (1 + 0.6 * (dsps(a_bits, b_bits) - 1))

    def multiply_stages(self, a_bits: int, b_bits: int) -> int:
        """Cycles of a multiplier: one where it fits into a cycle, else registers in front of every part of it."""
        slices = self.multiply_ns(a_bits, b_bits) / self.usable
        return 1 if slices <= 1 else ceil(slices) + 1

    def add_ns(self, bits: int) -> float:
        """A sum grows slower with its carry chain."""
        return self.fabric.add_ns * (0.8 + bits / 80)

    def sum_cycles(self, a_bits: int, b_bits: int, in_dsp: bool, sum_bits: int, terms: int) -> int:
        """Cycles of the sum of `terms` products, from its inputs to its result.

        Products outside DSPs are two levels of shifted sums. A cycle holds as many levels as fit; one or none of them
        where it begins with a DSP's product.
        """
        stages, first, later = self._levels(a_bits, b_bits, in_dsp, sum_bits)
        levels = max(terms - 1, 0).bit_length()
        return stages + ceil(max(levels - first, 0) / later)

    def kept_sums(self, a_bits: int, b_bits: int, in_dsp: bool, sum_bits: int, terms: int) -> float:
        """Sums that stand in registers between the cycles of `sum_cycles`, all cycles together."""
        stages, first, later = self._levels(a_bits, b_bits, in_dsp, sum_bits)
        boundaries = self.sum_cycles(a_bits, b_bits, in_dsp, sum_bits, terms) - stages
        return sum(terms / 2 ** (max(first, 0) + later * i) for i in range(boundaries))

    def _levels(self, a_bits: int, b_bits: int, in_dsp: bool, sum_bits: int) -> tuple[int, int, int]:
        """Cycles of a product, levels of sums that fit behind it, and levels in every later cycle."""
        add = self.add_ns(sum_bits)
        later = max(int(self.usable / add), 1)
        if not in_dsp:
            return 1, later - 2, later
        stages = self.multiply_stages(a_bits, b_bits)
        room = self.usable - self.multiply_ns(a_bits, b_bits) if stages == 1 else 0.0
        return stages, int(room / add), later

    def accumulate_depth(self, a_bits: int, b_bits: int, terms: int) -> int:
        """Cycles from a weight's address to the sum: the ROM, the product, and a tree over `terms` and the sum."""
        cycle, at = 1, MEMORY_NS
        stages, delay = self.multiply_stages(a_bits, b_bits), self.multiply_ns(a_bits, b_bits)
        if stages > 1:
            cycle, at = cycle + stages, self.usable
        elif at + delay <= self.usable:
            at += delay
        else:
            cycle, at = cycle + 1, delay
        add = self.fabric.add_ns + CHOICE_NS
        for _ in range(max(terms.bit_length() - 1, 1)):
            if at + add <= self.usable:
                at += add
            else:
                cycle, at = cycle + 1, add
        return cycle + 1
