"""What one network is: ModelSpec, in the names that the paper uses, or PeerSpec, a published network beside them.

A spec is the paper's name of the network followed by options, each one word:

    blrn(r=2)[rg] x2                       Table 1: bottlenecks at all 23 places, 64 features
    blm1-e[rg+u] x3                        Table 2: upscaling by ERUM, units inside it too
    bl x3 n16 g1 b4 noca anchor direct     a small net: 16 features, one group of four blocks
    bl x2 int8                             8-bit fixed point, weights scaled per channel
    bl x2 int8a                            8-bit integers with any scales and with zero points, as LiteRT has them
    ST-bl x2 r2                            every convolution a ternary SP-conv with r = 2 c_out

    option      meaning                                                         default
    x2 x3 x4    scale                                                           x2
    nN          features                                                        n64
    gN          residual groups; g0: the blocks alone, no group or body conv    g2
    bN          residual blocks in a group                                      b5
    noca        no channel attention                                            attention
    anchor      add the nearest-neighbour upsampled input to the output (ABPN)  none
    direct      last convolution to 3 s^2 channels, then shuffle (ESPCN)        conv, shuffle, conv
    int8 int8t  8-bit fixed point, weights scaled per channel or per tensor     float
    wNaN accN   fixed point of fewer bits, bits of single layers (NAME=wNaN)
                and of accumulators: hwsr/bits.py has these words
    int8a       8-bit affine: any scales, zero points (Jacob et al. 2017)       float
    rN          with ST- only: hidden width of the SP-convs over c_out          r1

A peer is its published name, a scale and a precision; its layers are what its authors published (hwsr/zoo/peers.py):

    srcnn x2    fsrcnn x3    fsrcnn-s x2 int8    espcn x3    carn-m x4    abpn x3 int8    xlsr x3    sesr-m5 x2 int8
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hwsr.bits import ALL_8, Bits, Widths, parse_layer, parse_widths
from hwsr.errors import HwsrError


class Precision(StrEnum):
    """How a network computes: float, fixed point of 8 or fewer bits, 8-bit affine, or ternary SP-convs."""

    FLOAT = "float"
    INT8 = "int8"
    INT8_PER_TENSOR = "int8t"
    INT8_AFFINE = "int8a"
    TERNARY = "ternary"
    LOW_BITS = "low bits"


# Integers on power-of-two grids throughout.
FIXED_POINT = (Precision.INT8, Precision.INT8_PER_TENSOR, Precision.LOW_BITS)


@dataclass(frozen=True)
class Unit:
    """What replaces a 3x3 convolution n -> n: its name in the paper and that name's arguments."""

    name: str = "bl"
    args: tuple[tuple[str, int], ...] = ()

    def __getitem__(self, key: str) -> int:
        return dict(self.args)[key]

    def __str__(self) -> str:
        return self.name + _print_args(self.args)


# The units with their arguments and the paper's defaults.
UNIT_ARGS: dict[str, dict[str, int]] = {
    "bl": {},
    "blrn": {"r": 2},
    "blrxn": {"r": 2, "g": 4},
    "blm1": {},
    "bleff": {"r": 2},
    "bls1": {"r": 2, "g": 4},
    "blclc": {"g1": 32, "g2": 2},
    "bls2": {},
    "blm2": {"e": 2},
}
PLACES = ("rb", "rg", "rg+u")
SCALES = (2, 3, 4)
SP_RATIOS = (1, 2, 4, 6)
# The published networks, with their image channels: 3 for RGB, 1 for luma alone.
PEERS = {"srcnn": 1, "fsrcnn": 1, "fsrcnn-s": 1, "espcn": 1, "carn-m": 3, "abpn": 3, "xlsr": 3, "sesr-m5": 1}
# Those whose layers LiteRT's int8 has no like of, with the layer.
# An accumulator of bicubic interpolation in fixed point.
BICUBIC_BITS = 19
NOT_AFFINE = {"srcnn": "bicubic interpolation"} | dict.fromkeys(("fsrcnn", "fsrcnn-s", "sesr-m5"), "PReLU")

_NAME = re.compile(r"^(?P<st>ST-)?(?P<unit>[a-z0-9]+)(?P<erum>-e)?(?P<args>\([^)]*\))?(?P<place>\[[a-z+]+\])?$")
_OPTION = re.compile(r"^(?P<key>[xngbr]|acc)(?P<value>\d+)$")
_FIELDS = {"x": "scale", "n": "n", "g": "groups", "b": "blocks", "r": "sp_ratio", "acc": "accumulator"}


