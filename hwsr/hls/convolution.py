"""A convolution as the kernel in nnet_hwsr_conv.h takes it: its settings, its constants in the order of its loops."""

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import Conv, IntArray, QType, Tensor
from hwsr.ir.stages import Constant, Folding, Loops, Settings, accumulator_range, is_ternary

# The words that weights are packed in, and the widest native integer of the simulation.
WORD, WORD_BITS = "unsigned long long", 64


def native(values: IntArray) -> Constant:
    """Integers in the narrowest type of C++ that holds them all."""
    bits = signed_bits(QType.holding(int(values.min()), int(values.max()), 0))
    name = next(name for name, width in (("short", 16), ("int", 32), ("long long", 64)) if bits <= width)
    return Constant(name, values)


def signed_bits(qtype: QType) -> int:
    """Width of two's complement integers that hold the type's."""
    return qtype.bits + (not qtype.signed)


def clipped_shift(bits: int, shift: int, result: QType) -> int:
    """`shift` where every further bit changes nothing: the value is gone, or whatever is not zero saturates."""
    return max(min(shift, bits), -result.bits)


def weight_bits(node: Conv) -> int:
    """The narrowest width, with a sign, that holds every weight."""
    return max(QType.holding(min(int(node.weight.min()), -1), int(node.weight.max()), 0).bits, 2)


def settings(
    node: Conv, x: Tensor, y: Tensor, result: QType, frame: tuple[int, int], work: Loops, folding: Folding
) -> Settings:
    """The integers of the kernel's config struct.

    x, y: the tensors that the node reads and makes; result: the type that its sums are requantized to; frame: (H, W).
    Raises HwsrError for a product too wide.
    """
    c_out, _, kh, kw = node.weight.shape
    bits, data, aligned = weight_bits(node), signed_bits(x.type), signed_bits(y.type)
    sums = signed_bits(QType.holding(*accumulator_range(node, x), 0))
    room = max(data + bits, sums)
    if room > WORD_BITS:
        raise HwsrError(f"node '{node.name}': its products need {room} bits, {WORD_BITS} are supported")
    return {
        "height": frame[0],
        "width": frame[1],
        "n_chan": x.channels,
        "n_filt": c_out,
        "kernel_height": kh,
        "kernel_width": kw,
        "n_lines": max(kh - 1, 1),
        "groups": work.groups,
        "group_inputs": work.products,
        "group_outputs": work.outputs,
        "data_bits": data,
        "weight_bits": bits,
        "per_word": fields_per_word(bits),
        "sum_bits": sums,
        "aligned_bits": aligned,
        "room": room,
        "rescales": 0,
        "max_up": int(np.ptp(node.weight_frac)),
        "shift": clipped_shift(aligned, y.type.frac - result.frac, result),
        "ternary": int(is_ternary(node)),
        **folded(work, folding, bits),
    }


def folded(work: Loops, folding: Folding, bits: int) -> Settings:
    """Those of the settings that the folding decides; bits: of a weight."""
    steps = folding.reuse(work)
    return {
        "simd": folding.simd,
        "pe": folding.pe,
        "lane_groups": folding.groups,
        "lane_outputs": folding.outputs,
        "n_steps": steps,
        "n_folds": steps * folding.simd // work.products,
        "n_words": -(-folding.pe * folding.simd // fields_per_word(bits)),
        "multiplier": int(folding.multiplier),
        "weights_in": int(folding.weights),
    }


def constants(
    node: Conv, work: Loops, folding: Folding, rescaling: NDArray[np.uint64] | None = None
) -> dict[str, Constant]:
    """The kernel's arrays, in the order of its arguments; rescaling: (c_out,) words that end each channel's sum."""
    lanes = node.weight.transpose(0, 2, 3, 1).reshape(-1, work.products // folding.simd, folding.simd)
    lanes = _by_fold(lanes, work, folding).transpose(0, 2, 1, 3)  # (fold, step of it, lane, simd)
    steps = lanes.reshape(-1, folding.pe * folding.simd)
    if rescaling is None:
        up = _by_fold(node.weight_frac.max() - node.weight_frac, work, folding)
        ending = {"up": Constant("unsigned char", up)}
    else:
        ending = {"rescaling": Constant(WORD, _by_fold(rescaling, work, folding))}
    return {
        "weights": Constant(WORD, pack(steps, weight_bits(node))),
        "bias": native(_by_fold(node.bias, work, folding)),
        **ending,
        "tap_column": Constant("unsigned char", _tap_columns(node).reshape(-1, folding.simd)),
    }


def fields_per_word(bits: int) -> int:
    """Weights a word: a power of two, so that a lane finds its own without a division."""
    return 1 << (WORD_BITS // bits).bit_length() - 1


def pack(lanes: IntArray, bits: int) -> NDArray[np.uint64]:
    """Rows of signed integers -> rows of words that hold their `bits` low bits each, the first ones lowest."""
    per_word = fields_per_word(bits)
    rows, n = lanes.shape
    padded = np.zeros((rows, -(-n // per_word), per_word), np.uint64)
    padded.reshape(rows, -1)[:, :n] = lanes.astype(np.uint64) & np.uint64((1 << bits) - 1)
    return np.bitwise_or.reduce(padded << np.arange(0, per_word * bits, bits, dtype=np.uint64), axis=2)


def _by_fold(channels: NDArray, work: Loops, folding: Folding) -> NDArray:
    """(c_out, ...) -> (folds, PE, ...): the channels whose sums grow together, fold by fold."""
    rest = channels.shape[1:]
    split = channels.reshape(
        work.groups // folding.groups, folding.groups, work.outputs // folding.outputs, folding.outputs, *rest
    )
    return split.swapaxes(1, 2).reshape(-1, folding.pe, *rest)


def _tap_columns(node: Conv) -> IntArray:
    """The kernel's column of every product of an output, in the order of the weights."""
    _, channels, kh, kw = node.weight.shape
    return np.tile(np.repeat(np.arange(kw), channels), kh)
