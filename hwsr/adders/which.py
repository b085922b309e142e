"""Which convolutions become adder graphs."""

from enum import StrEnum


class Which(StrEnum):
    """Of the convolutions that take one clock a pixel, those whose sums an adder graph computes."""

    NONE = "none"
    TERNARY = "ternary"
    ALL = "all"
