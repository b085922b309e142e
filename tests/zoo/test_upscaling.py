import numpy as np
import pytest
import torch
from torch import nn

from hwsr.data.bicubic import resize_bicubic
from hwsr.quant.layers import Int8Layers
from hwsr.zoo.layers import FloatLayers, stored
from hwsr.zoo.upscaling import Bicubic, Deconvolution, bicubic_taps


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_deconvolution_is_torchs(scale: int) -> None:
    ours = Deconvolution(FloatLayers(), 5, scale).double()
    padding = (10 - scale) // 2
    theirs = nn.ConvTranspose2d(5, 1, 9, scale, padding=padding, output_padding=scale + 2 * padding - 9).double()
    kernel = torch.rand(1, 5, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        stored(ours.conv, "weight").copy_(kernel)  # type: ignore[arg-type]
        stored(ours.conv, "bias").fill_(0.25)  # type: ignore[arg-type]
        theirs.weight.copy_(kernel.transpose(0, 1))
        theirs.bias.fill_(0.25)  # type: ignore[union-attr]
        x = torch.rand(2, 5, 6, 7, dtype=torch.float64)
        assert torch.allclose(ours(x), theirs(x), atol=1e-12)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 81 * 5 + 1


def test_the_kernel_survives_the_way_to_the_weights_and_back() -> None:
    conv = Deconvolution(FloatLayers(), 3, 2).conv
    kernel = stored(conv, "weight").detach().clone()  # type: ignore[arg-type]
    conv.weight = conv.weight.detach().clone()  # type: ignore[operator,union-attr]
    assert torch.equal(stored(conv, "weight"), kernel)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_taps_are_keys_kernel_on_the_grid(scale: int) -> None:
    taps = bicubic_taps(scale)
    assert (taps * 1024 == np.rint(taps * 1024)).all() and (taps.sum(1) == 1).all()
    assert (taps[::-1, ::-1] == taps).all()
    if scale == 2:
        assert (taps[0] * 128).tolist() == [-3, 29, 111, -9, 0]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_resizing_that_made_the_data(scale: int) -> None:
    """Inside the border, to the bit but for ties and what x3 rounds."""
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 1), dtype=np.uint8)
    layers = Int8Layers()
    x = torch.from_numpy(image.transpose(2, 0, 1))[None].float() / 256
    with torch.no_grad():
        y = layers.image_out()(Bicubic(layers, scale)(layers.image_in()(x)).value)
    ours = (y.value[0, 0].numpy() * 256).astype(int)
    inner = np.s_[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    difference = np.abs(ours - resize_bicubic(image, scale)[..., 0].astype(int))[inner]
    assert difference.max() <= 1
    assert (difference > 0).mean() < (0.12 if scale == 3 else 0.02)
