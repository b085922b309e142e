"""Conditional code as the HLS tool sees it: what its preprocessor leaves out is blank, and all else keeps its line."""

import ast
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from hwsr.errors import HwsrError

# What each tool defines when it synthesizes.
DEFINED = {
    "Vitis": frozenset({"__SYNTHESIS__", "__VITIS_HLS__"}),
    "Vivado": frozenset({"__SYNTHESIS__"}),
}
_DIRECTIVE = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)")
_COMMENT = re.compile(r"//.*|/\*.*?\*/")
# A condition's words and what they are in Python, whose precedence of these is the same.
_PYTHON = ((r"\bdefined\b", " "), (r"&&", " and "), (r"\|\|", " or "), (r"!(?!=)", " not "))


@dataclass
class _Conditional:
    """An open #if. outer: whether what is around it is compiled; holds: whether its present branch is; taken: whether
    this or an earlier branch of it was."""

    outer: bool
    holds: bool
    taken: bool

    def branch(self, holds: bool) -> None:
        self.holds = holds
        self.taken |= holds


def compiled(source: str, backend: str) -> str:
    """The source that the backend's tool compiles. Raises HwsrError for a condition that is not understood."""
    return "\n".join(_lines(source, DEFINED[backend]))


def _lines(source: str, defined: Set[str]) -> Iterator[str]:
    nested: list[_Conditional] = []
    for line in source.split("\n"):
        directive = _DIRECTIVE.match(line)
        if directive:
            _turn(nested, directive[1], _COMMENT.sub("", directive[2]).strip(), defined)
        yield "" if directive or (nested and not nested[-1].holds) else line


def _turn(nested: list[_Conditional], directive: str, condition: str, defined: Set[str]) -> None:
    """What a directive does to the conditionals that are open; one without its #if is for the compiler to refuse."""
    if directive.startswith("if"):
        outer = not nested or nested[-1].holds
        nested.append(_Conditional(outer, False, False))
    if not nested:
        return
    # A branch that cannot be taken may ask for anything.
    possible = nested[-1].outer and not nested[-1].taken
    match directive:
        case "endif":
            nested.pop()
        case "else":
            nested[-1].branch(possible)
        case "ifdef" | "ifndef":
            nested[-1].branch(possible and (condition in defined) == (directive == "ifdef"))
        case _:
            nested[-1].branch(possible and _holds(condition, defined))


def _holds(condition: str, defined: Set[str]) -> bool:
    """A condition of `defined`, numbers and logic. Raises HwsrError for anything else."""
    python = condition
    for words, meaning in _PYTHON:
        python = re.sub(words, meaning, python)
    try:
        return _value(ast.parse(python.strip(), mode="eval").body, defined)
    except (SyntaxError, TypeError) as error:
        message = f"preprocessor condition '{condition}': only defined(), ||, && and ! are understood"
        raise HwsrError(message) from error


def _value(node: ast.expr, defined: Set[str]) -> bool:
    match node:
        case ast.Name(name):
            return name in defined
        case ast.Constant(int(number)):
            return number != 0
        case ast.UnaryOp(ast.Not(), operand):
            return not _value(operand, defined)
        case ast.BoolOp(operator, sides):
            values = [_value(side, defined) for side in sides]
            return all(values) if isinstance(operator, ast.And) else any(values)
    raise TypeError(type(node).__name__)
