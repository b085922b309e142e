"""Ticks of the kernels: as many as `hwsr estimate` counts, and at the places that the C++ has them."""

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.fabric import ULTRASCALE_PLUS, Timing
from hwsr.estimate.layers import estimate_layers
from hwsr.hls.lower import lower
from hwsr.ir.stages import Stage
from hwsr.simulate.process import Process, in_program_order, processes
from tests.hls.affine_graphs import affine_net
from tests.hls.hls_graphs import UINT8, attention_net, fan_net, grouped_net, odd_net, tiny_net, x4_net


@pytest.mark.parametrize("reuse", [1, 9])
@pytest.mark.parametrize("net", [attention_net, odd_net, grouped_net, x4_net, tiny_net, lambda: fan_net(9), affine_net])
def test_a_frame_takes_the_cycles_that_are_estimated(net, reuse):
    graph = net()
    stages = lower(graph, reuse)
    layers = estimate_layers(graph, stages, Timing(ULTRASCALE_PLUS, "vitis", 5.0))
    found = processes(stages, {layer.stage: layer.cycles - layer.turns for layer in layers})
    assert [process.ticks for process in found[1:]] == [layer.cycles for layer in layers]
    assert found[0].ticks == graph.frame[0] * graph.frame[1]
    for process in found:
        for ticks in (*process.reads.values(), *process.writes.values()):
            assert ticks[0] >= 0 and (np.diff(ticks) > 0).all() and ticks[-1] < process.ticks


def stage(kind, settings, shape, inputs=("a",), outputs=("b",)):
    return Stage("s", kind, "s", inputs, dict.fromkeys(outputs, 2), shape, UINT8, settings)


def process_of(made, shape, latency=0):
    before = [
        Stage(name, "InputLayer", name, (), {name: 2}, shape if name == "a" else (1, 1, 1), UINT8)
        for name in made.inputs
    ]
    return processes([*before, made], {"s": latency})[-1]


def test_a_convolution_takes_in_a_row_and_a_pixel_then_folds():
    """2x3 pixels, 3x3, 2 clocks each: 4 words first, then a word at the first clock of a pixel while there are any."""
    settings = {"n_steps": 2, "kernel_height": 3, "kernel_width": 3, "width": 3}
    made = process_of(stage("conv", settings, (2, 3, 1)), (2, 3, 1), latency=5)
    assert made.ticks == 4 + 6 * 2 + 5
    assert made.reads["a"].tolist() == [0, 1, 2, 3, 4, 6]
    assert made.writes["b"].tolist() == [10, 12, 14, 16, 18, 20]


def test_a_convolution_that_takes_in_the_whole_frame_first():
    settings = {"n_steps": 1, "kernel_height": 5, "kernel_width": 5, "width": 2}
    made = process_of(stage("conv", settings, (1, 2, 1)), (1, 2, 1))
    assert made.reads["a"].tolist() == [0, 1]
    assert made.writes["b"].tolist() == [6, 7] and made.ticks == 8


def test_a_shuffle_reads_in_the_first_row_of_each_group():
    made = process_of(stage("pixel_shuffle", {"factor": 2}, (4, 6, 1)), (2, 3, 4), latency=1)
    assert made.reads["a"].tolist() == [0, 2, 4, 12, 14, 16]
    assert made.writes["b"].tolist() == list(range(1, 25))


def test_attention_reads_its_map_before_its_pixels():
    made = process_of(stage("channel_mul", {"n_steps": 3}, (1, 2, 6), inputs=("a", "map")), (1, 2, 6))
    assert list(made.reads) == ["map", "a"]
    assert made.reads["map"].tolist() == [0] and made.reads["a"].tolist() == [0, 3]
    assert made.writes["b"].tolist() == [2, 5]


def test_a_sum_and_a_table():
    made = process_of(stage("spatial_sum", {"n_pixels": 6}, (1, 1, 4)), (2, 3, 4), latency=2)
    assert made.reads["a"].tolist() == list(range(6)) and made.writes["b"].tolist() == [7]
    made = process_of(stage("table_lookup", {"n_steps": 4}, (1, 2, 4)), (1, 2, 4), latency=2)
    assert made.reads["a"].tolist() == [0, 4] and made.writes["b"].tolist() == [5, 9] and made.ticks == 10


def test_a_kernel_that_is_not_known_is_refused():
    with pytest.raises(HwsrError, match=r"stage 's': the simulation knows no kernel 'softmax'"):
        process_of(stage("softmax", {}, (1, 2, 4)), (1, 2, 4))


def test_program_order_is_one_access_a_tick():
    words = np.arange(3)
    fork = Process("fork", 3, {"a": words}, {"b": words, "c": words})
    made = in_program_order(fork)
    assert made.ticks == 9
    assert made.reads["a"].tolist() == [0, 3, 6]
    assert made.writes["b"].tolist() == [1, 4, 7] and made.writes["c"].tolist() == [2, 5, 8]


def test_words_that_are_held_leave_when_as_many_have_come_and_at_the_end():
    words = np.arange(3)
    made = in_program_order(Process("fork", 3, {"a": words}, {"b": words, "c": words}), held=2)
    # a, a, a b c (those of the first word), then b c b c.
    assert made.reads["a"].tolist() == [0, 1, 2]
    assert made.writes["b"].tolist() == [3, 5, 7] and made.writes["c"].tolist() == [4, 6, 8]
    many = in_program_order(Process("fork", 3, {"a": words}, {"b": words}), held=16)
    assert many.reads["a"].tolist() == [0, 1, 2] and many.writes["b"].tolist() == [3, 4, 5]
