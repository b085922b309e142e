"""Laws of hwsr's folded convolution (nnet_hwsr_conv.h), from the settings that it is generated with."""

from dataclasses import dataclass, replace

from hwsr.estimate import rescaling
from hwsr.estimate.fabric import Timing, dsps
from hwsr.estimate.law import Law, law
from hwsr.estimate.products import LUT_PRODUCT_BITS, Products
from hwsr.estimate.structure import (
    Memory,
    Multipliers,
    Piece,
    Structure,
    control,
    control_registers,
    multipliers,
    rounding,
)
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.stages import Multiplier, Settings, Weights

# Clocks of a turn beside its sums: the memories, the choice of operands, the running sum, its rounding, the write.
AROUND = 5


@dataclass(frozen=True)
class FoldedConv:
    """settings: those of the kernel's config struct. x_bits, out_bits: of a channel in the input and output streams;
    products: its weights; bias_bits: of a channel's bias, 0 where all are zero; shifts: how many powers of two bring
    sums to one grid, with their bits; adders: of one whose sums an adder graph computes (nnet_hwsr_adders.h).
    """

    settings: Settings
    x_bits: int
    out_bits: int
    products: Products
    bias_bits: int
    shifts: int
    timing: Timing
    adders: AdderGraph | None = None

    def __getitem__(self, name: str) -> int:
        return self.settings[name]

    @property
    def constant(self) -> bool:
        """Nothing is shared: every weight has its own product, and is a constant in it."""
        return self["n_steps"] == 1

    @property
    def lanes(self) -> int:
        """Products a clock."""
        return self["pe"] * self["simd"]

    @property
    def input_folds(self) -> int:
        return self["group_inputs"] // self["simd"]

    @property
    def window_bits(self) -> int:
        return self["kernel_height"] * self["kernel_width"] * self["n_chan"] * self.x_bits

    @property
    def line_buffer_bits(self) -> int:
        return (self["kernel_height"] - 1) * self["width"] * self["n_chan"] * self.x_bits

    @property
    def multiplier(self) -> Multiplier:
        return Multiplier(self["multiplier"])

    @property
    def weights_in_luts(self) -> bool:
        return self["weights_in"] == Weights.LUT

    @property
    def in_dsp(self) -> bool:
        if self.adders is not None:
            return False
        wide = self["data_bits"] + self["weight_bits"] > LUT_PRODUCT_BITS
        bound = self.multiplier is not Multiplier.ANY
        return self.multiplier is Multiplier.DSP if bound else wide and not self["ternary"]

    @property
    def rescales(self) -> bool:
        """Every sum ends with an affine requantization."""
        return rescaling.rescales(self.settings)

    @property
    def adders_a_cycle(self) -> int:
        """Adders in a row in a cycle."""
        return max(int(self.timing.usable / self.timing.add_ns(self["sum_bits"])), 1)

    @property
    def sum_cycles(self) -> int:
        return self.adders.cycles(self.adders_a_cycle) if self.adders else self.timing.sum_cycles(*self.sum)

    @property
    def sum(self) -> tuple[int, int, bool, int, int]:
        """What the timing of a sum depends on."""
        return self["data_bits"], self["weight_bits"], self.in_dsp, self["sum_bits"], self["simd"]


