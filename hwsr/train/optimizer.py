"""Adam, and its state as named tensors."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hwsr.errors import HwsrError

PREFIX = "adam."
FIELDS = ("step", "exp_avg", "exp_avg_sq")


def make_adam(network: nn.Module) -> torch.optim.Adam:
    """Adam (0.9, 0.999, 1e-8) over all parameters, without state; the loop sets the rate of every step."""
    return torch.optim.Adam(network.parameters(), lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)


def adam_state(adam: torch.optim.Adam, network: nn.Module) -> dict[str, Tensor]:
    """The moments and step counts, as 'adam.FIELD.PARAMETER'; parameters never updated have none."""
    return {
        f"{PREFIX}{field}.{name}": adam.state[parameter][field]
        for name, parameter in network.named_parameters()
        if adam.state.get(parameter)
        for field in FIELDS
    }


def load_adam_state(adam: torch.optim.Adam, network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put back what `adam_state` gave. `path` is named in the HwsrError when a tensor does not fit."""
    for name, parameter in network.named_parameters():
        found = {field: tensors[key] for field in FIELDS if (key := f"{PREFIX}{field}.{name}") in tensors}
        if not found:
            continue
        shapes = {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
        if {field: tensor.shape for field, tensor in found.items()} != shapes:
            raise HwsrError(f"{path}: the optimizer state of '{name}' does not fit; start without --resume")
        adam.state[parameter] = {field: tensor.to(parameter.device) for field, tensor in found.items()}
