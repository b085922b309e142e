"""What Vitis and Vivado HLS refuse, or answer with hardware that nobody wants, in one function at a time."""

from collections.abc import Iterator, Set

from tree_sitter import Node

from hwsr.hls.lint.calls import READ, WRITE, arguments, callees, calls, other_instance, stream_uses
from hwsr.hls.lint.cpp import Firmware, Function, Variable, children, declared, pragma_of, text, walk
from hwsr.hls.lint.finding import Finding

_ALLOCATING_CALLS = frozenset({"malloc", "calloc", "realloc", "free", "alloca", "make_unique", "make_shared"})
_ALLOCATING_TYPES = frozenset(
    [
        "vector",
        "string",
        "map",
        "unordered_map",
        "set",
        "unordered_set",
        "deque",
        "list",
        "queue",
        "stack",
        "unique_ptr",
        "shared_ptr",
        "function",
    ]
)
_REFUSED = {
    "throw_statement": "an exception",
    "try_statement": "an exception",
    "goto_statement": "a jump",
    "gnu_asm_expression": "assembly",
}
_DIRECTIVES = frozenset(
    [
        "AGGREGATE",
        "ALLOCATION",
        "ARRAY_MAP",
        "ARRAY_PARTITION",
        "ARRAY_RESHAPE",
        "BIND_OP",
        "BIND_STORAGE",
        "DATAFLOW",
        "DATA_PACK",
        "DEPENDENCE",
        "DISAGGREGATE",
        "EXPRESSION_BALANCE",
        "FUNCTION_INSTANTIATE",
        "INLINE",
        "INTERFACE",
        "LATENCY",
        "LOOP_FLATTEN",
        "LOOP_MERGE",
        "LOOP_TRIPCOUNT",
        "OCCURRENCE",
        "PERFORMANCE",
        "PIPELINE",
        "PROTOCOL",
        "RESET",
        "RESOURCE",
        "STABLE",
        "STREAM",
        "TOP",
        "UNROLL",
    ]
)
_NAMING = ("variable", "port")
# The port of what a function returns, and of its control.
_RETURN = "return"
_COUNTING = ("distance", "factor", "depth", "dim", "II", "ii", "latency", "min", "max", "avg")
LOOPS = ("for_statement", "while_statement", "do_statement", "for_range_loop")


def allocations(function: Function) -> Iterator[Finding]:
    """No memory that is allocated, or sized, while the hardware runs, in the function or its class's members."""
    members = function.owner.members.values() if function.owner else ()
    for node in (*function.nodes, *(node for member in members for node in walk(member.node))):
        what = ""
        match node.type:
            case "new_expression" | "delete_expression":
                what = text(node)
            case "call_expression":
                name = text(node.child_by_field_name("function")).split("<")[0].split("::")[-1]
                what = name if name in _ALLOCATING_CALLS else ""
            case "qualified_identifier" if text(node.child_by_field_name("scope")) == "std":
                name = text(node.child_by_field_name("name")).split("<")[0]
                what = f"std::{name}" if name in _ALLOCATING_TYPES else ""
        if what:
            yield Finding.of(function, node, "dynamic-memory", f"'{what}' allocates memory")
    for variable in function.locals.values():
        for extent in variable.extents:
            if not is_static(extent, function):
                message = f"the size of '{variable.name}' is not known before the hardware runs"
                yield Finding.of(function, variable.node, "dynamic-memory", message)


def refused(function: Function) -> Iterator[Finding]:
    """Nothing of C++ that has no hardware, and no source that the parser cannot read."""
    if any(child.type == "virtual" for child in function.node.children):
        yield Finding.of(function, function.node, "unsupported", f"'{function.title}' is virtual")
    for node in function.nodes:
        if node.type in _REFUSED:
            yield Finding.of(function, node, "unsupported", f"{_REFUSED[node.type]} has no hardware")
        if node.type == "ERROR":
            yield Finding.of(function, node, "syntax", f"not understood: '{text(node)[:40]}'")


def recursion(functions: list[Function], firmware: Firmware) -> Iterator[Finding]:
    """No function calls itself, at any depth; a template may call another instance, which is another function."""
    edges = {
        function: {
            callee
            for call in calls(function)
            for callee in callees(call, function, firmware)
            if not _another(call, function, callee)
        }
        for function in functions
    }
    for function in functions:
        found, waiting = set(), [function]
        while waiting:
            for callee in edges.get(waiting.pop(), ()):
                if callee not in found:
                    found.add(callee)
                    waiting.append(callee)
        if function in found:
            yield Finding.of(function, function.node, "recursion", f"'{function.title}' calls itself")


def _another(call: Node, function: Function, callee: Function) -> bool:
    """Whether a call of the same template is of another instance: C++ itself ends such a chain."""
    if function.owner and callee.owner and function.owner.name == callee.owner.name:
        return function.owner is not callee.owner or _renamed(call, function)
    return callee is function and other_instance(call, function)


def _renamed(call: Node, function: Function) -> bool:
    """Whether the class that a call names is given template arguments of its own, there or in its typedef."""
    called = call.child_by_field_name("function")
    if not called or called.type != "qualified_identifier" or not function.owner:
        return False
    scope = text(called.child_by_field_name("scope"))
    return scope in function.typedefs or ("<" in scope and other_instance(call, function))


def loop_bounds(function: Function) -> Iterator[Finding]:
    """Every loop counts from one known number to another."""
    for node in function.nodes:
        if node.type in LOOPS and (reason := _why_unbounded(node, function)):
            yield Finding.of(function, node, "loop-bound", reason)


def loops_around(node: Node) -> Iterator[Node]:
    """The loops that a node is in, the innermost first."""
    while node.parent:
        node = node.parent
        if node.type in LOOPS:
            yield node


