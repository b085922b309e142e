"""hwsr: hardware-oriented codegen for single-image super-resolution."""

__version__ = "0.1.0"
