"""hls4ml extension layer: one of our streaming kernels.

Importing this module imports hls4ml, which is slow; only `hwsr.hls.project` does, and when it writes a project.
"""

from functools import cache
from pathlib import Path
from typing import Any

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import Layer, register_layer

from hwsr.hls import BACKENDS
from hwsr.hls.source import array_name, call, config

HEADERS = ("nnet_hwsr_integer.h", "nnet_hwsr.h", "nnet_hwsr_rescale.h", "nnet_hwsr_conv.h", "nnet_hwsr_adders.h")


class HwsrKernel(Layer):
    """One kernel of nnet_hwsr*.h.

    Attributes: `kernel`, its C++ function; `out_shape` (H, W, C); `settings`, the integers of its config struct;
    `constants`, the arrays that it takes, which `weights/<layer>.h` holds; `types`, name -> C++ type of their elements
    and of what else that file holds for it.
    """

    def initialize(self) -> None:
        self.add_output_variable(list(self.attributes["out_shape"]))


class HwsrKernelConfig(LayerConfigTemplate):
    def __init__(self) -> None:
        super().__init__(HwsrKernel)

    def format(self, node: Any) -> str:
        include = f'#include "weights/{node.name}.h"\n' if node.get_attr("constants") else ""
        return include + config(f"config{node.index}", node.get_attr("settings"), node.get_attr("types"))


class HwsrKernelFunction(FunctionCallTemplate):
    def __init__(self) -> None:
        super().__init__(HwsrKernel, include_header=[f"nnet_utils/{header}" for header in HEADERS])

    def format(self, node: Any) -> str:
        variables = [*(node.get_input_variable(name) for name in node.inputs), node.get_output_variable()]
        types, streams = [variable.type.name for variable in variables], [variable.name for variable in variables]
        arrays = [array_name(node.name, key) for key in node.get_attr("constants")]
        return call(node.get_attr("kernel"), types, f"config{node.index}", streams, arrays)


@cache
def register() -> None:
    """Make the layer known to hls4ml and to its backends, once a process."""
    register_layer(HwsrKernel.__name__, HwsrKernel)
    for name in BACKENDS:
        backend = get_backend(name)
        for template in (HwsrKernelConfig, HwsrKernelFunction):
            backend.register_template(template)
        for header in HEADERS:
            backend.register_source((Path(__file__).parent / "nnet_utils" / header).resolve())
