"""A convolution as the kernel in nnet_hwsr_adders.h takes it: its settings, and the C++ of its adder graph."""

from hwsr.errors import HwsrError
from hwsr.hls.convolution import WORD_BITS, signed_bits
from hwsr.ir.adder_graph import AdderGraph
from hwsr.ir.graph import QType
from hwsr.ir.stages import Settings


def settings(name: str, folded: Settings, graph: AdderGraph) -> Settings:
    """Those of the folded kernel at one clock a pixel, made fit for the graph. Raises HwsrError for sums too wide."""
    bits = signed_bits(QType.holding(*graph.output_range, 0))
    room = max(folded["room"], bits, _room(graph))
    if room > WORD_BITS:
        raise HwsrError(f"node '{name}': its sums need {room} bits, {WORD_BITS} are supported")
    return folded | {"graph_bits": bits, "room": room}


def _room(graph: AdderGraph) -> int:
    """Bits, with a sign, of the widest value, or of the widest on its way to a sum."""
    width, sums = graph.width + (graph.lo >= 0), graph.sums
    operands = (width[sums[:, 0]] + sums[:, 1], width[sums[:, 2]] + sums[:, 3])
    return int(max(each.max(initial=1) for each in (width, *operands)))


def type_name(layer: str) -> str:
    """The C++ name of the struct of a layer's graph."""
    return f"adders_{layer}"


def source(layer: str, graph: AdderGraph, room: int) -> str:
    """The struct whose `compute` is the graph: a line a sum, each as wide as its range."""
    names = [f"x[{i}]" for i in range(graph.inputs)] + [f"v{i}" for i in range(len(graph.sums))]
    kinds = [_kind(int(lo), int(bits)) for lo, bits in zip(graph.lo, graph.width, strict=True)][graph.inputs :]
    lines = [f"typedef nnet::{kind}<{bits}, {room}>::type {kind[0]}{bits};" for kind, bits in sorted(set(kinds))]
    own = [f"{kind[0]}{bits}" for kind, bits in kinds]
    for i, (a, up_a, b, up_b, sign) in enumerate(graph.sums.tolist()):
        first, second = _shifted(names[a], own[i], up_a), _shifted(names[b], own[i], up_b)
        lines.append(f"const {own[i]} v{i} = {first} {'+' if sign > 0 else '-'} {second};")
    for i, (value, up, sign) in enumerate(graph.outputs.tolist()):
        lines.append(f"y[{i}] = {'-' if sign < 0 else ''}{_shifted(names[value], 'y_t', up) if sign else '0'};")
    body = "".join(f"        {line}\n" for line in lines)
    sizes = f"const x_t x[{graph.inputs}], y_t y[{len(graph.outputs)}]"
    return (
        f"struct {type_name(layer)} {{\n    template <class x_t, class y_t> static void compute({sizes}) {{\n"
        f"        #pragma HLS INLINE\n{body}    }}\n}};\n"
    )


def _kind(lo: int, bits: int) -> tuple[str, int]:
    return ("integer" if lo < 0 else "natural"), max(bits, 1)


def _shifted(name: str, c_type: str, up: int) -> str:
    """Bits beyond the sum's own type are dropped: they are none of the sum's."""
    return f"nnet::shifted({c_type}({name}), {up})" if up else name
