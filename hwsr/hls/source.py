"""The C++ of a stage: the config struct of its kernel, its arrays, and its call."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwsr.hls import adder_graph
from hwsr.ir.graph import QType
from hwsr.ir.stages import Constant, Settings, Stage, Weights


def precision(qtype: QType) -> str:
    """hls4ml's name of the type of a stream's integers."""
    return f"{'' if qtype.signed else 'u'}int<{qtype.bits}>"


def config(name: str, settings: Settings, c_types: Mapping[str, str]) -> str:
    """The struct that a kernel takes as CONFIG_T; c_types: the type of the elements of each of its arrays."""
    lines = [f"static const int {key} = {value};" for key, value in settings.items()]
    lines += [f"typedef {c_type} {key}_t;" for key, c_type in c_types.items()]
    return "".join([f"struct {name} {{\n", *(f"    {line}\n" for line in lines), "};\n"])


def call(kernel: str, types: Sequence[str], config: str, streams: Sequence[str], arrays: Sequence[str]) -> str:
    """The call of a kernel; types and streams: those of its inputs, then of its output."""
    return f"nnet::{kernel}<{', '.join([*types, config])}>({', '.join([*streams, *arrays])});"


def kernel(stage: Stage) -> str:
    """The name of a stage's kernel: where its weights lie is a pragma, which no setting can switch."""
    return f"{stage.kind}_weights_in_luts" if stage.settings.get("weights_in") == Weights.LUT else stage.kind


def types(stage: Stage) -> dict[str, str]:
    """The types that the config struct of a stage's kernel names: of its arrays' elements, and its adder graph."""
    own = {key: constant.c_type for key, constant in stage.constants.items()}
    return own | ({"adders": adder_graph.type_name(stage.name)} if stage.adders else {})


def definitions(stage: Stage) -> str:
    """All that a stage's kernel is given beside its config struct: arrays, and its adder graph."""
    made = arrays(stage.name, stage.constants)
    if stage.adders:
        made += adder_graph.source(stage.name, stage.adders, stage.settings["room"])
    return made


def arrays(layer: str, constants: Mapping[str, Constant]) -> str:
    """The definitions of a layer's arrays."""
    return "".join(
        f"static const {constant.c_type} {array_name(layer, key)}"
        f"{''.join(f'[{size}]' for size in constant.values.shape)} = {_listed(constant.values)};\n"
        for key, constant in constants.items()
    )


def array_name(layer: str, key: str) -> str:
    """The C++ name of one of a layer's arrays; no layer's own name starts as these do."""
    return f"{key}_{layer}"


def _listed(values: NDArray) -> str:
    if values.ndim > 1:
        return "{" + ",\n".join(map(_listed, values)) + "}"
    numbers = map("0x{:x}".format, values.tolist()) if values.dtype == np.uint64 else map(str, values.tolist())
    return "{" + ", ".join(numbers) + "}"
