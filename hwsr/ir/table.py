"""Functions without integer arithmetic of their own as tables over every integer of their input."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwsr.errors import HwsrError
from hwsr.ir.graph import QType, Table

MAX_TABLE_BITS = 12
# What becomes a table.
FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
}


def table_of(name: str, function: str, source: str, of: QType, to: QType) -> Table:
    """The table of Quant(function(q)) over every integer q of the input's type, in float64.

    of, to: types of the input's and the output's integers. Raises HwsrError for more bits than MAX_TABLE_BITS.
    """
    bits = max(of.bits, to.bits)
    if bits > MAX_TABLE_BITS:
        raise HwsrError(f"node '{name}': a table of {bits} bits is too large; quantize to {MAX_TABLE_BITS} at most")
    x = np.ldexp(np.arange(of.lo, of.hi + 1, dtype=np.float64), -of.frac)
    y = np.rint(np.ldexp(FUNCTIONS[function](x), to.frac))
    return Table(name, (source,), np.clip(y, to.lo, to.hi).astype(np.int64), to)
