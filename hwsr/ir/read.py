"""Reads a QONNX file into an IntGraph. The file is untrusted: everything is checked, nothing is executed."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.check import MAX_BITS, infer, make_graph
from hwsr.ir.constants import (
    QuantizedConstant,
    array_of,
    channel_constant,
    dyadic_constant,
    power_of_two,
    quantize_constant,
)
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
    Tensor,
    Upsample,
)
from hwsr.ir.seal import check_seal
from hwsr.ir.table import FUNCTIONS, table_of

# What a file says of itself where scales may be any number and zero points other than 0.
AFFINE = ("hwsr.arithmetic", "affine")
MAX_ACTIVATION_BITS = 16
# Pixels of a frame's side.
LONGEST = 99_999


def read_qonnx(path: Path) -> IntGraph:
    """The network of a QONNX file. Raises HwsrError with the node that does not fit, or where the file was damaged."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HwsrError(f"cannot read {path}: {error.strerror}") from error
    if not data:
        raise HwsrError(f"{path} is empty; export it again")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise HwsrError(f"{path} is not an ONNX file, or only a part of one; export it again") from error
    from hwsr.ir.read_affine import AffineReader  # here, for it builds on the reader below

    affine = any((prop.key, prop.value) == AFFINE for prop in model.metadata_props)
    try:
        # Last, for a node that cannot be read tells more than a digest.
        graph = (AffineReader if affine else Reader)(model.graph).read()
        check_seal(model, data)
    except HwsrError as error:
        raise HwsrError(f"{path}: {error}") from error
    return graph


@dataclass(frozen=True, eq=False)
class Quantization:
    """What a Quant node rounds to."""

    scale: NDArray
    zero_point: NDArray
    bits: int
    signed: bool
    narrow: bool


