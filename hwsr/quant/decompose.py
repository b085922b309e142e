"""A float convolution as an SP-conv: its weights as a sum of ternary ones, each with a factor.

With r = R c_out an output channel has R products of its own, which the 1x1 adds up:
    w ~ a_1 t_1 + ... + a_R t_R,    t_j in {-1, 0, 1}^(k k c_in)
The sums of +-a_j are 3^R levels for the weights of a channel. Levels start as the ternary weight of least squared error
(Li et al. 2016) of what is left of w, term by term; then, as Lloyd's quantizer does, every weight takes the level
closest to it, and the factors are made those of least squared error, in turn.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hwsr.quant.quantizers import ternary_magnitude, ternary_threshold
from hwsr.quant.spconv import SPConv

ROUNDS = 20


def ternary_terms(weight: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """weight (c_out, ...) -> signs (terms, c_out, ...) in {-1, 0, 1} and factors (terms, c_out), float32."""
    channels = weight.flatten(1)
    codes = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * terms).reshape(-1, terms)
    signs, factors = _greedy(channels, terms)
    least, result = float("inf"), (signs, factors)
    for _ in range(ROUNDS):
        signs = codes[_closest(channels, factors @ codes.T)]
        factors = _refit(channels, signs)
        error = float((channels - (signs @ factors.unsqueeze(2)).squeeze(2)).square().sum())
        if error >= least:
            break
        least, result = error, (signs, factors)
    signs, factors = result
    # A factor's sign belongs to its weights, whose magnitude it is.
    signs = signs * torch.where(factors < 0, -1.0, 1.0).unsqueeze(1)
    return signs.permute(2, 0, 1).reshape(terms, *weight.shape), factors.abs().T.contiguous()


def _greedy(channels: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """channels (c_out, weights) -> signs (c_out, weights, terms), factors (c_out, terms)."""
    left, signs = channels, []
    for _ in range(terms):
        signs.append(torch.sign(left) * (left.abs() > ternary_threshold(left)))
        left = left - signs[-1] * ternary_magnitude(left)
    made = torch.stack(signs, 2)
    return made, _refit(channels, made)


def _refit(channels: Tensor, signs: Tensor) -> Tensor:
    """The factors (c_out, terms) of least squared error."""
    # Of terms that are zero or alike there is no one solution; gelsd takes the smallest.
    solved: Tensor = torch.linalg.lstsq(signs, channels.unsqueeze(2), driver="gelsd").solution
    return solved.squeeze(2)


def _closest(channels: Tensor, levels: Tensor) -> Tensor:
    """channels (c_out, weights), levels (c_out, codes) -> the code of each weight."""
    ordered, order = levels.sort(1)
    upper = torch.searchsorted(ordered, channels.contiguous()).clamp(1, levels.shape[1] - 1)
    below, above = (ordered.gather(1, index) for index in (upper - 1, upper))
    return order.gather(1, torch.where(channels - below <= above - channels, upper - 1, upper))


def sp_tensors(conv: SPConv, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """The tensors of an SP-conv that comes closest to a float convolution of weight (c_out, c_in / groups, k, k)."""
    c_out, groups = len(weight), conv.second.groups
    terms = conv.factor.numel() // c_out
    signs, factors = ternary_terms(weight, terms)
    # An SP-conv's own factors come on top of the magnitude of its weights.
    first = signs * factors.reshape(terms, c_out, *[1] * (weight.dim() - 1))
    # Hidden channels lie by group, then term, then output channel of the group.
    first = first.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)
    second = torch.eye(c_out // groups).repeat(groups, terms)[:, :, None, None]
    tensors = {"first.weight": first, "factor": torch.ones(terms * c_out), "second.weight": second}
    return tensors if bias is None else tensors | {"second.bias": bias}


def decomposed(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a float network with those of its convolutions replaced by those of the SP-convs in `network`."""
    result = dict(tensors)
    for name, module in network.named_modules():
        weight = result.get(f"{name}.weight")
        if isinstance(module, SPConv) and weight is not None:
            made = sp_tensors(module, result.pop(f"{name}.weight"), result.pop(f"{name}.bias", None))
            result |= {f"{name}.{key}": tensor for key, tensor in made.items()}
    return result
