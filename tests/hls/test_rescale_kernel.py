"""The C++ of affine rescaling against the reference, a hundred thousand accumulators and constants in one program."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.hls.rescaling import settings, words
from hwsr.hls.source import config, precision
from hwsr.ir.graph import IntArray, QType, Rescale
from hwsr.reference import kernels
from hwsr.reference.rescale import rescale_calls
from tests.hls.batch import FLAGS, INCLUDES

INT8, UINT8, WIDE = QType(8, True, 0), QType(8, False, 0), QType(32, True, 0)
COUNT = 20_000
# (type, zero point, lowest result, what an Offset adds): plain, of ReLUs, at the ends of int8, of the operand of a sum
FORMS = [(INT8, 7, -128, 0), (INT8, -128, -128, 128), (INT8, 127, 127, -127), (UINT8, 3, 3, -3), (WIDE, 0, WIDE.lo, 0)]

HEADER = '#include "ap_int.h"\n#include "nnet_types.h"\n#include "nnet_hwsr_rescale.h"\n#include <iostream>\n'
MAIN = """
template <class res_T, class CONFIG_T> void run(unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        long long value;
        unsigned long long constants;
        std::cin >> value >> constants;
        const typename nnet::integer<CONFIG_T::operand_bits>::type operand = value;
        std::cout << (long long)nnet::rescaled<res_T, CONFIG_T>(operand, constants) << '\\n';
    }
}
int main() {
    std::ios::sync_with_stdio(false);
%s}
"""


def drawn(form: tuple[QType, int, int, int], rng: np.random.Generator) -> tuple[Rescale, IntArray]:
    """A Rescale of COUNT channels, and an accumulator for each: of any size, at ends, at and beside ties."""
    to, zero_point, lo, _ = form
    rare = rng.random(COUNT) < 0.1
    multiplier = rng.integers(1 << 30, 1 << 31, COUNT)
    multiplier = np.where(rng.random(COUNT) < 0.3, 1 << 30, multiplier)
    multiplier = np.where(rare, rng.choice([0, 1, (1 << 30) + 1, (1 << 31) - 1], COUNT), multiplier)
    left = np.where(rng.random(COUNT) < 0.2, rng.integers(0, 21, COUNT), 0)
    right = np.where(rng.random(COUNT) < 0.9, rng.integers(0, 21, COUNT), rng.integers(0, 32, COUNT))
    node = Rescale("r", ("x",), multiplier, left, right, zero_point, lo, to.hi, to, 1.0)
    limit = (1 << 31) - 1 >> left
    scale = multiplier * 2.0 ** (left - right - 31)
    steps = rng.integers(-140, 141, COUNT) - 0.5
    beside = np.clip(steps / np.maximum(scale, 2.0**-40), -limit, limit)
    near = np.rint(beside).astype(np.int64) + rng.integers(-1, 2, COUNT)
    any_size = rng.integers(-limit, limit + 1) >> rng.integers(0, 31, COUNT)
    ends = np.where(rng.random(COUNT) < 0.5, limit, -limit - 1)
    which = rng.random(COUNT)
    q = np.where(which < 0.5, near, np.where(which < 0.9, any_size, ends))
    return node, np.clip(q, -limit - 1, limit)


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_kernel_equals_the_reference(flag: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    text, calls, lines, expected = HEADER, "", [], []
    ties = 0
    for i, form in enumerate(FORMS):
        node, q = drawn(form, rng)
        made, added = kernels.rescale(q[:, None, None], node)[:, 0, 0], form[3]
        expected += (made + added).tolist()
        result = QType.holding(int(made.min()) + added, int(made.max()) + added, 0)
        text += config(f"config{i}", settings(node, added, q, q), {})
        calls += f"    run<ap_{precision(result)}, config{i}>({COUNT});\n"
        lines += [f"{each} {word}\n" for each, word in zip(q.tolist(), words(node).tolist(), strict=True)]
        high = ((q << node.left) * node.multiplier + (1 << 30)) >> 31
        ties += int(((node.right > 0) & (high % (1 << node.right) == 1 << node.right >> 1) & (high < 0)).sum())
        assert len(np.unique(made)) > (1 if node.lo == node.hi else 100) - 1
    assert ties > 1000 and len(expected) >= 100_000
    (tmp_path / "bench.cpp").write_text(text + MAIN % calls)
    command = ["g++", *FLAGS, flag, *(f"-I{path}" for path in INCLUDES), "bench.cpp", "-o", "bench"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:2000]
    done = subprocess.run([tmp_path / "bench"], input="".join(lines), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr[:2000]
    assert np.array_equal(np.array(done.stdout.split(), np.int64), expected)


def test_the_references_floats_equal_its_integers_on_these() -> None:
    """What runs whole images, on the same accumulators."""
    for form in FORMS[:4]:
        node, q = drawn(form, np.random.default_rng(1))
        reach = int(np.abs(q << node.left).max())
        q, node = q << node.left, replace(node, left=np.zeros_like(node.left))
        rows, y = q.astype(np.float64)[None, :, None], np.zeros((1, COUNT, 1))
        for call in rescale_calls(node, rows, 1.0, reach, y):
            call()
        assert np.array_equal(y[0, :, 0], kernels.rescale(q[:, None, None], node)[:, 0, 0])
