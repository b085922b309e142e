"""The loss of a training step, of images in units of 256 grey levels."""

import torch
from torch import Tensor

from hwsr.data.colour import TO_YCBCR
from hwsr.train.recipe import Loss

# The share of RGB beside luma, so that colours are learned too: they are smooth, and need little.
RGB_SHARE = 0.1
# The teacher's share of the loss. With equal shares every output between teacher and original costs the same, so what
# is punished is to be worse than the teacher, and the teacher's own errors are not taught.
TEACHER_SHARE = 0.5


def loss(kind: Loss, output: Tensor, hr: Tensor, taught: Tensor | None = None) -> Tensor:
    """The error of `output` (N, C, H, W) to the originals, or TEACHER_SHARE of it to what was `taught` in its place."""
    to_original = mean_error(kind, output, hr)
    return to_original if taught is None else to_original.lerp(mean_error(kind, output, taught), TEACHER_SHARE)


def mean_error(kind: Loss, output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error of all channels, or, of RGB for luma, that of BT.601's Y and RGB_SHARE of the former.

    A network on luma alone has one channel, and one error.
    """
    error = output - wanted
    if kind is Loss.RGB or error.shape[1] == 1:
        return error.abs().mean()
    weights = torch.tensor(TO_YCBCR[0] / 255, dtype=error.dtype, device=error.device)
    return torch.einsum("nchw,c->nhw", error, weights).abs().mean() + RGB_SHARE * error.abs().mean()
