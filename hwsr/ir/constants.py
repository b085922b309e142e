"""Constants of a QONNX file as integers on power-of-two grids."""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import IntArray, QType

# Constants that no Quant node declares (offsets, factors) may be this wide.
FACTOR_BITS = 24


@dataclass(frozen=True, eq=False)
class QuantizedConstant:
    """values * 2**-frac, `frac` broadcast over the values' first axis; `bits` as declared."""

    values: IntArray
    frac: IntArray
    bits: int


def array_of(tensor: onnx.TensorProto) -> NDArray:
    """A constant's values as the file holds them. Raises HwsrError for damaged, NaN and infinite ones.

    Data in other files is refused: a model file must not name paths.
    """
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise HwsrError(f"'{tensor.name}' keeps its data in another file; save the model as one file")
    try:
        values = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise HwsrError(f"'{tensor.name}' holds damaged data; export the model again") from error
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise HwsrError(f"'{tensor.name}' holds NaN or infinite values; train again from the last good checkpoint")
    return values


def power_of_two(node: str, scale: NDArray[np.floating]) -> IntArray:
    """The frac of each scale: scale = 2**-frac. Raises HwsrError where a scale is no power of two."""
    scale = np.asarray(scale, np.float64)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise HwsrError(f"node '{node}': its scale is not a positive number; the file is damaged or not QONNX")
    mantissa, exponent = np.frexp(scale)
    if (mantissa != 0.5).any():
        bad = scale.flatten()[np.argmax((mantissa != 0.5).flatten())]
        raise HwsrError(
            f"node '{node}': scale {bad:.6g} is not a power of two; "
            "train with hwsr's fixed-point quantizers, or Brevitas' brevitas.quant.fixed_point"
        )
    return (1 - exponent).astype(np.int64)


def quantize_constant(
    node: str, values: NDArray, scale: NDArray, bits: int, signed: bool, narrow: bool
) -> QuantizedConstant:
    """What a Quant node makes of a constant: round half to even, saturate. Scales lie along the first axis."""
    frac = power_of_two(node, scale)
    channels = values.shape[0] if values.ndim else 1
    if frac.size > 1 and frac.shape != (channels, *[1] * (values.ndim - 1)):
        raise HwsrError(f"node '{node}': scales of shape {frac.shape} are not one an output channel of {values.shape}")
    per_channel = np.broadcast_to(frac.reshape(-1), (channels,))
    grid = per_channel.reshape(-1, *[1] * (values.ndim - 1))
    limits = QType(bits, signed, 0)
    low = limits.lo + (1 if narrow and signed else 0)
    high = limits.hi - (1 if narrow and not signed else 0)
    integers = np.clip(np.rint(np.ldexp(values.astype(np.float64), grid)), low, high).astype(np.int64)
    return QuantizedConstant(integers, per_channel.astype(np.int64), bits if signed else bits + 1)


def channel_constant(node: str, values: NDArray, channels: int) -> NDArray:
    """What a node adds to or multiplies (1, C, H, W) with, as one value a channel. Raises HwsrError where it is not."""
    if values.size > 1 and values.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        raise HwsrError(f"node '{node}': a constant of shape {values.shape} is not one a channel of {channels}")
    return np.broadcast_to(values.reshape(-1), (channels,))


def dyadic_constant(node: str, values: NDArray) -> QuantizedConstant:
    """Constants (C,) as integers, each on its own coarsest grid. Raises HwsrError if one is too fine."""
    flat = np.asarray(values, np.float64)
    mantissa, exponent = np.frexp(flat)
    integers = np.rint(np.ldexp(mantissa, 53)).astype(np.int64)
    frac = 53 - exponent.astype(np.int64)
    odd = np.where(integers == 0, 1, integers & -integers)
    trailing = np.log2(odd.astype(np.float64)).astype(np.int64)
    integers, frac = integers >> trailing, np.where(integers == 0, 0, frac - trailing)
    if (-frac > FACTOR_BITS).any():
        raise HwsrError(f"node '{node}': its constant {np.abs(flat).max():g} is too large for {FACTOR_BITS} bits")
    # A grid coarser than the integers buys nothing in hardware.
    integers, frac = integers << np.maximum(-frac, 0), np.maximum(frac, 0)
    bits = QType.holding(int(integers.min(initial=-1)), int(integers.max(initial=0)), 0).bits
    if bits > FACTOR_BITS:
        raise HwsrError(f"node '{node}': its constant needs {bits} bits; quantize it to {FACTOR_BITS} or fewer")
    return QuantizedConstant(integers, frac, bits)
