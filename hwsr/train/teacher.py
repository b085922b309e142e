"""Distillation: a trained network, the teacher, shows what to make of each patch beside what the original is."""

from pathlib import Path

import torch
from torch import Tensor

from hwsr.errors import HwsrError
from hwsr.spec import Spec
from hwsr.train.checkpoint import load_network, load_tensors, model_file
from hwsr.zoo.network import Network


def load_teacher(model: Path, spec: Spec) -> tuple[Network, str]:
    """The network of a model in eval mode, and that model's digest.

    Raises HwsrError when it cannot be read, or does not make the images that a network of `spec` makes.
    """
    teacher, digest = load_network(model), load_tensors(model_file(model))[1].tensors_sha256
    found, wanted = (f"x{each.scale} of {each.channels} image channels" for each in (teacher.spec, spec))
    if found != wanted:
        raise HwsrError(f"{model}: a teacher of {found} for a network of {wanted}; choose one of the same kind")
    return teacher, digest


def teach(teacher: Network, lr: Tensor) -> Tensor:
    """What the teacher makes of patches (N, C, H, W): (N, C, sH, sW), a constant to the student's gradients."""
    with torch.no_grad():
        made: Tensor = teacher(lr)
    return made
