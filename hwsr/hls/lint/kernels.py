"""What makes a function a streaming kernel: pipelined loops, integers, streams that wait, a top function of streams."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from hwsr.hls.lint.calls import calls, constructed
from hwsr.hls.lint.cpp import Class, Firmware, Function, text, walk
from hwsr.hls.lint.finding import Finding
from hwsr.hls.lint.rules import LOOPS, has_pragma, is_counted, loops_around

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
            below = (other for other in walk(node) if other.type in LOOPS and _under(other, "PIPELINE"))
            if not any(_under(loop, "PIPELINE", "UNROLL") for loop in (node, *loops_around(node))) and not any(below):
                message = "the loop is neither pipelined nor unrolled: its turns would run one after another"
                yield Finding.of(function, node, "pipeline", message)


def _under(loop: Node, *directives: str) -> bool:
    body = loop.child_by_field_name("body")
    return body is not None and any(has_pragma(body, directive) for directive in directives)


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
