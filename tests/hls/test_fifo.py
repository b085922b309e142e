"""The depths are tested on a model of the hardware: blocking processes, bounded streams, words held in flight."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from hwsr.hls.fifo import IN_FLIGHT, PLAIN, depths, lags
from hwsr.hls.lower import lower
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import IntGraph, PixelShuffle
from hwsr.ir.stages import Stage
from tests.hls.hls_graphs import Net, attention_net, fan_net, grouped_net, odd_net, tiny_net, x4_net

# A process yields ("read" or "write", stream) and goes on once that has happened.
Process = Iterator[tuple[str, str]]


def process(stage: Stage, shapes: dict[str, tuple[int, int, int]], words: int) -> Process:
    """The order in which a stage's kernel reads and writes, for ever, with `words` in flight until the frame ends."""
    outputs = list(stage.streams)
    while True:
        flying: deque[tuple[str, str]] = deque()
        for action, stream in frame_of(stage, [shapes[name] for name in stage.inputs], outputs):
            if action == "read":
                yield action, stream
                continue
            flying.append((action, stream))
            if len(flying) > words * len(outputs):
                yield flying.popleft()
        yield from flying


def frame_of(stage: Stage, inputs: list[tuple[int, int, int]], outputs: list[str]) -> Process:
    height, width, _ = stage.shape
    kernel = stage.kind
    if kernel == "conv":
        fill = (stage.settings["kernel_height"] // 2) * width + stage.settings["kernel_width"] // 2
        for i in range(fill + height * width):
            if i < height * width:
                yield "read", stage.inputs[0]
            if i >= fill:
                yield "write", outputs[0]
    elif kernel in ("pixel_shuffle", "upsample_nearest"):
        factor = stage.settings["factor"]
        for y in range(height):
            for x in range(width):
                if y % factor == 0 and x % factor == 0:
                    yield "read", stage.inputs[0]
                yield "write", outputs[0]
    elif kernel == "spatial_sum":
        for _ in range(inputs[0][0] * inputs[0][1]):
            yield "read", stage.inputs[0]
        yield "write", outputs[0]
    else:
        sources = list(stage.inputs)
        if kernel == "channel_mul":
            yield "read", sources.pop()
        for _ in range(height * width):
            yield from (("read", name) for name in sources)
            yield from (("write", name) for name in outputs)


def everywhere(stage: Stage) -> int:
    return IN_FLIGHT


def nowhere(stage: Stage) -> int:
    return 0


def finishes(stages: tuple[Stage, ...], frames: int = 2, flying: Callable[[Stage], int] = everywhere) -> bool:
    """True when `frames` frames come out, False when the processes wait for one another for ever.

    flying: words that a stage holds in flight.
    """
    room = {stream: depth for stage in stages for stream, depth in stage.streams.items()}
    output = next(iter(stages[-1].streams))
    wanted = frames * stages[-1].shape[0] * stages[-1].shape[1]
    room[output] = wanted
    shapes = {stream: stage.shape for stage in stages for stream in stage.streams}
    held = dict.fromkeys(room, 0)
    running = deque((stage, process(stage, shapes, flying(stage))) for stage in stages)
    waiting = [(it, next(it)) for _, it in running]
    moved = True
    while moved and held[output] < wanted:
        moved = False
        for i, (it, (action, stream)) in enumerate(waiting):
            while held[stream] > 0 if action == "read" else held[stream] < room[stream]:
                held[stream] += -1 if action == "read" else 1
                action, stream = next(it)
                moved = True
            waiting[i] = it, (action, stream)
    return held[output] == wanted


def with_depth(stages: tuple[Stage, ...], stream: str, depth: int) -> tuple[Stage, ...]:
    return tuple(
        replace(stage, streams=stage.streams | {stream: depth}) if stream in stage.streams else stage
        for stage in stages
    )


def behind(stages: tuple[Stage, ...], stream: str) -> set[str]:
    """Names of the stages that `stream` passes through before it meets another."""
    result: set[str] = set()
    while True:
        reader = next(stage for stage in stages if stream in stage.inputs)
        if len(reader.inputs) > 1 or len(reader.streams) > 1:
            return result
        result.add(reader.name)
        stream = next(iter(reader.streams))


def residual_net(frame: tuple[int, int], kernels: list[tuple[int, int]]) -> IntGraph:
    net = Net(frame)
    x = head = net.head(4)
    for i, k in enumerate(kernels):
        x = net.layer(f"c{i}", x, 4, k=k)
    return net.finish(net.skip("skip", head, x))


def anchored_net(frame: tuple[int, int], scale: int, tail: bool) -> IntGraph:
    net = Net(frame)
    x = net.layer("up", net.head(4), 3 * scale**2)
    x = net.shuffle("shuffle", x, scale)
    if tail:
        x = net.layer("tail", x, 3)
    return net.finish(x, net.upsample("nearest", "x", scale))


NETS = {
    "attention": attention_net(),
    "attention, tall": attention_net((17, 5)),
    "odd": odd_net(),
    "grouped": grouped_net(),
    "x4": x4_net(),
    "tiny": tiny_net(),
    "fan": fan_net(9),
    "residual": residual_net((10, 9), [(3, 3), (3, 3)]),
    "residual, kernels": residual_net((9, 11), [(1, 3), (3, 1), (5, 5), (1, 1)]),
    "residual, one pixel": residual_net((1, 1), [(3, 3)]),
    "anchor x2": anchored_net((7, 9), 2, tail=False),
    "anchor x3, tail": anchored_net((6, 8), 3, tail=True),
    "anchor x4, tail": anchored_net((5, 7), 4, tail=True),
}


@pytest.mark.parametrize("name", NETS)
def test_no_network_deadlocks(name):
    stages = lower(NETS[name], 1)
    assert finishes(stages) and finishes(stages, flying=nowhere)
    for seed in range(8):  # any stage may hold less than it can
        rng = np.random.default_rng(seed)
        held = {stage.name: int(rng.choice([0, 1, IN_FLIGHT])) for stage in stages}
        assert finishes(stages, flying=lambda stage, held=held: held[stage.name]), held


def test_words_in_flight_deadlock_a_skip_without_room_for_them():
    graph = residual_net((20, 30), [(3, 3), (1, 1)])
    stages = lower(graph, 1)
    stream = next(name for stage in stages if stage.name == "n_skip" for name in stage.inputs if "_to" in name)
    lag = lags(graph)["skip"] - lags(graph)["head.q"]
    assert finishes(with_depth(stages, stream, PLAIN + lag), flying=nowhere)
    assert not finishes(with_depth(stages, stream, lag - PLAIN), flying=nowhere)
    assert not finishes(with_depth(stages, stream, PLAIN + lag))


@pytest.mark.parametrize("name", ["attention", "residual", "residual, kernels", "anchor x2", "anchor x3, tail", "x4"])
def test_deep_streams_are_needed(name):
    """Every deep stream of a fork is deep for a reason, and no deeper than needed but for a row a shuffle and the words
    that the plain streams beside it hold.

    Needed, that is, when the stages of the skip itself hold nothing.
    """
    graph = NETS[name]
    stages = lower(graph, 1)
    shuffles = sum(isinstance(node, PixelShuffle) for node in graph.nodes)
    deep = [(s, d) for stage in stages for s, d in stage.streams.items() if "_to" in s and d > PLAIN]
    assert deep
    for stream, depth in deep:
        held = {stage.name: IN_FLIGHT for stage in stages} | dict.fromkeys(behind(stages, stream), 0)
        least = next(
            d
            for d in range(1, depth + 1)
            if finishes(with_depth(stages, stream, d), 1, lambda stage, held=held: held[stage.name])
        )
        assert least > PLAIN, f"{stream} could be a plain stream"
        assert depth - least <= shuffles * graph.frame[1] + 2 * PLAIN, f"{stream}: {depth} where {least} do"


def test_a_plain_chain_gets_plain_streams():
    graph = residual_net((10, 9), [(3, 3)])
    plain = {edge: depth for edge, depth in depths(graph).items() if edge != ("skip", 0)}
    assert set(plain.values()) == {PLAIN}


def test_a_deep_adder_graph_holds_more_in_flight():
    graph = residual_net((20, 9), [(3, 3), (5, 5)])
    chain = np.array([[i and 63 + i, 0, i + 1, 0, 1] for i in range(30)])
    deep = {
        depth: AdderGraph(chain[:depth], np.array([[63 + depth, 0, 1]]), *(np.zeros(64 + depth, np.int64),) * 2)
        for depth in (10, 11, 30)
    }
    plain = depths(graph)["skip", 0]
    for depth, more in ((10, 0), (11, 1), (30, 20)):
        assert depths(graph, {"c0": deep[depth]})["skip", 0] == plain + more


def test_the_skip_holds_what_the_convolutions_take_in():
    graph = residual_net((20, 9), [(3, 3), (5, 5)])
    assert lags(graph)["skip"] - lags(graph)["head.q"] == 3 * 9 + 3
    assert depths(graph)["skip", 0] == PLAIN + 3 * 9 + 3 + 2 * IN_FLIGHT
    assert depths(graph)["skip", 1] == PLAIN


def test_attention_holds_one_frame_and_no_more():
    graph = attention_net((12, 16))
    found = depths(graph)
    assert found["ca.mul", 0] == PLAIN + 12 * 16
    assert found["ca.mul", 1] == PLAIN
    assert max(found.values()) == PLAIN + 12 * 16


def test_the_anchor_waits_in_front_of_the_upsampling():
    graph = anchored_net((7, 9), 2, tail=True)
    found = depths(graph)
    assert found["anchor", 1] == PLAIN
    assert found["nearest", 0] > 2 * 9
