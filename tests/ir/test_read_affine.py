"""Affine files that anyone may have made: read exactly, or refused with one line that names what is wrong."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from hwsr.errors import HwsrError
from hwsr.ir.graph import Conv, Offset, Rescale
from hwsr.ir.read import read_qonnx
from hwsr.reference.run import run
from tests.affine_models import AffineBuilder, random_network


def first(lo: int, hi: int) -> int:
    return lo


def written(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refused(model: onnx.ModelProto, folder: Path, words: str) -> None:
    with pytest.raises(HwsrError, match=words) as error:
        read_qonnx(written(model, folder))
    assert "\n" not in str(error.value)


def one_conv() -> AffineBuilder:
    builder = AffineBuilder(first, (4, 5))
    x = builder.shifted(builder.image, 0.01, -7)
    builder.shifted(builder.conv(x, 2, (3, 3)), 0.3, 100, out="upscaled")
    return builder


def test_zero_points_become_offsets_and_scales_become_multipliers(tmp_path: Path) -> None:
    model = one_conv().model()
    graph = read_qonnx(written(model, tmp_path))
    conv = next(node for node in graph.nodes if isinstance(node, Conv))
    centred = next(node for node in graph.nodes if node.name == conv.inputs[0])
    assert isinstance(centred, Offset) and centred.offset.tolist() == [7] * 3 and not conv.weight_frac.any()
    last = graph.output
    assert isinstance(last, Rescale) and (last.zero_point, last.lo, last.hi) == (100, -128, 127)
    quants = [node for node in model.graph.node if node.op_type == "Quant"]
    scales = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}[quants[3].input[1]]
    real = last.multiplier * 2.0 ** (last.left - last.right - 31)
    assert np.allclose(real, 0.01 * scales.ravel() / 0.3, rtol=1e-6)


def test_a_relu_raises_the_least_value_to_the_zero_point(tmp_path: Path) -> None:
    builder = AffineBuilder(first, (4, 5))
    made = builder.conv(builder.image, 2, (1, 1))
    builder.scale["relu"] = 1.0
    builder.shifted(builder.node("Relu", [made], 2), 0.3, -100, out="upscaled")
    last = read_qonnx(written(builder.model(), tmp_path)).output
    assert isinstance(last, Rescale) and last.lo == -100


def test_only_a_file_that_says_so_is_affine(tmp_path: Path) -> None:
    model = one_conv().model()
    del model.metadata_props[:]
    refused(model, tmp_path, "zero point is not 0|not a power of two")


def change(model: onnx.ModelProto, number: int, of: int, value: float) -> None:
    """Set the constant that is input `of` of the Quant that stands at `number`."""
    quants = [node for node in model.graph.node if node.op_type == "Quant"]
    name = quants[number].input[of]
    item = next(item for item in model.graph.initializer if item.name == name)
    item.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(item), value), name))


@pytest.mark.parametrize(
    ("number", "of", "value", "words"),
    [
        (2, 2, 0.5, "zero point 0.5 is not a whole number"),
        (2, 2, 128, "zero point 128 is not a whole number within int8"),
        (2, 1, 0, "scale is not a positive number"),
        (2, 3, 4, "8 bits wide"),
        (3, 2, 1, "zero point of its constants is not 0"),
        (3, 1, -1, "scale is not a positive number"),
        (3, 3, 4, "of 8 bits"),
        (-1, 2, 1e9, "zero point 1e"),
    ],
)
def test_what_int8_has_no_form_for(tmp_path: Path, number: int, of: int, value: float, words: str) -> None:
    model = one_conv().model()
    change(model, number, of, value)
    refused(model, tmp_path, f"node '/quant.*{words}")


def test_accumulators_beyond_32_bits(tmp_path: Path) -> None:
    builder = AffineBuilder(first, (4, 5))
    weight = builder.quant(builder.constant(np.full((1, 3, 1, 1), 0.5)), 8, True, 2.0**-7, narrow=True)
    bias = builder.quant(builder.constant(np.array([2.0**16])), 32, True, 2.0**-15)
    made = builder.node("Conv", [builder.image, weight, bias], 1, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1])
    builder.shifted(made, 1.0, 0, out="upscaled")
    refused(builder.model(), tmp_path, "node 'quant.*32 bits")


def test_a_bias_on_another_grid(tmp_path: Path) -> None:
    builder = AffineBuilder(first, (4, 5))
    weight = builder.quant(builder.constant(np.full((1, 3, 1, 1), 0.5)), 8, True, 2.0**-7, narrow=True)
    options = {"kernel_shape": [1, 1], "pads": [0] * 4, "strides": [1, 1]}
    for bias, words in (
        (builder.quant(builder.constant(np.array([1.0])), 32, True, 2.0**-14), "does not lie on the grid"),
        (builder.constant(np.array([1.0])), "bias passes no Quant node"),
    ):
        count = len(builder.nodes)
        made = builder.node("Conv", [builder.image, weight, bias], 1, **options)
        builder.shifted(made, 1.0, 0, out="upscaled")
        refused(builder.model(), tmp_path, f"node '/conv.*{words}")
        del builder.nodes[count:]


UNSETTLED: dict[str, Callable[[AffineBuilder, str], str]] = {
    "accumulators of": lambda b, x: b.conv(b.conv(x, 2, (1, 1)), 2, (1, 1)),
    "reads a Add that no Quant node follows": lambda b, x: b.conv(b.add(x, x), 2, (1, 1)),
    "constant factor has no affine form": lambda b, x: b.node("Mul", [x, b.constant(0.5)], 3),
    "constant added has no affine form": lambda b, x: b.node("Add", [x, b.constant(0.5)], 3),
    "Sub is supported only": lambda b, x: b.node("Sub", [x, x], 3),
    "write a ReduceMean": lambda b, x: b.node("ReduceSum", [x, b.indices([2, 3])], 3, keepdims=1),
    "over height and width": lambda b, x: b.node("ReduceMean", [x], 3, axes=[1], keepdims=1),
    "Relu of a Sigmoid": lambda b, x: b.node("Relu", [b.node("Sigmoid", [x], 3)], 3),
    "Concat of channels": lambda b, x: b.node("Concat", [x, x], 3, axis=2),
    "too fine for a sum": lambda b, x: b.add(x, b.shifted(x, 1e6, 0)),
}


@pytest.mark.parametrize("words", UNSETTLED)
def test_operations_without_an_affine_form(tmp_path: Path, words: str) -> None:
    builder = AffineBuilder(first, (4, 5))
    x = builder.shifted(builder.image, 0.01, 5)
    y = UNSETTLED[words](builder, x)
    builder.shifted(y, 0.02, 0, out="upscaled")
    refused(builder.model(), tmp_path, f"node '/.*{words}")


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=100)
def test_damaged_nodes_are_refused_or_run(seed: int) -> None:
    """Drop an input, an attribute or the outputs, or put nonsense in: one HwsrError, or a network that runs."""
    rng = np.random.default_rng(seed)
    network = random_network(lambda lo, hi: int(rng.integers(lo, hi + 1)), (5, 6))
    node = network.graph.node[int(rng.integers(len(network.graph.node)))]
    tensor = network.graph.initializer[int(rng.integers(len(network.graph.initializer)))]
    match int(rng.integers(5)):
        case 0:
            del node.input[int(rng.integers(len(node.input)))]
        case 1 if node.attribute:
            del node.attribute[int(rng.integers(len(node.attribute)))]
        case 2:
            del node.output[:]
        case 3:
            values = numpy_helper.to_array(tensor).copy()
            values.flat[0] = rng.choice([1e-38, 1e38, np.inf, 0, -1, 3] if values.dtype.kind == "f" else [0, -1, 3])
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        case _ if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            attribute.CopyFrom(helper.make_attribute(attribute.name, [-1, "x", 2.5, [0]][int(rng.integers(4))]))
    with tempfile.TemporaryDirectory() as folder:
        try:
            graph = read_qonnx(written(network, Path(folder)))
        except HwsrError as error:
            assert "\n" not in str(error)
            return
    image = rng.integers(graph.input.type.lo, graph.input.type.hi + 1, (3, 5, 6))
    assert run(graph, image).shape[0] == graph.tensors[graph.output.name].channels
