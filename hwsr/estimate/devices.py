"""The parts that designs are held against; their sizes come from devices.json, with the data sheet of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from hwsr.errors import HwsrError

# What the counts of a family's parts are, where that is not the AMD parts' 6-input LUTs, DSP48s and 18 Kb block RAMs.
FAMILY_NOTES = {
    "ECP5": "lut are 4-input LUTs, dsp 18x18 multipliers and bram18 EBRs of 18 Kb; figures made for 6-input LUTs and "
    "for multipliers of 27x18 come out too low for it",
}


# What of a device is counted, and may be limited to a part of it.
KINDS = ("lut", "ff", "dsp", "bram18")


@dataclass(frozen=True)
class Device:
    """One part and the board it is best known from. `clock_mhz` is a clock that such designs commonly meet.

    `full_part`: with the package and speed grade of that board, as the vendor's tools want it.
    """

    part: str
    full_part: str
    board: str
    family: str
    lut: int
    ff: int
    dsp: int
    bram18: int
    uram: int
    clock_mhz: float
    source: str

    @property
    def note(self) -> str:
        """What to know about this part's counts before an estimate is held against them; empty for AMD's."""
        return FAMILY_NOTES.get(self.family, "")

    @property
    def hls_part(self) -> str:
        """The part's number for Vitis or Vivado HLS. Raises HwsrError for a part of another vendor."""
        if not self.full_part.startswith("xc"):
            raise HwsrError(
                f"{self.part} ({self.board}): Vitis and Vivado HLS build for AMD's parts alone; "
                "'hwsr estimate' takes any"
            )
        return self.full_part


@cache
def devices() -> tuple[Device, ...]:
    """Every device of the data file."""
    text = files("hwsr.estimate").joinpath("devices.json").read_text(encoding="utf-8")
    return tuple(Device(**entry) for entry in json.loads(text))


def find_device(name: str) -> Device:
    """The device whose part or board is `name`; case, blanks and dashes do not matter, nor a part's package suffix.

    Raises HwsrError with the list of those known.
    """
    wanted = _plain(name)
    for device in devices():
        if wanted == _plain(device.board) or wanted.startswith(_plain(device.part)):
            return device
    known = ", ".join(f"{device.part} ({device.board})" for device in devices())
    raise HwsrError(f"unknown device '{name}'; known are {known}")


def parse_limits(words: Sequence[str], device: Device) -> dict[str, int]:
    """'lut=60000' or 'dsp=50%' (of the device) as amounts. Raises HwsrError."""
    limits: dict[str, int] = {}
    for word in words:
        name, _, text = word.lower().partition("=")
        number = text.removesuffix("%")
        if name not in KINDS or not number.isdecimal():
            known = ", ".join(KINDS)
            raise HwsrError(f"'{word}' is no limit; write NAME=NUMBER or NAME=NUMBER%, NAME one of {known}")
        share = text != number
        limits[name] = getattr(device, name) * int(number) // 100 if share else int(number)
    return limits


def limited(device: Device, limits: Mapping[str, int]) -> Device:
    """The part of a device that a design may take. Raises HwsrError for more than it has, or for nothing."""
    for name, limit in limits.items():
        if not 1 <= limit <= getattr(device, name):
            raise HwsrError(
                f"a limit of {limit:,} {name}; {device.part} ({device.board}) has 1 to {getattr(device, name):,}"
            )
    kept = {name: limits.get(name, getattr(device, name)) for name in KINDS}
    return replace(device, lut=kept["lut"], ff=kept["ff"], dsp=kept["dsp"], bram18=kept["bram18"])


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace(" ", "")
