"""hls4ml extension layers: our streaming kernels and convolutions over integer weights.

Importing this module imports hls4ml, which is slow; only `hwsr.hls.project` does, and when it writes a project.
"""

from functools import cache
from pathlib import Path
from typing import Any

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.backends.vivado.passes.convolution_templates import (
    Conv2DConfigTemplate,
    Conv2DFunctionTemplate,
    conv2d_config_template,
    conv2d_function_template,
    conv2d_include_list,
    conv_mult_config_template,
    depthconv2d_function_template,
    sepconv2d_include_list,
)
from hls4ml.model.layers import Conv2D, DepthwiseConv2D, Layer, register_layer

from hwsr.hls import BACKENDS

HEADER = Path(__file__).parent / "nnet_utils" / "nnet_hwsr.h"
INCLUDE = f"nnet_utils/{HEADER.name}"


class HwsrStream(Layer):
    """One kernel of nnet_hwsr.h.

    Attributes: `kernel`, its C++ function; `out_shape` (H, W, C); `settings`, the integers of its config struct;
    `constant_data`, an array of constants, where the kernel takes one; `accum_t`, where it sums.
    """

    def initialize(self) -> None:
        self.add_output_variable(list(self.attributes["out_shape"]))
        if "constant_data" in self.attributes:
            self.add_weights_variable(name="constant", var_name="c{index}")


class HwsrConv2D(Conv2D):
    """hls4ml's Conv2D; a class of its own keeps hls4ml's pointwise and precision passes away from it."""


class HwsrDepthwiseConv2D(DepthwiseConv2D):
    """hls4ml's DepthwiseConv2D, likewise."""


class HwsrStreamConfig(LayerConfigTemplate):
    def __init__(self) -> None:
        super().__init__(HwsrStream)

    def format(self, node: Any) -> str:
        lines = [f"    static const unsigned {key} = {value};" for key, value in node.get_attr("settings").items()]
        if node.get_attr("accum") is not None:
            lines.append(f"    typedef {node.get_attr('accum')} accum_t;")
        if "constant" in node.weights:
            lines.append(f"    typedef {node.get_weights('constant').type.name} constant_t;")
        return "\n".join([f"struct config{node.index} {{", *lines, "};\n"])


class HwsrStreamFunction(FunctionCallTemplate):
    def __init__(self) -> None:
        super().__init__(HwsrStream, include_header=[INCLUDE])

    def format(self, node: Any) -> str:
        variables = [*(node.get_input_variable(name) for name in node.inputs), node.get_output_variable()]
        types = ", ".join([*(variable.type.name for variable in variables), f"config{node.index}"])
        arguments = ", ".join([*(variable.name for variable in variables), *(w.name for w in node.get_weights())])
        return f"nnet::{node.get_attr('kernel')}<{types}>({arguments});"


class HwsrConvConfig(Conv2DConfigTemplate):
    """hls4ml's configuration with its matrix product inside ours.

    Attributes: `up`, a shift a channel, and `grid`, the C++ type of 2^(up - point) (see ChannelGridDense).
    """

    def __init__(self) -> None:
        super(Conv2DConfigTemplate, self).__init__((HwsrConv2D, HwsrDepthwiseConv2D))
        self.template = conv2d_config_template
        self.mult_template = conv_mult_config_template.replace("using kernel =", "using inner =").replace(
            "}};\n",
            "    template<class data_T, class res_T, class CONFIG_T>\n"
            "    using kernel = nnet::ChannelGridDense<data_T, res_T, CONFIG_T>;\n"
            "    typedef {grid} grid_t;\n"
            "    static const unsigned up[n_out];\n"
            "}};\n",
        )

    def format(self, node: Any) -> str:
        up = ", ".join(map(str, node.get_attr("up")))
        return f"{super().format(node)}const unsigned config{node.index}_mult::up[] = {{{up}}};\n"


class HwsrConvFunction(Conv2DFunctionTemplate):
    def __init__(self) -> None:
        super(Conv2DFunctionTemplate, self).__init__(HwsrConv2D, include_header=[*conv2d_include_list, INCLUDE])
        self.template = conv2d_function_template


class HwsrDepthwiseConvFunction(Conv2DFunctionTemplate):
    def __init__(self) -> None:
        headers = [*sepconv2d_include_list, INCLUDE]
        super(Conv2DFunctionTemplate, self).__init__(HwsrDepthwiseConv2D, include_header=headers)
        self.template = depthconv2d_function_template


@cache
def register() -> None:
    """Make the layers known to hls4ml and to its backends, once a process."""
    for layer in (HwsrStream, HwsrConv2D, HwsrDepthwiseConv2D):
        register_layer(layer.__name__, layer)
    templates = (HwsrStreamConfig, HwsrStreamFunction, HwsrConvConfig, HwsrConvFunction, HwsrDepthwiseConvFunction)
    for name in BACKENDS:
        backend = get_backend(name)
        for template in templates:
            backend.register_template(template)
        backend.register_source(HEADER.resolve())
