"""Small hand-made networks of random weights, which between them hold every node and every corner of it."""

import re
import shutil
from pathlib import Path

import numpy as np

from hwsr.hls.project import Project, load_project
from hwsr.ir.check import make_graph
from hwsr.ir.graph import (
    Add,
    ChannelMul,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Input,
    IntGraph,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Requantize,
    Scale,
    SpatialSum,
    Table,
    Upsample,
)

UINT8 = QType(8, False, 8)


class Net:
    """Appends nodes to a network; every method returns the name of the tensor it made."""

    def __init__(self, frame: tuple[int, int], seed: int = 0, channels: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self.frame = frame
        self.nodes: list[Node] = [Input("x", (), channels, UINT8)]
        self.channels = {"x": channels}

    def add(self, node: Node, channels: int) -> str:
        self.nodes.append(node)
        self.channels[node.name] = channels
        return node.name

    def conv(self, name, x, c_out, k=(3, 3), bits=8, spread=2, frac=7, groups=1, bias=True):
        shape = (c_out, self.channels[x] // groups, *k)
        limit = 1 if bits == 2 else (1 << (bits - 1)) - 1
        weight = self.rng.integers(-limit, limit + 1, shape)
        weight_frac = frac + self.rng.integers(0, spread + 1, c_out)
        bounds = 2000 if bits > 2 else 100
        values = self.rng.integers(-bounds, bounds, c_out) if bias else np.zeros(c_out, np.int64)
        return self.add(Conv(name, (x,), weight, bits, weight_frac, values, groups), c_out)

    def requantize(self, x, bits=8, signed=True, frac=4, name=None):
        return self.add(Requantize(name or f"{x}.q", (x,), QType(bits, signed, frac)), self.channels[x])

    def layer(self, name, x, c_out, signed=True, to=4, **conv):
        return self.requantize(self.conv(name, x, c_out, **conv), signed=signed, frac=to)

    def scale(self, name, x, low=-128, frac=8):
        c = self.channels[x]
        return self.add(Scale(name, (x,), self.rng.integers(low, 128, c), 8, frac + self.rng.integers(0, 2, c)), c)

    def sp_conv(self, name, x, c_out, r, k=(3, 3)):
        """Ternary convolution, factors, ternary 1x1 with a power of two a channel."""
        hidden = self.conv(f"{name}.k", x, r, k, bits=2, spread=0, frac=0, bias=False)
        hidden = self.requantize(self.scale(f"{name}.a", hidden, frac=11))
        return self.layer(f"{name}.1x1", hidden, c_out, k=(1, 1), bits=2, frac=1, spread=2)

    def attention(self, name, x):
        c, (height, width) = self.channels[x], self.frame
        mean = self.add(SpatialSum(f"{name}.sum", (x,)), c)
        factor = np.full(c, round(2**16 / (height * width)))
        mean = self.add(Scale(f"{name}.mean", (mean,), factor, 16, np.full(c, 16)), c)
        squeezed = self.layer(f"{name}.down", self.requantize(mean), 4, signed=False, k=(1, 1), frac=5)
        widened = self.layer(f"{name}.up", squeezed, c, k=(1, 1), frac=5)
        sigmoid = np.round(255 / (1 + np.exp(-np.arange(-128, 128) / 16))).astype(np.int64)
        gate = self.add(Table(f"{name}.sigmoid", (widened,), sigmoid, UINT8), c)
        return self.requantize(self.add(ChannelMul(f"{name}.mul", (x, gate)), c))

    def skip(self, name, a, b):
        return self.requantize(self.add(Add(name, (a, b)), self.channels[a]))

    def head(self, c_out):
        offset = self.add(
            Offset("mean", ("x",), self.rng.integers(-130, -90, self.channels["x"]), 8), self.channels["x"]
        )
        return self.layer("head", self.requantize(offset, frac=7), c_out, frac=6)

    def channel_shuffle(self, name, x, groups):
        return self.add(ChannelShuffle(name, (x,), groups), self.channels[x])

    def slice(self, name, x, start, stop):
        return self.add(ChannelSlice(name, (x,), start, stop), stop - start)

    def concat(self, name, *parts):
        return self.add(Concat(name, parts), sum(self.channels[x] for x in parts))

    def shuffle(self, name, x, factor):
        return self.add(PixelShuffle(name, (x,), factor), self.channels[x] // factor**2)

    def upsample(self, name, x, factor):
        return self.add(Upsample(name, (x,), factor), self.channels[x])

    def finish(self, x, anchor=None):
        if anchor:
            x = self.add(Add("anchor", (x, anchor)), self.channels[x])
        else:
            x = self.add(Offset("unmean", (x,), np.full(self.channels[x], 110), 8), self.channels[x])
        self.requantize(x, signed=False, frac=8, name="y")
        return make_graph(self.nodes, self.frame)


def attention_net(frame: tuple[int, int] = (12, 16)) -> IntGraph:
    """int8 per channel, ternary SP-conv, channel attention, skips in skips, shuffle by 2, anchor."""
    net = Net(frame)
    head = net.head(6)
    first = net.layer("block 1/a", head, 6, signed=False, frac=8)
    second = net.layer("block 1/b", first, 6, frac=9)
    block = net.skip("block 1/skip", net.attention("ca", second), head)
    block = net.skip("long skip", net.sp_conv("sp", block, 6, 8), head)
    up = net.shuffle("shuffle", net.layer("up", block, 12, frac=8), 2)
    tail = net.requantize(net.conv("tail", up, 3, frac=8), bits=9, frac=8)
    return net.finish(tail, net.upsample("nearest", "x", 2))


def odd_net(frame: tuple[int, int] = (9, 7)) -> IntGraph:
    """int8 per tensor, depthwise 3x3, 1x3 and 3x1, 5x5, a node read twice by one reader, x3, wide and narrow types."""
    net = Net(frame, seed=1)
    head = net.head(4)
    wide = net.conv("fork", head, 4, k=(1, 1), spread=0, frac=6)
    kept = net.requantize(wide, bits=11, frac=6, name="Fork.q")  # its name differs from another's by case alone
    low = net.requantize(wide, bits=4, signed=False, frac=0, name="fork.Q")
    x = net.layer("depthwise", kept, 4, groups=4, spread=0)
    x = net.layer("1x3", x, 4, k=(1, 3), groups=4)
    x = net.layer("3x1", x, 4, k=(3, 1), groups=4)
    x = net.layer("full 1x3", x, 5, k=(1, 3), bits=4, frac=3, spread=0)
    x = net.layer("5x5", x, 4, k=(5, 5), frac=8)
    doubled = net.add(Add("twice", (low, low)), 4)
    squares = net.add(Table("square", (low,), np.arange(16) ** 2 - 100, QType(9, True, 5)), 4)
    x = net.skip("sum", net.skip("sum of both", doubled, squares), x)
    coarse = net.requantize(x, bits=6, frac=-1, name="coarse")
    x = net.skip("back", coarse, x)
    up = net.shuffle("shuffle", net.layer("up", x, 27, bits=2, frac=2, spread=3), 3)
    return net.finish(up)


def grouped_net(frame: tuple[int, int] = (7, 8)) -> IntGraph:
    """Grouped convolutions and channel shuffles, a split and its concatenation, one of four parts on several grids."""
    net = Net(frame, seed=4)
    head = net.head(8)
    x = net.layer("pointwise groups", head, 12, k=(1, 1), groups=4)
    x = net.channel_shuffle("shuffled", x, 4)
    x = net.layer("3x3 groups", x, 8, groups=2, frac=8)
    x = net.layer("ternary groups", x, 8, groups=4, bits=2, frac=2, signed=False)
    kept, worked = net.slice("kept", x, 0, 5), net.slice("worked", x, 5, 8)
    worked = net.layer("worked on", worked, 3, frac=6, to=5)
    joined = net.channel_shuffle("mixed", net.concat("joined", kept, worked), 2)
    middle = net.layer("middle", joined, 4, frac=8)
    parts = net.concat("parts", middle, net.slice("some", head, 2, 5), worked, net.slice("one", joined, 7, 8))
    up = net.layer("up", net.requantize(parts, name="parts.q"), 12, frac=8)
    return net.finish(net.shuffle("up shuffle", up, 2))


def x4_net(frame: tuple[int, int] = (6, 5)) -> IntGraph:
    """Two shuffles with a convolution between, a 1x1 network's depths: x4 with an anchor upsampled in two steps."""
    net = Net(frame, seed=2)
    x = net.shuffle("shuffle 1", net.layer("up 1", net.head(4), 16), 2)
    x = net.shuffle("shuffle 2", net.layer("up 2", x, 16, frac=8), 2)
    anchor = net.upsample("nearest 2", net.upsample("nearest 1", "x", 2), 2)
    return net.finish(net.requantize(net.conv("tail", x, 3, frac=8), bits=9, frac=8), anchor)


def fan_net(readers: int, frame: tuple[int, int] = (5, 6)) -> IntGraph:
    """One tensor that as many nodes read, the last ones through more layers than the first."""
    net = Net(frame, seed=5)
    head = net.head(4)
    total = head
    for i in range(readers - 1):
        total = net.skip(f"s{i}", total, net.layer(f"c{i}", head, 4, k=(1, 1 + 2 * (i % 2)), frac=9))
    return net.finish(net.layer("tail", total, 3, k=(1, 1)))


def tiny_net(frame: tuple[int, int] = (8, 10)) -> IntGraph:
    """Two convolutions and a shuffle: quick to compile."""
    net = Net(frame, seed=3)
    body = net.layer("body", net.head(4), 12)
    return net.finish(net.shuffle("shuffle", body, 2))


def luma_net(frame: tuple[int, int] = (6, 7)) -> IntGraph:
    """Luma alone, of one channel from end to end."""
    net = Net(frame, seed=6, channels=1)
    return net.finish(net.layer("body", net.head(4), 1))


# (network, backend, reuse factor): every kernel on both backends, unrolled and folded.
BUILDS = {
    "attention-vitis": (attention_net, "Vitis", 1),
    "attention-vivado": (attention_net, "Vivado", 9),
    "odd-vitis": (odd_net, "Vitis", None),
    "odd-vivado": (odd_net, "Vivado", 1),
    "grouped-vitis": (grouped_net, "Vitis", 6),
    "grouped-vivado": (grouped_net, "Vivado", 1),
    "tiny": (tiny_net, "Vitis", 4),
}


def tiles_for(graph, n, seed=0):
    shape = (n, graph.input.channels, *graph.frame)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def damaged(project: Project, folder: Path, layer: str) -> Project:
    """A copy of a project with one weight of a layer changed."""
    shutil.copytree(project.folder, folder)
    header = folder / "firmware" / "weights" / f"{layer}.h"
    text = header.read_text()
    changed = re.sub(r"= \{\{0x(.)", lambda found: f"= {{{{0x{'1' if found[1] != '1' else '2'}", text, count=1)
    assert changed != text
    header.write_text(changed)
    return load_project(folder)
