"""Pragmas' options: the words that Vitis and Vivado HLS know, counts that can be, and dependences that hold. And the
pragmas that a kernel has to have.

The tools ignore an option that they do not know, with a warning among thousands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hwsr.hls.lint.cpp import Function, Pragma, children, pragma_of, text, walk
from hwsr.hls.lint.finding import Finding
from hwsr.hls.lint.rules import LOOPS, under


@dataclass(frozen=True)
class _Options:
    """What a directive takes, in small letters: `key=value` pairs, words alone, and of the keys those it needs."""

    keys: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()


def _options(keys: str = "", flags: str = "", needed: str = "") -> _Options:
    return _Options(*(frozenset(words.split()) for words in (keys, flags, needed)))


# Of both tools together (UG1399, UG902); directives that hwsr and hls4ml do not write are left out.
_KNOWN = {
    "AGGREGATE": _options("variable compact", needed="variable"),
    "ARRAY_PARTITION": _options("variable type factor dim", "cyclic block complete off", "variable"),
    "ARRAY_RESHAPE": _options("variable type factor dim", "cyclic block complete object off", "variable"),
    "BIND_OP": _options("variable op impl latency", needed="variable op"),
    "BIND_STORAGE": _options("variable type impl latency", needed="variable type"),
    "DATAFLOW": _options(flags="disable_start_propagation"),
    "DATA_PACK": _options("variable instance", "struct_level field_level", "variable"),
    "DEPENDENCE": _options(
        "variable class type direction distance dependent", "array pointer inter intra raw war waw true false"
    ),
    "INLINE": _options(flags="off recursive region"),
    "INTERFACE": _options(
        "mode port depth bundle register register_mode name offset latency clock direct_io",
        "axis ap_ctrl_none ap_ctrl_hs ap_ctrl_chain ap_none ap_stable ap_vld ap_ack ap_hs ap_fifo ap_memory bram "
        "s_axilite m_axi register both forward reverse off",
        "port",
    ),
    "LATENCY": _options("min max"),
    "LOOP_FLATTEN": _options(flags="off"),
    "LOOP_MERGE": _options(flags="force"),
    "LOOP_TRIPCOUNT": _options("min max avg"),
    "PIPELINE": _options("ii style", "enable_flush rewind off"),
    "RESOURCE": _options("variable core latency", needed="variable core"),
    "STREAM": _options("variable depth dim type", "off", "variable depth"),
    "UNROLL": _options("factor", "region skip_exit_check off"),
}
_WORDS = {
    ("BIND_OP", "op"): frozenset({"add", "mul", "sub"}),
    ("BIND_OP", "impl"): frozenset({"dsp", "fabric"}),
    ("BIND_STORAGE", "type"): frozenset({"rom_np"}),
    ("BIND_STORAGE", "impl"): frozenset({"lutram"}),
    ("RESOURCE", "core"): frozenset({"dsp48", "mul_lut", "rom_np_lutram"}),
}
# The least that a count can be.
_LEAST = {"depth": 1, "ii": 1, "factor": 1, "distance": 1, "dim": 0}


@dataclass(frozen=True)
class _Dependence:
    """A dependence that a kernel may promise: all of its pragma, and what its constants stand for."""

    variable: str
    constants: dict[str, str]


# No simulation shows a wrong one, so these are all there are. Each is between turns, of reads after writes, and a row
# long: a column of the row buffer that a turn stores to is next read when the raster has come round to it.
_DEPENDENCES = {
    "conv_of": _Dependence("line", {"reuse_distance": "CONFIG_T::width"}),
    "adder_conv": _Dependence("line", {"reuse_distance": "CONFIG_T::width"}),
    # It stores in sub-row 0 alone, whose turns are `s` a column.
    "upscale": _Dependence("row", {"reuse_distance": "CONFIG_T::in_width * s", "s": "CONFIG_T::factor"}),
}
# The functions that bind a variable, and how each tool is told what it is made of: directive, key, value.
_BOUND = {
    "product_in_dsp": ("product", {"Vitis": ("BIND_OP", "impl", "dsp"), "Vivado": ("RESOURCE", "core", "DSP48")}),
    "product_in_luts": ("product", {"Vitis": ("BIND_OP", "impl", "fabric"), "Vivado": ("RESOURCE", "core", "Mul_LUT")}),
    "conv_weights_in_luts": (
        "weights",
        {"Vitis": ("BIND_STORAGE", "impl", "lutram"), "Vivado": ("RESOURCE", "core", "ROM_nP_LUTRAM")},
    ),
}
_DEPENDENCE_FLAGS = frozenset({"inter", "raw", "true"})


def options(function: Function) -> Iterator[Finding]:
    """Every option is known and every count possible; a dependence is one that its kernel is known to have."""
    for pragma in function.pragmas:
        reasons = [*_unknown(pragma), *_impossible(pragma)]
        if pragma.directive == "DEPENDENCE" and not _holds(pragma, function):
            reasons.append(f"no dependence of '{function.title}' is known to be so; no simulation shows a wrong one")
        for reason in reasons:
            yield Finding(function.file, pragma.line, "pragma", reason)


def unpromised(function: Function) -> Iterator[Finding]:
    """A pipelined loop that a dependence is known of promises it: the tool alone would wait for each store."""
    known = _DEPENDENCES.get(function.title)
    if not known:
        return
    for loop in function.nodes:
        body = loop.child_by_field_name("body") if loop.type in LOOPS and under(loop, "PIPELINE") else None
        if not body or known.variable not in map(text, walk(body)):
            continue
        own = [pragma for child in children(body) for pragma in pragma_of(child)]
        promised = {pragma.values.get("variable") for pragma in own if pragma.directive == "DEPENDENCE"}
        if known.variable not in promised:
            message = f"the loop promises no dependence of '{known.variable}', so II > 1"
            yield Finding.of(function, loop, "pipeline", message)


def unbound(function: Function, backend: str) -> Iterator[Finding]:
    """What the folding gives to DSPs or LUTs is bound to them, in the words of the backend's tool."""
    if function.title not in _BOUND:
        return
    variable, binding = _BOUND[function.title]
    directive, key, wanted = binding[backend]
    own = [pragma.values for pragma in function.pragmas if pragma.directive == directive]
    if not any(each.get("variable") == variable and each.get(key, "").lower() == wanted.lower() for each in own):
        message = f"'{function.title}' has no {directive} of '{variable}' to {wanted}: the tool chooses"
        yield Finding.of(function, function.node, "pragma", message)


