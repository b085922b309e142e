"""An affine network node by node, as `hwsr.ir.read_affine` makes them of a file."""

from dataclasses import replace

import numpy as np

from hwsr.ir.affine import ADD_SHIFT, mean_multipliers, multipliers
from hwsr.ir.check import infer, make_graph
from hwsr.ir.graph import Add, ChannelMul, IntGraph, Offset, QType, Requantize, Rescale, SpatialSum, Table
from tests.hls.hls_graphs import UINT8, Net

INT8, INT32 = QType(8, True, 0), QType(32, True, 0)


class AffineNet(Net):
    """Tensors are centred: their zero points are taken off right behind every rescaling."""

    def rescale(self, x, real, zero_point=0, relu=False, to=INT8, left=0):
        c = self.channels[x]
        made = multipliers(real * self.rng.uniform(0.7, 1.4, c), c, left)
        lo = zero_point if relu else to.lo
        rows = (made.multiplier, made.left, made.right)
        name = self.add(Rescale(f"{x}.r", (x,), *rows, zero_point, lo, to.hi, to, 1.0), c)
        return self.centred(name, zero_point) if zero_point else name

    def centred(self, x, zero_point):
        c = self.channels[x]
        return self.add(Offset(f"{x}.o", (x,), np.full(c, -zero_point), 0), c)

    def act(self, name, x, c_out, zero_point=0, relu=False, **conv):
        """A convolution of 8-bit integers, back to 8 bits."""
        made = self.conv(name, x, c_out, spread=0, frac=0, **conv)
        return self.rescale(made, 1 / (70 * self.nodes[-1].weight[0].size ** 0.5), zero_point, relu)

    def operand(self, name, x, real):
        """What a sum reads: finer by ADD_SHIFT bits, as wide as it has to be."""
        made = multipliers(real, self.channels[x], ADD_SHIFT)
        rows = (made.multiplier, made.left, made.right)
        node = Rescale(name, (x,), *rows, 0, INT32.lo, INT32.hi, INT32, 1.0)
        known = make_graph(self.nodes, self.frame).tensors[x]
        found = infer(node, [known], self.frame)
        held = QType.holding(found.lo, found.hi, 0)
        return self.add(replace(node, lo=held.lo, hi=held.hi, type=held), self.channels[x])

    def sum(self, name, a, b, zero_point):
        operands = (self.operand(f"{name}.a", a, 0.5), self.operand(f"{name}.b", b, 0.37))
        total = self.add(Add(name, operands), self.channels[a])
        return self.rescale(total, 1.1 * 2.0**-ADD_SHIFT, zero_point)

    def attention(self, name, x):
        c, (height, width) = self.channels[x], self.frame
        total = self.add(SpatialSum(f"{name}.sum", (x,)), c)
        made = mean_multipliers(1.0, 0.4, c, height * width)
        rows = (made.multiplier, made.left, made.right)
        mean = self.add(Rescale(f"{name}.mean", (total,), *rows, -20, -128, 127, INT8, 1.0), c)
        squeezed = self.act(f"{name}.down", self.centred(mean, -20), 4, 9, k=(1, 1))
        wide = self.rescale(self.conv(f"{name}.up", squeezed, c, k=(1, 1), spread=0, frac=0), 0.004)
        sigmoid = np.round(255 / (1 + np.exp(-np.arange(-128, 128) / 16))).astype(np.int64)
        gate = self.add(Table(f"{name}.sigmoid", (wide,), sigmoid, UINT8), c)
        return self.rescale(self.add(ChannelMul(f"{name}.mul", (x, gate)), c), 1 / 200, 5)


def affine_net(frame: tuple[int, int] = (8, 10)) -> IntGraph:
    """A block with attention and a skip, shuffle by 2."""
    net = AffineNet(frame, seed=7)
    image = net.add(Offset("mean", ("x",), np.full(3, -128), 8), 3)
    head = net.act("head", net.add(Requantize("image", (image,), QType(8, True, 8)), 3), 6, -7)
    first = net.act("first", head, 6, -128, relu=True)
    body = net.attention("ca", net.act("second", first, 6, 4))
    tail = net.sum("skip", body, head, 3)
    up = net.conv("up", tail, 12, spread=0, frac=0)
    scaled = net.rescale(up, 1 / 600, to=QType(8, True, 8))
    return net.finish(net.shuffle("shuffle", scaled, 2))
