"""Random QONNX files, made with onnx alone: an oracle that shares no code with hwsr's own export."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

# choose(lo, hi) -> an integer of lo .. hi: hypothesis' draw, or a random generator's.
Choose = Callable[[int, int], int]

KERNELS = ((3, 3), (1, 1), (1, 3), (3, 1))


class Builder:
    """Collects nodes. `frac[t]` is the grid of tensor t, `channels[t]` its channels."""

    def __init__(self, choose: Choose, frame: tuple[int, int]) -> None:
        self.choose, self.frame = choose, frame
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(choose(0, 2**32 - 1))
        self.channels: dict[str, int] = {"image": 3}

    def constant(self, value: np.ndarray | float | list[float]) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def indices(self, values: list[int]) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def node(self, kind: str, inputs: list[str], channels: int, output: str = "", **attributes: object) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], f"/{kind.lower()}{len(self.nodes)}", **attributes))
        self.channels[output] = channels
        return output

    def quant(
        self, x: str, bits: int, signed: bool, scale: np.ndarray | float, narrow: bool = False, out: str = ""
    ) -> str:
        inputs = [x, self.constant(scale), self.constant(0.0), self.constant(float(bits))]
        options = {"signed": int(signed), "narrow": int(narrow), "rounding_mode": "ROUND"}
        return self.node("Quant", inputs, self.channels.get(x, 0), out, domain="qonnx.custom_op.general", **options)

    def act(self, x: str) -> str:
        """Put x on a random activation grid, after a ReLU or not."""
        scale = 2.0 ** -self.choose(3, 9)
        if self.choose(0, 1):
            return self.quant(self.node("Relu", [x], self.channels[x]), self.choose(2, 8), False, scale)
        return self.quant(x, self.choose(2, 8), True, scale)

    def conv(self, x: str, c_out: int, kernel: tuple[int, int], depthwise: bool = False) -> str:
        """Convolution with quantized weights, scales a channel or a tensor, with or without bias; ternary at times."""
        c_in = self.channels[x]
        shape = (c_out, 1 if depthwise else c_in, *kernel)
        bits = self.choose(2, 8)
        frac = self.choose(4, 7) - (self.rng.integers(0, 3, c_out) if self.choose(0, 1) else 0)
        scale = 2.0 ** -np.broadcast_to(frac, (c_out,)).astype(np.float32).reshape(-1, 1, 1, 1)
        limit = 2 ** (bits - 1) - 1
        extreme = self.choose(0, 2) == 0
        integers = self.rng.choice([-limit, limit], shape) if extreme else self.rng.integers(-limit, limit + 1, shape)
        weight = self.quant(self.constant(integers * scale), bits, True, scale, narrow=True)
        inputs = [x, weight]
        if self.choose(0, 1):
            inputs.append(self.constant(self.rng.integers(-64, 65, c_out) * 2.0**-5))
        pads = [kernel[0] // 2, kernel[1] // 2] * 2
        options = {"kernel_shape": list(kernel), "pads": pads, "strides": [1, 1], "group": c_in if depthwise else 1}
        return self.node("Conv", inputs, c_out, **options)

    def grouped(self, x: str, c_out: int, groups: int) -> str:
        """3x3 convolution in groups."""
        shape = (c_out, self.channels[x] // groups, 3, 3)
        weight = self.quant(self.constant(self.rng.integers(-7, 8, shape) * 2.0**-4), 4, True, 2.0**-4, narrow=True)
        options = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "group": groups}
        return self.node("Conv", [x, weight], c_out, **options)

    def shuffle(self, x: str, groups: int) -> str:
        """Channel shuffle as torch exports it."""
        channels, size = self.channels[x], list(self.frame)
        split = self.indices([1, groups, channels // groups, *size])
        y = self.node("Reshape", [x, split], channels)
        y = self.node("Transpose", [y], channels, perm=[0, 2, 1, 3, 4])
        return self.node("Reshape", [y, self.indices([1, channels, *size])], channels)

    def channel_slice(self, x: str, start: int, stop: int) -> str:
        bounds = [self.indices([start]), self.indices([stop]), self.indices([1])]
        return self.node("Slice", [x, *bounds], min(stop, self.channels[x]) - start)

    def split_and_join(self, x: str) -> str:
        """Some channels kept, the others through a convolution, joined on grids that differ."""
        cut = self.choose(1, self.channels[x] - 1)
        kept, other = self.channel_slice(x, 0, cut), self.channel_slice(x, cut, 2**62)
        made = self.act(self.conv(other, self.choose(1, 4), (3, 3)))
        return self.node("Concat", [kept, made], cut + self.channels[made], axis=1)

    def spconv(self, x: str, c_out: int) -> str:
        hidden = self.choose(1, 4)
        shape = (hidden, self.channels[x], 3, 3)
        weight = self.quant(self.constant(self.rng.integers(-1, 2, shape)), 2, True, 1.0, narrow=True)
        options = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "group": 1}
        h = self.node("Conv", [x, weight], hidden, **options)
        factor = self.rng.integers(-127, 128, hidden) * 2.0 ** -self.rng.integers(5, 9, hidden).astype(float)
        p = self.act(self.node("Mul", [h, self.constant(factor.reshape(-1, 1, 1))], hidden))
        return self.conv(p, c_out, (1, 1))

    def attention(self, x: str) -> str:
        channels = self.channels[x]
        total = self.node("ReduceSum", [x, self.indices([2, 3])], channels, keepdims=1)
        mean = self.act(self.node("Mul", [total, self.constant(self.choose(1, 15) * 2.0**-8)], channels))
        gate = self.quant(self.conv(self.act(self.conv(mean, 2, (1, 1))), channels, (1, 1)), 8, True, 2.0**-5)
        gate = self.quant(self.node("Sigmoid", [gate], channels), 8, False, 2.0**-8)
        return self.node("Mul", [x, gate], channels)

    def moving_block(self, x: str) -> str:
        """Groups, shuffles, slices and joins of channels."""
        if self.channels[x] > 1 and self.choose(0, 1):
            return self.act(self.split_and_join(x))
        groups = self.choose(2, 3)
        wide = self.act(self.conv(x, groups * self.choose(1, 3), (1, 1)))
        return self.act(self.grouped(self.shuffle(wide, groups), groups * self.choose(1, 2), groups))

    def block(self, x: str) -> str:
        """A grid tensor from the grid tensor x, of as many channels or another number of them."""
        channels = self.channels[x]
        match self.choose(0, 4):
            case 0:
                return self.act(self.conv(x, self.choose(1, 6), KERNELS[self.choose(0, 3)]))
            case 1:
                y = self.conv(self.act(self.conv(x, self.choose(1, 5), (3, 3))), channels, KERNELS[self.choose(0, 3)])
                return self.act(self.node("Add", [y, x], channels))
            case 2:
                return self.act(self.spconv(x, self.choose(1, 6)))
            case 3:
                return self.act(self.node("Add", [self.attention(x), x], channels))
            case _:
                return self.act(self.conv(x, channels, KERNELS[self.choose(0, 3)], depthwise=channels > 1))

    def model(self, factor: int = 1) -> onnx.ModelProto:
        """The file, from 'image' to 'upscaled', which is `factor` times as high and wide."""
        height, width = self.frame
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])],
            [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, [1, 3, height * factor, width * factor])],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return ModelWrapper(model).transform(InferShapes()).model


def random_model(choose: Choose, frame: tuple[int, int]) -> onnx.ModelProto:
    """A random super-resolution-like network: blocks, then an upscaling by 1 to 3, to 3 channels of uint8."""
    builder = Builder(choose, frame)
    pixels = builder.quant("image", 8, False, 2.0**-8)
    x = builder.quant(builder.node("Add", [pixels, builder.constant(-0.5)], 3), 8, True, 2.0**-8)
    y = x
    for _ in range(choose(1, 3)):
        y = builder.moving_block(y) if choose(0, 2) == 0 else builder.block(y)
    factor = choose(1, 3)
    grid = builder.quant(builder.conv(y, 3 * factor**2, (3, 3)), 8, True, 2.0 ** -choose(6, 8))
    if factor > 1:
        grid = builder.node("DepthToSpace", [grid], 3, blocksize=factor, mode="CRD")
    if choose(0, 1):
        anchor = x
        if factor > 1:
            options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            anchor = builder.node("Resize", [x, "", builder.constant([1, 1, factor, factor])], 3, **options)
        grid = builder.node("Add", [grid, anchor], 3)
    centred = builder.node("Add", [grid, builder.constant(0.5)], 3)
    builder.quant(centred, 8, False, 2.0**-8, out="upscaled")
    return builder.model(factor)
