"""Files that anyone may have made: each is read exactly, or refused with one line that names what is wrong."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hwsr.errors import HwsrError
from hwsr.ir.graph import Conv, Input, QType, Requantize
from hwsr.ir.read import read_qonnx
from hwsr.ir.table import table_of
from hwsr.reference.run import run
from tests.random_models import Builder, random_model


def first(lo: int, hi: int) -> int:
    return lo


@pytest.fixture
def model() -> onnx.ModelProto:
    rng = np.random.default_rng(3)
    return random_model(lambda lo, hi: int(rng.integers(lo, hi + 1)), (6, 7))


def refused(model: onnx.ModelProto, folder: Path, words: str) -> None:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(HwsrError, match=words) as error:
        read_qonnx(path)
    assert "\n" not in str(error.value)
    assert "model.onnx" in str(error.value)


def node_of(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def set_constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    item = next(item for item in model.graph.initializer if item.name == name)
    item.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(item for item in model.graph.initializer if item.name == name)).copy()


def test_weights_and_biases_become_the_integers_of_their_grids(tmp_path: Path) -> None:
    builder = Builder(first, (4, 4))
    x = builder.quant("image", 8, False, 2.0**-8)
    weight = np.array([[0.5, -0.24], [0.126, 9.0]]).reshape(2, 2, 1, 1)
    builder.channels["image"] = 2
    scale = np.array([0.25, 0.125]).reshape(2, 1, 1, 1)
    quantized = builder.quant(builder.constant(weight), 4, True, scale, narrow=True)
    bias = builder.constant(np.array([0.5, -0.25]))
    y = builder.node("Conv", [x, quantized, bias], 2, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1], group=1)
    builder.quant(y, 8, True, 2.0**-4, out="upscaled")
    graph = helper.make_graph(
        builder.nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, 4, 4])],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, [1, 2, 4, 4])],
        builder.initializers,
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path)
    image, conv, out = read_qonnx(path).nodes
    assert isinstance(image, Input) and isinstance(conv, Conv) and isinstance(out, Requantize)
    # 0.5 / 0.25 = 2, -0.96 -> -1; 0.126 / 0.125 -> 1, 72 saturates at 7.
    assert conv.weight.reshape(2, 2).tolist() == [[2, -1], [1, 7]]
    assert conv.weight_frac.tolist() == [2, 3]
    assert conv.bias.tolist() == [512, -512]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match=r"no\.onnx"):
        read_qonnx(tmp_path / "no.onnx")


@pytest.mark.parametrize("content", [b"not a network", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_not_an_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(HwsrError, match="not an ONNX file"):
        read_qonnx(path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(HwsrError, match=r"model\.onnx is empty; export it again"):
        read_qonnx(tmp_path / "model.onnx")


def test_frames_beyond_any_image_are_refused(tmp_path: Path, model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1 << 40
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(HwsrError, match="beyond 99,999 pixels a side; export with a smaller frame"):
        read_qonnx(tmp_path / "model.onnx")


def test_truncated_at_any_byte(tmp_path: Path, model: onnx.ModelProto) -> None:
    data, path = model.SerializeToString(), tmp_path / "model.onnx"
    for length in [*range(0, len(data), max(len(data) // 40, 1)), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(HwsrError):
            read_qonnx(path)


def test_scale_that_is_no_power_of_two(tmp_path: Path, model: onnx.ModelProto) -> None:
    set_constant(model, model.graph.node[-1].input[1], np.array(0.0040))
    refused(model, tmp_path, "node '/quant.*0.004 is not a power of two")


@pytest.mark.parametrize("scale", [0.0, -0.5, np.nan, np.inf])
def test_scale_that_is_no_scale(tmp_path: Path, model: onnx.ModelProto, scale: float) -> None:
    set_constant(model, model.graph.node[-1].input[1], np.array(scale))
    refused(model, tmp_path, "scale is not a positive number|NaN or infinite")


def test_zero_point(tmp_path: Path, model: onnx.ModelProto) -> None:
    set_constant(model, node_of(model, "Quant").input[2], np.array(3.0))
    refused(model, tmp_path, "zero point")


def test_nan_weight(tmp_path: Path, model: onnx.ModelProto) -> None:
    weights = next(item.name for item in model.graph.initializer if len(item.dims) == 4)
    values = constant(model, weights)
    values.flat[0] = np.nan
    set_constant(model, weights, values)
    refused(model, tmp_path, f"'{weights}' holds NaN")


def test_unsupported_operation(tmp_path: Path, model: onnx.ModelProto) -> None:
    node_of(model, "Conv").op_type = "ConvTranspose"
    refused(model, tmp_path, "ConvTranspose is not supported")


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "words"),
    [("Transpose", "perm", [0, 1, 2, 4, 3], "inside a channel shuffle"), ("Concat", "axis", 2, "Concat of channels")],
)
def test_channels_moved_in_another_way(tmp_path: Path, kind: str, attribute: str, value: object, words: str) -> None:
    rng = np.random.default_rng(0)
    models = (random_model(lambda lo, hi: int(rng.integers(lo, hi + 1)), (5, 5)) for _ in range(100))
    model = next(model for model in models if any(node.op_type == kind for node in model.graph.node))
    node = node_of(model, kind)
    del node.attribute[:]
    node.attribute.append(helper.make_attribute(attribute, value))
    refused(model, tmp_path, words)


def test_a_reshape_that_is_no_shuffle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    models = (random_model(lambda lo, hi: int(rng.integers(lo, hi + 1)), (5, 5)) for _ in range(100))
    model = next(model for model in models if any(node.op_type == "Reshape" for node in model.graph.node))
    item = next(item for item in model.graph.initializer if item.name == node_of(model, "Reshape").input[1])
    item.CopyFrom(numpy_helper.from_array(np.array([1, -1, 1, 5, 5]), item.name))
    refused(model, tmp_path, "Reshape to")


def test_depth_to_space_in_the_other_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = random_model(lambda lo, hi: 2 if (lo, hi) == (1, 3) else int(rng.integers(lo, hi + 1)), (5, 5))
    node = node_of(model, "DepthToSpace")
    next(item for item in node.attribute if item.name == "mode").s = b"DCR"
    refused(model, tmp_path, "DepthToSpace must have mode CRD")


@pytest.mark.parametrize(("name", "value"), [("strides", [2, 2]), ("dilations", [2, 2]), ("pads", [0, 0, 1, 1])])
def test_convolutions_that_change_the_size(tmp_path: Path, model: onnx.ModelProto, name: str, value: list[int]) -> None:
    node = node_of(model, "Conv")
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
    refused(model, tmp_path, "node '/conv.*(stride|zero padding)")


def test_unquantized_weights(tmp_path: Path, model: onnx.ModelProto) -> None:
    conv = node_of(model, "Conv")
    quant = next(node for node in model.graph.node if node.output[0] == conv.input[1])
    conv.input[1] = quant.input[0]
    refused(model, tmp_path, "weights pass no Quant")


def test_external_data_is_not_followed(tmp_path: Path, model: onnx.ModelProto) -> None:
    item = model.graph.initializer[0]
    item.ClearField("raw_data")
    item.data_location = TensorProto.EXTERNAL
    item.external_data.append(onnx.StringStringEntryProto(key="location", value="../../etc/passwd"))
    refused(model, tmp_path, "another file")


def test_dynamic_frame(tmp_path: Path, model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    refused(model, tmp_path, "fixed")


def test_a_missing_tensor(tmp_path: Path, model: onnx.ModelProto) -> None:
    node_of(model, "Conv").input[0] = "nowhere"
    refused(model, tmp_path, "'nowhere'")


@pytest.mark.parametrize("scale", [2.0**-80, 2.0**90])
def test_scales_too_far_apart_for_64_bits(tmp_path: Path, model: onnx.ModelProto, scale: float) -> None:
    set_constant(model, model.graph.node[-1].input[1], np.array(scale))
    refused(model, tmp_path, "node '.*too far apart")


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=150)
def test_damaged_nodes_are_refused_or_run(seed: int) -> None:
    """Drop an input, an attribute or the outputs, or put nonsense in: one HwsrError, or a network that runs."""
    rng = np.random.default_rng(seed)
    network = random_model(lambda lo, hi: int(rng.integers(lo, hi + 1)), (5, 6))
    node = network.graph.node[int(rng.integers(len(network.graph.node)))]
    tensor = network.graph.initializer[int(rng.integers(len(network.graph.initializer)))]
    match int(rng.integers(6)):
        case 0:
            del node.input[int(rng.integers(len(node.input)))]
        case 1 if node.attribute:
            del node.attribute[int(rng.integers(len(node.attribute)))]
        case 2:
            del node.output[:]
        case 3:
            values = numpy_helper.to_array(tensor).copy()
            nonsense = [2.0**-90, 2.0**90, 0, -1, 3] if values.dtype.kind == "f" else [2**62, 0, -1, 3]
            values.flat[0] = rng.choice(nonsense)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        case 4:
            shape = tuple(rng.integers(0, 3, rng.integers(0, 4)))
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), tensor.name))
        case _ if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            other = [-1, "x", 2.5, [0]][int(rng.integers(4))]
            attribute.CopyFrom(helper.make_attribute(attribute.name, other))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(network, path)
        try:
            graph = read_qonnx(path)
        except HwsrError as error:
            assert "\n" not in str(error)
            return
    image = rng.integers(graph.input.type.lo, graph.input.type.hi + 1, (3, 5, 6))
    assert run(graph, image).shape[0] == graph.tensors[graph.output.name].channels


@pytest.mark.parametrize("frac", range(-2, 12))
def test_tables_are_float32s_too(frac: int) -> None:
    """qonnx's executor computes in float32; every entry for every 8-bit input must round to the same integer."""
    of = QType(8, True, frac)
    sigmoid = table_of("s", "Sigmoid", "x", of, QType(8, False, 8)).values
    tanh = table_of("t", "Tanh", "x", of, QType(8, True, 7)).values
    x = torch.arange(-128, 128).float() * 2.0**-frac
    assert sigmoid.tolist() == (torch.sigmoid(x) * 256).round().clamp(0, 255).int().tolist()
    assert tanh.tolist() == (torch.tanh(x) * 128).round().clamp(-128, 127).int().tolist()


