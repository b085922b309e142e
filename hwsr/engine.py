"""Which engines there are; `hwsr.engines` runs them. A module of its own, so that the command line starts at once."""

from enum import StrEnum


class Engine(StrEnum):
    """What computes."""

    REFERENCE = "reference"
    TORCH = "torch"
    CSIM = "csim"
