"""Arrays in pipelined loops: what one turn takes from an array must come through the ports that its banks have.

Loops inside a pipelined one are unrolled, so an index that depends on their counters stands for many addresses at a
time. Every such counter has to choose among banks (a partitioned dimension), and of each bank no more than two
addresses can be in use. Banks that a counter and the run time choose together are all wired to every copy, however few
of them it ever takes. A stream's word lies in registers, but no part of it can be chosen at run time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tree_sitter import Node

from hwsr.hls.lint.calls import arguments, callees
from hwsr.hls.lint.cpp import Firmware, Function, Pragma, Variable, children, declared, line_of, text
from hwsr.hls.lint.finding import Finding
from hwsr.hls.lint.rules import LOOPS, is_static, loop_counter, loops_around, under

PORTS = 2


@dataclass(frozen=True)
class Value:
    """What is known of an expression: the unrolled counters that it depends on, those of which each value gives
    another result, and whether it depends on anything that is known at run time only."""

    counters: frozenset[str] = frozenset()
    distinct: frozenset[str] = frozenset()
    runtime: bool = False

    def __or__(self, other: "Value") -> "Value":
        shared = (self.distinct & other.counters) | (other.distinct & self.counters)
        distinct = (self.distinct | other.distinct) - shared
        return Value(self.counters | other.counters, distinct, self.runtime or other.runtime)

    @property
    def blurred(self) -> "Value":
        return replace(self, distinct=frozenset())


RUNTIME = Value(runtime=True)


@dataclass(frozen=True)
class Array:
    """An array where it is declared: banks are its dimensions (from 1) that are partitioned completely, merged those
    of which a word holds all; a stream's word has none of its own."""

    variable: Variable
    file: str
    banks: frozenset[int]
    merged: frozenset[int]
    parts: int
    word: bool = False


@dataclass(frozen=True)
class Access:
    """One subscripted array, by what its memory is addressed with."""

    array: Array
    address: tuple[str, ...]
    written: bool


@dataclass(frozen=True)
class _Scope:
    """A function that is being walked: what its names stand for."""

    function: Function
    arrays: dict[str, Array]
    values: dict[str, Value]
    inside: tuple[str, ...]


def ports(function: Function, firmware: Firmware) -> Iterator[Finding]:
    """Check every pipelined loop of a function, and what it calls."""
    for node in function.nodes:
        if node.type in LOOPS and _pipelined(node) and not any(map(_pipelined, loops_around(node))):
            walker = _Walker(firmware, function)
            body = node.child_by_field_name("body")
            assert body is not None
            scope = _Scope(function, _arrays(function), dict.fromkeys(_counters(node), RUNTIME), ())
            walker.limit(walker.block(body, scope), node)
            yield from sorted(walker.findings)


def _pipelined(loop: Node) -> bool:
    return under(loop, "PIPELINE")


def _counters(loop: Node) -> Iterator[str]:
    for node in (loop, *loops_around(loop)):
        counter = loop_counter(node) if node.type == "for_statement" else None
        if counter:
            yield counter.name


def _arrays(function: Function) -> dict[str, Array]:
    """The arrays of a function, and what it holds of streams' words."""
    found = {}
    for variable in (*function.parameters, *function.locals.values()):
        own = [pragma for pragma in function.pragmas if pragma.values.get("variable") == variable.name]
        if variable.extents:
            found[variable.name] = _array(variable, function.file, own)
        elif variable.type in function.template:
            found[variable.name] = Array(variable, function.file, frozenset(), frozenset(), 1, word=True)
    return found


def _array(variable: Variable, file: str, own: Iterable[Pragma]) -> Array:
    every = frozenset(range(1, len(variable.extents) + 1))
    banks: frozenset[int] = frozenset()
    merged: frozenset[int] = frozenset()
    parts = 1
    for pragma in own:
        dim = pragma.values.get("dim", "1")
        dims = every if dim == "0" else frozenset({int(dim)}) if dim.isdigit() else frozenset()
        kind = pragma.values.get("type", "").lower()
        whole = kind == "complete" or (not kind and not {"cyclic", "block"} & set(pragma.flags))
        factor = pragma.values.get("factor", "1")
        match pragma.directive, whole:
            case "ARRAY_PARTITION", True:
                banks |= dims
            case "ARRAY_RESHAPE", True:
                merged |= dims
            case "ARRAY_PARTITION" | "ARRAY_RESHAPE", False:
                parts *= int(factor) if factor.isdigit() else 1
    return Array(variable, file, banks, merged, parts)