@pytest.mark.parametrize("kind", ["Mul", "Add"])
@pytest.mark.parametrize("shape", [(3,), (1, 1, 1, 3), (1, 1, 3, 1), (1, 3)])
def test_constants_along_another_axis_are_refused(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    """ONNX broadcasts these along rows or columns of a 3x3 frame of 3 channels."""
    builder = Builder(first, (3, 3))
    x = builder.quant("image", 8, False, 2.0**-8)
    y = builder.node(kind, [x, builder.constant(np.array([0.5, 1.0, 2.0]).reshape(shape))], 3)
    builder.quant(y, 8, False, 2.0**-6, out="upscaled")
    refused(builder.model(), tmp_path, r"a constant of shape .* is not one a channel of 3")


def test_weight_scales_along_another_axis_are_refused(tmp_path: Path) -> None:
    builder = Builder(first, (3, 3))
    x = builder.quant("image", 8, False, 2.0**-8)
    weight = builder.quant(builder.constant(np.ones((3, 3, 3, 3))), 4, True, np.array([0.5, 0.25, 1.0]), narrow=True)
    options = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [1, 1], "group": 1}
    builder.quant(builder.node("Conv", [x, weight], 3, **options), 8, True, 2.0**-2, out="upscaled")
    refused(builder.model(), tmp_path, r"scales of shape \(3,\) are not one an output channel")
