"""How much picture each layer of a fixed-point network gives up when it alone gets fewer bits.

Each measurement is the network that the spec with one word more describes (`body.0.first=w4`), with the weights and
ranges of the model: what is found may be written into a spec as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table
from torch import Tensor

from hwsr.bits import Widths
from hwsr.data.datasets import ImagePair
from hwsr.data.metrics import psnr_y
from hwsr.engines import needs_tiles, upscale_in_torch
from hwsr.errors import HwsrError
from hwsr.ir.tiling import Tiling
from hwsr.quant import build, calibrate, set_quantized
from hwsr.quant.bits import activation_layers, read_bits, weight_bits, weight_layers
from hwsr.quant.ptq import Progress
from hwsr.spec import FIXED_POINT, Spec
from hwsr.train.checkpoint import load_network
from hwsr.zoo.network import Network

# Networks that work on tiles are scored on these.
TILING = Tiling((48, 48), 12)


@dataclass(frozen=True)
class LayerLoss:
    """One convolution: the bits of its weights and of what it reads, and the dB lost where either is lowered alone.

    A loss is None where the bits are as few already.
    """

    layer: str
    weight_bits: int
    weights_loss: float | None
    read_bits: int
    activations_loss: float | None


@dataclass(frozen=True)
class Sensitivity:
    """The mean Y-PSNR in dB of a model, and what every layer loses at `lowered` bits."""

    spec: str
    psnr: float
    lowered: Widths
    layers: tuple[LayerLoss, ...]


def sensitivity(
    model: Path,
    lowered: Widths,
    pairs: Sequence[ImagePair],
    batches: Sequence[Tensor],
    progress: Progress = iter,
) -> Sensitivity:
    """Lower the weights and then the input of each convolution of the model alone, and score it on `pairs`.

    batches: images (N, C, H, W) for the range of an input that is narrowed anew. Raises HwsrError for a model that
    cannot be read or is not fixed-point.
    """
    network = load_network(model)
    spec = network.spec
    if spec.precision not in FIXED_POINT:
        raise HwsrError(f"'{spec}' is {spec.precision}, not fixed-point; quantize a float model first (hwsr quantize)")
    psnr = _score(network, pairs)

    def loss(layer: str, now: int, widths: Widths, bits: int | None) -> float | None:
        if bits is None or bits >= now:
            return None
        return psnr - _score(_with_widths(network, layer, widths, batches), pairs)

    reads = read_bits(network, spec.channels)
    layers = []
    for name, conv in progress(list(weight_layers(network).items())):
        weights, read = weight_bits(conv), reads[name]
        weights_loss = loss(name, weights, Widths(weights=lowered.weights), lowered.weights)
        activations_loss = loss(name, read, Widths(activations=lowered.activations), lowered.activations)
        layers.append(LayerLoss(name, weights, weights_loss, read, activations_loss))
    return Sensitivity(str(spec), psnr, lowered, tuple(layers))


def _with_widths(network: Network, layer: str, widths: Widths, batches: Sequence[Tensor]) -> Network:
    """`network` with other widths in one layer; what it then reads through a new quantizer is calibrated."""
    made = build(_lowered(network.spec, layer, widths))
    made.load_state_dict(made.state_dict() | network.state_dict())
    set_quantized(made, True)
    if new := activation_layers(made).keys() - activation_layers(network).keys():
        calibrate(made, batches, new)
    return made


def _lowered(spec: Spec, layer: str, widths: Widths) -> Spec:
    layers = dict(spec.bits.layers)
    before = layers.get(layer, Widths())
    layers[layer] = Widths(widths.weights or before.weights, widths.activations or before.activations)
    return replace(spec, bits=replace(spec.bits, layers=tuple(sorted(layers.items()))))


def _score(network: Network, pairs: Sequence[ImagePair]) -> float:
    """Mean Y-PSNR in dB."""
    tiling = TILING if needs_tiles(network.spec) else None
    scale = network.spec.scale
    return float(np.mean([psnr_y(upscale_in_torch(network, pair.lr, tiling), pair.hr, scale) for pair in pairs]))


def render(found: Sensitivity) -> Table:
    """The losses as a table."""
    table = Table("layer", title=f"{found.spec}: {found.psnr:.2f} dB; dB lost where one layer alone is lowered")
    for what, bits in (("weights", found.lowered.weights), ("reads", found.lowered.activations)):
        table.add_column(f"{what} bits", justify="right")
        table.add_column(f"lost at {bits}", justify="right")
    for layer in found.layers:
        losses = ("" if loss is None else f"{loss:.3f}" for loss in (layer.weights_loss, layer.activations_loss))
        weights, activations = losses
        table.add_row(layer.layer, str(layer.weight_bits), weights, str(layer.read_bits), activations)
    return table
