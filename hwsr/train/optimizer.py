"""The optimizers of a recipe, Adam alone or Muon beside it, and their state as named tensors."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from hwsr.errors import HwsrError
from hwsr.train.recipe import Method

# Muon's rate over Adam's, and the momentum of its gradients.
MUON_RATE = 5.0
MUON_MOMENTUM = 0.95
# Newton and Schulz's iteration X -> a X + b (X X^T) X + c (X X^T)^2 X, which takes singular values close to one.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for convolutions: a step along the momentum's nearest orthogonal matrix.

    Each weight (c_out, c_in / groups, kh, kw) is `groups` matrices of c_out / groups rows. torch's own Muon takes
    two-dimensional parameters alone.
    """

    def __init__(self, weights: Mapping[nn.Parameter, int], decay: float = 0.0) -> None:
        """weights: every parameter with its number of groups; decay: the rate's multiple of a weight that goes."""
        super().__init__(list(weights), {"lr": 0.0})
        self.groups = dict(weights)
        self.decay = decay

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever given
        """One update; weights of one shape are made orthogonal together."""
        for group in self.param_groups:
            alike: defaultdict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[self.groups[weight], *weight.shape].append(weight)
            for (groups, *shape), weights in alike.items():
                momentum = torch.stack([self._momentum(weight) for weight in weights])
                matrices = momentum.reshape(len(weights) * groups, shape[0] // groups, -1)
                rows, columns = matrices.shape[1:]
                update = orthogonal(matrices).reshape(momentum.shape) * max(1.0, rows / columns) ** 0.5
                for weight, change in zip(weights, update, strict=True):
                    weight.mul_(1 - group["lr"] * self.decay).sub_(change, alpha=group["lr"])

    def _momentum(self, weight: nn.Parameter) -> Tensor:
        """The running mean of gradients, Nesterov's: with the newest gradient once more."""
        assert weight.grad is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - MUON_MOMENTUM)
        return weight.grad.lerp(state["momentum"], MUON_MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """(B, rows, columns) -> each with singular values close to one (0.7 to 1.2 where they are not tiny)."""
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    a, b, c = NEWTON_SCHULZ
    x = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if matrices.shape[1] > matrices.shape[2] else x


@dataclass(frozen=True)
class Optimizers:
    """What updates a network: Adam (0.9, 0.999, 1e-8), and Muon for its convolutions where the recipe has it."""

    adam: Adam
    muon: Muon | None = None

    def zero_grad(self) -> None:
        """Forget every gradient."""
        for optimizer in self._all():
            optimizer.zero_grad(set_to_none=True)

    def step(self, rate: float) -> None:
        """One update at Adam's `rate`."""
        for optimizer in self._all():
            for group in optimizer.param_groups:
                group["lr"] = rate if optimizer is self.adam else MUON_RATE * rate
            optimizer.step()

    def keeper(self, parameter: nn.Parameter) -> tuple[str, torch.optim.Optimizer, dict[str, torch.Size]]:
        """The optimizer that a parameter belongs to, its name, and the tensors that it keeps with their shapes."""
        if self.muon and parameter in self.muon.groups:
            return "muon", self.muon, {"momentum": parameter.shape}
        return "adam", self.adam, {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}

    def _all(self) -> Iterator[torch.optim.Optimizer]:
        yield self.adam
        if self.muon:
            yield self.muon


def make_optimizers(network: nn.Module, method: Method, decay: float = 0.0) -> Optimizers:
    """Optimizers over what learns, without state. With Muon: convolutions' weights by it, all else by Adam.

    `decay` is Muon's.
    """
    learned = {parameter: None for parameter in network.parameters() if parameter.requires_grad}
    weights: dict[nn.Parameter, int] = {}
    if method is Method.MUON:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                weight = module._parameters.get("weight")
                if weight is not None and weight in learned:
                    weights[weight] = module.groups
    others = [parameter for parameter in learned if parameter not in weights]
    adam = Adam(others, lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
    return Optimizers(adam, Muon(weights, decay) if weights else None)


def optimizer_state(optimizers: Optimizers, network: nn.Module) -> dict[str, Tensor]:
    """Moments and step counts, as 'OPTIMIZER.FIELD.PARAMETER'; parameters never updated have none."""
    tensors = {}
    for name, parameter in network.named_parameters():
        kind, optimizer, _ = optimizers.keeper(parameter)
        for field, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"{kind}.{field}.{name}"] = tensor
    return tensors


def load_optimizer_state(optimizers: Optimizers, network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put back what `optimizer_state` gave. `path` is named in the HwsrError when a tensor does not fit."""
    for name, parameter in network.named_parameters():
        kind, optimizer, shapes = optimizers.keeper(parameter)
        found = {field: tensors[key] for field in shapes if (key := f"{kind}.{field}.{name}") in tensors}
        if not found:
            continue
        if {field: tensor.shape for field, tensor in found.items()} != shapes:
            raise HwsrError(f"{path}: the optimizer state of '{name}' does not fit; start without --resume")
        optimizer.state[parameter] = {field: tensor.to(parameter.device) for field, tensor in found.items()}
