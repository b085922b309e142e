"""How wide the accumulators of a network must be, proved from its weights and the ranges of what they meet."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from hwsr.errors import HwsrError
from hwsr.ir.graph import Conv, IntGraph, QType
from hwsr.ir.stages import accumulator_range


@dataclass(frozen=True)
class Accumulator:
    """One convolution's sums, its bias included: the worst cases over all inputs, and the bits that hold them.

    reads: the type of its input; weight_bits: as declared; lo, hi: in integers of each channel's own grid.
    """

    layer: str
    reads: str
    weight_bits: int
    lo: int
    hi: int
    bits: int


def accumulators(graph: IntGraph) -> list[Accumulator]:
    """The accumulator of every convolution, in order. Raises HwsrError where there is none."""
    found = []
    for node in graph.nodes:
        if isinstance(node, Conv):
            x = graph.tensors[node.inputs[0]]
            lo, hi = accumulator_range(node, x)
            bits = QType.holding(lo, hi, 0).bits
            found.append(Accumulator(node.name, str(x.type), node.weight_bits, lo, hi, bits))
    if not found:
        raise HwsrError("the network has no convolution, and so no accumulator; give another one")
    return found


def render(found: Sequence[Accumulator]) -> Table:
    """The accumulators as a table, with the widest."""
    table = Table("layer", "reads", title="accumulators, proved over all inputs")
    for header in ("weight bits", "lowest sum", "highest sum", "bits"):
        table.add_column(header, justify="right")
    for each in found:
        last = each is found[-1]
        cells = (str(each.weight_bits), f"{each.lo:,}", f"{each.hi:,}", str(each.bits))
        table.add_row(each.layer, each.reads, *cells, end_section=last)
    table.add_row("widest", "", "", "", "", str(max(each.bits for each in found)))
    return table
