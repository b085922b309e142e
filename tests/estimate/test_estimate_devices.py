"""The parts that designs are held against."""

import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.devices import devices, find_device, limited, parse_limits

NAMED_BOARDS = {
    "xc7z020": "PYNQ-Z2",
    "xck26": "KV260",
    "xczu7ev": "ZCU104",
    "xczu9eg": "ZCU102",
    "LFE5U-25F": "OrangeCrab",
    "LFE5U-45F": "ULX3S-45F",
    "LFE5U-85F": "ULX3S-85F",
}
UNNAMED = {"xc7a35t", "xc7a100t", "xc7k325t", "xczu3eg", "xcvu9p", "xcu250"}


def test_every_part_is_there_once() -> None:
    boards = {device.part: device.board for device in devices()}
    assert set(boards) == set(NAMED_BOARDS) | UNNAMED
    assert NAMED_BOARDS.items() <= boards.items()
    assert len(boards) == len(devices()) == len(set(boards.values()))


@pytest.mark.parametrize("device", devices(), ids=lambda device: device.part)
def test_sizes_are_plausible(device) -> None:
    # A slice of AMD's holds two flip-flops a 6-input LUT, Lattice's one a 4-input LUT.
    assert device.ff == device.lut * (1 if device.family == "ECP5" else 2)
    assert 20_000 <= device.lut <= 2_000_000
    # Between 100 and 900 LUTs a multiplier and between 60 and 700 LUTs a block RAM, on every part of these families.
    assert 90 < device.lut / device.dsp < 900
    assert 60 < device.lut / device.bram18 < 700
    assert (device.uram > 0) <= (device.family == "UltraScale+")
    assert 50 <= device.clock_mhz <= 300
    assert device.full_part.lower().startswith(device.part.lower())
    assert "Data Sheet" in device.source
    assert bool(device.note) == (device.family == "ECP5")


def test_devices_are_found_by_part_and_board() -> None:
    for device in devices():
        assert find_device(device.part) == find_device(device.board) == find_device(device.full_part) == device
    assert find_device("xczu9eg-ffvb1156-2-e").board == "ZCU102"
    assert find_device("pynq z2").part == "xc7z020"
    assert find_device("lfe5u85f").board == "ULX3S-85F"


def test_unknown_device_is_named() -> None:
    with pytest.raises(HwsrError, match=r"unknown device 'xc2064'.*KV260"):
        find_device("xc2064")


def test_hls_builds_for_amds_parts_alone() -> None:
    assert find_device("KV260").hls_part == "xck26-sfvc784-2LV-c"
    with pytest.raises(HwsrError, match="LFE5U-85F"):
        _ = find_device("ULX3S-85F").hls_part


def test_limits() -> None:
    kv260 = find_device("kv260")
    assert parse_limits(["lut=60000", "DSP=50%"], kv260) == {"lut": 60000, "dsp": kv260.dsp // 2}
    for word in ("luts=3", "lut", "lut=-1", "lut=5%%", "lut=1.5"):
        with pytest.raises(HwsrError, match="is no limit"):
            parse_limits([word], kv260)


def test_a_limited_device_has_less_of_what_is_limited() -> None:
    kv260 = find_device("kv260")
    less = limited(kv260, {"lut": 60000, "bram18": kv260.bram18})
    assert (less.lut, less.bram18) == (60000, kv260.bram18)
    assert (less.part, less.ff, less.dsp) == (kv260.part, kv260.ff, kv260.dsp)
    for amount in (0, kv260.dsp + 1):
        with pytest.raises(HwsrError, match=r"a limit of [\d,]+ dsp; xck26 \(KV260\) has 1 to 1,248"):
            limited(kv260, {"dsp": amount})
