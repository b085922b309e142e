"""What is searched: which networks may be proposed. A TOML file (--space) narrows or widens it:

    units = ["bl", "bls2", "blrn(r=2)"]        # as a spec names them
    places = ["rb", "rg"]                      # rg+u: inside an ERUM too
    upsampling = ["direct", "erum"]            # or shuffle: the paper's convolution, shuffle, convolution
    precisions = ["int8", "w4a4", "ternary"]   # int8, int8t, int8a, wNaN, ternary
    ratios = [1, 2]                            # r of ternary networks
    width = {least = 8, most = 32, step = 4}   # features
    groups = {least = 0, most = 1}
    blocks = {least = 1, most = 6}

Every network has the anchor and no channel attention, so that whole frames stream.
"""

import tomllib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, Self

from optuna.trial import Trial
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hwsr.errors import HwsrError
from hwsr.spec import FIXED_POINT, Precision, Spec, parse_spec

# A network as the choices that make it, by name.
Params = dict[str, str | int]
# Tried first, as far as they lie in the space: forms of the released networks and of `make run`'s, cheap to dear.
FIRST = (
    "bl n8 g0 b2 noca anchor direct int8",
    "ST-bl n16 g0 b3 noca anchor direct r1",
    "bl n16 g0 b3 noca anchor direct int8",
    "bl n16 g0 b4 noca anchor direct w4a4",
    "ST-bl n24 g0 b4 noca anchor direct r1",
    "bls2[rg] n20 g0 b3 noca anchor direct w6a6",
    "bl n24 g0 b5 noca anchor direct w4a4",
)

Words = Annotated[tuple[str, ...], Field(min_length=1)]


class Range(BaseModel):
    """Whole numbers from `least` to `most`, `step` apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    least: int = Field(ge=0, le=1024)
    most: int = Field(ge=0, le=1024)
    step: int = Field(default=1, ge=1, le=1024)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"from {self.least} to {self.most} there is nothing")
        return self

    @property
    def values(self) -> range:
        return range(self.least, self.most + 1, self.step)


class Space(BaseModel):
    """The choices; a combination that is no network is left out when it is met."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    units: Words = (
        "bl",
        "blrn(r=2)",
        "blrxn(r=2,g=4)",
        "blm1",
        "bleff(r=2)",
        "bls1(r=2,g=4)",
        "blclc(g1=4,g2=2)",
        "bls2",
        "blm2(e=2)",
    )
    places: Annotated[tuple[Literal["rb", "rg", "rg+u"], ...], Field(min_length=1)] = ("rb", "rg")
    upsampling: Annotated[tuple[Literal["direct", "shuffle", "erum"], ...], Field(min_length=1)] = ("direct", "erum")
    precisions: Words = ("int8", "w6a6", "w4a8", "w4a4", "ternary")
    ratios: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2)
    width: Range = Range(least=8, most=32, step=4)
    groups: Range = Range(least=0, most=1)
    blocks: Range = Range(least=1, most=6)

    def params(self) -> Iterator[Params]:
        """Every combination."""
        sizes = (self.width.values, self.groups.values, self.blocks.values)
        words = (self.precisions, self.units, self.upsampling)
        for precision, unit, upsampling, n, groups, blocks in product(*words, *sizes):
            made: Params = {"precision": precision, "unit": unit, "upsampling": upsampling}
            made |= {"n": n, "groups": groups, "blocks": blocks}
            for place in self.places if unit != "bl" else ("",):
                for ratio in self.ratios if precision == Precision.TERNARY else (0,):
                    yield made | ({"place": place} if place else {}) | ({"ratio": ratio} if ratio else {})

    def specs(self, scale: int) -> dict[str, Params]:
        """Every network, by its spec, with the choices that make it."""
        found: dict[str, Params] = {}
        for params in self.params():
            try:
                found.setdefault(str(spec_of(params, scale)), params)
            except HwsrError:
                continue
        return found


def first(scale: int) -> list[str]:
    """The networks of FIRST, as specs are written."""
    return [str(parse_spec(f"{text} x{scale}")) for text in FIRST]


def read_space(path: Path | None) -> Space:
    """The space of a TOML file; the default one for None. Raises HwsrError."""
    if path is None:
        return Space()
    try:
        space = Space.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HwsrError(f"{path}: no readable TOML file ({error}); docs/explore.md shows one") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise HwsrError(f"{path}: {where}: {first['msg']}; docs/explore.md shows such a file") from error
    _check(path, space)
    return space


def _check(path: Path, space: Space) -> None:
    """Raise HwsrError for a word that names nothing, or a space without a network."""
    try:
        for word in (*space.units, *space.precisions):
            if len(word.split()) != 1:
                raise HwsrError(f"'{word}' is not one word; give every choice as one of its own")
        for unit in space.units:
            parse_spec(f"{unit} n192")
        for precision in space.precisions:
            found = parse_spec("ST-bl" if precision == Precision.TERNARY else f"bl {precision}").precision
            if found not in (*FIXED_POINT, Precision.INT8_AFFINE, Precision.TERNARY):
                raise HwsrError(f"'{precision}' is no precision of hardware")
    except HwsrError as error:
        raise HwsrError(f"{path}: {error}") from error
    if not space.specs(scale=2):
        raise HwsrError(f"{path}: no combination of these choices is a network; widen one of them")


def suggest(trial: Trial, space: Space) -> Params:
    """The sampler's choices."""
    params: Params = {
        "precision": trial.suggest_categorical("precision", space.precisions),
        "unit": trial.suggest_categorical("unit", space.units),
        "upsampling": trial.suggest_categorical("upsampling", space.upsampling),
    }
    for name, sizes in (("n", space.width), ("groups", space.groups), ("blocks", space.blocks)):
        params[name] = trial.suggest_int(name, sizes.values[0], sizes.values[-1], step=sizes.step)
    if params["unit"] != "bl":
        params["place"] = trial.suggest_categorical("place", space.places)
    if params["precision"] == Precision.TERNARY:
        params["ratio"] = trial.suggest_categorical("ratio", space.ratios)
    return params


def spec_of(params: Mapping[str, str | int], scale: int) -> Spec:
    """The network of a combination of choices. Raises HwsrError where it is none: widths that groups do not divide."""
    ternary = params["precision"] == Precision.TERNARY
    name, bracket, args = str(params["unit"]).partition("(")
    erum = "-e" if params["upsampling"] == "erum" else ""
    place = f"[{params['place']}]" if "place" in params else ""
    words = [f"{'ST-' if ternary else ''}{name}{erum}{bracket}{args}{place}", f"x{scale}", f"n{params['n']}"]
    words += [f"g{params['groups']}", f"b{params['blocks']}", "noca", "anchor"]
    words += ["direct"] if params["upsampling"] == "direct" else []
    words += [f"r{params['ratio']}" if ternary else str(params["precision"])]
    return parse_spec(" ".join(words))