def fill(conv: FoldedConv) -> int:
    """Input pixels, a clock each, before the first that an output pixel is made with."""
    return (conv["kernel_height"] // 2) * conv["width"] + conv["kernel_width"] // 2


def structure(conv: FoldedConv) -> Structure:
    turns = fill(conv) + conv["height"] * conv["width"] * conv["n_steps"]
    return Structure(
        turns=turns,
        depth=AROUND + conv.sum_cycles + (rescaling.depth(conv.settings, conv.timing) if conv.rescales else 0),
        lut=_lut(conv, turns),
        ff=_ff(conv, turns),
        multipliers=_multipliers(conv),
        memories=_memories(conv),
        in_luts=_roms(conv) if conv.weights_in_luts else (),
    )


def _counts(conv: FoldedConv) -> tuple[int, ...]:
    output_folds = conv["group_outputs"] // conv["lane_outputs"]
    size = (conv["height"], conv["width"], conv["width"])
    return (*size, conv["n_steps"], conv["n_folds"], conv["groups"], conv.input_folds, output_folds)


def _multipliers(conv: FoldedConv) -> Multipliers:
    """Of the products; and of what rescales the sums, each of which has a multiplier of its own."""
    found = _product_multipliers(conv)
    if not conv.rescales:
        return found
    return replace(found, wide_dsp=found.wide_dsp + rescaling.dsp(conv.settings, conv["pe"]))


def _product_multipliers(conv: FoldedConv) -> Multipliers:
    """Ternary weights choose, constants of few signed digits and adder graphs are sums: none is a multiplier."""
    if conv["ternary"] or conv.adders:
        return Multipliers()
    bits = conv["data_bits"], conv["weight_bits"]
    if conv.constant:
        return Multipliers(wide_dsp=round(conv.products.hard) * dsps(*bits) if conv.in_dsp else 0)
    return multipliers(conv.lanes, *bits, conv["simd"], conv.timing.backend, conv.multiplier)


def _lut(conv: FoldedConv, turns: int) -> Law:
    moving = conv.input_folds > 1 or conv["groups"] > conv["lane_groups"]
    several = conv["kernel_height"] * conv["kernel_width"] > 1
    entering = conv["kernel_height"] * conv["n_chan"] * conv.x_bits if several else 0
    gated = conv["lane_groups"] * conv["simd"] * conv["data_bits"] if conv["kernel_width"] > 1 else 0
    aligned = conv["pe"] * conv["aligned_bits"]
    # A choice of one among n takes n / 4 LUTs a bit: all folds together choose among the whole window.
    choices = conv.window_bits if moving else 0
    choices += aligned * conv.shifts if conv.shifts > 1 and conv["n_folds"] > 1 else 0
    return law(
        0,
        *control(turns, *_counts(conv)),
        ("LUTs of a word's bit, zeropad", entering + gated, 1),
        ("LUTs to choose an input's bit", choices, 0.25),
        *_sums(conv),
        *_ending(conv),
    )


def _ending(conv: FoldedConv) -> tuple[Piece, ...]:
    if conv.rescales:
        return rescaling.logic(conv.settings, conv["pe"], conv.out_bits)
    return (rounding(conv["pe"], conv["aligned_bits"], conv["shift"], conv.out_bits),)


def _sums(conv: FoldedConv) -> tuple[Piece, ...]:
    """Those of an adder graph are counted apart (`hwsr.estimate.adders`), all but the biases behind it."""
    if conv.adders:
        return (("LUTs of an adder's bit", conv["pe"] * conv["sum_bits"] if conv.bias_bits else 0, 1),)
    if not conv.constant:
        tree = conv["pe"] * tree_bits(conv["simd"], _product_bits(conv), conv["sum_bits"])
        return (
            ("LUTs of a small product's bit", conv.lanes * conv["data_bits"] if conv["ternary"] else 0, 1),
            ("LUTs of an adder's bit", tree, 1),
            ("LUTs of an accumulator's bit", conv["pe"] * conv["sum_bits"], 1),
        )
    products = conv.products
    hard, hard_digits = (products.hard, products.hard_digits) if conv.in_dsp else (0, 0)
    shifted = max((products.digits - hard_digits) - (products.nonzero - hard), 0)
    return (
        ("LUTs of an adder's bit", products.nonzero * conv["sum_bits"], 1),
        ("LUTs of a shifted adder's bit", shifted * (conv["data_bits"] + conv["weight_bits"]), 1),
    )


def _product_bits(conv: FoldedConv) -> int:
    return conv["data_bits"] + (1 if conv["ternary"] else conv["weight_bits"])


def tree_bits(terms: int, term_bits: int, most_bits: int) -> int:
    """Bits of all adders of a balanced tree, each level one bit wider up to what the sum needs."""
    total, bits = 0, term_bits
    while terms > 1:
        bits = min(bits + 1, most_bits)
        total += terms // 2 * bits
        terms -= terms // 2
    return total


def _ff(conv: FoldedConv, turns: int) -> Law:
    counters, handshake = control_registers(turns, *_counts(conv))
    stages = conv.timing.multiply_stages(conv["data_bits"], conv["weight_bits"]) if conv.in_dsp else 1
    factors = conv["data_bits"] + conv["weight_bits"]
    # Words of the memories and of the output are registered, a flip-flop a bit.
    words = 0 if conv.constant else conv.lanes * conv["weight_bits"]
    words += (conv["kernel_height"] - 1) * conv["n_chan"] * conv.x_bits + 2 * conv["n_filt"] * conv.out_bits
    kept = 0 if conv.adders else conv["pe"] * conv["sum_bits"] * conv.timing.kept_sums(*conv.sum)
    words += rescaling.registers(conv.settings, conv["pe"], conv.timing) if conv.rescales else 0
    return law(
        counters + words,
        handshake,
        ("FFs of an input's bit, folded conv", conv.window_bits, 2),
        ("FFs of an accumulator's bit", conv["pe"] * conv["sum_bits"], 2),
        ("FFs of a multiplier's stage", conv.lanes * factors * (stages - 1), 1),
        ("FFs of a sum's bit", kept, 0.3),
    )


def _roms(conv: FoldedConv) -> tuple[Memory, ...]:
    """Of the weights, as they are packed."""
    if conv.constant:
        return ()
    full, rest = divmod(conv.lanes, conv["per_word"])
    words = [conv["per_word"] * conv["weight_bits"]] * full + [rest * conv["weight_bits"]] * (rest > 0)
    return tuple((conv["n_steps"], bits) for bits in words)


def _memories(conv: FoldedConv) -> tuple[Memory, ...]:
    """A line buffer a row, each word a whole pixel; ROMs of weights that are not bound to LUTs, biases and shifts."""
    line = (conv["width"], conv["n_chan"] * conv.x_bits)
    found = [line] * (conv["kernel_height"] - 1)
    found += () if conv.weights_in_luts else _roms(conv)
    if conv["n_folds"] > 1:
        shift_bits = (conv.shifts - 1).bit_length()
        found += [(conv["n_folds"], bits) for bits in (conv.bias_bits, shift_bits) if bits] * conv["pe"]
    if conv.rescales:
        found += rescaling.memories(conv.settings, conv["pe"], conv["n_folds"])
    return tuple(found)
