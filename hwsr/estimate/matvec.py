"""Laws of the kernels that multiply by weights: convolutions and dense layers, unrolled or folded."""

from math import ceil

from hwsr.estimate.fabric import dsps
from hwsr.estimate.kernel import Kernel
from hwsr.estimate.law import Law, law
from hwsr.estimate.memories import FIFO_SRL_BITS, INDEX_ROM_BITS, bram18, rom_bram18
from hwsr.estimate.products import LUT_PRODUCT_BITS, Products

# From this clock period on the line buffer's rows are shifted as fast for many channels as for one.
SLOW_CLOCK_NS = 10.0
# Vitis HLS of 2020 schedules hls4ml's dense kernels worse than any later version that a report is of.
EARLY_VITIS_ENDS = (2021, 1)
# Share of the signed digits' sums that an adder graph keeps when sums are shared (da4ml on ternary 3x3 kernels).
ADDERS_LEFT = 0.5


def products_of(kernel: Kernel) -> Products:
    assert kernel.products is not None, f"a {kernel.kind} has weights"
    return kernel.products


def cycles(kernel: Kernel) -> dict[str, Law]:
    if kernel.kind == "dense":
        return _dense_cycles(kernel)
    latency = _folded_conv_cycles(kernel) if kernel.folded else _unrolled_conv_cycles(kernel)
    return {"latency_max": latency, "interval_max": latency}


