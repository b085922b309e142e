"""Reads affine networks (int8 of any scale, with zero points), by LiteRT's specification of int8.

Zero points are subtracted by an Offset before what sums or multiplies, and every Quant node becomes a Rescale whose
constants `hwsr.ir.affine` makes of the scales as LiteRT does. Sums and joins are int8 too: their operands are
rescaled first. What lies on a power-of-two grid with zero point 0, as the image does, is read as in fixed point.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir import affine
from hwsr.ir.check import infer
from hwsr.ir.constants import QuantizedConstant, power_of_two
from hwsr.ir.graph import (
    Add,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Node,
    Offset,
    PixelShuffle,
    QType,
    Rescale,
    SpatialSum,
    Table,
    Upsample,
)
from hwsr.ir.read import Quantization, Reader

BITS = 8
BIAS_BITS = 32
# How far a bias' scale, a float32, may be from the product of its accumulators' scales.
SCALE_ERROR = 1e-5
ACCUMULATOR = QType(32, True, 0)
_MOVES = (PixelShuffle, ChannelShuffle, ChannelSlice, Upsample)
_FUNCTIONS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "Sigmoid": lambda x: np.float32(1) / (np.float32(1) + np.exp(-x)),
    "Tanh": np.tanh,
}


@dataclass(frozen=True)
class Grid:
    """value = (q - zero_point) * scale."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Waiting:
    """An operation of int8 tensors that waits for the Quant that says what its result is; 'Same' is none."""

    operation: str
    sources: tuple[str, ...]
    relu: bool = False


