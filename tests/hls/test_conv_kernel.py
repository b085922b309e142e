"""The convolution kernel against the definition: every form, folding, type and frame, synthesized and simulated."""

import numpy as np
import pytest

from hwsr.hls.data import adversarial
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Conv, Input, IntGraph, QType, Requantize, Scale
from hwsr.reference.naive import evaluate
from hwsr.reference.run import run
from tests.hls.batch import Batch

KERNELS = [(1, 1), (3, 3), (1, 3), (3, 1), (5, 5), (9, 9), (3, 5), (7, 1)]
FRAMES = [(1, 1), (1, 6), (5, 1), (2, 3), (4, 3), (6, 7), (11, 10)]
Case = tuple[IntGraph, int]


def one_conv(x: QType, weight, bits, weight_frac, bias, groups, to: QType | None, frame) -> IntGraph:
    channels = weight.shape[1] * groups
    nodes = [Input("x", (), channels, x), Conv("c", ("x",), weight, bits, weight_frac, bias, groups)]
    return make_graph([*nodes, Requantize("q", ("c",), to)] if to else nodes, frame)


def drawn(rng: np.random.Generator) -> Case:
    """A convolution of random shape, types and constants, folded at random; half of its weights may be extreme."""
    form = rng.choice(["dense", "grouped", "depthwise"])
    groups = 1 if form == "dense" else int(rng.integers(2, 7))
    inputs = 1 if form == "depthwise" else int(rng.integers(1, 6))
    outputs = groups * (1 if form == "depthwise" else int(rng.integers(1, 6)))
    bits = int(rng.choice([2, 2, 3, 4, 5, 8, 8, 11, 16]))
    limits = QType(bits, True, 0)
    low = -1 if bits == 2 and rng.random() < 0.7 else limits.lo
    kernel = KERNELS[rng.integers(len(KERNELS))]
    shape = (outputs, inputs, *kernel)
    weight = rng.integers(low, limits.hi + 1, shape)
    if rng.random() < 0.5:
        weight = rng.choice([low, limits.hi], shape)
    x = QType(int(rng.choice([1, 4, 8, 8, 13])), bool(rng.random() < 0.5), int(rng.integers(-2, 9)))
    weight_frac = int(rng.integers(-1, 8)) + rng.integers(0, rng.choice([1, 4]), outputs)
    bias = rng.integers(-(1 << 12), 1 << 12, outputs) if rng.random() < 0.7 else np.zeros(outputs, np.int64)
    frac = x.frac + int(weight_frac.max())  # of the sums
    to = QType(int(rng.choice([1, 4, 8, 8, 12])), bool(rng.random() < 0.5), frac - int(rng.integers(-6, 16)))
    if to.bits == 1:
        to = QType(1, False, to.frac)
    graph = one_conv(x, weight, bits, weight_frac, bias, groups, to if rng.random() < 0.8 else None, _frame(rng))
    return graph, int(rng.integers(1, 2 + 2 * weight.size))


def _frame(rng: np.random.Generator) -> tuple[int, int]:
    return FRAMES[rng.integers(len(FRAMES))]


def corners() -> list[Case]:
    """What random ones may miss: sums at the ends of their types, in 32 and in 63 bits, shifts beyond every bit."""
    full = np.full((2, 3, 3, 3), -128)
    u8, s8 = QType(8, False, 8), QType(8, True, 4)
    cases = []
    for to_frac in (-45, -6, -5, 0, 11, 15, 16, 40, 79):
        cases.append(
            (one_conv(u8, full, 8, np.array([7, 9]), np.array([-5, 1 << 20]), 1, QType(8, True, to_frac), (4, 5)), 9)
        )
    # Sums of exactly 32 bits, whose aligned ones need 33; constants beyond a double's 53 bits.
    wide = np.array([[1 << 14], [-(1 << 14)]]).reshape(2, 1, 1, 1)
    x17 = QType(17, True, 0)
    cases.append((one_conv(x17, wide, 16, np.array([0, 1]), np.array([0, 0]), 1, QType(16, True, -14), (2, 2)), 2))
    far = np.array([1 << 54, -(1 << 60), (1 << 60) - 1])
    ones = np.ones((3, 3, 1, 1), np.int64)
    cases.append((one_conv(u8, ones, 8, np.full(3, 7), far, 1, None, (2, 3)), 3))
    cases.append((one_conv(s8, ones, 8, np.array([7, 7, 7]), far, 1, QType(8, True, -45), (2, 3)), 1))
    scale = Scale("c", ("x",), np.array([127, -128, 1, 0, 55, 3]), 8, np.array([3, 4, 3, 3, 5, 3]))
    nodes = [Input("x", (), 6, s8), scale, Requantize("q", ("c",), s8)]
    return [*cases, *((make_graph(nodes, (3, 4)), clocks) for clocks in (1, 2, 3, 6))]


def check(cases: list[Case], folder, *flags: str) -> None:
    batch = Batch([(graph, {"c": clocks}) for graph, clocks in cases], folder, *flags)
    frames = [adversarial(graph.input, graph.frame)[[1, 3, 5, 7]] for graph, _ in cases]
    lively = 0
    for i, (made, own) in enumerate(zip(batch.run(frames), frames, strict=True)):
        expected = [run(cases[i][0], frame) for frame in own]
        assert np.array_equal(np.stack(made), np.stack(expected)), (i, batch.stages[i][1].settings)
        lively += np.ptp(expected[-1]) > 0
    assert lively > 0.8 * len(cases)


@pytest.mark.parametrize("flag", ["-UHWSR_EXACT_WIDTHS", "-DHWSR_EXACT_WIDTHS"], ids=["native", "exact"])
def test_kernel_equals_the_definition(flag: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    check([*corners(), *(drawn(rng) for _ in range(30))], tmp_path, flag)


def test_the_reference_equals_the_definition_at_the_corners() -> None:
    for graph, _ in corners():
        value = frame = adversarial(graph.input, graph.frame)[5]
        for node in graph.nodes[1:]:
            value = evaluate(node, [value], [graph.tensors[name] for name in node.inputs])
        assert np.array_equal(value, run(graph, frame))