class _Walker:
    """Walks what one turn of a pipelined loop does, calls included, and gathers what it takes from arrays."""

    def __init__(self, firmware: Firmware, function: Function) -> None:
        self.firmware = firmware
        self.function = function
        self.findings: set[Finding] = set()
        self.active: list[Function] = [function]

    def limit(self, accesses: frozenset[Access], loop: Node) -> None:
        """Note every bank that needs more addresses in a turn than it has ports."""
        for array in {access.array for access in accesses}:
            addresses = {(access.address, access.written) for access in accesses if access.array == array}
            if len(addresses) > PORTS * array.parts:
                name = array.variable.name
                message = f"a turn uses {len(addresses)} addresses of each bank of '{name}', which has {PORTS} ports"
                self.note(loop, self.function, message)

    def note(self, node: Node, function: Function, message: str) -> None:
        self.findings.add(Finding(function.file, line_of(node), "array-port", message))

    def block(self, node: Node, scope: _Scope) -> frozenset[Access]:
        """What a statement, or all of a block, takes in one turn."""
        match node.type:
            case "if_statement":
                return self.branches(node, scope)
            case "for_statement":
                return self.unrolled(node, scope)
            case "declaration":
                return self.declaration(node, scope)
            case "subscript_expression":
                return self.subscript(node, scope)
            case "call_expression":
                return self.call(node, scope)
            case "preproc_call":
                return frozenset()
        found: frozenset[Access] = frozenset()
        for child in children(node):
            found |= self.block(child, scope)
        return found

    def branches(self, node: Node, scope: _Scope) -> frozenset[Access]:
        """Of the branches only one is taken: of every array the one that takes more counts."""
        parts = [node.child_by_field_name(key) for key in ("condition", "consequence", "alternative")]
        condition, *taken = [self.block(part, scope) if part else frozenset() for part in parts]
        kept = condition
        for array in {access.array for access in taken[0] | taken[1]}:
            own = [frozenset(access for access in each if access.array == array) for each in taken]
            kept |= max(own, key=len)
        return kept

    def unrolled(self, node: Node, scope: _Scope) -> frozenset[Access]:
        counter, body = loop_counter(node), node.child_by_field_name("body")
        if not counter or not body:
            return frozenset()
        name = f"{counter.name}@{node.start_byte}"
        value = Value(frozenset({name}), frozenset({name}))
        return self.block(
            body, replace(scope, values=scope.values | {counter.name: value}, inside=(*scope.inside, name))
        )

    def declaration(self, node: Node, scope: _Scope) -> frozenset[Access]:
        found: frozenset[Access] = frozenset()
        for variable in declared(node):
            if variable.value:
                found |= self.block(variable.value, scope)
            if variable.constant and variable.value:
                scope.values[variable.name] = self.value(variable.value, scope)
            elif not variable.extents:
                # Every copy of an unrolled loop's body has its own.
                scope.values[variable.name] = Value(frozenset(scope.inside), frozenset(), True)
        return found

    def call(self, node: Node, scope: _Scope) -> frozenset[Access]:
        found: frozenset[Access] = frozenset()
        given = arguments(node)
        for argument in given:
            found |= self.block(argument, scope)
        for callee in callees(node, scope.function, self.firmware):
            if callee in self.active:
                continue
            arrays, values = _arrays(callee), {}
            for argument, parameter in zip(given, callee.parameters, strict=True):
                name = text(argument)
                if name in scope.arrays:
                    arrays[parameter.name] = scope.arrays[name]
                values[parameter.name] = self.value(argument, scope)
            self.active.append(callee)
            found |= self.block(callee.body, _Scope(callee, arrays, values, scope.inside))
            self.active.pop()
        return found

    def subscript(self, node: Node, scope: _Scope) -> frozenset[Access]:
        indices: list[Node] = []
        inner, found = node, frozenset[Access]()
        while inner.type == "subscript_expression":
            listed, argument = inner.child_by_field_name("indices"), inner.child_by_field_name("argument")
            assert listed is not None and argument is not None
            indices.insert(0, listed.named_children[0])
            found |= self.block(listed, scope)
            inner = argument
        array = scope.arrays.get(text(inner))
        if not array:
            return found | self.block(inner, scope)
        values = [self.value(index, scope) for index in indices]
        if array.word:
            if values[0].runtime:
                message = f"a part of the word '{text(inner)}' is chosen at run time; copy it to a partitioned array"
                self.note(node, scope.function, message)
            return found
        return found | self.memory(node, array, indices, values, scope)

    def memory(
        self, node: Node, array: Array, indices: list[Node], values: list[Value], scope: _Scope
    ) -> frozenset[Access]:
        numbered = list(enumerate(zip(indices, values, strict=True), 1))
        for i, (_, value) in numbered:
            if i in array.banks and value.runtime and value.distinct:
                message = (
                    f"a copy of '{text(node)}' chooses among all of dimension {i} of '{array.variable.name}'; "
                    "give what is known at run time a dimension of its own"
                )
                self.note(node, scope.function, message)
        addressed = [(i, index, value) for i, (index, value) in numbered if i not in array.banks | array.merged]
        if not addressed:
            return frozenset()
        choosing = frozenset().union(*(value.distinct for i, (_, value) in numbered if i in array.banks))
        for i, _, value in addressed:
            for counter in sorted(value.counters - choosing):
                message = (
                    f"dimension {i} of '{array.variable.name}' is indexed by the unrolled '{counter.split('@')[0]}' "
                    "and not partitioned"
                )
                self.note(node, scope.function, message)
        address = tuple(_spelled(index, scope) for _, index, _ in addressed)
        return frozenset({Access(array, address, _written(node))})

    def value(self, node: Node, scope: _Scope) -> Value:
        """What is known of an expression."""
        match node.type:
            case "identifier":
                return self.named(node, scope)
            case "subscript_expression":
                return self.looked_up(node, scope)
            case "binary_expression":
                left, right = (node.child_by_field_name(side) for side in ("left", "right"))
                assert left is not None and right is not None
                both = self.value(left, scope) | self.value(right, scope)
                return both if text(node.child_by_field_name("operator")) in ("+", "-", "*") else both.blurred
            case "call_expression" | "field_expression" | "conditional_expression":
                found = Value()
                for part in children(node):
                    found |= self.value(part, scope)
                known = node.type == "call_expression" and callees(node, scope.function, self.firmware)
                return replace(found.blurred, runtime=found.runtime or node.type == "field_expression" or not known)
        found = Value()
        for part in children(node):
            found |= self.value(part, scope)
        return found

    def named(self, node: Node, scope: _Scope) -> Value:
        name = text(node)
        if name in scope.values:
            return scope.values[name]
        variable = scope.function.names.get(name)
        static = name in scope.function.template or is_static(node, scope.function)
        return Value() if static or (variable is None and name in self.firmware.functions) else RUNTIME

    def looked_up(self, node: Node, scope: _Scope) -> Value:
        """A constant array's element at a known place is known; what a memory holds else is not."""
        root, found = node, Value()
        while root.type == "subscript_expression":
            listed, argument = root.child_by_field_name("indices"), root.child_by_field_name("argument")
            assert listed is not None and argument is not None
            found |= self.value(listed.named_children[0], scope)
            root = argument
        array = scope.arrays.get(text(root))
        constant = array is not None and array.variable.constant
        return replace(found.blurred, runtime=found.runtime or not constant)


def _spelled(index: Node, scope: _Scope) -> str:
    """An address as it is written, its names told apart by the function that they are of."""
    return f"{scope.function.title}: {text(index)}"


def _written(node: Node) -> bool:
    parent = node.parent
    return bool(parent and parent.type == "assignment_expression" and node == parent.child_by_field_name("left"))