@dataclass(frozen=True)
class ModelSpec:
    """One network. `groups == 0` means the blocks alone; `sp_ratio` is r / c_out of the SP-convs (ternary only).

    `erum`: the paper's postfix -e, recursive upscaling in place of convolution and shuffle. `luma`: Y alone goes
    through the network and chroma is upscaled bicubically, as most published small networks have it.
    """

    unit: Unit = Unit()
    place: str = "rg"
    erum: bool = False
    scale: int = 2
    n: int = 64
    groups: int = 2
    blocks: int = 5
    attention: bool = True
    anchor: bool = False
    direct: bool = False
    luma: bool = False
    precision: Precision = Precision.FLOAT
    sp_ratio: int = 1
    bits: Bits = ALL_8

    def __post_init__(self) -> None:
        _check_bits(self.precision, self.bits)
        if self.unit.name not in UNIT_ARGS:
            raise HwsrError(f"unknown unit '{self.unit.name}'; choose one of {', '.join(UNIT_ARGS)}")
        if self.place not in PLACES:
            raise HwsrError(f"unknown place [{self.place}]; choose one of {', '.join(PLACES)}")
        _check_scale(self.scale)
        if self.sp_ratio not in SP_RATIOS:
            raise HwsrError(f"r{self.sp_ratio} is not supported; choose one of {SP_RATIOS}")
        if self.n < 1 or self.blocks < 1 or self.groups < 0:
            raise HwsrError(f"'{self}': features and blocks start at 1, groups at 0")
        if self.place == "rg+u" and not self.erum:
            raise HwsrError(f"'{self}': [rg+u] is for units inside the ERUM; write {self.unit.name}-e, or [rg]")
        if self.erum and self.direct:
            raise HwsrError(f"'{self}': 'direct' has no upscaling stage that an ERUM could replace; leave one out")
        _check_width(self)

    def __str__(self) -> str:
        st = "ST-" if self.precision is Precision.TERNARY else ""
        place = f"[{self.place}]" if self.unit.name != "bl" else ""
        name = f"{st}{self.unit.name}{'-e' if self.erum else ''}{_print_args(self.unit.args)}"
        words = [f"{name}{place}", f"x{self.scale}", f"n{self.n}", f"g{self.groups}", f"b{self.blocks}"]
        words += [] if self.attention else ["noca"]
        words += ["anchor"] if self.anchor else []
        words += ["direct"] if self.direct else []
        words += ["luma"] if self.luma else []
        if self.precision is Precision.TERNARY:
            words.append(f"r{self.sp_ratio}")
        else:
            words += _precision_words(self.precision, self.bits)
        return " ".join(words)

    @property
    def channels(self) -> int:
        """Channels of the image: 3 for RGB, 1 for luma alone."""
        return 1 if self.luma else 3

    @property
    def slug(self) -> str:
        """A file name for this spec."""
        return _slug(self)


@dataclass(frozen=True)
class PeerSpec:
    """A published network: a name of PEERS, in float, fixed point or, but for NOT_AFFINE, 8-bit affine."""

    name: str
    scale: int = 2
    precision: Precision = Precision.FLOAT
    bits: Bits = ALL_8

    def __post_init__(self) -> None:
        _check_bits(self.precision, self.bits)
        if self.name not in PEERS:
            raise HwsrError(f"unknown network '{self.name}'; choose one of {', '.join(PEERS)}")
        if self.precision is Precision.TERNARY:
            raise HwsrError(f"'{self.name}' has no ternary form; choose float or int8, or ST-bl for SP-convs")
        if self.precision is Precision.INT8_AFFINE and self.name in NOT_AFFINE:
            raise HwsrError(f"'{self.name}' has no affine form of its {NOT_AFFINE[self.name]}; choose float or int8")
        if self.name == "srcnn" and (self.bits.accumulator or BICUBIC_BITS) < BICUBIC_BITS:
            raise HwsrError(f"'{self.name}': its bicubic interpolation needs acc{BICUBIC_BITS} or more")
        _check_scale(self.scale)

    def __str__(self) -> str:
        return " ".join([self.name, f"x{self.scale}", *_precision_words(self.precision, self.bits)])

    @property
    def channels(self) -> int:
        """Channels of the image: 3 for RGB, 1 for luma alone."""
        return PEERS[self.name]

    @property
    def attention(self) -> bool:
        """No peer has channel attention."""
        return False

    @property
    def slug(self) -> str:
        """A file name for this spec."""
        return _slug(self)


