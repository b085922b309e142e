"""Muon beside Adam: what each updates, and by which step."""

from pathlib import Path

import pytest
import torch
from torch import nn

from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.spec import parse_spec
from hwsr.train.optimizer import (
    MUON_MOMENTUM,
    MUON_RATE,
    Muon,
    load_optimizer_state,
    make_optimizers,
    optimizer_state,
    orthogonal,
)
from hwsr.train.recipe import Method


@pytest.mark.parametrize("shape", [(3, 16, 144), (2, 144, 16), (5, 1, 9), (1, 7, 7)])
def test_orthogonal_keeps_directions_and_evens_out_lengths(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    made = orthogonal(matrices)
    inner = u.mT @ made @ v.mT  # diagonal where the singular vectors are kept
    lengths = inner.diagonal(dim1=1, dim2=2)
    assert torch.allclose(inner, torch.diag_embed(lengths), atol=1e-4)
    assert lengths.min() > 0.3 and lengths.max() < 1.3


def test_orthogonal_of_no_gradient_is_none() -> None:
    assert not orthogonal(torch.zeros(2, 3, 4)).any()


def test_a_step_treats_every_group_by_itself() -> None:
    generator = torch.Generator().manual_seed(1)
    grouped = nn.Parameter(torch.randn(6, 2, 3, 3, generator=generator))
    halves = [nn.Parameter(half.clone()) for half in grouped.detach().chunk(2)]
    grouped.grad = torch.randn(grouped.shape, generator=generator)
    for half, gradient in zip(halves, grouped.grad.chunk(2), strict=True):
        half.grad = gradient.clone()
    for muon in (Muon({grouped: 2}), Muon(dict.fromkeys(halves, 1))):
        muon.param_groups[0]["lr"] = 0.1
        muon.step()
    assert torch.allclose(grouped, torch.cat(halves))


def test_the_first_step_is_along_the_orthogonal_gradient() -> None:
    weight = nn.Parameter(torch.zeros(4, 2, 1, 1))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    muon = Muon({weight: 1})
    muon.param_groups[0]["lr"] = 0.5
    muon.step()
    # Four rows over two columns take sqrt(2) times the step.
    expected = -0.5 * 2**0.5 * orthogonal(weight.grad.reshape(1, 4, 2)).reshape(weight.shape)
    assert torch.allclose(weight, expected, atol=1e-6)
    assert torch.allclose(muon.state[weight]["momentum"], (1 - MUON_MOMENTUM) * weight.grad)


def test_decay_takes_a_share_of_a_weight_at_the_rate() -> None:
    weights = [nn.Parameter(torch.randn(4, 2, 1, 1, generator=torch.Generator().manual_seed(0))) for _ in range(2)]
    before = weights[0].detach().clone()
    for weight, start, decay in zip(weights, (before, 0.95 * before), (0.1, 0.0), strict=True):
        weight.data.copy_(start)
        weight.grad = torch.ones_like(weight)
        muon = Muon({weight: 1}, decay)
        muon.param_groups[0]["lr"] = 0.5
        muon.step()
    assert torch.allclose(weights[0], weights[1], atol=1e-6) and not torch.allclose(weights[0], before)


@pytest.mark.parametrize("spec", ["ST-bl x2 n4 g0 b1 anchor direct", "fsrcnn-s x2", "blm1 x2 n4 g0 b1 noca int8"])
def test_every_learned_parameter_has_one_optimizer(spec: str) -> None:
    network = build(parse_spec(spec))
    optimizers = make_optimizers(network, Method.MUON)
    assert optimizers.muon
    muon, adam = (optimizer.param_groups[0]["params"] for optimizer in (optimizers.muon, optimizers.adam))
    assert len(muon) + len(adam) == len({*muon, *adam}) == len(list(network.parameters()))
    assert muon and all(weight.ndim == 4 for weight in muon)
    before = {parameter: parameter.detach().clone() for parameter in (muon[0], adam[0])}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(1e-3)
    assert torch.allclose(adam[0], before[adam[0]] - 1e-3, atol=1e-6)
    assert (muon[0] - before[muon[0]]).norm() < 2 * MUON_RATE * 1e-3 * muon[0].numel() ** 0.5
    assert not torch.equal(muon[0], before[muon[0]])


def test_adam_alone_has_every_parameter() -> None:
    network = build(parse_spec("bl x2 n4 g0 b1"))
    optimizers = make_optimizers(network, Method.ADAM)
    assert optimizers.muon is None
    assert optimizers.adam.param_groups[0]["params"] == list(network.parameters())


def test_a_state_of_other_shapes_is_refused() -> None:
    network = build(parse_spec("bl x2 n4 g0 b1 noca"))
    optimizers = make_optimizers(network, Method.MUON)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(1e-3)
    state = optimizer_state(optimizers, network)
    name = next(name for name in state if name.startswith("muon.momentum."))
    with pytest.raises(HwsrError, match=name.removeprefix("muon.momentum.")):
        load_optimizer_state(optimizers, network, state | {name: torch.zeros(1)}, Path("checkpoint.safetensors"))
