"""C++ as the HLS tool sees it: the functions and classes of a firmware, its conditional code resolved for synthesis.

A syntax tree without types: names are resolved by what they are called and how many arguments they take, which is
enough for code that a generator wrote.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import tree_sitter_cpp
from tree_sitter import Language, Node, Parser

from hwsr.errors import HwsrError
from hwsr.hls.lint.preprocessor import compiled

# Where the tool's own types lie, which it brings itself.
TOOL_HEADERS = "ap_types"
_CLASSES = ("struct_specifier", "class_specifier")


def text(node: Node | None) -> str:
    return (node.text or b"").decode(errors="replace") if node else ""


def line_of(node: Node) -> int:
    return node.start_point.row + 1


def children(node: Node) -> Iterator[Node]:
    """The children that are compiled: of comments none."""
    return (child for child in node.named_children if child.type != "comment")


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it that is compiled, in the order of the source."""
    yield node
    for child in children(node):
        yield from walk(child)


@dataclass(frozen=True)
class Variable:
    """A declared name: its type's text, the extents of its array, whether it is constant, and what it starts as."""

    name: str
    type: str
    extents: tuple[Node, ...]
    constant: bool
    value: Node | None
    node: Node

    @property
    def stream(self) -> bool:
        return self.type.replace(" ", "").removeprefix("const").startswith("hls::stream<")


@dataclass(frozen=True)
class Pragma:
    """`#pragma HLS directive key=value ... flag ...`, the directive in capitals."""

    directive: str
    values: dict[str, str]
    flags: frozenset[str]
    line: int


@dataclass(frozen=True, eq=False)
class Class:
    """A class or struct; `arguments` are those of a specialization of its template, else empty."""

    name: str
    arguments: str
    template: tuple[str, ...]
    file: str
    node: Node

    @cached_property
    def members(self) -> dict[str, Variable]:
        body = self.node.child_by_field_name("body")
        found = (variable for child in children(body) for variable in declared(child)) if body else ()
        return {variable.name: variable for variable in found}