Spec = ModelSpec | PeerSpec


def in_float(spec: Spec) -> Spec:
    """The same network in float; of a ternary one, that of whose convolutions its SP-convs are made."""
    floating = replace(spec, precision=Precision.FLOAT, bits=ALL_8)
    return replace(floating, sp_ratio=1) if isinstance(floating, ModelSpec) else floating


def _slug(spec: Spec) -> str:
    """A spec's text with everything but letters and digits turned into '_'."""
    return re.sub(r"[^a-z0-9]+", "_", str(spec).lower()).strip("_")


def _check_scale(scale: int) -> None:
    if scale not in SCALES:
        raise HwsrError(f"scale x{scale} is not supported; choose one of {SCALES}")


def _check_bits(precision: Precision, bits: Bits) -> None:
    """Raise HwsrError unless widths and precision say the same."""
    if precision not in FIXED_POINT and bits != ALL_8:
        remedy = "write int8, int8t or wNaN too"
        if precision is Precision.TERNARY:
            remedy = "an SP-conv's weights are ternary and its sums as wide as they need to be; leave these words out"
        if precision is Precision.INT8_AFFINE:
            remedy = "int8a has 8 bits throughout and accumulators of 32; leave these words out, or write int8"
        raise HwsrError(f"bits of layers and accumulators (accN, NAME=wNaN) are for fixed-point networks; {remedy}")
    if (precision is Precision.LOW_BITS) == bits.eight:
        raise HwsrError(f"w{bits.weights}a{bits.activations} is not {precision}; 8 bits of both are int8 or int8t")


def _precision_words(precision: Precision, bits: Bits) -> list[str]:
    match precision:
        case Precision.FLOAT:
            return []
        case Precision.LOW_BITS:
            return [f"w{bits.weights}a{bits.activations}", *bits.exceptions]
    return [str(precision), *bits.exceptions]


