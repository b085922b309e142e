"""What makes a function a streaming kernel: pipelined loops, integers, streams that wait, a top function of streams."""

import re
from collections.abc import Iterator

from hwsr.hls.lint.calls import arguments, calls, constructed
from hwsr.hls.lint.cpp import Class, Firmware, Function, text, walk
from hwsr.hls.lint.finding import Finding
from hwsr.hls.lint.rules import LOOPS, has_pragma, is_counted, loops_around, under

_FLOATING = frozenset({"float", "double", "half"})
_FLOATING_LITERAL = re.compile(r"(?!0[xX])(\d+\.|\.\d|\d+[eE][+-]?\d)")
# Of a stream: what goes on without a word, or asks whether there is one. Such hardware depends on when words come.
_NOT_WAITING = frozenset({"read_nb", "write_nb", "empty", "full", "size"})


def top_function(function: Function) -> Iterator[Finding]:
    """The top function is a dataflow region, and every stream of its own an AXI4-Stream."""
    if not any(pragma.directive == "DATAFLOW" for pragma in function.pragmas):
        message = f"'{function.title}' is no dataflow region: its processes would run one after another"
        yield Finding.of(function, function.node, "dataflow", message)
    interfaces = [pragma for pragma in function.pragmas if pragma.directive == "INTERFACE"]
    axis = {
        port
        for pragma in interfaces
        if "axis" in (*pragma.flags, pragma.values.get("mode"))
        for port in pragma.values.get("port", "").split(",")
    }
    for parameter in function.parameters:
        if parameter.stream and parameter.name not in axis:
            message = f"port '{parameter.name}' has no INTERFACE axis"
            yield Finding.of(function, parameter.node, "interface", message)


def pipelines(function: Function) -> Iterator[Finding]:
    """Every counted loop is pipelined, unrolled, inside such a loop, or around a pipelined one."""
    if any(has_pragma(function.body, directive) for directive in ("DATAFLOW", "PIPELINE")):
        return
    for node in function.nodes:
        if node.type == "for_statement" and is_counted(node, function):
            below = (other for other in walk(node) if other.type in LOOPS and under(other, "PIPELINE"))
            if not any(under(loop, "PIPELINE", "UNROLL") for loop in (node, *loops_around(node))) and not any(below):
                message = "the loop is neither pipelined nor unrolled: its turns would run one after another"
                yield Finding.of(function, node, "pipeline", message)


def intervals(function: Function) -> Iterator[Finding]:
    """Every pipeline starts a turn a clock: foldings, FIFO depths and rates all count on it."""
    for pragma in function.pragmas:
        if pragma.directive == "PIPELINE":
            given = {key.upper(): value for key, value in pragma.values.items()}.get("II", "1")
            off = "off" in {flag.lower() for flag in pragma.flags}
            if off or given != "1":
                message = "the pipeline is off" if off else f"II={given}: a turn has to start every clock"
                yield Finding(function.file, pragma.line, "pipeline", message)


def arithmetic(function: Function) -> Iterator[Finding]:
    """Integers alone: what floating point makes depends on the order that the tool chooses."""
    for node in function.nodes:
        named = node.type in ("primitive_type", "type_identifier") and text(node) in _FLOATING
        if named or (node.type == "number_literal" and _FLOATING_LITERAL.match(text(node))):
            yield Finding.of(function, node, "floating-point", f"'{text(node)}' is no integer")


def streams(function: Function) -> Iterator[Finding]:
    """Streams are handed on by reference, and whoever reads or writes one waits."""
    for parameter in function.parameters:
        declarator = parameter.node.child_by_field_name("declarator")
        if parameter.stream and (not declarator or declarator.type == "identifier"):
            message = f"'{parameter.name}' is a copy of a stream; take it by reference"
            yield Finding.of(function, parameter.node, "stream", message)
    for call in calls(function):
        called = call.child_by_field_name("function")
        if called and called.type == "field_expression":
            name, method = (text(called.child_by_field_name(key)) for key in ("argument", "field"))
            variable = function.names.get(name)
            if variable and variable.stream and method in _NOT_WAITING:
                message = f"'{name}.{method}' does not wait, so results depend on when words come"
                yield Finding.of(function, call, "stream", message)


def packed(function: Function, firmware: Firmware) -> Iterator[Finding]:
    """For Vivado HLS every word that is written is packed: it makes a FIFO of each field of one that is not."""
    if firmware.backend != "Vivado":
        return
    whole = _packed(function, firmware) | _by_field(function)
    for call in calls(function):
        if text(call.child_by_field_name("function")).endswith(".write"):
            for name in map(text, arguments(call)):
                variable = function.locals.get(name)
                if variable and variable.type in function.template and name not in whole:
                    message = f"the word '{name}' has no DATA_PACK: each of its fields would be a FIFO"
                    yield Finding.of(function, variable.node, "stream", message)


def _packed(function: Function, firmware: Firmware) -> set[str]:
    """What a function packs, by a pragma or by a macro that is one."""
    macros = {name for name, meaning in firmware.macros.items() if "DATA_PACK" in meaning}
    by_macro = (call for call in calls(function) if text(call.child_by_field_name("function")) in macros)
    by_pragma = {pragma.values.get("variable", "") for pragma in function.pragmas if pragma.directive == "DATA_PACK"}
    return by_pragma | {text(argument) for call in by_macro for argument in arguments(call)}


def _by_field(function: Function) -> set[str]:
    """What has fields with names: of words those of an AXI4-Stream, which are never packed."""
    fields = (node for node in function.nodes if node.type == "field_expression")
    return {text(node.child_by_field_name("argument")) for node in fields}


def classes(functions: list[Function], firmware: Firmware) -> Iterator[Finding]:
    """No class that is used declares a virtual function: which one is called has to be known before."""
    used: set[Class] = {function.owner for function in functions if function.owner}
    used |= {made for function in functions for made in constructed(function, firmware)}
    for one in used:
        body = one.node.child_by_field_name("body")
        for member in body.named_children if body else ():
            if member.type != "function_definition" and any(child.type == "virtual" for child in member.children):
                message = f"'{one.name}' declares a virtual function"
                yield Finding(one.file, member.start_point.row + 1, "unsupported", message)
