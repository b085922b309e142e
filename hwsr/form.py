"""Which forms a network is released in; `hwsr.release` makes them. A module of its own, as `hwsr.engine` is."""

from enum import StrEnum


class Form(StrEnum):
    """A quantized form of a float network, by the word that its spec gets; those of ternary ones say r / c_out."""

    INT8 = "int8"
    AFFINE = "int8a"
    LOW_BITS = "w4a4"
    TERNARY_2 = "r2"
    TERNARY_4 = "r4"
