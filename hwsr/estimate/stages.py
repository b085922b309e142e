"""Laws of the kernels without weights of their own to multiply by: one word in, one word out, or a window of them."""

from math import ceil

from hwsr.estimate.fabric import ARTIX7, dsps
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.law import Law, law
from hwsr.estimate.matvec import products_of, uses_dsp
from hwsr.estimate.memories import FIFO_SRL_BITS, bram18

# From this version on Vitis HLS takes other times for pooling and padding.
NEWER_VITIS = (2023, 2)
# Vivado HLS before this version registers a word once more on its way through an activation.
REGISTERED_BEFORE = (2020, 1)


def laws(kernel: Kernel) -> dict[str, Law]:
    """Every figure's law."""
    latency, interval = _cycles(kernel)
    return {
        "latency_max": latency,
        "interval_max": interval,
        "dsp": _dsp(kernel),
        "lut": _lut(kernel),
        "ff": _ff(kernel),
        "bram18": _bram(kernel),
        "uram": law(),
    }


def _cycles(kernel: Kernel) -> tuple[Law, Law]:
    """A word a cycle and a few to fill; a single word of no window passes within the cycle."""
    kind, words = kernel.kind, kernel.words or 0
    if kind in ("zeropad", "resize"):
        words = kernel.out_words or 0
    if kind in ("softmax", "table", "concat"):
        latency = law(max(words - 1, 0), (f"cycles to fill, {kind}", 1, 3))
        return latency, latency
    if words == 1 and kind == "activation":
        return law(0), law(1 if kernel.backend == "vivado" or not kernel.stream else 0)
    newer = kernel.backend == "vitis" and kernel.version >= NEWER_VITIS
    interval = 1
    if kind == "pool" and (newer or (kernel.backend == "vivado" and kernel.fabric is ARTIX7)):
        interval = 2  # the slowest fabric does not compare a window in a cycle, and newer tools take two anyway
    fill = f"cycles to fill, {kind}"
    if kind == "batchnorm" and kernel.reuse_factor > 1:
        depth = kernel.timing.accumulate_depth(kernel.x_bits, kernel.w_bits, 1)
        interval = min(kernel.reuse_factor, kernel.channels if kernel.backend == "vitis" else depth)
    if kind == "zeropad":
        fill = f"{fill}, early Vitis" if kernel.backend == "vitis" and not newer else fill
    latency = law(words * interval, (fill, 1, 3))
    return latency, latency


def _word_bits(kernel: Kernel) -> int:
    return kernel.out_channels * max(kernel.x_bits, kernel.out_bits)


def _dsp(kernel: Kernel) -> Law:
    if kernel.kind == "softmax":
        return law(0, ("DSPs of a softmax's value", kernel.out_channels, 1))
    if kernel.kind != "batchnorm" or not uses_dsp(kernel):
        return law()
    each = dsps(kernel.x_bits, kernel.w_bits)
    if kernel.reuse_factor > 1 and kernel.backend == "vitis":
        return law(ceil(kernel.channels / kernel.reuse_factor) * each)
    return law(products_of(kernel).hard * each)


# LUTs that a bit of a word should cost: a choice for a copy, a sum and a rounding for a product, and so on.
_LUTS_A_BIT = {"softmax": 10, "hard_activation": 8, "batchnorm": 3, "zeropad": 1, "concat": 1}


def _lut(kernel: Kernel) -> Law:
    kind, bits, several = kernel.kind, _word_bits(kernel), kernel.words != 1
    if kind == "activation":
        return law(
            0,
            ("LUTs of control, activation", int(several), 50),
            ("LUTs of a word's bit, activation", bits, 2),
            ("LUTs of a streamed word's bit, activation", bits if kernel.stream else 0, 1),
            ("LUTs of a rounded bit", bits if kernel.rounds else 0, 1),
        )
    if kind == "pool":
        comparisons = (kernel.window[0] * kernel.window[1] - 1) * kernel.channels * kernel.acc_bits
        return law(
            0,
            ("LUTs of control, pool", 1, 500),
            ("LUTs of a word's bit, pool", bits, 2),
            ("LUTs of a comparison's bit", comparisons, 2),
            ("LUTs of a shift register", kernel.shift_registers, 1),
        )
    if kind == "zeropad":
        copied = bits if kernel.backend == "vivado" else 0
        return law(
            0, (f"LUTs of control, zeropad, {kernel.backend}", 1, 300), ("LUTs of a word's bit, zeropad", copied, 1)
        )
    row = kernel.row * bits if kind == "resize" else 0
    return law(
        0,
        (f"LUTs of control, {kind}", 1, 100),
        (f"LUTs of a word's bit, {kind}", bits, _LUTS_A_BIT.get(kind, 2)),
        ("LUTs of a kept row's bit", row, 0.3),
    )


def _ff(kernel: Kernel) -> Law:
    kind, bits, several = kernel.kind, _word_bits(kernel), kernel.words != 1
    if kind == "activation":
        early = kernel.backend == "vivado" and kernel.version < REGISTERED_BEFORE
        return law(
            3 if kernel.stream else 0,
            ("FFs of control, activation", int(several), 10),
            ("FFs of a word's bit, early Vivado", bits if early else 0, 1),
        )
    if kind == "pool":
        return law(0, ("FFs of control, pool", 1, 100), ("FFs of a window's bit", kernel.window_bits, 2))
    if kind == "resize":
        return law(0, ("FFs of control, resize", 1, 30), ("FFs of a kept row's bit", kernel.row * bits, 1))
    stages = (
        kernel.timing.multiply_stages(kernel.x_bits, kernel.w_bits) if kind == "batchnorm" and uses_dsp(kernel) else 1
    )
    return law(
        0,
        (f"FFs of control, {kind}", 1, 30),
        (f"FFs of a word's bit, {kind}", 0 if kind == "zeropad" and kernel.backend == "vivado" else bits, 1),
        ("FFs of a multiplier's stage", kernel.channels * (kernel.x_bits + kernel.w_bits) * (stages - 1), 1),
    )


def _bram(kernel: Kernel) -> Law:
    if kernel.kind in ("table", "softmax"):
        return law(0, (f"block RAMs of tables, {kernel.kind}", 1, 1 if kernel.kind == "table" else 4))
    if kernel.kind == "pool" and kernel.encoded and (kernel.out_words or 0) * kernel.x_bits > FIFO_SRL_BITS:
        return law(kernel.inputs * bram18(kernel.out_words or 1, kernel.x_bits))
    return law()