class AffineReader(Reader):
    """`grids`: the int8 tensors that are no fixed point; `accumulators`: the scales of what a Quant must follow.

    These scales are as precise as LiteRT computes with them: float64 of a convolution, float32 of a product.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__(graph)
        self.grids: dict[str, Grid] = {}
        self.accumulators: dict[str, NDArray[np.floating]] = {}
        self.scales: dict[str, NDArray[np.float64]] = {}
        self.waiting: dict[str, Waiting] = {}
        self.centred: dict[str, str] = {}

    def _read_node(self, node: onnx.NodeProto) -> None:
        label, name, made = node.name or node.output[0], node.input[0] if node.input else "", node.output[0]
        match node.op_type:
            case "Relu":
                before = self.waiting.get(name) or Waiting("Same", (self._accumulated(name, label),))
                self.waiting[made] = replace(before, relu=True)
            case "Sigmoid" | "Tanh":
                self.waiting[made] = Waiting(node.op_type, (self._source(name, label),))
            case "Concat":
                self._concat(node, label)
            case "ReduceMean":
                self._check_axes(node, label, _attributes(node))
                self.waiting[made] = Waiting("Mean", (self._source(name, label),))
            case "ReduceSum":
                raise HwsrError(f"node '{label}': a sum over the frame has no affine form; write a ReduceMean")
            case _:
                super()._read_node(node)

    def _quant(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        to, name = self._quantization(node, label, attributes), node.input[0]
        if name in self.constants:
            self._quantize_constant(node, label, to)
            return
        grid, qtype = _target(label, to)
        waiting = self.waiting.get(name)
        if not waiting and _is_fixed(grid) and (name == self.image or self._fixed_and_coarser(name, qtype)):
            self._requantize(node, label, qtype)
            return
        waiting = waiting or Waiting("Same", (self._accumulated(name, label),))
        match waiting.operation:
            case "Same":
                self._rescale(node, label, waiting, grid, qtype)
            case "Add":
                self._sum(node, label, waiting, grid, qtype)
            case "Mean":
                self._mean(node, label, waiting, grid, qtype)
            case "Concat":
                parts = [self._part(label, source, waiting, grid, qtype) for source in waiting.sources]
                self._settle(node, Concat(self._name(label), tuple(parts)), grid)
            case function:
                if waiting.relu:
                    raise HwsrError(f"node '{label}': a Relu of a {function} has no affine form")
                (source,) = waiting.sources
                values = _table(function, self._grid(source), self.tensors[source].type, grid, qtype)
                self._settle(node, Table(self._name(label), (source,), values, qtype), grid)

    def _quantize_constant(self, node: onnx.NodeProto, label: str, to: Quantization) -> None:
        """Weights and biases: integers around zero, scales one or one a channel."""
        values, scale = self.constants[node.input[0]], to.scale.astype(np.float64)
        channels = values.shape[0] if values.ndim else 1
        if np.any(to.zero_point != 0):
            raise HwsrError(f"node '{label}': the zero point of its constants is not 0, as LiteRT's int8 has it")
        if to.bits not in (BITS, BIAS_BITS) or not to.signed:
            raise HwsrError(f"node '{label}': affine constants are signed, of {BITS} bits, biases of {BIAS_BITS}")
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise HwsrError(f"node '{label}': its scale is not a positive number; the file is damaged or not QONNX")
        if scale.size > 1 and scale.shape != (channels, *[1] * (values.ndim - 1)):
            raise HwsrError(f"node '{label}': scales of shape {scale.shape} are not one a channel of {values.shape}")
        limits = QType(to.bits, True, 0)
        integers = np.clip(np.rint(values / scale), limits.lo + to.narrow, limits.hi).astype(np.int64)
        self.quantized[node.output[0]] = QuantizedConstant(integers, np.zeros(channels, np.int64), to.bits)
        self.scales[node.output[0]] = np.broadcast_to(scale.reshape(-1), (channels,))

    def _conv(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        super()._conv(node, label, attributes)
        scales = np.float64(self._grid(self._source(node.input[0], label)).scale) * self.scales[node.input[1]]
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and not np.allclose(self.scales[bias], scales, rtol=SCALE_ERROR, atol=0):
            raise HwsrError(f"node '{label}': its bias does not lie on the grid of its accumulators")
        self.accumulators[self.alias[node.output[0]]] = scales

    def _bias(self, name: str, grid: NDArray[np.int64], label: str) -> NDArray[np.int64]:
        if not name:
            return np.zeros(len(grid), np.int64)
        if name not in self.quantized or self.quantized[name].values.shape != grid.shape:
            raise HwsrError(f"node '{label}': its bias passes no Quant node, or is not one value a channel")
        return self.quantized[name].values

    def _mul(self, node: onnx.NodeProto, label: str) -> None:
        if any(name in self.constants for name in node.input):
            raise HwsrError(f"node '{label}': a constant factor has no affine form; quantize into its scale")
        super()._mul(node, label)
        a, b = (np.float32(self._grid(self._source(name, label)).scale) for name in node.input)
        self.accumulators[self.alias[node.output[0]]] = np.asarray(a * b)

    def _add(self, node: onnx.NodeProto, label: str) -> None:
        if not any(name in self.constants for name in node.input):
            if node.op_type == "Sub":
                raise HwsrError(f"node '{label}': Sub is supported only to take a constant from a tensor")
            self.waiting[node.output[0]] = Waiting("Add", self._sources(node, label))
            return
        for name in node.input:
            self._add_exactly(name)
        _, source = self._constant_operand(node, label)
        if source in self.grids:
            raise HwsrError(f"node '{label}': a constant added has no affine form; quantize into a zero point")
        super()._add(node, label)

    def _add_exactly(self, name: str) -> None:
        """Where `name` is a sum of fixed points that waits (the image's own grid), make it one, as wide as it gets."""
        waiting = self.waiting.get(name)
        if waiting and waiting.operation == "Add" and not self.grids.keys() & set(waiting.sources) and not waiting.relu:
            del self.waiting[name]
            self._append(Add(self._name(name), waiting.sources), name)

    def _concat(self, node: onnx.NodeProto, label: str) -> None:
        if _attributes(node).get("axis") not in (1, -3):
            raise HwsrError(f"node '{label}': only a Concat of channels (axis 1) is supported")
        sources = self._sources(node, label)
        grids = {self._grid(source) for source in sources}
        if len(grids) > 1:
            self.waiting[node.output[0]] = Waiting("Concat", sources)
        else:
            self._settle(node, Concat(self._name(label), sources), grids.pop())

    def _sum(self, node: onnx.NodeProto, label: str, waiting: Waiting, grid: Grid, qtype: QType) -> None:
        """ADD: both operands on a common grid, finer by ADD_SHIFT bits, then their sum."""
        a, b = (self._grid(source).scale for source in waiting.sources)
        *reals, real = affine.sum_reals(a, b, grid.scale)
        if real >= 1:
            raise HwsrError(f"node '{label}': its scale {grid.scale:g} is too fine for a sum in 32 bits")
        operands = []
        for name, source, factor in zip("ab", waiting.sources, reals, strict=True):
            constants = affine.multipliers(factor, self.tensors[source].channels, affine.ADD_SHIFT)
            common, centred = Grid(2 * max(a, b) / 2.0**affine.ADD_SHIFT, 0), self._centred(source)
            rescale = _rescaling(self._name(f"{label}/{name}"), centred, constants, common, ACCUMULATOR, relu=False)
            made = infer(rescale, [self.tensors[centred]], self.frame)
            held = QType.holding(made.lo, made.hi, 0)
            operands.append(self._insert(replace(rescale, lo=held.lo, hi=held.hi, type=held)))
        total = self._insert(Add(self._name(f"{label}/sum"), tuple(operands)))
        constants = affine.multipliers(real, self.tensors[total].channels)
        self._settle(node, _rescaling(self._name(label), total, constants, grid, qtype, waiting.relu), grid)

    def _mean(self, node: onnx.NodeProto, label: str, waiting: Waiting, grid: Grid, qtype: QType) -> None:
        """MEAN: the sum over the frame, whose rescaling divides."""
        (source,) = waiting.sources
        area = int(np.prod(self.frame)) * self.tensors[source].upscale ** 2
        total = self._insert(SpatialSum(self._name(f"{label}/sum"), (self._centred(source),)))
        constants = affine.mean_multipliers(self._grid(source).scale, grid.scale, self.tensors[source].channels, area)
        self._settle(node, _rescaling(self._name(label), total, constants, grid, qtype, waiting.relu), grid)

    def _rescale(self, node: onnx.NodeProto, label: str, waiting: Waiting, grid: Grid, qtype: QType) -> None:
        (source,) = waiting.sources
        is_output = node.output[0] == self.graph.output[0].name
        if not is_output and not waiting.relu and self._stays(source, grid, qtype):
            self.alias[node.output[0]] = source
        else:
            self._settle(node, self._rescaled(self._name(label), source, waiting.relu, grid, qtype), grid)

    def _part(self, label: str, source: str, waiting: Waiting, grid: Grid, qtype: QType) -> str:
        """A tensor that is joined with others, on their common grid."""
        if not waiting.relu and self._stays(source, grid, qtype):
            return source
        node = self._rescaled(self._name(f"{label}/{source}"), source, waiting.relu, grid, qtype)
        return self._insert(node)

    def _stays(self, source: str, grid: Grid, qtype: QType) -> bool:
        """Whether a tensor lies on a grid already, within what the grid's integers hold."""
        made = self.tensors[source]
        same = source not in self.accumulators and self._grid(source) == grid
        return same and qtype.lo <= made.lo and made.hi <= qtype.hi

    def _rescaled(self, name: str, source: str, relu: bool, grid: Grid, qtype: QType) -> Rescale:
        # LiteRT's QUANTIZE divides in float64, its RELU in float32.
        own = np.array(self._grid(source).scale, np.float32 if relu else np.float64)
        scale = self.accumulators.get(source, own)
        with np.errstate(over="ignore"):  # what is infinite is refused by name below
            real = scale / np.array(grid.scale, scale.dtype)
        if not np.isfinite(real).all():
            raise HwsrError(f"node '{name}': its scale lies too far from that of '{source}'; quantize the network anew")
        constants = affine.multipliers(real, self.tensors[source].channels)
        return _rescaling(name, self._centred(source), constants, grid, qtype, relu)

    def _settle(self, source: onnx.NodeProto, node: Node, grid: Grid) -> None:
        """Add the node that makes an int8 tensor on `grid`."""
        self._emit(source, node)
        if not _is_fixed(grid):
            self.grids[node.name] = grid

    def _insert(self, node: Node) -> str:
        name = super()._insert(node)
        if isinstance(node, _MOVES) and node.inputs[0] in self.grids:
            self.grids[name] = self.grids[node.inputs[0]]
        return name

    def _centred(self, name: str) -> str:
        """The tensor of q - zero_point."""
        zero_point = 0 if name in self.accumulators else self._grid(name).zero_point
        if not zero_point:
            return name
        if name not in self.centred:
            offset = np.full(self.tensors[name].channels, -zero_point, np.int64)
            self.centred[name] = self._insert(Offset(self._name(f"{name}/centred"), (name,), offset, 0))
        return self.centred[name]

    def _factor(self, name: str, label: str) -> str:
        return self._centred(self._source(name, label))

    def _source(self, name: str, label: str) -> str:
        if name in self.waiting:
            raise HwsrError(f"node '{label}': reads a {self.waiting[name].operation} that no Quant node follows")
        source = super()._source(name, label)
        if source in self.accumulators:
            raise HwsrError(f"node '{label}': reads the accumulators of '{source}'; a Quant node must follow them")
        return source

    def _accumulated(self, name: str, label: str) -> str:
        """As `_source`, accumulators included."""
        return super()._source(name, label)

    def _grid(self, name: str) -> Grid:
        return self.grids.get(name) or Grid(2.0 ** -self.tensors[name].type.frac, 0)

    def _fixed_and_coarser(self, name: str, to: QType) -> bool:
        """Whether `name` is fixed point that `to` holds without rounding."""
        source = self.alias.get(name, "")
        known = source in self.tensors and source not in self.grids and source not in self.accumulators
        return known and self.tensors[source].type.frac <= to.frac


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _is_fixed(grid: Grid) -> bool:
    return grid.zero_point == 0 and np.frexp(grid.scale)[0] == 0.5


def _target(label: str, to: Quantization) -> tuple[Grid, QType]:
    """The grid and type that a Quant node puts activations on."""
    qtype = QType(BITS, to.signed, 0)
    if to.scale.size != 1 or to.zero_point.size != 1:
        raise HwsrError(f"node '{label}': activations need one scale and zero point, this has {to.scale.size}")
    if to.narrow or to.bits != BITS:
        raise HwsrError(f"node '{label}': affine activations are full range and {BITS} bits wide")
    scale, zero_point = float(to.scale.flat[0]), float(to.zero_point.flat[0])
    if not np.isfinite(scale) or scale <= 0:
        raise HwsrError(f"node '{label}': its scale is not a positive number; the file is damaged or not QONNX")
    if not zero_point.is_integer() or not qtype.lo <= zero_point <= qtype.hi:
        raise HwsrError(f"node '{label}': its zero point {zero_point:g} is not a whole number within {qtype}")
    grid = Grid(scale, int(zero_point))
    return grid, replace(qtype, frac=int(power_of_two(label, to.scale).flat[0])) if _is_fixed(grid) else qtype


def _rescaling(name: str, source: str, constants: affine.Multipliers, grid: Grid, qtype: QType, relu: bool) -> Rescale:
    lo = grid.zero_point if relu else qtype.lo
    rows = (constants.multiplier, constants.left, constants.right)
    return Rescale(name, (source,), *rows, grid.zero_point, lo, qtype.hi, qtype, grid.scale)


def _table(function: str, of: Grid, source: QType, grid: Grid, qtype: QType) -> NDArray[np.int64]:
    """The table of a nonlinearity as LiteRT fills it, in float32: each integer's value, rounded half away from zero."""
    with np.errstate(over="ignore"):  # both functions have values at infinity
        x = np.float32(of.scale) * (np.arange(source.lo, source.hi + 1) - of.zero_point).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite exponential makes a sigmoid of 0, as it should
        y = _FUNCTIONS[function](x) * np.float32(1 / grid.scale)
    if np.isnan(y).any():
        raise HwsrError(f"a {function} has the scale {grid.scale:g}, which no table has values on; quantize it anew")
    rounded = np.trunc(y + np.copysign(np.float32(0.5), y)).clip(-(2.0**31), 2.0**31).astype(np.int64)
    return np.clip(rounded + grid.zero_point, qtype.lo, qtype.hi)