def is_counted(loop: Node, function: Function) -> bool:
    """Whether a loop counts from one known number to another."""
    return not _why_unbounded(loop, function)


def _why_unbounded(loop: Node, function: Function) -> str:
    if loop.type != "for_statement":
        return f"a {loop.type.split('_')[0]} loop has no known number of turns; count with a for loop"
    counter = loop_counter(loop)
    if not counter:
        return "the loop declares no counter of its own"
    condition = loop.child_by_field_name("condition")
    if not condition or condition.type != "binary_expression":
        return f"the loop over '{counter.name}' does not end at a comparison"
    if any(not is_static(part, function, {counter.name}) for part in (condition, counter.value or loop)):
        return f"the bounds of the loop over '{counter.name}' are not known before the hardware runs"
    update = loop.child_by_field_name("update")
    if not update or not is_static(update, function, {counter.name}):
        return f"the step of the loop over '{counter.name}' is not known before the hardware runs"
    body = loop.child_by_field_name("body")
    if body and counter.name in {name for node in walk(body) for name in _assigned(node)}:
        return f"the body of the loop over '{counter.name}' changes it"
    return ""


def loop_counter(loop: Node) -> Variable | None:
    """The variable that a for loop declares."""
    initializer = loop.child_by_field_name("initializer")
    return next(declared(initializer), None) if initializer else None


def _assigned(node: Node) -> Iterator[str]:
    if node.type == "assignment_expression":
        yield text(node.child_by_field_name("left"))
    elif node.type == "update_expression":
        yield text(node.child_by_field_name("argument"))


def is_static(expression: Node, function: Function, counters: Set[str] = frozenset()) -> bool:
    """Whether an expression is made of numbers, template parameters, constants of these, `counters`, and the counters
    of unrolled loops around it."""
    loops = _counters_around(expression) | counters
    for node in walk(expression):
        if node.type == "identifier" and node.parent and node.parent.type != "qualified_identifier":
            name = text(node)
            if name in function.template or name in loops:
                continue
            variable = function.names.get(name)
            if not (variable and variable.constant and variable.value and is_static(variable.value, function)):
                return False
        elif node.type in ("call_expression", "subscript_expression", "field_expression"):
            return False
    return True


def _counters_around(node: Node) -> set[str]:
    """The counters of the unrolled loops that a node is in: each copy of the body has them as numbers."""
    found = set()
    while node.parent:
        inside = node.parent.type == "for_statement" and node == node.parent.child_by_field_name("body")
        counter = loop_counter(node.parent) if inside and has_pragma(node, "UNROLL") else None
        found |= {counter.name} if counter else set()
        node = node.parent
    return found


def has_pragma(body: Node, directive: str) -> bool:
    """Whether a block itself, not one inside it, is under the directive."""
    return any(pragma.directive == directive for child in children(body) for pragma in pragma_of(child))


def under(loop: Node, *directives: str) -> bool:
    """Whether a loop's own body is under any of the directives."""
    body = loop.child_by_field_name("body")
    return body is not None and any(has_pragma(body, directive) for directive in directives)


def pragmas(function: Function, firmware: Firmware) -> Iterator[Finding]:
    """Every pragma is one that the tools know, and what it names exists."""
    for pragma in function.pragmas:
        if pragma.directive not in _DIRECTIVES:
            yield Finding(function.file, pragma.line, "pragma", f"no tool knows the pragma '{pragma.directive}'")
        known = {**firmware.variables, **function.names}
        named = [name for key in _NAMING for name in pragma.values.get(key, "").split(",") if name]
        named += [value for key in _COUNTING if (value := pragma.values.get(key, "0")).isidentifier()]
        for name in named:
            if name not in known and name not in (*function.template, _RETURN):
                yield Finding(function.file, pragma.line, "pragma", f"the pragma names '{name}', which does not exist")


def dataflow(function: Function, firmware: Firmware) -> Iterator[Finding]:
    """A dataflow region holds declarations and calls alone, and every stream in it has one writer and one reader."""
    if not any(pragma.directive == "DATAFLOW" for pragma in function.pragmas):
        return
    streams = {variable.name: variable for variable in function.names.values() if variable.stream}
    uses: dict[str, list[str]] = {name: [] for name in streams}
    for statement in children(function.body):
        if statement.type == "declaration" or next(pragma_of(statement), None):
            continue
        call = statement.named_children[0] if statement.type == "expression_statement" else None
        if not call or call.type != "call_expression":
            message = f"a dataflow region holds declarations and calls alone, not '{text(statement).splitlines()[0]}'"
            yield Finding.of(function, statement, "dataflow", message)
            continue
        found = callees(call, function, firmware)
        if not found:
            yield Finding.of(function, call, "dataflow", f"'{text(call).split('(')[0]}' is not in the firmware")
        for callee in found:
            inner = stream_uses(callee, firmware)
            for argument, parameter in zip(map(text, arguments(call)), callee.parameters, strict=True):
                if argument in uses:
                    uses[argument] += sorted(inner.get(parameter.name, ()))
    outer = {variable.name for variable in function.parameters}
    for name, how in uses.items():
        yield from _ends(function, streams[name], how, name in outer)


def _ends(function: Function, stream: Variable, how: list[str], outer: bool) -> Iterator[Finding]:
    writers, readers = how.count(WRITE), how.count(READ)
    if outer and writers + readers != 1:
        message = (
            f"port '{stream.name}' has {writers} producers and {readers} consumers inside instead of one of either"
        )
        yield Finding.of(function, stream.node, "stream", message)
    elif not outer and (writers, readers) != (1, 1):
        message = f"stream '{stream.name}' has {writers} producers and {readers} consumers instead of one each"
        yield Finding.of(function, stream.node, "stream", message)
