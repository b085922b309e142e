"""Laws of hwsr's other stream kernels (nnet_hwsr.h) and of hls4ml's fork, from the settings they are generated with.

Each has one loop that begins a turn every clock and carries nothing that a clock does not hold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from hwsr.errors import HwsrError
from hwsr.estimate import rescaling
from hwsr.estimate.fabric import Timing
from hwsr.estimate.law import law
from hwsr.estimate.structure import (
    Memory,
    Multipliers,
    Piece,
    Structure,
    control,
    control_registers,
    multipliers,
    rounding,
)
from hwsr.ir.stages import Stage

# Clocks from a word's read to its write, as reports of stock stages have them.
FILL = 2


@dataclass(frozen=True)
class Streams:
    """A stage, the bits of a channel in each of its input streams, and the clock."""

    stage: Stage
    x_bits: tuple[int, ...]
    timing: Timing

    def __getitem__(self, name: str) -> int:
        return self.stage.settings[name]

    @property
    def out_bits(self) -> int:
        return self.stage.result.bits

    def rounding(self, lanes: int, bits: int | None = None) -> Piece:
        return rounding(lanes, self["bits"] if bits is None else bits, self["shift"], self.out_bits)


def structure(streams: Streams) -> Structure:
    """Raises HwsrError for a kernel that no law is known of."""
    kind = streams.stage.kind
    if kind not in _LAWS:
        raise HwsrError(f"stage '{streams.stage.name}': no law is known of its kernel '{kind}'")
    return _LAWS[kind](streams)


def _built(
    streams: Streams,
    turns: int,
    *logic: Piece,
    registers: int = 0,
    depth: int = FILL,
    multiplied: Multipliers | None = None,
    memories: tuple[Memory, ...] = (),
    outputs: int = 1,
) -> Structure:
    """registers: flip-flops beside those of the counters and of each output's word."""
    counters, handshake = control_registers(turns)
    word = streams.stage.shape[2] * streams.out_bits * outputs
    return Structure(
        turns=turns,
        depth=depth,
        lut=law(0, *control(turns), *logic),
        ff=law(counters + word + registers, handshake),
        multipliers=multiplied or Multipliers(),
        memories=memories,
    )


def _fork(streams: Streams) -> Structure:
    height, width, _ = streams.stage.shape
    return _built(streams, height * width, outputs=len(streams.stage.streams))


def _requantize(streams: Streams) -> Structure:
    return _built(streams, streams["n_pixels"], streams.rounding(streams["n_chan"]))


def _adder(streams: Streams) -> Structure:
    """Two streams, or a stream and constants."""
    adders = ("LUTs of an adder's bit", streams["n_chan"] * streams["bits"], 1)
    return _built(streams, streams["n_pixels"], adders, streams.rounding(streams["n_chan"]))


def _spatial_sum(streams: Streams) -> Structure:
    bits = streams["n_chan"] * streams["bits"]
    sums = ("LUTs of an adder's bit", bits, 1)
    return _built(streams, streams["n_pixels"], sums, streams.rounding(streams["n_chan"]), registers=bits)


def _channel_mul(streams: Streams) -> Structure:
    """A word, the map and the result are kept while their channels take turns."""
    steps, factors = streams["n_steps"], (streams["data_bits"], streams["map_bits"])
    lanes = streams["n_chan"] // steps
    multiplied = multipliers(lanes, *factors, summed=0, backend=streams.timing.backend)
    return _built(
        streams,
        streams["n_pixels"] * steps,
        ("LUTs to choose an input's bit", streams["n_chan"] * sum(factors) if steps > 1 else 0, 0.25),
        streams.rounding(lanes),
        registers=streams["n_chan"] * sum(streams.x_bits),
        depth=FILL + streams.timing.multiply_stages(*factors),
        multiplied=multiplied,
    )


def _table(streams: Streams) -> Structure:
    """A word and the result are kept while their channels take turns at the ROMs, of which every lane has one."""
    word, steps = streams["n_chan"] * streams.x_bits[0], streams["n_steps"]
    return _built(
        streams,
        streams["n_pixels"] * steps,
        ("LUTs to choose an input's bit", word if steps > 1 else 0, 0.25),
        registers=word,
        depth=FILL + 1,
        memories=((streams["table_size"], streams.out_bits),) * streams["n_lanes"],
    )


def _rescale(streams: Streams) -> Structure:
    """A word and the result are kept while their channels take turns at the multipliers."""
    word, steps, settings = streams["n_chan"] * streams.x_bits[0], streams["n_steps"], streams.stage.settings
    lanes = streams["n_chan"] // steps
    return _built(
        streams,
        streams["n_pixels"] * steps,
        ("LUTs to choose an input's bit", word if steps > 1 else 0, 0.25),
        *rescaling.logic(settings, lanes, streams.out_bits),
        registers=word + rescaling.registers(settings, lanes, streams.timing),
        depth=FILL + rescaling.depth(settings, streams.timing),
        multiplied=Multipliers(wide_dsp=rescaling.dsp(settings, lanes)),
        memories=rescaling.memories(settings, lanes, steps),
    )


def _select(streams: Streams) -> Structure:
    return _built(streams, streams["n_pixels"])


def _concat(streams: Streams) -> Structure:
    return _built(streams, streams["n_pixels"], streams.rounding(streams["n_chan"]))


def _pixel_shuffle(streams: Streams) -> Structure:
    """All s x s pixels of a word are kept, of which one leaves at a time."""
    factor = streams["factor"]
    word = streams["n_chan"] * factor**2 * streams.x_bits[0]
    choice = ("LUTs to choose an input's bit", word, 0.25)
    return _row_buffered(streams, word, streams["n_chan"] * factor * (factor - 1), choice)


def _upsample(streams: Streams) -> Structure:
    return _row_buffered(streams, streams["n_chan"] * streams.x_bits[0], streams["n_chan"])


def _row_buffered(streams: Streams, word: int, waiting: int, *logic: Piece) -> Structure:
    """`waiting` channels of an input row wait in the buffer while its first output row leaves."""
    row = (streams["in_width"], waiting * streams.x_bits[0])
    entering = ("LUTs of a word's bit, zeropad", word, 1)
    turns = prod(streams.stage.shape[:2])
    return _built(streams, turns, entering, *logic, registers=word, memories=(row,))


_LAWS: dict[str, Callable[[Streams], Structure]] = {
    "Clone": _fork,
    "requantize": _requantize,
    "add_streams": _adder,
    "channel_offset": _adder,
    "spatial_sum": _spatial_sum,
    "channel_mul": _channel_mul,
    "table_lookup": _table,
    "rescale": _rescale,
    "channel_select": _select,
    "concat": _concat,
    "pixel_shuffle": _pixel_shuffle,
    "upsample_nearest": _upsample,
}
