"""The networks that `hwsr matrix --hls` takes to C++: tables whose every cell is a small network, or says why not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hwsr.errors import HwsrError
from hwsr.release import RELEASE, read_release
from hwsr.spec import PEERS, SCALES, Precision, parse_spec


@dataclass(frozen=True)
class Unit:
    """A row of the paper's tables: a unit with its arguments, at a width that its groups divide."""

    name: str
    args: str = ""
    n: int = 8

    def __str__(self) -> str:
        return self.name + self.args

    def spec(self, options: str, precision: Precision, erum: bool = False, place: str | None = None) -> str:
        """A network of one group of one block; place None: units wherever they can stand."""
        # The plain convolution replaces nothing, wherever it stands.
        where = "" if self.name == "bl" else f"[{place or ('rg+u' if erum else 'rg')}]"
        ternary = precision is Precision.TERNARY
        name = f"{'ST-' if ternary else ''}{self.name}{'-e' if erum else ''}{self.args}{where}"
        return f"{name} n{self.n} g1 b1 {options} {'r1' if ternary else precision}"


# The paper's eleven; in groups of two channels at least where a convolution is grouped.
UNITS = (
    Unit("bl"),
    Unit("blrn", "(r=2)"),
    Unit("blrn", "(r=4)"),
    Unit("blrxn", "(r=2,g=4)", 16),
    Unit("blm1"),
    Unit("bleff", "(r=2)"),
    Unit("bls1", "(r=2,g=4)", 16),
    Unit("blclc", "(g1=8,g2=2)", 16),
    Unit("bls2"),
    Unit("blm2", "(e=2)"),
    Unit("blm2", "(e=3)"),
)
# A precision named here is a table of all units with either upsampler at every scale.
PRECISIONS = (Precision.INT8, Precision.TERNARY)
# And one named here, columns of all units with attention, and of the published networks.
ALL_PRECISIONS = (*PRECISIONS, Precision.INT8_AFFINE)
BL = "bl n8 g1 b1"
SKELETONS = {
    "anchor": f"{BL} noca anchor",
    "direct": f"{BL} noca direct",
    "anchor direct": f"{BL} noca anchor direct",
    "blocks alone": "bl n8 g0 b1 noca",
    "two groups of two": "bl n8 g2 b2 noca direct",
    "luma": f"{BL} noca luma",
    "luma, attention, anchor": f"{BL} luma anchor direct",
}
# Of which the layers named keep other widths than the rest.
BITS = (
    "int8t",
    "w4a4",
    "w2a4",
    "w4a8",
    "w8a4",
    "w4a4 head=w8a8 body.close=w6",
    "w8a6 body.body.0=w2a4",
    "int8 acc16",
)
# Beside r1, which every unit has.
RATIOS = (2, 4, 6)
GROUPED = ("blrxn", "bls1", "blclc", "bls2")


@dataclass(frozen=True)
class Cell:
    """One network: its table, row and column there; a spec's text, or the folder of a released model."""

    table: str
    row: str
    column: str
    network: str
    backend: str = "Vitis"
    released: bool = False

    @property
    def rule(self) -> str | None:
        """Why there is no such network, in the words of the spec that refuses it; None where there is one."""
        if self.released:
            return None
        try:
            parse_spec(self.network)
        except HwsrError as error:
            return str(error)
        return None


def networks() -> list[Cell]:
    """Every cell, in the order of the tables."""
    return [*_units(), *_places(), *_attention(), *_skeletons(), *_precisions(), *_grouped(), *_peers(), *_vivado()]


def _units() -> Iterator[Cell]:
    for precision in PRECISIONS:
        for unit in UNITS:
            for erum in (False, True):
                for scale in SCALES:
                    column = f"{'-e ' if erum else ''}x{scale}"
                    yield Cell(f"units, {precision}", str(unit), column, unit.spec(f"x{scale} noca", precision, erum))


def _places() -> Iterator[Cell]:
    """Where the tables of units have none: these have units wherever they can stand."""
    for unit in UNITS[1:]:
        for erum, place in ((False, "rb"), (True, "rb"), (True, "rg")):
            column = f"{'-e' if erum else ''}[{place}]"
            yield Cell(
                "units in fewer places, int8, x2",
                str(unit),
                column,
                unit.spec("x2 noca", Precision.INT8, erum, place),
            )


def _attention() -> Iterator[Cell]:
    for precision in ALL_PRECISIONS:
        for unit in UNITS:
            yield Cell("channel attention, x2", str(unit), str(precision), unit.spec("x2", precision))
        for scale in SCALES[1:]:
            column = f"{precision} x{scale}"
            yield Cell("channel attention", "bl", column, UNITS[0].spec(f"x{scale}", precision))


def _skeletons() -> Iterator[Cell]:
    for row, text in SKELETONS.items():
        for scale in SCALES:
            yield Cell("skeletons of bl", row, f"int8 x{scale}", f"{text} x{scale} int8")
        yield Cell("skeletons of bl", row, "ternary x2", f"ST-{text} x2 r1")


def _precisions() -> Iterator[Cell]:
    for scale in SCALES:
        for words in BITS:
            yield Cell("bits, bl", words, f"x{scale}", f"{BL} x{scale} noca {words}")
        for ratio in RATIOS:
            yield Cell("hidden widths, ST-bl", f"r{ratio}", f"x{scale}", f"ST-{BL} x{scale} noca direct r{ratio}")


def _grouped() -> Iterator[Cell]:
    for unit in UNITS:
        if unit.name in GROUPED:
            for scale in SCALES:
                text = unit.spec(f"x{scale} noca direct", Precision.TERNARY).replace(" r1", " r2")
                yield Cell("SP-convs in groups, r2", str(unit), f"x{scale}", text)


def _peers() -> Iterator[Cell]:
    for name in PEERS:
        for precision in ALL_PRECISIONS:
            for scale in SCALES:
                st, words = ("ST-", "") if precision is Precision.TERNARY else ("", f" {precision}")
                yield Cell("published networks", name, f"{precision} x{scale}", f"{st}{name} x{scale}{words}")


def _vivado() -> Iterator[Cell]:
    for unit in UNITS:
        if unit.name in ("bl", *GROUPED):
            for precision in ALL_PRECISIONS:
                text = unit.spec("x2", precision)
                yield Cell("Vivado HLS, x2, attention", str(unit), str(precision), text, "Vivado")


def released(folder: Path) -> list[Cell]:
    """The integer models that were released into folders under `folder`, at full size. Raises HwsrError without one."""
    found = sorted(path.parent for path in folder.rglob(RELEASE) if (path.parent / "model.onnx").is_file())
    if not found:
        raise HwsrError(
            f"{folder}: it holds no released integer model ({RELEASE} beside model.onnx); 'hwsr release' makes them"
        )
    return [Cell("released models", read_release(path).spec, "csim", str(path), released=True) for path in found]
