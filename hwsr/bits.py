"""How wide the integers of a fixed-point network are, in the words of a spec.

    w4a8            weights of 4 bits, activations of 8; from 2 to 8 each; the first and the last convolution keep 8
    body.0=w2a4     but 2 and 4 in the layer 'body.0' and in every layer within it
    head=w4         but weights of 4 bits in the layer 'head'; its activations as they were
    acc16           no convolution needs an accumulator of more than 16 bits, its bias included

Layers are named as `hwsr sensitivity` prints them; of several words that fit a layer, that of the longest name counts.
"""

import re
from dataclasses import dataclass

from hwsr.errors import HwsrError

LEAST, MOST = 2, 8
LEAST_ACCUMULATOR, MOST_ACCUMULATOR = 6, 32

_WIDTHS = re.compile(r"^(w(?P<weights>\d+))?(a(?P<activations>\d+))?$")
_LAYER = re.compile(r"^(?P<name>[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)=(?P<widths>.*)$")


@dataclass(frozen=True)
class Widths:
    """Bits of the weights and of the activations; None says nothing of them."""

    weights: int | None = None
    activations: int | None = None

    def __post_init__(self) -> None:
        for bits in (self.weights, self.activations):
            if bits is not None and not LEAST <= bits <= MOST:
                raise HwsrError(f"'{self}': integers of {LEAST} to {MOST} bits are supported")

    def __str__(self) -> str:
        parts = (("w", self.weights), ("a", self.activations))
        return "".join(f"{letter}{bits}" for letter, bits in parts if bits is not None)


@dataclass(frozen=True)
class Bits:
    """Widths of a whole network, of single `layers` by name, and the most bits of an accumulator (None: any)."""

    weights: int = 8
    activations: int = 8
    layers: tuple[tuple[str, Widths], ...] = ()
    accumulator: int | None = None

    def __post_init__(self) -> None:
        Widths(self.weights, self.activations)  # checks both
        if self.accumulator is not None and not LEAST_ACCUMULATOR <= self.accumulator <= MOST_ACCUMULATOR:
            raise HwsrError(f"acc{self.accumulator}: bounds of {LEAST_ACCUMULATOR} to {MOST_ACCUMULATOR} are supported")

    @property
    def eight(self) -> bool:
        """Whether the network as a whole has 8 bits."""
        return self.weights == self.activations == 8

    @property
    def exceptions(self) -> list[str]:
        """The words of a spec for the accumulators and the single layers."""
        bound = [] if self.accumulator is None else [f"acc{self.accumulator}"]
        return [*bound, *(f"{name}={widths}" for name, widths in self.layers)]

    def of(self, layer: str, weights: int, activations: int) -> tuple[int, int]:
        """Bits of the weights and activations of a layer that has the given ones unless it is named."""
        for name, widths in sorted(self.layers, key=lambda item: len(item[0])):
            if layer == name or layer.startswith(f"{name}."):
                weights = weights if widths.weights is None else widths.weights
                activations = activations if widths.activations is None else widths.activations
        return weights, activations


ALL_8 = Bits()


def parse_widths(word: str) -> Widths | None:
    """'w4a8' -> Widths(4, 8), either part alone likewise; None where the word is none of these. Raises HwsrError."""
    found = _WIDTHS.match(word) if word else None
    return Widths(*(int(bits) if bits else None for bits in found.group("weights", "activations"))) if found else None


def parse_layer(word: str) -> tuple[str, Widths] | None:
    """'head=w8' -> ('head', Widths(8)); None for a word without '='. Raises HwsrError."""
    if "=" not in word:
        return None
    found = _LAYER.match(word)
    widths = parse_widths(found["widths"]) if found else None
    if not found or widths is None:
        raise HwsrError(f"'{word}': write the bits of a layer as NAME=wN, NAME=aN or NAME=wNaN")
    return found["name"], widths
