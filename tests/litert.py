"""Writes .tflite files of int8 networks and runs them in LiteRT's reference kernels: the oracle of affine arithmetic.

The flatbuffer is made by the schema that the ai-edge-litert package carries; nothing here shares code with hwsr.
Tensors are NHWC, as LiteRT has them; a convolution's weights come as (c_out, c_in / groups, kh, kw).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

TYPES = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int32): schema.TensorType.INT32}
SAME = schema.Padding.SAME
NONE, RELU = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
Operator = schema.BuiltinOperator


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file: where it stands, its (N, H, W, C), and its quantization."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class Model:
    """A network under construction. Every operation returns its int8 output; `run` writes the file and executes it."""

    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.buffers = [schema.BufferT()]
        self.codes: list[int] = []
        self.operators: list[schema.OperatorT] = []

    def tensor(self, shape: Sequence[int], scale: float, zero_point: int = 0) -> Tensor:
        """An int8 activation."""
        return self._tensor(tuple(shape), np.dtype(np.int8), np.array([scale]), zero_point)

    def constant(self, values: NDArray, scale: NDArray | None = None, axis: int = 0) -> Tensor:
        """int8 or int32 data; `scale` one for each step along `axis`."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self._tensor(values.shape, values.dtype, scale, 0, axis, len(self.buffers) - 1)

    def conv(
        self,
        x: Tensor,
        weight: NDArray,
        weight_scale: NDArray,
        bias: NDArray,
        out: tuple[float, int],
        depthwise: bool = False,
        relu: bool = False,
    ) -> Tensor:
        """CONV_2D, in groups where the weights have fewer input channels than x, or DEPTHWISE_CONV_2D."""
        weight, bias = weight.astype(np.int8), bias.astype(np.int32)
        if depthwise:
            kernel = self.constant(weight.transpose(1, 2, 3, 0), weight_scale, axis=3)
            options = schema.DepthwiseConv2DOptionsT()
            options.depthMultiplier = len(weight) // x.shape[3]
            kind, code = schema.BuiltinOptions.DepthwiseConv2DOptions, Operator.DEPTHWISE_CONV_2D
        else:
            kernel = self.constant(weight.transpose(0, 2, 3, 1), weight_scale)
            options, kind, code = schema.Conv2DOptionsT(), schema.BuiltinOptions.Conv2DOptions, Operator.CONV_2D
        options.padding, options.strideH, options.strideW = SAME, 1, 1
        options.fusedActivationFunction = RELU if relu else NONE
        biases = self.constant(bias, np.float64(np.float32(x.scale)) * weight_scale)
        return self._operate(code, kind, options, [x, kernel, biases], (*x.shape[:3], len(weight)), out)

    def add(self, a: Tensor, b: Tensor, out: tuple[float, int], relu: bool = False) -> Tensor:
        """ADD."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = RELU if relu else NONE
        return self._operate(Operator.ADD, schema.BuiltinOptions.AddOptions, options, [a, b], a.shape, out)

    def mul(self, a: Tensor, b: Tensor, out: tuple[float, int], relu: bool = False) -> Tensor:
        """MUL; b may be (1, 1, 1, C)."""
        options = schema.MulOptionsT()
        options.fusedActivationFunction = RELU if relu else NONE
        return self._operate(Operator.MUL, schema.BuiltinOptions.MulOptions, options, [a, b], a.shape, out)

    def mean(self, x: Tensor, out: tuple[float, int]) -> Tensor:
        """MEAN over height and width."""
        options, axes = schema.ReducerOptionsT(), self.constant(np.array([1, 2], np.int32))
        options.keepDims = True
        shape = (x.shape[0], 1, 1, x.shape[3])
        return self._operate(Operator.MEAN, schema.BuiltinOptions.ReducerOptions, options, [x, axes], shape, out)

    def quantize(self, x: Tensor, out: tuple[float, int]) -> Tensor:
        """QUANTIZE, from int8 to int8."""
        options = schema.QuantizeOptionsT()
        return self._operate(Operator.QUANTIZE, schema.BuiltinOptions.QuantizeOptions, options, [x], x.shape, out)

    def relu(self, x: Tensor, out: tuple[float, int]) -> Tensor:
        """RELU."""
        return self._operate(Operator.RELU, 0, None, [x], x.shape, out)

    def logistic(self, x: Tensor) -> Tensor:
        """LOGISTIC, whose output LiteRT fixes to scale 1/256 and zero point -128."""
        return self._operate(Operator.LOGISTIC, 0, None, [x], x.shape, (1 / 256, -128))

    def tanh(self, x: Tensor) -> Tensor:
        """TANH, whose output LiteRT fixes to scale 1/128 and zero point 0."""
        return self._operate(Operator.TANH, 0, None, [x], x.shape, (1 / 128, 0))

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        """CONCATENATION of channels; the parts share one scale and zero point."""
        options, x = schema.ConcatenationOptionsT(), parts[0]
        options.axis = 3
        shape = (*x.shape[:3], sum(part.shape[3] for part in parts))
        kind = schema.BuiltinOptions.ConcatenationOptions
        return self._operate(Operator.CONCATENATION, kind, options, parts, shape, (x.scale, x.zero_point))

    def channels(self, x: Tensor, order: NDArray) -> Tensor:
        """GATHER: the channels of x in another order, or some of them."""
        options, indices = schema.GatherOptionsT(), self.constant(np.asarray(order, np.int32))
        options.axis = 3
        shape, kind = (*x.shape[:3], len(order)), schema.BuiltinOptions.GatherOptions
        return self._operate(Operator.GATHER, kind, options, [x, indices], shape, (x.scale, x.zero_point))

    def pixel_shuffle(self, x: Tensor, s: int) -> Tensor:
        """torch's pixel shuffle: DEPTH_TO_SPACE takes channel (i, j, c) for pixel (i, j), torch channel (c, i, j)."""
        options, c = schema.DepthToSpaceOptionsT(), x.shape[3] // s**2
        options.blockSize = s
        ordered = self.channels(x, np.arange(x.shape[3]).reshape(c, s, s).transpose(1, 2, 0).reshape(-1))
        shape, kind = (x.shape[0], x.shape[1] * s, x.shape[2] * s, c), schema.BuiltinOptions.DepthToSpaceOptions
        return self._operate(Operator.DEPTH_TO_SPACE, kind, options, [ordered], shape, (x.scale, x.zero_point))

    def upsample(self, x: Tensor, s: int) -> Tensor:
        """RESIZE_NEAREST_NEIGHBOR."""
        options = schema.ResizeNearestNeighborOptionsT()
        size = self.constant(np.array([x.shape[1] * s, x.shape[2] * s], np.int32))
        shape, kind = (x.shape[0], x.shape[1] * s, x.shape[2] * s), schema.BuiltinOptions.ResizeNearestNeighborOptions
        code, grid = Operator.RESIZE_NEAREST_NEIGHBOR, (x.scale, x.zero_point)
        return self._operate(code, kind, options, [x, size], (*shape, x.shape[3]), grid)

    def file(self, inputs: Sequence[Tensor], output: Tensor) -> bytes:
        """The .tflite file."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [x.index for x in inputs], [output.index]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = [_code(code) for code in self.codes]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def run(self, inputs: dict[Tensor, NDArray], output: Tensor) -> NDArray[np.int8]:
        """Execute on (C, H, W) int8 inputs by LiteRT's reference kernels. Returns (C, H, W)."""
        interpreter = Interpreter(
            model_content=self.file(list(inputs), output),
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            num_threads=1,
        )
        interpreter.allocate_tensors()
        for detail, values in zip(interpreter.get_input_details(), inputs.values(), strict=True):
            assert values.min() >= -128 and values.max() <= 127
            interpreter.set_tensor(detail["index"], values.astype(np.int8).transpose(1, 2, 0)[None])
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].transpose(2, 0, 1)

    def _tensor(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        scale: NDArray | None,
        zero_point: int,
        axis: int = 0,
        buffer: int = 0,
    ) -> Tensor:
        made = schema.TensorT()
        made.shape, made.type, made.buffer, made.name = list(shape), TYPES[dtype], buffer, f"t{len(self.tensors)}"
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(np.float32(each)) for each in np.ravel(scale)]
            quantization.zeroPoint = [zero_point] * np.size(scale)
            quantization.quantizedDimension = axis
            made.quantization = quantization
        self.tensors.append(made)
        return Tensor(len(self.tensors) - 1, shape, 1.0 if scale is None else float(np.ravel(scale)[0]), zero_point)

    def _operate(
        self,
        code: int,
        kind: int,
        options: object,
        inputs: Sequence[Tensor],
        shape: Sequence[int],
        out: tuple[float, int],
    ) -> Tensor:
        result = self.tensor(shape, *out)
        if code not in self.codes:
            self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.builtinOptionsType = self.codes.index(code), kind
        operator.builtinOptions = options
        operator.inputs, operator.outputs = [x.index for x in inputs], [result.index]
        self.operators.append(operator)
        return result


def _code(code: int) -> schema.OperatorCodeT:
    made = schema.OperatorCodeT()
    # The version of per-channel int8 kernels; older ones are compatible subsets.
    made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), 1
    return made
