"""From the folder of a float model to the folder of its quantized network, without training."""

from pathlib import Path

import torch
from torch import Tensor

from hwsr import __version__
from hwsr.data.colour import as_channels
from hwsr.data.datasets import training_images, training_sets, validation_images
from hwsr.data.images import Uint8Image
from hwsr.data.patches import PatchSampler
from hwsr.errors import HwsrError
from hwsr.files import writable_folder
from hwsr.quant.ptq import Progress, quantize
from hwsr.spec import Precision, Spec, parse_spec
from hwsr.train.checkpoint import Card, Score, load_network, load_tensors, model_file, save_model
from hwsr.train.validation import validate

# Patches that activations are observed on: as many as a few images give, of the frame that hardware is built for.
BATCHES, BATCH, PATCH = 4, 8, 48


def quantize_model(model: Path, words: str, out: Path, data: Path | None, seed: int, progress: Progress = iter) -> Card:
    """Write the network of `model` in the precision that `words` of a spec name to `out`; return its card.

    Patches come from the images under `data`, or the embedded photographs. Raises HwsrError for a model that is not
    float, for words that name no fixed-point precision, and for unusable data or folders.
    """
    if model.resolve() == out.resolve():
        raise HwsrError(f"{out} holds the float model; choose another output folder")
    float_card = load_tensors(model_file(model))[1]
    if parse_spec(float_card.spec).precision is not Precision.FLOAT:
        raise HwsrError(f"{model}: '{float_card.spec}' is quantized already; give the float model that it came from")
    spec = parse_spec(f"{float_card.spec} {words}")
    writable_folder(out)
    network = quantize(load_network(model), spec, patches(spec, data, seed), progress)
    scores = validate(network, validation_images(spec.scale), spec.scale, spec.channels)
    card = float_card.model_copy(
        update={
            "hwsr": __version__,
            "spec": str(spec),
            "history": (Score(step=float_card.step, psnr_y=scores),),
            "init_sha256": float_card.tensors_sha256,
            "calibration": f"{training_sets(data)}: {BATCHES * BATCH} patches of {PATCH}x{PATCH}, seed {seed}",
        }
    )
    save_model(out, network, card)
    return card


def patches(spec: Spec, data: Path | None = None, seed: int = 0) -> list[Tensor]:
    """Batches (N, C, H, W) of what a network sees: low-resolution patches, pixel q as q / 256. Raises HwsrError."""
    sampler = PatchSampler(training_images(data, spec.scale), spec.scale, PATCH, BATCH, seed)
    return [_to_tensor(sampler.batch_at(step)[0], spec.channels) for step in range(BATCHES)]


def _to_tensor(images: Uint8Image, channels: int) -> Tensor:
    chosen = as_channels(images.transpose(0, 2, 3, 1), channels).transpose(0, 3, 1, 2)
    return torch.from_numpy(chosen.copy()).float() / 256
