"""What an affine requantization takes (nnet_hwsr_rescale.h), at the end of a convolution or in a stage of its own."""

from hwsr.estimate.fabric import Timing, dsps
from hwsr.estimate.structure import Memory, Piece
from hwsr.ir.stages import Settings

# A multiplier, with the sign that a DSP's operand has, and what of its word is stored.
MULTIPLIER_BITS, SHIFT_BITS = 32, 5
# Clocks beside the product: its rounding, the shift with its rounding, the limits.
AROUND = 3


def rescales(settings: Settings) -> bool:
    """Whether a stage of these settings rescales."""
    return "operand_bits" in settings


def dsp(settings: Settings, lanes: int) -> int:
    """DSPs of the products: too wide for anything else."""
    return lanes * dsps(settings["operand_bits"], MULTIPLIER_BITS)


def depth(settings: Settings, timing: Timing) -> int:
    """Clocks from an accumulator to its result."""
    return timing.multiply_stages(settings["operand_bits"], MULTIPLIER_BITS) + AROUND


def logic(settings: Settings, lanes: int, out_bits: int) -> tuple[Piece, ...]:
    """Of both roundings and of the zero point an adder each, a shifter, and the choices of both limits."""
    high = settings["high_bits"]
    shifted = settings["product_bits"] if settings["max_left"] else 0
    choices = high * settings["max_right"].bit_length() + shifted * settings["max_left"].bit_length()
    return (
        ("LUTs of an adder's bit", lanes * (2 * high + settings["moved_bits"]), 1),
        ("LUTs to choose an input's bit", lanes * choices * 2, 0.25),
        ("LUTs of a rounded bit", lanes * (high + out_bits), 1),
    )


def registers(settings: Settings, lanes: int, timing: Timing) -> int:
    """Flip-flops between the clocks of `depth`, beside those within DSPs: of the quotients and of the shifts."""
    shifts = SHIFT_BITS * (depth(settings, timing) - 1) if settings["max_right"] else 0
    return lanes * (2 * settings["high_bits"] + settings["moved_bits"] + shifts)


def memories(settings: Settings, lanes: int, words: int) -> tuple[Memory, ...]:
    """A ROM a lane of the channels' constants; a single word is no memory."""
    bits = MULTIPLIER_BITS - 1 + SHIFT_BITS * sum(settings[name] > 0 for name in ("max_left", "max_right"))
    return ((words, bits),) * lanes if words > 1 else ()