def _check_width(spec: ModelSpec) -> None:
    """Raise HwsrError where the features do not divide as the unit's convolutions need."""
    args = dict(spec.unit.args)
    widths = {"r": spec.n, "g": spec.n // args.get("r", 1), "g1": spec.n, "g2": spec.n}
    for name, width in widths.items():
        if name in args and width % args[name]:
            wanted = f"{name}={args[name]}"
            raise HwsrError(
                f"'{spec}': a width of {width} features does not divide by {wanted}; choose another n or {name}"
            )
    if spec.unit.name == "bls2" and spec.n % 2:
        raise HwsrError(f"'{spec}': bls2 splits its features in half; choose an even n")


def parse_spec(text: str) -> Spec:
    """Read a spec such as 'ST-bl x2 n16 g1 b4 noca r2' or 'FSRCNN x2 int8' (a peer's name in any case).

    Raises HwsrError naming the word that does not fit.
    """
    name, *options = text.split() or [""]
    peer = name.lower().removeprefix("st-")
    if peer in PEERS:
        return _parse_peer(peer, options, ternary=peer != name.lower())
    return _parse_model(name, options)


def _parse_peer(name: str, options: list[str], ternary: bool) -> PeerSpec:
    fields: dict[str, object] = {"precision": Precision.TERNARY} if ternary else {}
    options, layers = _split(options)
    for word in options:
        option = _parse_option(word, ternary)
        if not option.keys() <= {"scale", "precision", "weights", "activations", "accumulator"}:
            known = "x2-x4, int8, int8t, int8a, wNaN, accN, NAME=wNaN"
            raise HwsrError(f"'{word}' does not fit {name}, whose layers are as published; it takes {known}")
        fields = _joined(fields, option, word)
    return PeerSpec(name, **_with_bits(fields, layers))  # type: ignore[arg-type]  # each value is built for the field it names


def _parse_model(name: str, options: list[str]) -> ModelSpec:
    found = _NAME.match(name)
    if not found:
        raise HwsrError(
            f"'{name}' is not a network's name; write for example 'bl', 'blrn(r=2)[rb]', 'ST-bl' or 'espcn'"
        )
    if found["unit"] not in UNIT_ARGS:
        known = f"the units {', '.join(UNIT_ARGS)}, or the networks {', '.join(PEERS)}"
        raise HwsrError(f"unknown network '{found['unit']}'; choose one of {known}")
    fields: dict[str, object] = {"unit": Unit(found["unit"], _parse_args(found["unit"], found["args"] or ""))}
    if found["place"]:
        fields["place"] = found["place"][1:-1]
    if found["erum"]:
        fields["erum"] = True
    if found["st"]:
        fields["precision"] = Precision.TERNARY
    options, layers = _split(options)
    for word in options:
        fields = _joined(fields, _parse_option(word, ternary=bool(found["st"])), word)
    spec = ModelSpec(**_with_bits(fields, layers))  # type: ignore[arg-type]  # each value is built for the field it names
    # The plain convolution replaces nothing, wherever it stands.
    return replace(spec, place="rg") if spec.unit.name == "bl" else spec


def _split(options: Sequence[str]) -> tuple[list[str], dict[str, Widths]]:
    """The options of the network, and those of single layers (NAME=wNaN)."""
    others: list[str] = []
    layers: dict[str, Widths] = {}
    for word in options:
        layer = parse_layer(word)
        if layer is None:
            others.append(word)
        elif layer[0] in layers:
            raise HwsrError(f"'{word}' says again what another word has said; leave one of them out")
        else:
            layers[layer[0]] = layer[1]
    return others, layers


def _with_bits(fields: dict[str, object], layers: dict[str, Widths]) -> dict[str, object]:
    """The fields of a spec: what its words say of bits is one field."""
    said = {key: fields[key] for key in ("weights", "activations", "accumulator") if key in fields}
    bits = Bits(layers=tuple(sorted(layers.items())), **said)  # type: ignore[arg-type]  # as _parse_option built them
    return {key: field for key, field in fields.items() if key not in said} | {"bits": bits}


def _joined(fields: dict[str, object], option: dict[str, object], word: str) -> dict[str, object]:
    if fields.keys() & option.keys():
        raise HwsrError(f"'{word}' says again what another word has said; leave one of them out")
    return fields | option


def _parse_option(word: str, ternary: bool) -> dict[str, object]:
    flags: dict[str, dict[str, object]] = {
        "noca": {"attention": False},
        "anchor": {"anchor": True},
        "direct": {"direct": True},
        "luma": {"luma": True},
        "int8": {"precision": Precision.INT8},
        "int8t": {"precision": Precision.INT8_PER_TENSOR},
        "int8a": {"precision": Precision.INT8_AFFINE},
    }
    widths = parse_widths(word)
    if widths and widths.weights and widths.activations:
        precision = Precision.INT8 if widths == Widths(8, 8) else Precision.LOW_BITS
        flags[word] = {"precision": precision, "weights": widths.weights, "activations": widths.activations}
    if "precision" in flags.get(word, {}) and ternary:
        raise HwsrError(f"'{word}' contradicts ST-: an SP-conv network is ternary; leave one of them out")
    if word in flags:
        return flags[word]
    found = _OPTION.match(word)
    if not found:
        raise HwsrError(f"unknown option '{word}'; known are x2-x4, nN, gN, bN, rN, wNaN, accN, {', '.join(flags)}")
    if found["key"] == "r" and not ternary:
        raise HwsrError(f"'{word}' is for SP-convs: write ST- before the network's name")
    return {_FIELDS[found["key"]]: int(found["value"])}


def _parse_args(unit: str, text: str) -> tuple[tuple[str, int], ...]:
    """'(r=2)' -> (('r', 2),), with the paper's defaults where an argument is left out."""
    args = dict(UNIT_ARGS[unit])
    for part in filter(None, text.strip("()").replace(" ", "").split(",")):
        key, _, value = part.partition("=")
        if key not in args or not value.isdecimal() or int(value) < 1:
            raise HwsrError(
                f"'{part}' is no argument of {unit}; it takes {', '.join(f'{k}=N' for k in args) or 'none'}"
            )
        args[key] = int(value)
    return tuple(args.items())


def _print_args(args: tuple[tuple[str, int], ...]) -> str:
    return f"({','.join(f'{key}={value}' for key, value in args)})" if args else ""
