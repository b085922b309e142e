"""Which functions a call may be of, what a top function reaches, and what a function does with its streams."""

from collections.abc import Iterator

from tree_sitter import Node

from hwsr.hls.lint.cpp import Class, Firmware, Function, children, text, walk

# What a process does to a stream.
READ, WRITE = "read", "write"
_METHODS = {"read": READ, "read_nb": READ, "write": WRITE, "write_nb": WRITE}


def calls(function: Function) -> Iterator[Node]:
    return (node for node in function.nodes if node.type == "call_expression")


def arguments(call: Node) -> tuple[Node, ...]:
    listed = call.child_by_field_name("arguments")
    return tuple(children(listed)) if listed else ()


def callees(call: Node, function: Function, firmware: Firmware) -> list[Function]:
    """The functions that the call may be of: by its name and scope, and of several those of as many parameters."""
    called = call.child_by_field_name("function")
    assert called is not None
    name, owners = _name(called), None
    variable = function.names.get(name) if called.type == "identifier" else None
    if variable:
        owners, name = _classes(variable.type, function, firmware), "operator()"
    elif called.type == "qualified_identifier":
        owners = _classes(text(called.child_by_field_name("scope")), function, firmware)
    elif called.type == "field_expression":
        return []
    found = firmware.functions.get(name, [])
    if owners is not None:
        # The scope is a namespace, or a parameter of the template that any class may stand for.
        found = [candidate for candidate in found if candidate.owner in owners] if owners else found
    elif function.owner:
        found = [candidate for candidate in found if candidate.owner in (function.owner, None)] or found
    return [candidate for candidate in found if len(candidate.parameters) == len(arguments(call))]


def other_instance(call: Node, function: Function) -> bool:
    """Whether the call gives template arguments that are not the caller's own parameters: another function then."""
    called = call.child_by_field_name("function")
    given = [node for node in walk(called) if node.type == "template_argument_list"] if called else []
    own = "<" + ",".join(function.template) + ">"
    return any(text(node).replace(" ", "") != own for node in given)


def constructed(function: Function, firmware: Firmware) -> Iterator[Class]:
    """The classes that a function names: their methods are within its reach."""
    for node in function.nodes:
        if node.type in ("type_identifier", "namespace_identifier"):
            yield from firmware.classes.get(text(node), ())


def reached(top: Function, firmware: Firmware) -> list[Function]:
    """The top function and all that is called from it, at any depth, in the order in which they are found."""
    found, waiting = [top], [top]
    while waiting:
        function = waiting.pop()
        near = [callee for call in calls(function) for callee in callees(call, function, firmware)]
        owners = set(constructed(function, firmware))
        near += [method for methods in firmware.functions.values() for method in methods if method.owner in owners]
        for callee in near:
            if callee not in found:
                found.append(callee)
                waiting.append(callee)
    return found


def stream_uses(function: Function, firmware: Firmware, above: tuple[Function, ...] = ()) -> dict[str, set[str]]:
    """What the function, or one that it calls, does with each of its parameters that are streams."""
    uses: dict[str, set[str]] = {variable.name: set() for variable in function.parameters if variable.stream}
    for call in calls(function):
        called = call.child_by_field_name("function")
        if called and called.type == "field_expression":
            stream, method = (text(called.child_by_field_name(key)) for key in ("argument", "field"))
            if stream in uses and method in _METHODS:
                uses[stream].add(_METHODS[method])
            continue
        given = [text(argument) for argument in arguments(call)]
        if not uses.keys() & set(given):
            continue
        for callee in callees(call, function, firmware):
            if callee in above:
                continue
            inner = stream_uses(callee, firmware, (*above, function))
            for name, parameter in zip(given, callee.parameters, strict=True):
                if name in uses:
                    uses[name] |= inner.get(parameter.name, set())
    return uses


def _name(called: Node) -> str:
    while called.type in ("qualified_identifier", "template_function"):
        inner = called.child_by_field_name("name")
        assert inner is not None
        called = inner
    return text(called)


def _classes(type_name: str, function: Function, firmware: Firmware) -> list[Class]:
    """The classes that a type's name stands for: every specialization of its template, through typedefs."""
    plain = type_name.removeprefix("typename ").split("<", 1)[0].split("::")[-1].strip()
    if plain in firmware.classes:
        return firmware.classes[plain]
    named = function.typedefs.get(plain)
    return _classes(named, function, firmware) if named and named != type_name else []
