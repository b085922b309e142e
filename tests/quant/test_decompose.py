"""Convolutions as SP-convs: sums of ternary weights that come closer with every term, in the right order in groups."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from brevitas.quant_tensor import QuantTensor
from torch import Tensor
from torch.nn import functional

from hwsr.quant.decompose import decomposed, sp_tensors, ternary_terms
from hwsr.quant.quantizers import ternary_magnitude, ternary_threshold
from hwsr.quant.spconv import SPConv


def sum_of_terms(weight: Tensor, terms: int) -> Tensor:
    signs, factors = ternary_terms(weight, terms)
    assert set(signs.unique().tolist()) <= {-1, 0, 1} and factors.min() >= 0
    return (signs * factors.reshape(terms, -1, 1, 1, 1)).sum(0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def test_every_term_comes_closer() -> None:
    weight = drawn(16, 8, 3, 3)
    errors = [float((sum_of_terms(weight, terms) - weight).square().sum()) for terms in (1, 2, 3, 4, 6)]
    # The best three levels of a normal distribution lose 19.0 % of its power, the best nine 2.8 % (Max 1960).
    power = float(weight.square().sum())
    assert 0.15 < errors[0] / power < 0.20
    assert errors[1] / power < 0.04
    assert all(after < 0.25 * before for before, after in pairwise(errors))


def test_one_term_is_at_least_as_close_as_a_fixed_threshold() -> None:
    weight = drawn(4, 3, 3, 3)
    term = torch.sign(weight) * (weight.abs() > ternary_threshold(weight)) * ternary_magnitude(weight)
    assert (sum_of_terms(weight, 1) - weight).square().sum() <= (term - weight).square().sum()


def test_channels_of_zeros_and_of_one_value_stay_finite() -> None:
    weight = torch.zeros(3, 2, 3, 3)
    weight[1] = 0.5
    weight[2, 0, 0, 0] = -2.0
    torch.testing.assert_close(sum_of_terms(weight, 4), weight)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_the_sp_conv_computes_with_the_sum_of_terms(groups: int, ratio: int) -> None:
    weight, bias = drawn(6, 4 // groups, 3, 3), drawn(6)
    conv = SPConv(4, 6, (3, 3), ratio * 6, bias=True, groups=groups).eval()
    own = conv.state_dict()
    made = sp_tensors(conv, weight, bias)
    assert set(made) == {"first.weight", "factor", "second.weight", "second.bias"}
    assert {name: tensor.shape for name, tensor in made.items()} == {name: own[name].shape for name in made}
    conv.load_state_dict(own | made)
    conv.grid.act_quant.disable_quant = True
    conv.grid.return_quant_tensor = False
    conv.second.bias_quant.disable_quant = True
    image = drawn(1, 4, 9, 7)
    with torch.no_grad():
        result = conv(image)
        result = result.value if isinstance(result, QuantTensor) else result
        expected = functional.conv2d(image, sum_of_terms(weight, ratio), bias, padding=1, groups=groups)
    # The factors are rounded to 8 bits.
    np.testing.assert_allclose(result, expected, atol=0.01 * float(expected.abs().max()))


def test_other_layers_keep_their_tensors() -> None:
    network = torch.nn.Sequential(SPConv(2, 3, (3, 3), 6, bias=False), torch.nn.PReLU(3))
    tensors = {"0.weight": drawn(3, 2, 3, 3), "1.weight": drawn(3)}
    made = decomposed(network, tensors)
    assert sorted(made) == ["0.factor", "0.first.weight", "0.second.weight", "1.weight"]
    assert made["1.weight"] is tensors["1.weight"] and "0.weight" in tensors
