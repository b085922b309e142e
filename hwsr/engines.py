"""The engines that upscale a whole image with a trained model: torch, the integer reference, csim.

A model is a folder that `hwsr train` and `hwsr export` filled: model.safetensors and model.onnx. Every engine cuts
an image into the same tiles where the network needs tiles, so fixed-point and ternary networks give the same bits in
all three.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsr.data.colour import as_channels
from hwsr.engine import Engine
from hwsr.errors import HwsrError
from hwsr.export.qonnx import exported_weights
from hwsr.hls.csim import upscale as csim_upscale
from hwsr.hls.project import Project, graph_hash, load_project
from hwsr.ir.check import check_image_network
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.ir.tiling import Tiling, default_tiling, run_tiled
from hwsr.ir.whole_frame import on_whole_frame
from hwsr.reference.run import upscale as reference_upscale
from hwsr.spec import Spec
from hwsr.train.checkpoint import load_network, load_tensors
from hwsr.train.validation import upscale as torch_upscale
from hwsr.zoo.network import Network

Image = NDArray[np.uint8]
# RGB (H, W, 3) uint8 -> (sH, sW, C) uint8; C is 3, or 1 where the network makes luma alone
Upscaler = Callable[[Image], Image]


def model_graph(model: Path) -> IntGraph:
    """The IntGraph of a model folder or a QONNX file. Raises HwsrError."""
    path = model / "model.onnx" if model.is_dir() else model
    if not path.is_file():
        raise HwsrError(f"{path}: no such file; export the model first (hwsr export {model})")
    graph = read_qonnx(path)
    check_image_network(graph)
    weights = model / "model.safetensors"
    if model.is_dir() and weights.exists():
        exported = exported_weights(path)
        if not exported:
            raise HwsrError(f"{path} does not say which weights it was exported from; run 'hwsr export {model}' again")
        if exported != load_tensors(weights)[1].tensors_sha256:
            other = f"was exported from other weights than {weights.name}"
            raise HwsrError(f"{path} {other}; run 'hwsr export {model}' again")
    return graph


def default_engine(model: Path) -> Engine:
    """The integer reference, or torch for a model folder that holds no export (a float network has none)."""
    return Engine.TORCH if model.is_dir() and not (model / "model.onnx").exists() else Engine.REFERENCE


def make_upscaler(engine: Engine, model: Path, project: Path | None = None) -> tuple[Upscaler, int]:
    """The upscaling function of `engine` for a model, and its scale. csim needs the HLS project of the model.

    Raises HwsrError when a file is missing or does not fit.
    """
    match engine:
        case Engine.TORCH:
            network = load_network(model)
            tiling = default_tiling(model_graph(model)) if needs_tiles(network.spec) else None
            return lambda image: upscale_in_torch(network, image, tiling), network.spec.scale
        case Engine.REFERENCE:
            graph = model_graph(model)
            return lambda image: _to_hwc(reference_upscale(graph, _to_chw(image, graph.input.channels))), graph.scale
        case Engine.CSIM:
            graph = model_graph(model)
            if project is None:
                raise HwsrError("the csim engine needs the model's HLS project; give --project hls_projects/NAME")
            built, on_its_frame = project_of(project, model, graph)
            return lambda image: _csim_upscale(built, on_its_frame, image), graph.scale


def project_of(folder: Path, model: Path, graph: IntGraph) -> tuple[Project, IntGraph]:
    """The HLS project in `folder`, and `graph` on the frame that it is built for.

    Raises HwsrError unless it was made from `graph`, which is `model`'s.
    """
    project = load_project(folder)
    built = on_whole_frame(graph, project.manifest.frame)
    if project.manifest.graph != graph_hash(built):
        raise HwsrError(f"{folder} was not made from {model}; write it again with 'hwsr hls {model} --out {folder}'")
    return project, built


def _csim_upscale(project: Project, graph: IntGraph, image: Image) -> Image:
    if not graph.fixed_frame and (image.shape[0] < graph.frame[0] or image.shape[1] < graph.frame[1]):
        raise HwsrError(
            f"the project's frame is {graph.frame[1]}x{graph.frame[0]}, the image {image.shape[1]}x{image.shape[0]}; "
            "use the reference engine, which gives the same bits on hardware of any frame"
        )
    return _to_hwc(csim_upscale(project, _to_chw(image, graph.input.channels), default_tiling(graph)))


def needs_tiles(spec: Spec) -> bool:
    """Quantized channel attention works on frames of a fixed size; in float it takes the whole image."""
    return spec.attention and spec.precision != "float"


def upscale_in_torch(network: Network, image: Image, tiling: Tiling | None) -> Image:
    """RGB (H, W, 3) -> (sH, sW, C) through a torch network, whole or by tiles."""
    chw, run = _to_chw(image, network.spec.channels), partial(torch_upscale, network)
    return _to_hwc(run(chw) if tiling is None else run_tiled(run, chw, tiling, network.spec.scale))


def _to_chw(image: Image, channels: int) -> Image:
    """RGB (H, W, 3) -> (channels, H, W): as it is, or its luma."""
    return np.ascontiguousarray(as_channels(image, channels).transpose(2, 0, 1))


def _to_hwc(image: Image) -> Image:
    return np.ascontiguousarray(image.transpose(1, 2, 0))