@dataclass(frozen=True, eq=False)
class Function:
    """A function with its body. template: the parameters of its own template and of its class's."""

    name: str
    owner: Class | None
    template: tuple[str, ...]
    file: str
    node: Node

    @property
    def body(self) -> Node:
        body = self.node.child_by_field_name("body")
        assert body is not None
        return body

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All that is compiled of it."""
        return tuple(walk(self.node))

    @cached_property
    def typedefs(self) -> dict[str, str]:
        """The types that it, or its class, names."""
        scopes = [self.nodes, walk(self.owner.node) if self.owner else ()]
        found = (node for scope in scopes for node in scope if node.type == "type_definition")
        return {text(node.child_by_field_name("declarator")): text(node.child_by_field_name("type")) for node in found}

    @cached_property
    def parameters(self) -> tuple[Variable, ...]:
        listed = next(node for node in self.nodes if node.type == "parameter_list")
        return tuple(_parameter(node) for node in children(listed) if node.type.endswith("parameter_declaration"))

    @cached_property
    def locals(self) -> dict[str, Variable]:
        """Every name that the body declares; of one declared more than once, the first."""
        found: dict[str, Variable] = {}
        for node in self.nodes:
            for variable in declared(node):
                found.setdefault(variable.name, variable)
        return found

    @cached_property
    def names(self) -> dict[str, Variable]:
        members = self.owner.members if self.owner else {}
        return {**members, **{variable.name: variable for variable in self.parameters}, **self.locals}

    @cached_property
    def pragmas(self) -> tuple[Pragma, ...]:
        return tuple(pragma for node in self.nodes for pragma in pragma_of(node))

    @property
    def title(self) -> str:
        return f"{self.owner.name}::{self.name}" if self.owner else self.name


def pragma_of(node: Node) -> Iterator[Pragma]:
    """The HLS pragma that the node is, if it is one."""
    if node.type != "preproc_call" or text(node.child_by_field_name("directive")) != "#pragma":
        return
    words = text(node.child_by_field_name("argument")).replace(" =", "=").replace("= ", "=").split()
    if len(words) > 1 and words[0].upper() == "HLS":
        pairs = dict(word.split("=", 1) for word in words[2:] if "=" in word)
        flags = frozenset(word for word in words[2:] if "=" not in word)
        yield Pragma(words[1].upper(), pairs, flags, line_of(node))


def declared(node: Node) -> Iterator[Variable]:
    """The variables that a declaration declares."""
    if node.type not in ("declaration", "field_declaration"):
        return
    for i, child in enumerate(node.children):
        if node.field_name_for_child(i) == "declarator":
            yield _variable(node, child, node.child_by_field_name("default_value"))


def _parameter(node: Node) -> Variable:
    return _variable(node, node.child_by_field_name("declarator"), node.child_by_field_name("default_value"))


def _variable(node: Node, declarator: Node | None, value: Node | None) -> Variable:
    kind = text(node.child_by_field_name("type"))
    constant = any(text(child) in ("const", "constexpr") for child in node.children)
    extents: list[Node] = []
    while declarator and not declarator.type.endswith("identifier"):
        match declarator.type:
            case "init_declarator":
                value = declarator.child_by_field_name("value")
            case "array_declarator":
                size = declarator.child_by_field_name("size")
                extents.insert(0, size or declarator)
        inner = declarator.child_by_field_name("declarator")
        declarator = inner or next((child for child in declarator.named_children), None)
    return Variable(text(declarator), kind, tuple(extents), constant, value, node)


@dataclass
class Firmware:
    """All that a top function's file includes, but for the tool's own headers, as the backend's tool compiles it.

    macros: what the macros with arguments stand for.
    """

    backend: str
    functions: dict[str, list[Function]] = field(default_factory=dict)
    classes: dict[str, list[Class]] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    macros: dict[str, str] = field(default_factory=dict)
    files: dict[str, Node] = field(default_factory=dict)


def read_firmware(folder: Path, main: str, backend: str) -> Firmware:
    """Parse `main` and what it includes from `folder`. Raises HwsrError when a file cannot be read."""
    firmware, parser = Firmware(backend), Parser(Language(tree_sitter_cpp.language()))
    _read(folder.resolve(), folder.resolve() / main, firmware, parser)
    return firmware


def _read(folder: Path, path: Path, firmware: Firmware, parser: Parser) -> None:
    name = str(path.relative_to(folder))
    try:
        tree = parser.parse(compiled(path.read_text(errors="replace"), firmware.backend).encode())
    except OSError as error:
        raise HwsrError(f"{path}: {error.strerror}; write the project again with 'hwsr hls'") from error
    firmware.files[name] = tree.root_node
    for node in _outside_bodies(tree.root_node):
        if node.type == "preproc_include":
            wanted = text(node.child_by_field_name("path")).strip('"<>')
            found = next(
                (base / wanted for base in (path.parent, folder) if (base / wanted).is_file()), folder
            ).resolve()
            own = found != folder and found.is_relative_to(folder) and TOOL_HEADERS not in found.parts
            if own and str(found.relative_to(folder)) not in firmware.files:
                _read(folder, found, firmware, parser)
        elif node.type == "preproc_function_def":
            firmware.macros[text(node.child_by_field_name("name"))] = text(node.child_by_field_name("value"))
        for variable in declared(node):
            firmware.variables[variable.name] = variable
    _index(tree.root_node, (), None, name, firmware)


def _outside_bodies(node: Node) -> Iterator[Node]:
    """What is at namespace scope."""
    for child in children(node):
        yield child
        if child.type in ("namespace_definition", "declaration_list", "linkage_specification"):
            yield from _outside_bodies(child)


def _index(node: Node, template: tuple[str, ...], owner: Class | None, file: str, firmware: Firmware) -> None:
    for child in children(node):
        if child.type == "template_declaration":
            _index(child, template + _template_parameters(child), owner, file, firmware)
        elif child.type in _CLASSES and child.child_by_field_name("body"):
            name = child.child_by_field_name("name")
            arguments = name.child_by_field_name("arguments") if name else None
            plain = text(name.child_by_field_name("name") if arguments and name else name)
            made = Class(plain, text(arguments), template, file, child)
            firmware.classes.setdefault(plain, []).append(made)
            body = child.child_by_field_name("body")
            assert body is not None
            _index(body, template, made, file, firmware)
        elif child.type == "function_definition":
            declarator = child.child_by_field_name("declarator")
            while declarator and declarator.type != "function_declarator":
                declarator = next(iter(declarator.named_children), None)
            if declarator and child.child_by_field_name("body"):
                called = text(declarator.child_by_field_name("declarator")).replace(" ", "")
                firmware.functions.setdefault(called, []).append(Function(called, owner, template, file, child))
        elif child.type not in ("preproc_call", "preproc_def", "preproc_include", "declaration"):
            _index(child, template, owner, file, firmware)


def _template_parameters(declaration: Node) -> tuple[str, ...]:
    listed = declaration.child_by_field_name("parameters")
    names = []
    for parameter in children(listed) if listed else ():
        named = parameter.child_by_field_name("declarator") or parameter.child_by_field_name("name") or parameter
        found = [node for node in walk(named) if node.type in ("identifier", "type_identifier")]
        names += [text(found[0])] if found else []
    return tuple(names)
