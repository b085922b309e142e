"""Cycles, resources and frame rates of an IntGraph in hardware, without synthesis: every figure is an estimate."""
