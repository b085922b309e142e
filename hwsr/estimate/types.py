"""C++ types of reports and settings: their bits, by their spelling."""

import re
from dataclasses import dataclass

# hls4ml's default type is ap_fixed<16,6>.
DEFAULT_BITS, DEFAULT_INTEGER_BITS = 16, 6
# A type of more is taken for a slip.
MOST_BITS = 128


@dataclass(frozen=True)
class FixedType:
    """A fixed-point number or integer; `rounds`: it rounds or saturates."""

    bits: int
    integer: int
    signed: bool
    rounds: bool


DEFAULT = FixedType(DEFAULT_BITS, DEFAULT_INTEGER_BITS, True, False)


def parse_type(text: object) -> FixedType | None:
    """A C++ type, or the tool's spelling of it in a module name; None where it is neither.

    ap_fixed<16,6>, ap_ufixed_10_0_4_0_0, ap_int<8>, ac_fixed<8,1,true>, uint8_t, and a stream's array of any of them.
    """
    if not isinstance(text, str):
        return None
    found = re.search(r"\ba([pc])_(u?)(fixed|int)\s*[<_]\s*(\d{1,4})(?:[,_ ]+(-?\d{1,4}))?([^>]*)", text)
    if not found:
        plain = re.fullmatch(r"(?:std::)?(u?)int(8|16|32|64)_t", text.strip())
        return FixedType(int(plain[2]), int(plain[2]), not plain[1], False) if plain else None
    family, unsigned, kind, bits, integer, rest = found.groups()
    width = int(bits)
    whole = width if kind == "int" else int(integer or DEFAULT_INTEGER_BITS)
    if not 1 <= width <= MOST_BITS or abs(whole) > MOST_BITS:
        return None
    signed = "false" not in rest if family == "c" else not unsigned
    rounds = "RND" in rest or "SAT" in rest or (kind == "fixed" and bool(re.match(r"_(?!5_3)\d+_\d+", rest)))
    return FixedType(width, whole, signed, rounds)
