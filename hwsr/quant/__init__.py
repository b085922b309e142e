"""Quantized layers (Brevitas) and the switch between float and quantized."""

from hwsr.quant.build import build, calibrate, set_quantized

__all__ = ["build", "calibrate", "set_quantized"]
