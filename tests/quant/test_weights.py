"""Weights on grids of least squared error, and the bound on their sums."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.quant.weights import LeastSquaresQuant, SumBound


def weights(seed: int, channels: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.exp2(torch.randint(-3, 3, (channels, 1, 1, 1), generator=generator).float())
    return torch.randn(channels, 4, 3, 3, generator=generator) * spread


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("per_channel", [True, False])
def test_no_power_of_two_grid_is_closer(bits: int, per_channel: bool) -> None:
    weight, limit = weights(bits), 2 ** (bits - 1) - 1
    values, scale, zero_point, width = LeastSquaresQuant(bits, per_channel, None)(weight)
    assert (zero_point.item(), width.item()) == (0, bits)
    assert scale.shape == ((5, 1, 1, 1) if per_channel else ())
    integers = values / scale
    assert torch.equal(integers, integers.round()) and integers.abs().max() <= limit
    assert torch.equal(scale.log2(), scale.log2().round())
    chosen = (values - weight).square().flatten(1).sum(1)
    # Every grid around, an exhaustive search of its own.
    grids = torch.exp2(torch.arange(-12.0, 6.0))
    tried = torch.stack(
        [(((weight / s).round().clamp(-limit, limit) * s) - weight).square().flatten(1).sum(1) for s in grids]
    )
    best = tried.min(0).values if per_channel else tried.sum(1).min()
    assert torch.allclose(chosen if per_channel else chosen.sum(), best, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([2, 3, 4, 8]), st.sampled_from([1, 2, 7, 50, 300, 4000]), st.booleans())
def test_bounded_sums_keep_their_bound(seed: int, bits: int, limit: int, together: bool) -> None:
    values, scale, _, _ = LeastSquaresQuant(bits, True, SumBound(limit, together))(weights(seed))
    integers = (values / scale).flatten(1)
    assert torch.equal(integers, integers.round()) and integers.abs().max() <= 2 ** (bits - 1) - 1
    if together:
        assert integers.abs().sum(1).max() <= limit
    else:
        assert max(integers.clamp_min(0).sum(1).max(), -integers.clamp_max(0).sum(1).min()) <= limit


def test_a_bound_that_nothing_reaches_changes_nothing() -> None:
    free = LeastSquaresQuant(8, True, None)(weights(1))
    bound = LeastSquaresQuant(8, True, SumBound(36 * 127, together=True))(weights(1))
    assert torch.equal(free[0], bound[0]) and torch.equal(free[1], bound[1])


def test_channels_that_keep_the_bound_stay_and_the_others_use_it_up() -> None:
    steps = torch.tensor([[3.2, -2.7, 0.4, 0.0], [60.0, -40.0, 30.0, 9.0]])
    made = SumBound(50, together=True)(steps)
    assert made[0].tolist() == [3, -3, 0, 0]
    # Shrunk by one amount: 60 - a + 40 - a + 30 - a = 50 at a = 80 / 3, the 9 gone.
    assert made[1].tolist() == [33, -13, 3, 0]
    apart = SumBound(50, together=False)(steps)
    assert apart[1][1] == -40, "the negative sum keeps the bound by itself"
    assert apart[1].clamp_min(0).sum() == 50


def test_gradients_pass_straight_through() -> None:
    weight = weights(2).requires_grad_()
    LeastSquaresQuant(2, True, SumBound(3, together=True))(weight)[0].sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_a_channel_of_zeros_gets_no_grid_far_from_the_others() -> None:
    weight = weights(3)
    weight[1] = 0
    values, scale, _, _ = LeastSquaresQuant(4, True, None)(weight)
    assert not values[1].any() and scale[1] >= scale.max() / 2**12
    values, scale, _, _ = LeastSquaresQuant(4, True, None)(torch.zeros(2, 3, 1, 1))
    assert not values.any() and bool((scale > 0).all())
