"""The same network through hls4ml's own padding and convolution kernels, to hold hwsr's against.

Everything but the convolutions is as in hwsr's project, the factors of an SP-conv included. A convolution becomes
hls4ml's zero padding, its Conv2D or DepthwiseConv2D with integer weights and accumulators, and hwsr's requantization.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hwsr.hls.convolution import clipped_shift, signed_bits
from hwsr.hls.layers import register
from hwsr.hls.lower import lower
from hwsr.hls.model import layer_of, model_config, quiet, write_constants
from hwsr.hls.project import DEFAULT_PARTS
from hwsr.hls.source import precision
from hwsr.ir.check import align
from hwsr.ir.graph import Conv, IntGraph, QType, Requantize

Layer = dict[str, Any]


def write_stock(graph: IntGraph, folder: Path, top: str, reuse_factor: int = 1) -> None:
    """Write hls4ml's firmware of `graph` to `folder`; its top function takes and makes what hwsr's does."""
    stages = lower(graph, reuse_factor)
    layers, types = [], {stage.name: {"result": precision(stage.result)} for stage in stages}
    nodes = {node.name: node for node in graph.nodes}
    for stage in stages:
        made = nodes[stage.makes]
        node = nodes[made.inputs[0]] if isinstance(made, Requantize) else made
        if stage.kind != "conv" or not isinstance(node, Conv):
            layers.append(layer_of(stage))
            continue
        source = graph.tensors[node.inputs[0]].type
        for layer, own in _convolution(graph, node, stage.inputs[0], stage.name, source, stage.result, stage.shape):
            layers.append(layer)
            types[layer["name"]] = own
    with quiet():
        from hls4ml.model import ModelGraph

        register()
        config = model_config(types, folder, top, "Vitis", DEFAULT_PARTS["Vitis"], 5.0)
        config["WriterConfig"]["WriteWeightsTxt"] = True
        ModelGraph.from_layer_list(config, layers).write()
    write_constants(stages, folder)


def _convolution(
    graph: IntGraph, node: Conv, source: str, name: str, x: QType, result: QType, shape: tuple[int, int, int]
) -> Iterator[tuple[Layer, dict[str, str]]]:
    """The layers of a convolution and their types. Channels on grids of their own get weights on the finest."""
    c_out, _, kh, kw = node.weight.shape
    height, width, _ = shape
    channels, y = graph.tensors[node.inputs[0]].channels, graph.tensors[node.name].type
    weight = node.weight << (node.weight_frac.max() - node.weight_frac).reshape(-1, 1, 1, 1)
    bias = align(node.bias, node.weight_frac)
    sizes = {"data_format": "channels_last", "n_chan": channels}
    padded = {"in_height": height + 2 * (kh // 2), "in_width": width + 2 * (kw // 2)}
    if (kh, kw) != (1, 1):
        pads = dict.fromkeys(("pad_top", "pad_bottom"), kh // 2) | dict.fromkeys(("pad_left", "pad_right"), kw // 2)
        frame = {"in_height": height, "in_width": width, "out_height": padded["in_height"]}
        frame |= {"out_width": padded["in_width"]}
        yield _layer("ZeroPadding2D", f"{name}_pad", source, sizes | frame | pads), {"result": precision(x)}
        source = f"{name}_pad"
    if node.groups > 1 and not node.depthwise:
        raise SystemExit(f"node '{node.name}': hls4ml has no convolution in groups")
    kind, key = ("DepthwiseConv2D", "depthwise_data") if node.depthwise else ("Conv2D", "weight_data")
    settings = {
        "out_height": height,
        "out_width": width,
        "n_filt": c_out,
        "filt_height": kh,
        "filt_width": kw,
        **dict.fromkeys(("stride_height", "stride_width", "min_height", "min_width"), 1),
        **dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0),
        key: weight.transpose((2, 3, 0, 1) if node.groups > 1 else (2, 3, 1, 0)).astype(np.float64),
        "bias_data": bias.astype(np.float64),
    }
    sums = QType(signed_bits(y), True, 0)
    # Two bits with a sign are ternary to hls4ml.
    held = QType.holding(min(int(weight.min()), -1), int(weight.max()), 0)
    types = {
        "result": precision(sums),
        "accum": precision(sums),
        "weight": f"int<{max(held.bits, 2 if np.abs(weight).max() < 2 else 3)}>",
        "bias": precision(QType.holding(min(int(bias.min()), -1), int(bias.max()), 0)),
    }
    yield _layer(kind, f"{name}_conv", source, sizes | padded | settings), types
    shift = {"bits": sums.bits, "shift": clipped_shift(sums.bits, y.frac - result.frac, result)}
    sizes = {"n_chan": c_out, "n_pixels": height * width, "in_height": height, "in_width": width}
    built = {"kernel": "requantize", "settings": sizes | shift, "constants": [], "types": {}, "out_shape": list(shape)}
    yield _layer("HwsrKernel", name, f"{name}_conv", built), {"result": precision(result)}


def _layer(kind: str, name: str, source: str, attributes: Layer) -> Layer:
    return {"class_name": kind, "name": name, "inputs": [source], "outputs": [name]} | attributes
