"""The order in which a convolution's constants are laid out, against the loops of its kernel written out."""

import numpy as np
import pytest

from hwsr.hls.convolution import clipped_shift, constants, fields_per_word, native, pack, weight_bits
from hwsr.ir.graph import Conv, QType
from hwsr.ir.stages import Folding, Loops


@pytest.mark.parametrize("bits, fields", [(2, 32), (3, 16), (4, 16), (5, 8), (8, 8), (9, 4), (16, 4), (17, 2), (33, 1)])
def test_words_hold_signed_fields(bits: int, fields: int) -> None:
    limits = QType(bits, True, 0)
    lanes = np.random.default_rng(bits).integers(limits.lo, limits.hi + 1, (5, 2 * fields + 1))
    words = pack(lanes, bits)
    assert fields_per_word(bits) == fields and words.shape == (5, 3) and words.dtype == np.uint64
    for row, i in np.ndindex(lanes.shape):
        field = int(words[row, i // fields]) >> (bits * (i % fields)) & (1 << bits) - 1
        assert (field ^ 1 << bits - 1) - (1 << bits - 1) == lanes[row, i]


@pytest.mark.parametrize("folding", [Folding(1, 1, 1), Folding(1, 2, 3), Folding(3, 1, 6), Folding(3, 4, 18)])
def test_constants_lie_in_the_kernels_order(folding: Folding) -> None:
    rng, work = np.random.default_rng(0), Loops(3, 4, 18)
    weight = rng.integers(-128, 128, (12, 6, 1, 3))
    node = Conv("c", ("x",), weight, 8, rng.integers(5, 8, 12), rng.integers(-999, 999, 12), 3)
    made = constants(node, work, folding)
    fields = fields_per_word(weight_bits(node))
    step = fold = 0
    for group in range(0, 3, folding.groups):
        for output in range(0, 4, folding.outputs):
            for first in range(0, 18, folding.simd):
                for lane in range(folding.pe):
                    channel = (group + lane // folding.outputs) * 4 + output + lane % folding.outputs
                    assert made["bias"].values[fold, lane] == node.bias[channel]
                    assert made["up"].values[fold, lane] == node.weight_frac.max() - node.weight_frac[channel]
                    for i in range(folding.simd):
                        word, place = divmod(lane * folding.simd + i, fields)
                        field = int(made["weights"].values[step, word]) >> 8 * place & 255
                        column, inner = divmod(first + i, 6)
                        assert field == weight[channel, inner, 0, column] & 255
                        assert made["tap_column"].values[first // folding.simd, i] == column
                step += 1
            fold += 1
    assert made["weights"].values.shape[0] == step == folding.reuse(work)


def test_arrays_take_the_narrowest_type() -> None:
    types = [native(np.array([low, high])).c_type for low, high in ((-(1 << 15), 0), (0, 1 << 15), (0, 1 << 31))]
    assert types == ["short", "int", "long long"]


def test_shifts_stop_where_nothing_changes() -> None:
    assert clipped_shift(20, 5, QType(8, True, 0)) == 5
    assert clipped_shift(20, 60, QType(8, True, 0)) == 20
    assert clipped_shift(20, -60, QType(8, True, 0)) == -8
