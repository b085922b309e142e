"""Random QONNX files of affine networks, made with onnx alone: int8 of any scale, with zero points."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.random_models import KERNELS, Builder, Choose

AFFINE = ("hwsr.arithmetic", "affine")


class AffineBuilder(Builder):
    """`scale[t]` is the step of tensor t (a channel's, of accumulators), `reach[t]` roughly its largest integer.

    The image is int8 around mid-grey; `image` holds its tensor.
    """

    def __init__(self, choose: Choose, frame: tuple[int, int]) -> None:
        super().__init__(choose, frame)
        self.scale: dict[str, float] = {}
        self.reach: dict[str, float] = {}
        self.zero: dict[str, int] = {}
        pixels = self.quant("image", 8, False, 2.0**-8)
        self.image = self.quant(self.node("Add", [pixels, self.constant(-0.5)], 3), 8, True, 2.0**-8)
        self.scale[self.image], self.reach[self.image] = 2.0**-8, 128

    def step(self) -> float:
        """A float32; of few bits every second time, so that quotients of steps are exact and ties come up."""
        exact = (1.0, 1.5, 1.25, 1.75)[self.choose(0, 3)] * 2.0 ** -self.choose(4, 9)
        return exact if self.choose(0, 1) else float(np.float32(exact * self.rng.uniform(0.7, 1.4)))

    def shifted(self, x: str, scale: float, zero_point: int, out: str = "", signed: bool = True) -> str:
        """Put x on int8 or uint8 of any scale, with a zero point."""
        inputs = [x, self.constant(scale), self.constant(float(zero_point)), self.constant(8.0)]
        options = {"signed": int(signed), "narrow": 0, "rounding_mode": "ROUND"}
        made = self.node("Quant", inputs, self.channels[x], out, domain="qonnx.custom_op.general", **options)
        self.scale[made], self.reach[made], self.zero[made] = float(np.float32(scale)), 128, zero_point
        return made

    def act(self, x: str, relu: bool = True, out: str = "") -> str:
        """Put x on int8: saturated or not, with ties or not, zero points at their ends every second time."""
        step, reach = self.scale[x], self.reach[x]
        if relu and self.choose(0, 1):
            x = self.node("Relu", [x], self.channels[x])
        ratio = reach / 2.0 ** self.choose(5, 9)
        exact = step * 2.0 ** np.rint(np.log2(ratio))
        scale = exact if self.choose(0, 1) else step * ratio * self.rng.uniform(0.7, 1.4)
        return self.shifted(
            x, scale, (-128, 127, 0, *(int(self.rng.integers(-128, 128)) for _ in range(3)))[self.choose(0, 5)], out
        )

    def conv(self, x: str, c_out: int, kernel: tuple[int, int], depthwise: bool = False, groups: int = 1) -> str:
        """Convolution with a scale a channel or a tensor, with or without bias, extreme weights every third time."""
        c_in = self.channels[x]
        groups = c_in if depthwise else groups
        shape = (c_out, c_in // groups, *kernel)
        steps = [self.step() for _ in range(c_out)] if self.choose(0, 1) else [self.step()] * c_out
        scale = np.array(steps, np.float32).reshape(-1, 1, 1, 1)
        extreme = self.choose(0, 2) == 0
        integers = self.rng.choice([-127, 127], shape) if extreme else self.rng.integers(-127, 128, shape)
        inputs = [x, self.quant(self.constant(integers * scale), 8, True, scale, narrow=True)]
        if self.choose(0, 1):
            grid = np.float32(self.scale[x]) * scale.reshape(-1)
            bias = self.rng.integers(-(2**14), 2**14, c_out)
            inputs.append(self.quant(self.constant(bias * grid), 32, True, grid))
        pads = [kernel[0] // 2, kernel[1] // 2] * 2
        options = {"kernel_shape": list(kernel), "pads": pads, "strides": [1, 1], "group": groups}
        made = self.node("Conv", inputs, c_out, **options)
        self.scale[made] = self.scale[x] * steps[0]
        self.reach[made] = 127 * self.reach[x] * np.prod(shape[1:]) ** (1.0 if extreme else 0.5)
        return made

    def add(self, a: str, b: str) -> str:
        made = self.node("Add", [a, b], self.channels[a])
        self.scale[made], self.reach[made] = max(self.scale[a], self.scale[b]), 256
        return made

    def mean(self, x: str) -> str:
        made = self.node("ReduceMean", [x], self.channels[x], axes=[2, 3], keepdims=1)
        self.scale[made], self.reach[made] = self.scale[x], 64
        return made

    def mul(self, x: str, gate: str) -> str:
        made = self.node("Mul", [x, gate], self.channels[x])
        self.scale[made], self.reach[made] = self.scale[x] * self.scale[gate], self.reach[x] * self.reach[gate]
        return made

    def function(self, x: str, name: str) -> str:
        """Sigmoid or Tanh of x, on the grid that LiteRT fixes for it."""
        signed, scale = (False, 2.0**-8) if name == "Sigmoid" else (True, 2.0**-7)
        made = self.quant(self.node(name, [x], self.channels[x]), 8, signed, scale)
        self.scale[made], self.reach[made] = scale, 256
        return made

    def concat(self, parts: list[str]) -> str:
        made = self.node("Concat", parts, sum(self.channels[part] for part in parts), axis=1)
        self.scale[made], self.reach[made] = max(self.scale[part] for part in parts), 128
        return made

    def moved(self, x: str, made: str) -> str:
        self.scale[made], self.reach[made] = self.scale[x], self.reach[x]
        return made

    def attention(self, x: str) -> str:
        squeezed = self.act(self.conv(self.act(self.mean(x), relu=False), 2, (1, 1)))
        gate = self.act(self.conv(squeezed, self.channels[x], (1, 1)), relu=False)
        return self.mul(x, self.function(gate, "Sigmoid"))

    def operation(self, kind: str, x: str) -> str:
        """One operation of int8 x, up to the Quant that is still to follow."""
        channels = self.channels[x]
        match kind:
            case "conv":
                return self.conv(x, self.choose(1, 6), KERNELS[self.choose(0, 3)])
            case "depthwise":
                return self.conv(x, channels, KERNELS[self.choose(0, 3)], depthwise=True)
            case "grouped":
                groups = self.choose(2, 3)
                wide = self.act(self.conv(x, groups * self.choose(2, 3), (1, 1)))
                moved = self.moved(wide, self.shuffle(wide, groups))
                return self.conv(moved, groups * self.choose(1, 2), KERNELS[self.choose(0, 3)], groups=groups)
            case "add":
                return self.add(self.act(self.conv(x, channels, (3, 3))), x)
            case "mean":
                return self.mul(x, self.act(self.mean(x), relu=False))
            case "attention":
                return self.attention(x)
            case "concat":
                cut = self.choose(1, channels - 1) if channels > 1 else 1
                kept = self.moved(x, self.channel_slice(x, 0, cut))
                return self.concat([kept, self.act(self.conv(x, self.choose(1, 4), (3, 3)))])
            case "tanh":
                return self.function(x, "Tanh")
            case "requantize":
                return x
            case "saturate":
                # The grid that x is on already, and half of the integers.
                if self.zero.get(x, 0) < 0:
                    x = self.shifted(x, self.scale[x], -self.zero[x] - 1)
                held = self.shifted(x, self.scale[x], self.zero.get(x, 0), signed=False)
                if self.choose(0, 1):
                    held = self.act(self.concat([held, self.act(self.conv(x, self.choose(1, 4), (1, 1)))]), relu=False)
                return self.conv(held, self.choose(1, 6), KERNELS[self.choose(0, 3)])
        raise ValueError(kind)

    def model(self, factor: int = 1) -> onnx.ModelProto:
        """The file, from 'image' to 'upscaled'."""
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *self.frame])
        output = helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "random", [image], [output], self.initializers)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(model, dict([AFFINE]))
        return model


OPERATIONS = ("conv", "depthwise", "grouped", "add", "mean", "attention", "concat", "tanh", "requantize", "saturate")


def one_operation(choose: Choose, frame: tuple[int, int], kind: str) -> onnx.ModelProto:
    """The image on a random grid, one operation, and a random grid again."""
    builder = AffineBuilder(choose, frame)
    builder.act(builder.operation(kind, builder.act(builder.image)), out="upscaled")
    return builder.model()


def random_network(choose: Choose, frame: tuple[int, int]) -> onnx.ModelProto:
    """Some operations, a shuffle of pixels by 1 to 3 and, at times, the upsampled image added; int8 to the end."""
    builder = AffineBuilder(choose, frame)
    x = builder.act(builder.image)
    for _ in range(choose(1, 4)):
        x = builder.act(builder.operation(OPERATIONS[choose(0, len(OPERATIONS) - 1)], x))
    factor = choose(1, 3)
    x = builder.act(builder.conv(x, 3 * factor**2, (3, 3)))
    if factor > 1:
        x = builder.moved(x, builder.node("DepthToSpace", [x], 3, blocksize=factor, mode="CRD"))
    if choose(0, 1):
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        sizes = builder.constant([1, 1, factor, factor])
        anchor = builder.node("Resize", [builder.image, "", sizes], 3, **options)
        x = builder.add(x, builder.moved(builder.image, anchor))
    builder.act(x, relu=False, out="upscaled")
    return builder.model()
