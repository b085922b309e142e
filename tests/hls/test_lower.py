"""What lowering decides before hls4ml is asked: fusion, types, reuse, names."""

from types import SimpleNamespace

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.hls.fifo import fork_stages
from hwsr.hls.lower import identifiers, lower
from hwsr.hls.model import _check
from hwsr.hls.source import precision
from hwsr.ir.check import make_graph
from hwsr.ir.fused import endings
from hwsr.ir.graph import Conv, Input, QType, Requantize
from tests.hls.hls_graphs import UINT8, Net, attention_net, fan_net, odd_net, tiny_net


def stage_of(stages, tensor):
    return next(stage for stage in stages if stage.makes == tensor and not stage.helper)


def test_types_are_spelled_as_hls4ml_reads_them():
    assert precision(QType(8, True, 10)) == "int<8>"
    assert precision(QType(8, False, -1)) == "uint<8>"


def test_a_requantization_becomes_its_producers_result_type():
    stages = lower(tiny_net(), 1)
    assert not any(stage.kind == "requantize" for stage in stages)
    assert stage_of(stages, "body.q").result == QType(8, True, 4)


def test_a_tensor_with_several_readers_is_not_fused():
    graph = odd_net()
    assert "fork" not in endings(graph)
    assert stage_of(lower(graph, 1), "Fork.q").kind == "requantize"


def test_ternary_weights_take_two_bits_whatever_their_scales():
    stage = stage_of(lower(attention_net(), 1), "sp.1x1.q")
    assert stage.settings["weight_bits"] == 2 and stage.settings["ternary"]
    assert len(set(stage.constants["up"].values.flatten())) > 1


def one_conv(weight, bits=8):
    weight = np.array(weight, np.int64).reshape(1, 1, 1, -1)
    conv = Conv("c", ("x",), weight, bits, np.array([7]), np.array([0]))
    return make_graph([Input("x", (), 1, UINT8), conv, Requantize("y", ("c",), UINT8)], (4, 4))


@pytest.mark.parametrize(
    ("weight", "bits", "expected"),
    [
        ([-1, 0, 1], 8, 2),
        ([0, 1, 1], 2, 2),
        ([-2, 1, 0], 8, 2),
        ([-5, 7, 3], 8, 4),
        ([3, 1, 2], 8, 3),
    ],
)
def test_weights_take_no_more_bits_than_they_need(weight, bits, expected):
    settings = lower(one_conv(weight, bits), 1)[-1].settings
    assert settings["weight_bits"] == expected
    assert settings["ternary"] == (max(map(abs, weight)) == 1)


def test_the_accumulator_is_proven_width():
    assert lower(one_conv([-5, 7, 3]), 1)[-1].settings["sum_bits"] == 13  # 10 * 255 = 2550 and -1275


def test_reuse_follows_the_resolution():
    stages = lower(attention_net(), 12)
    assert stage_of(stages, "block 1/a.q").reuse_factor == 12  # 6 outputs of 54 products
    assert stage_of(stages, "tail.q").reuse_factor == 3  # 4 times as many pixels
    assert stage_of(stages, "ca.down.q").reuse_factor == 6 * 4  # one pixel a frame: a single multiplier


def test_reuse_by_name():
    stages = lower(tiny_net(), {"body": 6})
    assert stage_of(stages, "body.q").reuse_factor == 6
    assert stage_of(stages, "head.q").reuse_factor == 1
    with pytest.raises(HwsrError, match=r"no node of this name"):
        lower(tiny_net(), {"nobody": 6})


def test_identifiers_differ_without_regard_to_case():
    names = identifiers(odd_net())
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(name.isidentifier() for name in names.values())


def test_stages_and_streams_of_one_name_are_told_apart():
    """Nodes named as the stages that are added around another: its padding, its fork and that one's streams."""
    net = Net((6, 6))
    x = net.requantize(net.conv("a_pad", "x", 3, k=(1, 1)), name="a_fork")
    x = net.requantize(net.conv("b", x, 3, k=(1, 1)), name="A_to0")
    first = net.requantize(net.conv("a", x, 3), name="q")
    both = net.skip("a_to1", net.layer("c", first, 3, k=(1, 1)), first)
    stages = lower(make_graph([*net.nodes, Requantize("y", (both,), UINT8)], net.frame), 1)
    streams = [stream for stage in stages for stream in stage.streams]
    assert len({stage.name.lower() for stage in stages}) == len(stages)
    assert len({stream.lower() for stream in streams}) == len(streams)
    assert {source for stage in stages for source in stage.inputs} <= set(streams)


def test_stages_of_one_name_are_refused(tmp_path):
    stages = lower(tiny_net(), 1)
    with pytest.raises(HwsrError, match=r"one name"):
        _check(SimpleNamespace(graph={stage.name: None for stage in stages}), [*stages, stages[-1]])


def test_products_wider_than_a_native_integer_are_refused():
    net = Net((6, 6))
    wide = net.requantize(net.conv("big", "x", 3, k=(1, 1)), bits=60)
    net.requantize(net.scale("wide", wide, frac=3))
    with pytest.raises(HwsrError, match=r"'wide'.*64"):
        lower(make_graph(net.nodes, net.frame), 1)


def test_frames_beyond_a_kernels_counter_are_refused():
    with pytest.raises(HwsrError, match=r"'body'.*432 clocks for each of 4000 x 4000"):
        lower(tiny_net((4000, 4000)), {"body": 432})


def test_an_empty_network_is_refused():
    with pytest.raises(HwsrError, match=r"does nothing"):
        lower(make_graph([Input("x", (), 3, UINT8)], (4, 4)), 1)


@pytest.mark.parametrize("readers, forks", [(2, [2]), (7, [7]), (8, [7, 2]), (14, [7, 7, 2])])
def test_many_readers_get_forks_in_a_row(readers, forks):
    stages = lower(fan_net(readers), 1)
    assert [len(stage.streams) for stage in stages if stage.kind == "Clone"] == forks
    read = [source for stage in stages for source in stage.inputs]
    assert sorted(read) == sorted({stream for stage in stages[:-1] for stream in stage.streams})
    assert fork_stages(readers) == len(forks) and fork_stages(1) == 0
