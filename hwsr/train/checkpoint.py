"""Weights on disk: safetensors with a card inside, and the same card as JSON beside it for people to read.

The card in the safetensors file is the one that is loaded, so weights and card cannot come apart. Its digests cover
every tensor and itself. Nothing here trusts a file: what is damaged, not finite or of other shapes is refused with
HwsrError.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hwsr.errors import HwsrError
from hwsr.files import atomic_path, write_text
from hwsr.quant import build, set_quantized
from hwsr.seal import BLANK, holds, seal_of
from hwsr.spec import Precision, Spec, parse_spec
from hwsr.train.recipe import Recipe
from hwsr.zoo.network import Network

Tensors = dict[str, Tensor]


class Score(BaseModel):
    """Y-PSNR in dB of each validation image after `step` updates."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    step: int
    psnr_y: dict[str, float]

    @property
    def mean(self) -> float:
        return sum(self.psnr_y.values()) / len(self.psnr_y)


class Card(BaseModel):
    """How weights came about. Threads, accelerator and devices matter because float sums depend on them.

    `init_sha256` is the `tensors_sha256` of the model that the run started from, `teacher_sha256` that of the model it
    learned from, if it did. `calibration` tells what images a quantization after training saw; the other fields are
    then those of the float model, but for `spec`. `card_sha256` is the card's own digest (hwsr/seal.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    hwsr: str
    spec: str
    recipe: Recipe
    data: str
    data_sha256: str
    threads: int
    step: int = Field(ge=0)
    history: tuple[Score, ...]
    tensors_sha256: str = ""
    init_sha256: str = ""
    teacher_sha256: str = ""
    calibration: str = ""
    precision: str = "32-true"
    accelerator: str = "cpu"
    devices: int = Field(default=1, ge=1)
    card_sha256: str = ""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], card: Card) -> None:
    """Write tensors and card to `path` (.safetensors) atomically, then the card to `path` with .json.

    Raises HwsrError, keeping the file that is there, when a tensor is not finite or the file cannot be written.
    """
    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    _check_finite(path, owned)
    card = _sealed(card.model_copy(update={"tensors_sha256": digest(owned)}))
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(owned, metadata={"card": card.model_dump_json()}))
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")


def load_tensors(path: Path) -> tuple[Tensors, Card]:
    """Read what `save_tensors` wrote. Raises HwsrError for a file that is missing, damaged or not finite."""
    if not path.is_file():
        raise HwsrError(f"{path}: no such file; train a model or check the path")
    if path.suffix == ".onnx":
        raise HwsrError(f"{path}: a network without its card; give the folder of the trained model")
    try:
        with safe_open(path, framework="pt") as file:
            card = _card((file.metadata() or {}).get("card", ""))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise HwsrError(f"{path}: damaged, or not written by hwsr ({_reason(error)}); train or copy it anew") from error
    if digest(tensors) != card.tensors_sha256:
        raise HwsrError(f"{path}: the tensors do not match their digest; train or copy it anew")
    _check_finite(path, tensors)
    return tensors, card


def _sealed(card: Card) -> Card:
    blank = card.model_copy(update={"card_sha256": BLANK})
    return card.model_copy(update={"card_sha256": seal_of(blank.model_dump_json().encode())})


def _card(text: str) -> Card:
    """The card of a file. Raises ValueError; files from before cards had a digest are read without."""
    try:
        card = Card.model_validate_json(text)
    except HwsrError as error:  # of a recipe that makes none, which knows of no file
        raise ValueError(str(error)) from error
    if card.card_sha256 and not holds(text.encode(), card.card_sha256):
        raise ValueError("the card does not match its digest")
    return card


def restore(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly. `path` is named in the HwsrError when it does not.

    Brevitas makes new Parameters for its learned scales here: make optimizers afterwards.
    """
    own = network.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors or name not in own:
            side = "lacks" if name in own else "has an unknown"
            raise HwsrError(f"{path}: {side} tensor '{name}'; it was written for another network or version")
        if own[name].shape != tensors[name].shape or own[name].dtype != tensors[name].dtype:
            shapes = f"{tuple(tensors[name].shape)} in place of {tuple(own[name].shape)}"
            raise HwsrError(f"{path}: tensor '{name}' is {tensors[name].dtype} {shapes}; it belongs to another network")
    network.load_state_dict(dict(tensors))


def save_model(folder: Path, network: nn.Module, card: Card) -> Path:
    """Write `folder`/model.safetensors and model.json; return the former. Raises HwsrError."""
    path = folder / "model.safetensors"
    save_tensors(path, network.state_dict(), card)
    return path


def load_model(path: Path) -> tuple[Spec, Tensors]:
    """Spec and state dict of a model: its .safetensors file or the folder that holds model.safetensors."""
    tensors, card = load_tensors(model_file(path))
    return parse_spec(card.spec), tensors


def load_network(path: Path) -> Network:
    """The network of a model file or folder in eval mode, quantized unless its spec is float. Raises HwsrError."""
    spec, tensors = load_model(path)
    network = build(spec)
    restore(network, tensors, model_file(path))
    if spec.precision is not Precision.FLOAT:
        set_quantized(network, True)
    return network.eval()


def model_file(path: Path) -> Path:
    """The weights file of a model's folder, or the file itself."""
    return path / "model.safetensors" if path.is_dir() else path


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise HwsrError(f"{path}: tensor '{name}' has values that are not finite; train with a lower rate")


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and values of all tensors, in the order of their names."""
    sha256 = hashlib.sha256()
    for name in sorted(tensors):
        sha256.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        sha256.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()


def _reason(error: Exception) -> str:
    return "its card does not fit" if isinstance(error, ValidationError) else str(error).splitlines()[0]
