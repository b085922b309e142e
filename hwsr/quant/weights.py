"""Weights of few bits, and weights whose sums are bounded: integers of least squared error on power-of-two grids.

At 8 bits the grid that holds the largest weight is as good as any (`quantizers`). Below, clipping the largest weights
gains more than it costs; and a bound on a convolution's accumulator is a bound on the sum of its integers (A2Q:
Colbert et al. 2023), for which a coarser grid may be the better one.

Brevitas has A2Q and A2Q+ (Colbert et al. 2024), which would take powers of two as well. They keep the grid of the
largest weight and round towards zero, where many a trained weight is less than a step, until the norms and scales that
they add are learned anew; they leave the bias out of the bound, and A2Q+ makes every channel's weights sum to
zero to halve its sums of one sign, which are bounded here as they are.
"""

import torch
from brevitas.core.bit_width import BitWidthConst
from brevitas.core.utils import StatelessBuffer
from torch import Tensor, nn

# Grids tried: up to so many times finer, in powers of two, than the one that holds the largest weight.
FINER = 3
# Halvings of the interval in which the shrinkage of a bounded channel is looked for.
HALVINGS = 12


class SumBound(nn.Module):
    """Shrinks each channel's integers until their sums keep a bound.

    `limit` bounds the sum of the positive integers and that of the negative ones' sizes; with `together`, for inputs
    of both signs, the sum of all sizes. Integers are shrunk by one amount a channel towards zero, the projection to
    the L1 ball, so that many become zero; the amount is the least with which the rounded integers keep the bound.
    """

    def __init__(self, limit: int, together: bool) -> None:
        super().__init__()
        self.limit, self.together = limit, together

    def forward(self, x: Tensor) -> Tensor:
        """x: (channels, weights) in steps of the grid -> integers likewise."""
        if self.together:
            return self._shrunk(x)
        return self._shrunk(x.clamp_min(0)) + self._shrunk(x.clamp_max(0))

    def _shrunk(self, x: Tensor) -> Tensor:
        low, high = torch.zeros(len(x), 1, dtype=x.dtype, device=x.device), x.abs().amax(1, keepdim=True)
        if not self._exceeds(x, low).any():
            return x.round()
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            exceeds = self._exceeds(x, middle)
            low, high = torch.where(exceeds, middle, low), torch.where(exceeds, high, middle)
        # `high` keeps the bound, and zero does where nothing has to shrink.
        return _shrink(x, torch.where(self._exceeds(x, torch.zeros_like(high)), high, 0)).round()

    def _exceeds(self, x: Tensor, amount: Tensor) -> Tensor:
        return _shrink(x, amount).round().abs().sum(1, keepdim=True) > self.limit


def _shrink(x: Tensor, amount: Tensor) -> Tensor:
    return x.sign() * (x.abs() - amount).clamp_min(0)


class LeastSquaresQuant(nn.Module):
    """Weights to `bit_width` integers without the lowest, on the power-of-two grid of least squared error.

    One grid a channel, or one for all; straight-through. The grids are a function of the weights, so that nothing
    but weights is learned or stored.
    """

    def __init__(self, bit_width: int, per_channel: bool, bound: SumBound | None) -> None:
        super().__init__()
        self.bit_width, self.zero_point = BitWidthConst(bit_width), StatelessBuffer(torch.tensor(0.0))
        self.limit, self.per_channel, self.bound = 2 ** (bit_width - 1) - 1, per_channel, bound
        # A bounded channel may want a grid on which nothing but its largest weights are left. Of equals the coarsest.
        self.exponents = range(bit_width - 1 if bound else 0, -FINER - 1, -1)

    def forward(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels = weight.detach().flatten(1)
        largest = channels.abs().amax(1, keepdim=True)
        # A grid far finer than the others' would only widen the accumulators.
        largest = largest.clamp_min(max(float(largest.max()) / 2**8, 2.0**-20)) if self.per_channel else largest.amax(0)
        top = torch.exp2((largest.reshape(-1, 1) / self.limit).log2().ceil())
        scales = torch.stack([top * 2.0**exponent for exponent in self.exponents])
        steps = (channels / scales).flatten(0, 1)
        made = self._integers(steps).reshape(scales.shape[0], *channels.shape) * scales
        errors = (made - channels).square().sum(2, keepdim=True)
        best = (errors if self.per_channel else errors.sum(1, keepdim=True)).argmin(0, keepdim=True)
        values = made.gather(0, best.expand(1, *channels.shape))[0].reshape(weight.shape)
        scale = scales.gather(0, best)[0].reshape(-1, *[1] * (weight.dim() - 1))
        if not self.per_channel:
            scale = scale.reshape(())
        return weight + (values - weight).detach(), scale, self.zero_point(), self.bit_width()

    def _integers(self, steps: Tensor) -> Tensor:
        clipped = steps.clamp(-self.limit, self.limit)
        return self.bound(clipped) if self.bound else clipped.round()
