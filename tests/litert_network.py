"""Turns the QONNX file of an affine network into a LiteRT model, without hwsr: every Quant node ends one operation."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.litert import Model, Tensor


@dataclass(frozen=True)
class Pending:
    """An operation on tensors, and what is done to its result before a Quant puts it on 8 bits."""

    operation: str
    inputs: tuple[Any, ...] = ()
    relu: bool = False
    offset: float = 0.0


class Converter:
    """Walks the nodes once: `made` holds int8 tensors, `pending` what waits for its Quant, `constants` arrays."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.graph, self.size, self.model = onnx.load(path).graph, size, Model()
        self.constants = {item.name: numpy_helper.to_array(item) for item in self.graph.initializer}
        self.quantized: dict[str, tuple[NDArray, NDArray]] = {}
        self.pending = {"image": Pending("Image")}
        self.made: dict[str, Tensor] = {}
        self.groups: dict[str, tuple[Tensor, int]] = {}
        self.image: Tensor | None = None
        for node in self.graph.node:
            self.convert(node, {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute})

    def run(self, image: NDArray) -> NDArray[np.int8]:
        """Execute on (C, H, W) uint8, whose int8 are pixels less 128. Returns the output's int8 (C, sH, sW)."""
        assert self.image
        return self.model.run({self.image: image.astype(np.int64) - 128}, self.made[self.graph.output[0].name])

    def convert(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        out = node.output[0]
        operands = tuple(self.made.get(name, name) for name in node.input)
        match node.op_type:
            case "Constant":
                self.constants[out] = numpy_helper.to_array(attributes["value"])
            case "Quant" if node.input[0] in self.constants:
                values, scale = (self.constants[name] for name in node.input[:2])
                self.quantized[out] = np.rint(values / scale.astype(np.float64)), scale.reshape(-1)
            case "Quant":
                scale, zero_point = (float(self.constants[name].item()) for name in node.input[1:3])
                self.made[out] = self.settle(node.input[0], scale, int(zero_point) - 128 * (not attributes["signed"]))
            case "Relu":
                self.pending[out] = replace(self.of(node.input[0]), relu=True)
            case "Add" if node.input[1] in self.constants:
                constant = float(self.constants[node.input[1]].item())
                self.pending[out] = replace(self.of(node.input[0]), offset=constant)
            case "Conv" | "Add" | "Mul" | "Concat" | "ReduceMean" | "Sigmoid" | "Tanh":
                self.pending[out] = Pending(node.op_type, operands)
            case "DepthToSpace":
                self.made[out] = self.model.pixel_shuffle(operands[0], attributes["blocksize"])
            case "Resize":
                self.made[out] = self.model.upsample(operands[0], int(self.constants[node.input[2]][3]))
            case "Slice":
                start, stop = (int(self.constants[name].item()) for name in node.input[1:3])
                self.made[out] = self.model.channels(operands[0], np.arange(operands[0].shape[3])[start:stop])
            case "Reshape" if node.input[0] in self.made:
                self.groups[out] = operands[0], int(self.constants[node.input[1]][1])
            case "Transpose":
                self.groups[out] = self.groups[node.input[0]]
            case "Reshape":
                x, groups = self.groups[node.input[0]]
                self.made[out] = self.model.channels(x, np.arange(x.shape[3]).reshape(groups, -1).T.reshape(-1))
            case other:
                raise NotImplementedError(other)

    def of(self, name: str) -> Pending:
        return self.pending[name] if name in self.pending else Pending("Same", (self.made[name],))

    def settle(self, name: str, scale: float, zero_point: int) -> Tensor:
        """The int8 tensor of a pending operation; a constant added to its result only moves the zero point."""
        pending, model = self.of(name), self.model
        out = (scale, zero_point + round(pending.offset / scale))
        match pending.operation, pending.inputs:
            case "Image", _:
                return Tensor(-1, (), scale, zero_point)  # raw pixels, of which mid-grey is to be subtracted
            case "Same", (Tensor(index=-1),):
                # Pixels less 128: mid-grey, which was subtracted, is 0.
                channels = self.graph.input[0].type.tensor_type.shape.dim[1].dim_value
                self.image = model.tensor((1, *self.size, channels), scale, zero_point)
                return self.image
            case "Same", (x,):
                return self.on(x, out, pending.relu)
            case "Conv", (x, kernel, *biases):
                weight, weight_scale = self.quantized[kernel]
                bias = self.quantized[biases[0]][0] if biases else np.zeros(len(weight))
                depthwise = weight.shape[1] == 1 < x.shape[3]
                return model.conv(x, weight, weight_scale, bias, out, depthwise=depthwise, relu=pending.relu)
            case "Add", (a, b):
                return model.add(a, b, out, relu=pending.relu)
            case "Mul", (a, b):
                return model.mul(a, b, out, relu=pending.relu)
            case "Concat", parts:
                return model.concat([self.on(x, out, pending.relu) for x in parts])
            case "ReduceMean", (x, *_) if not pending.relu:
                return model.mean(x, out)
            case "Sigmoid", (x,):
                assert out == (1 / 256, -128)
                return model.logistic(x)
            case "Tanh", (x,):
                assert out == (1 / 128, 0)
                return model.tanh(x)
        raise NotImplementedError(pending.operation)

    def on(self, x: Tensor, out: tuple[float, int], relu: bool) -> Tensor:
        """An int8 tensor on another grid, after a ReLU or not."""
        if relu:
            return self.model.relu(x, out)
        return x if (x.scale, x.zero_point) == out else self.model.quantize(x, out)
