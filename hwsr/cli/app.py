"""The command-line application and what its commands share. Each command is one thin function."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from hwsr.engine import Engine
from hwsr.errors import HwsrError
from hwsr.files import writable_file, write_json

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hardware-oriented codegen for single-image super-resolution.",
)


class _Console(Console):
    """One for names of files and networks: their brackets and colons are no markup."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """The exit code of rich, 1, would say that a comparison failed."""
        raise BrokenPipeError


console = _Console()


def checked_early(path: Path | None) -> Path | None:
    """A file that is written at the end of what may take hours."""
    return writable_file(path) if path else None


# Exit code of a command whose comparison failed or that found what should not be there.
MISMATCH = 1

ModelFolder = Annotated[Path, typer.Argument(help="folder of a trained model, or a QONNX file")]
ModelOption = Annotated[Path, typer.Option("-m", "--model", help="folder of a trained model, or a QONNX file")]
DataOption = Annotated[Path | None, typer.Option(help="folder of images, of EDSR-layout data sets, or DIV2K")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="also write the figures to this file", callback=checked_early)
]
ProjectOption = Annotated[Path | None, typer.Option(help="HLS project (for --engine csim)")]
EngineOption = Annotated[Engine, typer.Option(help="what computes")]


class Backend(StrEnum):
    """Whose HLS compiler a project is for."""

    VITIS = "Vitis"
    VIVADO = "Vivado"

    @property
    def board(self) -> str:
        """What is built for where no device is named: Vivado HLS came before KV260's part."""
        return "kv260" if self is Backend.VITIS else "zcu104"

    @property
    def law(self) -> Literal["vitis", "vivado"]:
        """What estimates call it."""
        return "vitis" if self is Backend.VITIS else "vivado"


def write_figures(path: Path | None, value: Any) -> None:
    """Write what a command printed to the file of its --json option, if it has one."""
    if path:
        write_json(path, value)


def parse_size(text: str) -> tuple[int, int]:
    """'320x180' (width x height) -> (180, 320). Raises HwsrError."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not found:
        raise HwsrError(f"'{text}' is not a size; write width x height, for example 320x180")
    return int(found[2]), int(found[1])


def check_clock(mhz: float) -> float:
    """A clock in MHz that is one. Raises HwsrError."""
    if not 1 <= mhz <= 2000:
        raise HwsrError(f"a clock of {mhz:g} MHz; give 1 to 2000")
    return mhz
