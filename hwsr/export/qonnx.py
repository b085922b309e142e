"""Exports a quantized network as QONNX, the one file that everything after training reads."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from brevitas.export import QONNXManager
from brevitas.export.onnx.qonnx.handler import BrevitasBiasQuantProxyHandler, BrevitasWeightQuantProxyHandler
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import Tensor

from hwsr import __version__
from hwsr.errors import HwsrError
from hwsr.files import atomic_path
from hwsr.ir.accumulators import accumulators
from hwsr.ir.read import AFFINE, read_qonnx
from hwsr.ir.seal import sealed
from hwsr.spec import Precision
from hwsr.train.checkpoint import digest
from hwsr.zoo.layers import reciprocal
from hwsr.zoo.network import Network

DEFAULT_FRAME = (48, 48)
WEIGHTS = "hwsr.weights"
# How far the constant that stands for 1 / (H W) may be off.
MEAN_ERROR = 0.03


class _BiasHandler(BrevitasBiasQuantProxyHandler):
    """A bias on the accumulators' grid of the call that adds it.

    Brevitas takes the grid of the last call for all: an ERUM calls its convolutions on inputs of several grids.
    """

    def symbolic_execution(
        self, x: Tensor, input_scale: Tensor, input_bit_width: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        # Through numpy the tracer sees a constant, not the graph that made it.
        self.symbolic_kwargs["scale"] = torch.from_numpy(input_scale.detach().numpy().copy())
        result: tuple[Tensor, ...] = super().symbolic_execution(x, input_scale, input_bit_width)
        return result


class _WeightHandler(BrevitasWeightQuantProxyHandler):
    """A weight as its quantizer leaves it.

    A Quant node rounds at half a step, a ternary quantizer at its own threshold, a bounded one shrinks first; on
    quantized values all agree.
    """

    def prepare_for_export(self, module: Any) -> None:
        super().prepare_for_export(module)
        self.values = module.tracked_module_list[0].quant_weight().value.detach().numpy().copy()

    def symbolic_execution(self, x: Tensor) -> tuple[Tensor, ...]:
        result: tuple[Tensor, ...] = super().symbolic_execution(torch.from_numpy(self.values))
        return result


_REPLACED = (BrevitasBiasQuantProxyHandler, BrevitasWeightQuantProxyHandler)


class _Manager(QONNXManager):
    handlers = (_BiasHandler, _WeightHandler, *(each for each in QONNXManager.handlers if each not in _REPLACED))


def export_qonnx(network: Network, path: Path, frame: tuple[int, int] = DEFAULT_FRAME) -> None:
    """Write `network` to `path`. frame: (H, W) in pixels of the input that hardware is built for.

    Raises HwsrError for a float network, for sums wider than its spec allows, and when the file cannot be written.
    """
    if network.spec.precision is Precision.FLOAT:
        raise HwsrError(f"'{network.spec}' is a float network; export one with int8, wNaN or ST- in its spec")
    area = frame[0] * frame[1]
    affine = network.spec.precision is Precision.INT8_AFFINE
    if network.spec.attention and not affine and abs(reciprocal(area) * area - 1) > MEAN_ERROR:
        raise HwsrError(
            f"a {frame[1]}x{frame[0]} frame is too large for channel attention, whose mean must be exact in float32; "
            "export tiles of 64x64 or less"
        )
    with atomic_path(path) as temporary:
        with warnings.catch_warnings(), torch.no_grad():
            # The tracer warns of every constant that it is meant to see as one.
            warnings.simplefilter("ignore")
            image = torch.zeros(1, network.spec.channels, *frame)
            _Manager.export(network.eval(), args=image, export_path=str(temporary), dynamo=False)
        model = onnx.load_model(str(temporary), load_external_data=False)
        _name(model, network)
        temporary.write_bytes(sealed(_with_shapes(model)))
        if network.spec.bits.accumulator:
            _check_accumulators(temporary, network.spec.bits.accumulator)


def _check_accumulators(path: Path, bits: int) -> None:
    """Raise unless the sums of every convolution are proved to fit."""
    widest = max(accumulators(read_qonnx(path)), key=lambda each: each.bits)
    if widest.bits > bits:
        raise HwsrError(f"'{widest.layer}' needs an accumulator of {widest.bits} bits, more than acc{bits}: allow more")


def _name(model: onnx.ModelProto, network: Network) -> None:
    """Give input and output names, and say where the file comes from."""
    names = {model.graph.input[0].name: "image", model.graph.output[0].name: "upscaled"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "image", "upscaled"
    model.graph.name = network.spec.slug
    model.producer_name, model.producer_version = "hwsr", __version__
    weights = digest({name: tensor.detach() for name, tensor in network.state_dict().items()})
    affine = dict([AFFINE] if network.spec.precision is Precision.INT8_AFFINE else [])
    onnx.helper.set_model_props(model, {"hwsr.spec": str(network.spec), WEIGHTS: weights, **affine})


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shape of every tensor, always the same for the same model.

    qonnx gives every reader of a constant its own and draws their names.
    """
    known = {item.name for item in model.graph.initializer}
    known |= {name for node in model.graph.node for name in (*node.input, *node.output)}
    shaped = ModelWrapper(model).transform(InferShapes())
    drawn = [item.name for item in shaped.graph.initializer if item.name not in known]
    for i, name in enumerate(drawn):
        shaped.rename_tensor(name, f"constant_{i}")
    return shaped.model


def exported_weights(path: Path) -> str:
    """The digest of the weights that the file at `path` was exported from; empty where it does not tell."""
    props = onnx.load(str(path), load_external_data=False).metadata_props
    return next((prop.value for prop in props if prop.key == WEIGHTS), "")


def execute(path: Path, image: np.ndarray) -> np.ndarray:
    """Run a QONNX file in qonnx's own executor: (C, H, W) uint8 -> (C, sH, sW) integers. The independent oracle."""
    model = ModelWrapper(str(path))
    result = execute_onnx(model, {"image": image[None].astype(np.float32) / 256})["upscaled"][0]
    integers = np.rint(result * 256).astype(np.int64)
    if not np.array_equal(integers / 256, result):
        raise HwsrError(f"{path}: its output does not lie on the pixel grid; it must end in a Quant of scale 2^-8")
    return integers
