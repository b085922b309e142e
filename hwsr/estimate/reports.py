"""From a row of the calibration schema to a `Kernel`, by the columns that describe a layer and no others.

A row is a dict of a csynth report's results and of the parameters that the layer was built with. DESCRIPTION names
the columns read here; whatever stands in any other column changes nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwsr.estimate.fabric import Backend, fabric_of, is_known
from hwsr.estimate.kernel import Kernel, Kind
from hwsr.estimate.products import Products
from hwsr.estimate.types import DEFAULT, FixedType, parse_type

Row = Mapping[str, Any]

# `module` is the C++ function's name with its template arguments: the channels and types of the streams.
DESCRIPTION = frozenset(
    (
        *("layer_type", "tool", "tool_version", "device", "clock_target_ns", "io_type", "module"),
        *("strategy", "reuse_factor", "implementation", "n_zeros", "weights_pruned"),
        *("in_height", "in_width", "out_height", "out_width", "height", "width", "new_height", "new_width"),
        *("n_chan", "n_filt", "n_in", "n_out", "filt_height", "filt_width", "stride_height", "stride_width"),
        *("pool_height", "pool_width", "data_type", "weight_t", "accum_t"),
    )
)

# Columns of numbers above zero, with what a number stays below; zeros may be none.
_NUMBERS = {
    **dict.fromkeys(
        (
            *("in_height", "in_width", "out_height", "out_width", "height", "width", "new_height", "new_width"),
            *("n_chan", "n_filt", "n_in", "n_out", "filt_height", "filt_width", "stride_height", "stride_width"),
            *("pool_height", "pool_width", "reuse_factor", "n_zeros"),
        ),
        (1, 2**40),
    ),
    "clock_target_ns": (0.01, 1000),
}

KINDS: dict[str, Kind] = {
    "conv1d": "conv",
    "conv2d": "conv",
    "pointwise_conv1d": "conv",
    "pointwise_conv2d": "conv",
    "depthwise_conv1d": "depthwise",
    "depthwise_conv2d": "depthwise",
    "dense": "dense",
    "pooling1d": "pool",
    "pooling2d": "pool",
    "global_pooling": "global_pool",
    "global_pooling1d": "global_pool",
    "global_pooling2d": "global_pool",
    "relu": "activation",
    "leaky_relu": "activation",
    "prelu": "activation",
    "linear": "activation",
    "hard_tanh": "hard_activation",
    "hard_sigmoid": "hard_activation",
    "sigmoid": "table",
    "tanh": "table",
    "softmax": "softmax",
    "zeropad1d": "zeropad",
    "zeropad2d": "zeropad",
    "resize_nearest": "resize",
    "batchnorm": "batchnorm",
    "concatenate": "concat",
}
WITHOUT_MODEL = {
    "design": "a whole design: its layers are not in its row",
    "separable_conv2d": "two kernels in one: their parameters are not in its row",
    "separable_conv1d": "two kernels in one: their parameters are not in its row",
}
NEWEST = (9999, 0)
# Strategies that share multipliers.
_FOLDING = ("resource", "unrolled", "compressed")


class Undescribed(Exception):
    """A row that says too little for a model, and why."""


@dataclass(frozen=True)
class Streams:
    """What a module's name says of its first input and its output: words of so many values of a type.

    A name that spells one stream alone means the output's; the input's is of another type or the same.
    """

    channels: int | None = None
    out_channels: int | None = None
    x_type: str = ""
    out_type: str = ""


def parse_module(name: object) -> Streams:
    """nnet::array types become "array_ap_fixed_16_6_5_3_0_8u" in a name; a type written before is cut short there."""
    if not isinstance(name, str):
        return Streams()
    found = re.findall(r"(ap_u?(?:fixed|int)(?:_\d+)*?)_(\d+)u(?=_)", name)
    if not found:
        return Streams()
    out_type, out_channels = found[-1]
    if len(found) == 1:
        return Streams(out_channels=int(out_channels), out_type=out_type)
    return Streams(int(found[0][1]), int(out_channels), found[0][0], out_type)


def whole(row: Row, *names: str) -> int | None:
    """The first of the columns that holds a number of at least 1."""
    for name in names:
        value = row.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value < 2**40:
            return int(value)
    return None


def needed(row: Row, *names: str) -> int:
    value = whole(row, *names)
    if value is None:
        raise Undescribed(f"no {' or '.join(names)} in its row")
    return value


def describe(row: Row) -> Kernel:
    """The kernel that a row is about. Raises Undescribed with the reason where no model applies."""
    layer_type = str(row.get("layer_type"))
    if layer_type in WITHOUT_MODEL:
        raise Undescribed(WITHOUT_MODEL[layer_type])
    if layer_type not in KINDS:
        raise Undescribed(f"no model of layer type '{layer_type}'")
    kind = KINDS[layer_type]
    _check_numbers(row)
    if kind in ("conv", "depthwise") and "parallel" in str(row.get("io_type", "")):
        raise Undescribed("an io_parallel convolution: there is no report of one to learn from")
    streams = parse_module(row.get("module"))
    shape = _SHAPES[kind](row, streams) if kind in _SHAPES else _plain_shape(row, streams)
    backend: Backend = "vitis" if "vitis" in str(row.get("tool", "")).lower() else "vivado"
    x, weight, accumulator, out = _types(row, streams)
    kernel = Kernel(
        kind=kind,
        backend=backend,
        version=_version(row.get("tool_version")),
        fabric=fabric_of(str(row.get("device", ""))),
        clock_ns=_clock(row),
        x_bits=x.bits,
        w_bits=weight.bits,
        w_frac=weight.bits - weight.integer,
        acc_bits=accumulator.bits,
        out_bits=out.bits,
        rounds=out.rounds,
        encoded="encoded" in str(row.get("implementation", "")),
        stream="parallel" not in str(row.get("io_type", "")),
        **shape,
        **(_sharing(row) if kind in ("conv", "depthwise", "dense", "batchnorm") else {}),
    )
    return _weighted(kernel, row)


def assumptions(row: Row) -> list[str]:
    """What a row says in words that are not known here, and what is taken in their place."""
    tool, strategy, device = (str(row.get(name) or "").lower() for name in ("tool", "strategy", "device"))
    assumed = []
    if tool and not any(name in tool for name in ("vivado", "vitis")):
        assumed.append(f"tool {tool[:20]!r}: taken as Vivado HLS")
    if strategy and not any(name in strategy for name in ("latency", "distributed", *_FOLDING)):
        assumed.append(f"strategy {strategy[:20]!r}: taken as latency")
    if device and not is_known(device):
        assumed.append(f"device {device[:20]!r}: taken as UltraScale+")
    for name, instead in {"data_type": "hls4ml's default", "weight_t": "data_type", "accum_t": "data_type"}.items():
        if row.get(name) is not None and parse_type(row[name]) is None:
            assumed.append(f"{name} {str(row[name])[:30]!r}: taken as {instead}")
    return assumed


def _check_numbers(row: Row) -> None:
    """Raise Undescribed where a column of numbers holds anything else; hls4ml writes -1 filters where it means none."""
    for name, (least, limit) in _NUMBERS.items():
        value = row.get(name)
        if value is None or (name, value) in (("n_zeros", 0), ("n_filt", -1)):
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool) and least <= value < limit
        if not number or (name != "clock_target_ns" and value != int(value)):
            what = "number" if name == "clock_target_ns" else "whole number"
            raise Undescribed(f"{name} is {str(value)[:20]!r}, not a {what} from {least} to below {limit}")


def _weighted(kernel: Kernel, row: Row) -> Kernel:
    """With its products, and its reuse factor no larger than their number."""
    counts = {
        "conv": (kernel.inputs * kernel.out_channels, kernel.inputs),
        "dense": (kernel.inputs * kernel.out_channels, kernel.inputs),
        "depthwise": (kernel.inputs, kernel.inputs // max(kernel.channels, 1)),
        "batchnorm": (kernel.channels, 1),
    }
    if kernel.kind not in counts:
        return kernel
    total, fan_in = counts[kernel.kind]
    kernel = replace(kernel, x_bits=_accumulated(kernel, row, fan_in) or kernel.x_bits)
    products = Products.expected(total, fan_in, kernel.w_bits, kernel.w_frac, _zeros(row, total))
    return replace(kernel, products=products, reuse_factor=min(kernel.reuse_factor, total))


def _accumulated(kernel: Kernel, row: Row, fan_in: int) -> int | None:
    """Input bits of a layer whose accumulator was sized to hold every sum: products' bits, a sum's growth, a sign."""
    accumulator, weight = parse_type(row.get("accum_t")), parse_type(row.get("weight_t"))
    if accumulator is None or weight is None:
        return None
    bits = accumulator.bits - weight.bits - (fan_in - 1).bit_length() - 1
    frac = (accumulator.bits - accumulator.integer) - (weight.bits - weight.integer)
    return bits if 0 <= frac <= bits else None


def _zeros(row: Row, total: int) -> int | None:
    zeros = whole(row, "n_zeros")
    if zeros is not None:
        if zeros > total:
            raise Undescribed(f"n_zeros is {zeros}, of {total} weights")
        return zeros
    pruned = re.search(r"(\d+(?:\.\d+)?) ?%", str(row.get("weights_pruned", "")))
    return round(total * float(pruned[1]) / 100) if pruned else None


def _types(row: Row, streams: Streams) -> tuple[FixedType, FixedType, FixedType, FixedType]:
    """Of input, weights, accumulator and output."""
    default = parse_type(row.get("data_type")) or DEFAULT
    weight = parse_type(row.get("weight_t")) or default
    accumulator = parse_type(row.get("accum_t")) or default
    x = parse_type(streams.x_type)
    if x is None and streams.x_type.startswith("ap_u"):
        # Unsigned streams come from a quantized activation, as wide as the weights in most networks.
        x = FixedType(weight.bits, 0, False, False)
    return x or default, weight, accumulator, parse_type(streams.out_type) or default


def _sharing(row: Row) -> dict[str, Any]:
    strategy = str(row.get("strategy") or "latency").lower()
    reuse = whole(row, "reuse_factor")
    if reuse is None:
        if strategy == "resource":
            raise Undescribed("no reuse_factor in its row")
        reuse = 1
    if "distributed" in strategy:
        return {"adder_graph": True}
    folded = reuse > 1 and any(name in strategy for name in _FOLDING)
    return {"reuse_factor": reuse, "folded": folded}


def _version(text: object) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", str(text))
    return (int(found[1]), int(found[2])) if found else NEWEST


def _clock(row: Row) -> float:
    value = row.get("clock_target_ns")
    return float(value) if isinstance(value, int | float) and 0 < value < 1000 else 5.0


def _windowed(row: Row, streams: Streams) -> dict[str, Any]:
    """A convolution or pooling; one-dimensional ones have a width alone."""
    channels = _channels(row, streams)
    one_row = "1d" in str(row["layer_type"])
    out_height = 1 if one_row else whole(row, "out_height")
    out_width = whole(row, "out_width") or (whole(row, "n_out") if one_row else None)
    height = 1 if one_row else whole(row, "in_height") or _covered(row, out_height, "height")
    width = whole(row, "in_width") or (whole(row, "n_in") if one_row else None) or _covered(row, out_width, "width")
    return {
        "words": height * width if height and width else None,
        "out_words": out_height * out_width if out_height and out_width else None,
        "row": width or 1,
        "channels": channels,
    }


def _channels(row: Row, streams: Streams) -> int:
    """Of a windowed kernel's input. A convolution's module that spells one stream alone does not tell."""
    same = None if KINDS[str(row["layer_type"])] in ("conv", "depthwise") else streams.out_channels
    channels = whole(row, "n_chan") or streams.channels or same
    if channels is None:
        raise Undescribed("no n_chan in its row")
    return channels


def _covered(row: Row, length: int | None, side: str) -> int | None:
    """Input pixels that `length` output pixels are made of; of zero padding nothing is known here."""
    window, stride = whole(row, f"filt_{side}", f"pool_{side}"), whole(row, f"stride_{side}")
    return (length - 1) * stride + window if length and window and stride else None


def _conv_shape(row: Row, streams: Streams) -> dict[str, Any]:
    one_row = "1d" in str(row["layer_type"])
    height = 1 if one_row else needed(row, "filt_height", "filt_width")
    shape = _windowed(row, streams)
    filters = whole(row, "n_filt") or streams.out_channels
    if filters is None:
        raise Undescribed("no n_filt in its row")
    return shape | {"window": (height, needed(row, "filt_width", "filt_height")), "out_channels": filters}


def _pool_shape(row: Row, streams: Streams) -> dict[str, Any]:
    shape = _windowed(row, streams)
    width = whole(row, "pool_width", "filt_width") or 2
    height = 1 if "1d" in str(row["layer_type"]) else whole(row, "pool_height", "filt_height") or width
    return shape | {"window": (height, width), "out_channels": shape["channels"]}


def _dense_shape(row: Row, streams: Streams) -> dict[str, Any]:
    values = needed(row, "n_in")
    channels = streams.channels if streams.channels and values % streams.channels == 0 else values
    return {
        "words": values // channels,
        "out_words": 1,
        "channels": channels,
        "out_channels": needed(row, "n_out"),
    }


def _plain_shape(row: Row, streams: Streams) -> dict[str, Any]:
    """A stage that treats every word alike."""
    values, filters = whole(row, "n_in"), whole(row, "n_filt", "n_chan")
    channels = (
        filters
        or streams.channels
        or streams.out_channels
        or (values if "parallel" in str(row.get("io_type", "")) else None)
    )
    if channels is None:
        raise Undescribed("no channels in its row")
    height, width = whole(row, "in_height"), whole(row, "in_width")
    words = values // channels if values and values % channels == 0 else None
    if height and width:
        words = height * width
    return {"words": words, "out_words": words, "channels": channels, "out_channels": streams.out_channels or channels}


def _global_shape(row: Row, streams: Streams) -> dict[str, Any]:
    """A pooling of whole frames: `n_in` counts words."""
    shape = _plain_shape(row, streams)
    return shape | {"words": shape["words"] if whole(row, "in_height") else whole(row, "n_in")}


def _zeropad_shape(row: Row, streams: Streams) -> dict[str, Any]:
    shape = _windowed(row, streams)
    return shape | {"out_channels": shape["channels"]}


def _resize_shape(row: Row, streams: Streams) -> dict[str, Any]:
    channels = _channels(row, streams)
    height, width = whole(row, "height", "in_height"), whole(row, "width", "in_width")
    new_height, new_width = whole(row, "new_height", "out_height"), whole(row, "new_width", "out_width")
    return {
        "words": height * width if height and width else None,
        "out_words": new_height * new_width if new_height and new_width else None,
        "row": width or 1,
        "channels": channels,
        "out_channels": channels,
    }


_SHAPES = {
    "conv": _conv_shape,
    "depthwise": _conv_shape,
    "dense": _dense_shape,
    "pool": _pool_shape,
    "global_pool": _global_shape,
    "zeropad": _zeropad_shape,
    "resize": _resize_shape,
}