class Reader:
    """Walks the ONNX nodes once. `alias` maps an ONNX tensor to the IntGraph tensor that holds its integers."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {item.name: array_of(item) for item in graph.initializer}
        self.quantized: dict[str, QuantizedConstant] = {}
        self.pending: dict[str, tuple[str, str]] = {}  # nonlinearities wait for the Quant that follows them
        self.shuffling: dict[str, tuple[str, int, bool]] = {}  # source, groups, transposed: until shaped back
        self.alias: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.image, self.channels, self.frame = self._input()

    def read(self) -> IntGraph:
        for node in self.graph.node:
            try:
                self._read_node(node)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise HwsrError(f"node '{_label(node)}': its inputs or attributes are damaged; export again") from error
        if len(self.graph.output) != 1 or self.graph.output[0].name not in self.alias:
            raise HwsrError("the graph must have one output, made by a Quant node")
        output = self.alias[self.graph.output[0].name]
        if not self.nodes or self.nodes[-1].name != output:
            raise HwsrError(f"'{output}' is the output, yet the graph goes on after it")
        return make_graph(self.nodes, self.frame)

    def _input(self) -> tuple[str, int, tuple[int, int]]:
        inputs = [item for item in self.graph.input if item.name not in self.constants]
        if len(inputs) != 1:
            raise HwsrError(f"the graph has {len(inputs)} inputs; an SR network has one, the image")
        shape = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
        if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
            raise HwsrError(f"the input's shape {shape} is not a fixed (1, C, H, W); export with a fixed frame")
        if max(shape[2:]) > LONGEST:
            raise HwsrError(
                f"the input's shape {shape} is beyond {LONGEST:,} pixels a side; export with a smaller frame"
            )
        return inputs[0].name, shape[1], (shape[2], shape[3])

    def _read_node(self, node: onnx.NodeProto) -> None:
        label = _label(node)
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        match node.op_type:
            case "Constant":
                self.constants[node.output[0]] = array_of(attributes["value"])
            case "Identity":
                self._identity(node)
            case "Quant":
                self._quant(node, label, attributes)
            case "Conv":
                self._conv(node, label, attributes)
            case "Relu" | "Sigmoid" | "Tanh":
                self.pending[node.output[0]] = (node.op_type, self._source(node.input[0], label))
            case "Mul":
                self._mul(node, label)
            case "Add" | "Sub":
                self._add(node, label)
            case "ReduceSum":
                self._reduce_sum(node, label, attributes)
            case "DepthToSpace":
                if attributes.get("mode", b"DCR") != b"CRD":
                    raise HwsrError(f"node '{label}': DepthToSpace must have mode CRD (torch's pixel shuffle)")
                self._emit(node, PixelShuffle(self._name(label), self._sources(node, label), attributes["blocksize"]))
            case "Reshape":
                self._reshape(node, label)
            case "Transpose":
                source, groups, transposed = self.shuffling.get(node.input[0], ("", 0, True))
                if transposed or list(attributes.get("perm", [])) != [0, 2, 1, 3, 4]:
                    raise HwsrError(f"node '{label}': Transpose is supported only inside a channel shuffle")
                self.shuffling[node.output[0]] = (source, groups, True)
            case "Slice":
                self._slice(node, label)
            case "Concat":
                if attributes.get("axis") not in (1, -3):
                    raise HwsrError(f"node '{label}': only a Concat of channels (axis 1) is supported")
                self._emit(node, Concat(self._name(label), self._sources(node, label)))
            case "Resize":
                self._resize(node, label, attributes)
            case other:
                raise HwsrError(
                    f"node '{label}': operation {other} is not supported; known are Quant, Conv, Relu, Sigmoid, Tanh, "
                    "Mul, Add, Sub, ReduceSum, DepthToSpace (CRD), Resize (nearest), Slice and Concat of channels, and "
                    "the Reshape, Transpose, Reshape of a channel shuffle"
                )

    def _identity(self, node: onnx.NodeProto) -> None:
        for table in (self.constants, self.quantized, self.pending, self.alias):
            if node.input[0] in table:
                table[node.output[0]] = table[node.input[0]]  # type: ignore[assignment]  # same table

    def _quantization(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> Quantization:
        scale, zero_point, width = (self._constant(name, label) for name in node.input[1:4])
        if attributes.get("rounding_mode", b"ROUND").upper() != b"ROUND":
            raise HwsrError(f"node '{label}': rounding mode {attributes['rounding_mode']!r}; only ROUND is exact here")
        bits = int(width.flat[0])
        if width.size != 1 or bits != width.flat[0] or not 1 <= bits <= 32:
            raise HwsrError(f"node '{label}': bit width {width.flat[0]:g} is not a whole number from 1 to 32")
        signed, narrow = bool(attributes.get("signed", 1)), bool(attributes.get("narrow", 0))
        return Quantization(scale, zero_point, bits, signed, narrow)

    def _quant(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        to = self._quantization(node, label, attributes)
        scale, bits, signed, narrow = to.scale, to.bits, to.signed, to.narrow
        if np.any(to.zero_point != 0):
            raise HwsrError(f"node '{label}': its zero point is not 0; fixed-point hardware has none")
        if node.input[0] in self.constants:
            values = self.constants[node.input[0]]
            self.quantized[node.output[0]] = quantize_constant(label, values, scale, bits, signed, narrow)
            return
        if scale.size != 1:
            raise HwsrError(f"node '{label}': activations need one scale, this has {scale.size}")
        if narrow or bits > MAX_ACTIVATION_BITS:
            raise HwsrError(f"node '{label}': activations are full range and at most {MAX_ACTIVATION_BITS} bits wide")
        self._requantize(node, label, QType(bits, signed, int(power_of_two(label, scale).flat[0])))

    def _requantize(self, node: onnx.NodeProto, label: str, to: QType) -> None:
        if node.input[0] == self.image:
            if self.nodes:
                raise HwsrError(f"node '{label}': the input is quantized twice")
            self._emit(node, Input(self._name("image"), (), self.channels, to))
            return
        operation, source = self.pending.get(node.input[0], ("", ""))
        if operation in FUNCTIONS:
            self._emit(node, table_of(self._name(label), operation, source, self.tensors[source].type, to))
            return
        if operation == "Relu" and to.signed and to.bits == 1:
            raise HwsrError(f"node '{label}': one signed bit holds nothing after a Relu")
        if operation == "Relu" and to.signed:
            to = QType(to.bits - 1, False, to.frac)
        source = source or self._source(node.input[0], label)
        made, is_output = self.tensors[source], node.output[0] == self.graph.output[0].name
        if not is_output and made.type.frac == to.frac and to.lo <= made.lo and made.hi <= to.hi:
            self.alias[node.output[0]] = source  # already on this grid and within its range
        else:
            self._emit(node, Requantize(self._name(label), (source,), to))

    def _conv(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        source = self._factor(node.input[0], label)
        weight = self.quantized.get(node.input[1])
        if weight is None or weight.values.ndim != 4:
            raise HwsrError(f"node '{label}': its weights pass no Quant node; quantize them before export")
        kernel = weight.values.shape[2:]
        same = [kernel[0] // 2, kernel[1] // 2] * 2
        if list(attributes.get("pads", [0] * 4)) != same or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise HwsrError(f"node '{label}': only zero padding that keeps the size is supported ({same})")
        if set(attributes.get("strides", [1])) | set(attributes.get("dilations", [1])) != {1}:
            raise HwsrError(f"node '{label}': only stride 1 and dilation 1 are supported")
        bias_name = node.input[2] if len(node.input) > 2 else ""
        bias = self._bias(bias_name, weight.frac + self.tensors[source].type.frac, label)
        made = Conv(
            self._name(label), (source,), weight.values, weight.bits, weight.frac, bias, attributes.get("group", 1)
        )
        self._emit(node, made)

    def _bias(self, name: str, grid: NDArray[np.int64], label: str) -> NDArray[np.int64]:
        """The bias as integers on the accumulators' grid of each channel."""
        if not name:
            return np.zeros(len(grid), np.int64)
        bias = self.quantized.get(name) or dyadic_constant(label, self._constant(name, label))
        if bias.values.shape != grid.shape:
            raise HwsrError(f"node '{label}': its bias is not one value a channel")
        exact = [Fraction(int(q)) * Fraction(2) ** int(up) for q, up in zip(bias.values, grid - bias.frac, strict=True)]
        if any(value.denominator != 1 or abs(value) >= 1 << MAX_BITS for value in exact):
            raise HwsrError(f"node '{label}': its bias does not lie on the grid of its accumulators")
        return np.array([int(value) for value in exact], np.int64)

    def _mul(self, node: onnx.NodeProto, label: str) -> None:
        constant, source = self._constant_operand(node, label)
        if constant is not None:
            factor = self._channel_constant(label, constant, source)
            self._emit(node, Scale(self._name(label), (source,), factor.values, factor.bits, factor.frac))
            return
        first, second = (self._factor(name, label) for name in node.input)
        if self.tensors[first].pooled:
            first, second = second, first
        self._emit(node, ChannelMul(self._name(label), (first, second)))

    def _add(self, node: onnx.NodeProto, label: str) -> None:
        constant, source = self._constant_operand(node, label)
        if constant is None and node.op_type == "Add":
            self._emit(node, Add(self._name(label), self._sources(node, label)))
            return
        if constant is None or (node.op_type == "Sub" and node.input[0] in self.constants):
            raise HwsrError(f"node '{label}': Sub is supported only to take a constant from a tensor")
        offset = self._channel_constant(label, -constant if node.op_type == "Sub" else constant, source)
        frac = int(offset.frac.max())
        self._emit(node, Offset(self._name(label), (source,), offset.values << (frac - offset.frac), frac))

    def _reduce_sum(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        self._check_axes(node, label, attributes)
        self._emit(node, SpatialSum(self._name(label), (self._source(node.input[0], label),)))

    def _check_axes(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        """Raise HwsrError unless a reduction is over the whole frame."""
        axes = self._constant(node.input[1], label) if len(node.input) > 1 else np.array(attributes.get("axes", []))
        if sorted(int(axis) % 4 for axis in axes.flat) != [2, 3] or not attributes.get("keepdims", 1):
            raise HwsrError(
                f"node '{label}': only sums and means over height and width that keep their axes are supported"
            )

    def _reshape(self, node: onnx.NodeProto, label: str) -> None:
        """The first or the last node of a channel shuffle: (1, g, C/g, H, W), transposed, and back."""
        source, groups, transposed = self.shuffling.get(node.input[0], ("", 0, False))
        source = source or self._source(node.input[0], label)
        channels, factor = self.tensors[source].channels, self.tensors[source].upscale
        size = [side * factor for side in self.frame]
        shape = [int(side) for side in self._constant(node.input[1], label).flat]
        if transposed and shape == [1, channels, *size]:
            self._emit(node, ChannelShuffle(self._name(label), (source,), groups))
        elif not groups and len(shape) == 5 and shape[1] > 0 and shape == [1, shape[1], channels // shape[1], *size]:
            self.shuffling[node.output[0]] = (source, shape[1], False)
        else:
            raise HwsrError(f"node '{label}': Reshape to {shape} is supported only inside a channel shuffle")

    def _slice(self, node: onnx.NodeProto, label: str) -> None:
        source = self._source(node.input[0], label)
        if len(node.input) < 4:
            raise HwsrError(f"node '{label}': its starts, ends and axes must be inputs; export with opset 10 or later")
        starts, ends, axes, *steps = (self._constant(name, label).tolist() for name in node.input[1:])
        if axes != [1] or steps not in ([], [[1]]) or len(starts) != 1 or len(ends) != 1:
            raise HwsrError(f"node '{label}': only a Slice of channels (axis 1) in steps of 1 is supported")
        start, stop, _ = slice(starts[0], ends[0]).indices(self.tensors[source].channels)
        self._emit(node, ChannelSlice(self._name(label), (source,), start, stop))

    def _resize(self, node: onnx.NodeProto, label: str, attributes: dict[str, Any]) -> None:
        scales = self._constant(node.input[2], label).astype(np.float64) if len(node.input) == 3 else np.zeros(4)
        plain = attributes.get("coordinate_transformation_mode") == b"asymmetric"
        plain &= attributes.get("nearest_mode") == b"floor" and attributes.get("mode") == b"nearest"
        if not plain or scales.shape != (4,) or list(scales[:2]) != [1, 1] or scales[2] != scales[3] or scales[2] % 1:
            raise HwsrError(f"node '{label}': Resize must be nearest, asymmetric, floor, by one whole factor")
        self._emit(node, Upsample(self._name(label), (self._source(node.input[0], label),), int(scales[2])))

    def _channel_constant(self, label: str, constant: NDArray, source: str) -> QuantizedConstant:
        return dyadic_constant(label, channel_constant(label, constant, self.tensors[source].channels))

    def _constant_operand(self, node: onnx.NodeProto, label: str) -> tuple[NDArray | None, str]:
        """(constant, tensor) of a node with two operands; (None, '') when both are tensors."""
        first, second = node.input
        if second in self.constants:
            return self.constants[second], self._source(first, label)
        if first in self.constants:
            return self.constants[first], self._source(second, label)
        return None, ""

    def _constant(self, name: str, label: str) -> NDArray:
        if name not in self.constants:
            raise HwsrError(f"node '{label}': '{name}' must be a constant")
        return self.constants[name]

    def _source(self, name: str, label: str) -> str:
        if name in self.alias:
            return self.alias[name]
        if name in self.pending and self.pending[name][0] == "Relu":
            return self._relu(name)
        if name in self.pending:
            raise HwsrError(f"node '{label}': reads a {self.pending[name][0]} that no Quant node follows")
        if name == self.image:
            raise HwsrError(f"node '{label}': reads the image before a Quant node gives it a type")
        raise HwsrError(f"node '{label}': its input '{name}' is a constant, or nothing makes it")

    def _factor(self, name: str, label: str) -> str:
        """The tensor whose integers stand for the values of `name` in a product."""
        return self._source(name, label)

    def _relu(self, name: str) -> str:
        """A Relu that no Quant follows is exact on its input's grid: the integers from 0 up."""
        source = self.pending[name][1]
        made = self.tensors[source]
        node = Requantize(self._name(name), (source,), QType.holding(0, max(made.hi, 1), made.type.frac))
        self._append(node, name)
        return node.name

    def _sources(self, node: onnx.NodeProto, label: str) -> tuple[str, ...]:
        return tuple(self._source(name, label) for name in node.input)

    def _emit(self, source: onnx.NodeProto, node: Node) -> None:
        self._append(node, source.output[0])

    def _append(self, node: Node, output: str) -> None:
        """Add the node that makes the ONNX tensor `output`."""
        self._insert(node)
        self.alias[output] = node.name

    def _insert(self, node: Node) -> str:
        """Add a node, and return its name."""
        self.tensors[node.name] = infer(node, [self.tensors[name] for name in node.inputs], self.frame)
        self.nodes.append(node)
        return node.name

    def _name(self, label: str) -> str:
        """'/body/body.0/first/Conv' -> 'body_0_first_conv', unique."""
        parts = [part for part in label.split("/") if part and part not in ("act_quant", "export_handler")]
        kept = [part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(part + ".")]
        name = "".join(char if char.isalnum() else "_" for char in "_".join(kept)).lower() or "node"
        unique, i = name, 1
        while unique in self.tensors:
            unique, i = f"{name}_{i + 1}", i + 1
        return unique


def _label(node: onnx.NodeProto) -> str:
    return node.name or next(iter(node.output), node.op_type)
