"""What the linter says of a place in the source."""

from dataclasses import dataclass

from tree_sitter import Node

from hwsr.hls.lint.cpp import Function, line_of


@dataclass(frozen=True, order=True)
class Finding:
    """One violation; file: relative to the firmware's folder."""

    file: str
    line: int
    rule: str
    message: str

    @classmethod
    def of(cls, function: Function, node: Node, rule: str, message: str) -> "Finding":
        return cls(function.file, line_of(node), rule, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule} {self.message}"
