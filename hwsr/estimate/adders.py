"""What an adder graph takes: the one part of hwsr's kernels that a synthesizer has been held against.

Every bit of an adder is a LUT and every bit that is kept to the next cycle a flip-flop. Yosys finds so (docs/
open_synthesis.md); what Vivado makes of the graphs, which may join two adders to one of three operands, is not known.
"""

from hwsr.estimate.resources import Resources
from hwsr.estimate.structure import Priced
from hwsr.ir.adder_graph import AdderGraph

# LUTs after synthesis of what is counted: the high end is above what Yosys made of any graph that had a register after
# every one to three adders, the low end is chosen.
RANGE = (0.6, 1.2)


def luts(graph: AdderGraph) -> int:
    """Bits of its adders, and of what turns the sign of an output."""
    return int(graph.adder_bits.sum() + graph.negations.sum())


def priced(graph: AdderGraph, levels: int) -> Priced:
    """A pipeline of so many adders in a row in a cycle, as soon as may be; HLS may take half or twice as many."""
    count = luts(graph)
    ends = zip(RANGE, (2 * levels, max(levels // 2, 1)), strict=True)
    least, most = (_resources(round(count * share), graph.registers(own)) for share, own in ends)
    return Priced(_resources(count, graph.registers(levels)), least, most)


def _resources(lut: int, ff: int) -> Resources:
    return Resources(lut_csynth=lut, lut=lut, ff_csynth=ff, ff=ff)
