"""Quantized layers (Brevitas) and the switch between float and quantized."""

from hwsr.quant.build import build, calibrate, set_quantized
from hwsr.quant.spconv import freeze

__all__ = ["build", "calibrate", "freeze", "set_quantized"]