def _depth(kernel: Kernel) -> int:
    """Cycles from the first weight to the last sum of a folded kernel."""
    terms = max(kernel.multipliers // kernel.out_channels, 1) if kernel.folded else kernel.inputs // kernel.channels
    return kernel.timing.accumulate_depth(kernel.x_bits, kernel.w_bits, terms)


def _folded_conv_cycles(kernel: Kernel) -> Law:
    """Every pixel waits for a loop of `reuse_factor` steps, which is not pipelined over the pixels."""
    pixels = kernel.words or 0
    loop = kernel.reuse_factor + _depth(kernel) - 2
    return law(pixels * loop, ("cycles around the loop of a pixel", pixels, 5))


def _unrolled_conv_cycles(kernel: Kernel) -> Law:
    """A pixel a cycle, or every `reuse_factor` cycles.

    Vitis makes a function of what happens to a pixel, whose window it keeps from call to call, and begins a call only
    when the last one has ended: a pixel takes as long as its sums, and no less than the line buffer.
    """
    pixels = kernel.words or 0
    fill = ("cycles to fill a convolution", int(pixels > 1), 3)
    if kernel.kind == "depthwise":
        return law(pixels * min(kernel.reuse_factor, _depth(kernel) - 1) + 2)
    interval = kernel.reuse_factor
    if kernel.backend == "vitis" and kernel.window != (1, 1):
        interval = max(interval, _line_buffer_cycles(kernel), _sum_cycles(kernel))
    return law(pixels * interval, fill)


def _line_buffer_cycles(kernel: Kernel) -> int:
    """Cycles to shift the rows of a line buffer on Vitis: two rows lie in a memory; many channels' take longer."""
    rows = kernel.window[0] - 1
    if kernel.channels == 1 or kernel.clock_ns >= SLOW_CLOCK_NS:
        return ceil(1 + rows / 2)
    return ceil(1.5 * rows)


def _sum_cycles(kernel: Kernel) -> int:
    return kernel.timing.sum_cycles(*_sum(kernel))


def _sum(kernel: Kernel) -> tuple[int, int, bool, int, int]:
    """What the timing of a sum depends on: bits of both factors, whether in DSPs, bits of the sum, and its terms."""
    terms = ceil(products_of(kernel).nonzero / kernel.out_channels)
    return kernel.x_bits, _constant_bits(kernel), uses_dsp(kernel), _sum_bits(kernel), terms


def _dense_cycles(kernel: Kernel) -> dict[str, Law]:
    if kernel.folded:
        words = kernel.words or 1
        loop = kernel.reuse_factor + _depth(kernel) - 2 + (words if words > 1 else 0)
        latency = law(loop, (f"cycles around a dense loop, {kernel.backend}", 1, 2))
        return {
            "latency_max": latency,
            "interval_max": law(kernel.reuse_factor) if kernel.backend == "vitis" else latency,
        }
    words = kernel.words or 1
    depth = max(_sum_cycles(kernel) - 1, kernel.reuse_factor if kernel.reuse_factor > 1 else 0)
    early = kernel.backend == "vitis" and kernel.version < EARLY_VITIS_ENDS
    serial = kernel.inputs * (kernel.out_channels + 1) + kernel.out_channels if early else 0
    latency = law(
        depth + words - 1,
        ("cycles to fill a dense layer", int(depth > 0), 0),
        ("cycles of a product, early Vitis", serial, 0),
    )
    return {"latency_max": latency, "interval_max": latency}


def uses_dsp(kernel: Kernel) -> bool:
    """Small products stay in LUTs; those of ternary weights or in an adder graph are no products at all."""
    return not kernel.adder_graph and kernel.w_bits > 2 and kernel.x_bits + kernel.w_bits > LUT_PRODUCT_BITS


def _constant_bits(kernel: Kernel) -> int:
    """Bits of an unrolled layer's constants, as HLS trims them."""
    return max(min(kernel.w_bits, products_of(kernel).magnitude_bits + 1), 1)


def _top_weight_bits(kernel: Kernel) -> int:
    """The weights of a step lie side by side in one ROM word, whose top bits HLS trims to those in use."""
    in_use = products_of(kernel).magnitude_bits + 1
    return min(kernel.w_bits, in_use) if kernel.w_bits > 2 else kernel.w_bits


def dsp(kernel: Kernel) -> Law:
    """Counted, without a coefficient: reports of fully described layers agree with it."""
    if not uses_dsp(kernel):
        return law(_small_products_in_dsp(kernel))
    products = products_of(kernel)
    if kernel.folded:
        top = dsps(kernel.x_bits, max(_top_weight_bits(kernel), 1))
        return law((kernel.multipliers - 1) * dsps(kernel.x_bits, kernel.w_bits) + top)
    each = dsps(kernel.x_bits, _constant_bits(kernel))
    if kernel.reuse_factor > 1 and kernel.kind != "depthwise":
        # The kernel allows as many multipliers as nonzero weights over the reuse factor.
        return law(ceil(products.nonzero / kernel.reuse_factor) * each)
    return law(products.hard * each)


def lut(kernel: Kernel) -> Law:
    name = "dense" if kernel.kind == "dense" else "conv"
    if kernel.folded:
        return _folded_lut(kernel, name)
    products, sum_bits = products_of(kernel), _sum_bits(kernel)
    control = (f"LUTs of control, {name}", 1, 1000 if name == "conv" else 200)
    lines = ("LUTs of a shift register", kernel.shift_registers, 1)
    if kernel.adder_graph:
        return law(0, control, lines, ("LUTs of an adder graph's bit", ADDERS_LEFT * products.digits * sum_bits, 1))
    hard, hard_digits = (products.hard, products.hard_digits) if uses_dsp(kernel) else (0, 0)
    shifted = max((products.digits - hard_digits) - (products.nonzero - hard), 0)
    return law(
        0,
        control,
        lines,
        ("LUTs of an adder's bit", products.nonzero * sum_bits, 1),
        ("LUTs of a shifted adder's bit", shifted * (kernel.x_bits + _constant_bits(kernel)), 1),
        ("LUTs to share a product's bit", products.nonzero * kernel.x_bits if kernel.reuse_factor > 1 else 0, 1),
    )


def _sum_bits(kernel: Kernel) -> int:
    """Bits of the sums of an unrolled layer: no more than its products can fill."""
    grown = kernel.x_bits + products_of(kernel).magnitude_bits + max(kernel.inputs, 1).bit_length() // 2
    return min(kernel.acc_bits, grown)


def _folded_lut(kernel: Kernel, name: str) -> Law:
    indexed = kernel.out_channels * kernel.acc_bits if kernel.reuse_factor > kernel.inputs else 0
    buffered = name == "conv" and kernel.backend == "vivado" and not kernel.encoded
    return law(
        0,
        (f"LUTs of control, folded {name}", 1, 1000 if name == "conv" else 200),
        ("LUTs of an accumulator's bit", kernel.multipliers * kernel.acc_bits, 1.5),
        ("LUTs of an indexed accumulator's bit", indexed, 3),
        ("LUTs to hold an input's bit", 0 if buffered else kernel.window_bits, 2),
        ("LUTs to choose an input's bit", kernel.window_bits, 0.25),
        ("LUTs of a shift register", kernel.shift_registers, 1),
        ("LUTs of a small product's bit", small_product_bits(kernel), 1),
    )


def _small_products_in_dsp(kernel: Kernel) -> int:
    """Vivado HLS gives a DSP to a product and the sum behind it, however small: one of every two that are summed."""
    if not kernel.folded or kernel.backend == "vitis" or kernel.w_bits <= 2:
        return 0
    summed = kernel.multipliers // kernel.out_channels
    return kernel.out_channels * ceil(summed / 2) if summed else kernel.multipliers


def small_product_bits(kernel: Kernel) -> int:
    """Bits of the partial products of a folded kernel's multipliers outside DSPs; a ternary weight only selects."""
    if uses_dsp(kernel):
        return 0
    outside = kernel.multipliers - _small_products_in_dsp(kernel)
    return outside * kernel.x_bits * (kernel.w_bits if kernel.w_bits > 2 else 1)


def ff(kernel: Kernel) -> Law:
    name = "dense" if kernel.kind == "dense" else "conv"
    return _folded_ff(kernel, name) if kernel.folded else _unrolled_ff(kernel, name)


def _folded_ff(kernel: Kernel, name: str) -> Law:
    in_dsp = uses_dsp(kernel) or _small_products_in_dsp(kernel)
    stages = kernel.timing.multiply_stages(kernel.x_bits, kernel.w_bits) if in_dsp else 1
    piped = kernel.multipliers * (kernel.x_bits + kernel.w_bits) * (stages - 1)
    return law(
        0,
        (f"FFs of control, folded {name}", 1, 500 if name == "conv" else 100),
        (f"FFs of an input's bit, folded {name}", kernel.window_bits, 2),
        ("FFs of an accumulator's bit", kernel.out_channels * kernel.acc_bits, 2),
        ("FFs of a multiplier's stage", piped, 1),
    )


def _unrolled_ff(kernel: Kernel, name: str) -> Law:
    """A product that is pipelined keeps both factors at every stage; of sums only those that begin a cycle are kept."""
    if name == "dense" and _sum_cycles(kernel) == 1:
        return law(3)
    products, factors = products_of(kernel), kernel.x_bits + kernel.w_bits
    stages = kernel.timing.multiply_stages(kernel.x_bits, _constant_bits(kernel)) if uses_dsp(kernel) else 1
    control = (f"FFs of control, {name}", 1, 200 if name == "conv" else 50)
    window = (f"FFs of an input's bit, {name}", kernel.window_bits, 2)
    if kernel.reuse_factor > 1 and kernel.kind != "depthwise":
        return law(0, control, window, ("FFs of a shared product", products.nonzero * factors, 1))
    kept = kernel.out_channels * _sum_bits(kernel) * kernel.timing.kept_sums(*_sum(kernel))
    return law(
        0,
        control,
        window,
        ("FFs of a constant multiplier's stage", products.hard * factors * stages if stages > 1 else 0, 1),
        ("FFs of a sum's bit", kept, 0.3),
    )


def bram(kernel: Kernel) -> Law:
    fifos = 0
    if kernel.encoded and (kernel.out_words or 0) * kernel.x_bits > FIFO_SRL_BITS:
        fifos = kernel.inputs * bram18(kernel.out_words or 1, kernel.x_bits)
    if not kernel.folded:
        return law(fifos)
    steps, trimmed = kernel.reuse_factor, kernel.w_bits - _top_weight_bits(kernel)
    # Whether they stay in LUTs is decided before the top weight is trimmed.
    in_blocks = rom_bram18(steps, kernel.multipliers * kernel.w_bits) > 0
    weights = bram18(steps, max(kernel.multipliers * kernel.w_bits - trimmed, 1)) if in_blocks else 0
    index_bits = (kernel.out_channels - 1).bit_length() if steps > kernel.inputs else 0
    return law(weights + rom_bram18(steps, index_bits, INDEX_ROM_BITS[kernel.backend]) + fifos)


def laws(kernel: Kernel) -> dict[str, Law]:
    """Every figure's law."""
    return cycles(kernel) | {
        "dsp": dsp(kernel),
        "lut": lut(kernel),
        "ff": ff(kernel),
        "bram18": bram(kernel),
        "uram": law(),
    }
