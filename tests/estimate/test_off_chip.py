"""What an estimate says of FIFOs in external memory."""

import io

import pytest
from rich.console import Console

from hwsr.estimate.design import estimate
from hwsr.estimate.devices import find_device
from hwsr.estimate.show import as_json, render
from hwsr.hls.lower import lower
from hwsr.ir.outside import frame_deep
from tests.hls.hls_graphs import attention_net

FRAME = (90, 160)


def shown(design) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(render(design))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def designs():
    graph = attention_net(FRAME)
    stages, device = lower(graph, 9), find_device("kv260")
    outside = frame_deep(stages)
    return estimate(graph, stages, device, 200), estimate(graph, stages, device, 200, outside=outside), outside


def test_the_frames_leave_block_ram_and_nothing_else_changes(designs):
    inside, moved, outside = designs
    assert moved.resources.bram18 < inside.resources.bram18
    held = sum(fifo.depth * fifo.channels * fifo.bits for fifo in outside)
    left = sum(4 * fifo.channels * fifo.bits for fifo in outside)
    assert inside.counts.fifo_bits - moved.counts.fifo_bits == held - left
    # A block RAM holds 18 kbit, and FIFOs take whole ones.
    assert (inside.resources.bram18 - moved.resources.bram18) * 18432 >= held
    assert moved.resources.dsp == inside.resources.dsp and moved.fps == inside.fps


def test_memory_is_written_and_read_once_a_frame(designs):
    inside, moved, outside = designs
    # 64 bits hold 6 channels, 32 the image's 3; of the four FIFOs one is the image's.
    assert [fifo.tdata for fifo in outside] == [32, 64, 64, 64]
    wanted = 2 * 90 * 160 * (4 + 3 * 8) * moved.fps / 1e6
    assert moved.memory_mb_s == pytest.approx(wanted, rel=1e-12)
    assert inside.memory_mb_s == 0 and "off chip" not in shown(inside)
    assert f"written and read at {wanted:,.0f} MB/s together" in shown(moved)
    value = as_json(moved)["estimates"]["off_chip"]
    assert value == {"fifos": 4, "bytes": sum(fifo.held_bytes for fifo in outside), "mb_per_s": moved.memory_mb_s}
    assert "off_chip" in as_json(moved)["figures"]