def _unknown(pragma: Pragma) -> Iterator[str]:
    known = _KNOWN.get(pragma.directive)
    if not known:
        return
    keys = {key.lower() for key in pragma.values}
    for word in sorted((keys - known.keys) | ({flag.lower() for flag in pragma.flags} - known.flags)):
        yield f"{pragma.directive} has no option '{word}'"
    for key in sorted(known.needed - keys):
        yield f"{pragma.directive} needs '{key}'"


def _impossible(pragma: Pragma) -> Iterator[str]:
    for key, value in pragma.values.items():
        words = _WORDS.get((pragma.directive, key.lower()))
        if words and value.lower() not in words:
            yield f"{pragma.directive} has no {key} '{value}'"
        least = _LEAST.get(key.lower())
        if least is not None and not value.isidentifier() and not (value.isdecimal() and int(value) >= least):
            yield f"{key} cannot be '{value}'"


def _holds(pragma: Pragma, function: Function) -> bool:
    known = _DEPENDENCES.get(function.title)
    if not known or {flag.lower() for flag in pragma.flags} != _DEPENDENCE_FLAGS:
        return False
    constants = {name: variable for name, variable in function.locals.items() if name in known.constants}
    spelled = {
        name: re.sub(r"\s+", " ", text(variable.value)) for name, variable in constants.items() if variable.constant
    }
    return pragma.values == {"variable": known.variable, "distance": "reuse_distance"} and spelled == known.constants
