"""Golden: the published figures of the published networks, each with its source and its way of counting."""

import pytest
import torch

from hwsr.quant import build
from hwsr.spec import PEERS, parse_spec
from hwsr.tables import our_tables, published
from hwsr.zoo.accounting import OUTPUT_SIZE, Cost, count, low_resolution


def cost(text: str) -> Cost:
    return count(build(parse_spec(text)))


# Weights alone, as most of the authors count; biases and slopes come on top.
WEIGHTS = [
    ("srcnn x2", 57184),  # TPAMI 2016, section 4.3.2: 9-5-5 has 57,184 parameters
    ("fsrcnn x3", 12464),  # ECCV 2016, table 1: FSRCNN (56, 12, 4)
    ("fsrcnn-s x3", 3937),  # ECCV 2016, table 1: FSRCNN-s (32, 5, 1)
    ("sesr-m5 x2", 13520),  # MLSys 2022, table 1: 13.52 K
    ("sesr-m5 x4", 18320),  # MLSys 2022, table 2: 18.32 K
]
# With biases, as Keras counts.
PARAMS = [
    ("abpn x3", 42539),  # 42.54 K: the README of the authors' code
    ("xlsr x3", 21947),  # 22.0 K (x3) and 28.0 K (x4): Qualcomm AI Hub, of this architecture; the paper: 30x below VDSR
    ("xlsr x4", 28016),
]


@pytest.mark.parametrize(("text", "weights"), WEIGHTS)
def test_weights_as_published(text: str, weights: int) -> None:
    assert cost(text).weights == weights


@pytest.mark.parametrize(("text", "params"), PARAMS)
def test_parameters_as_published(text: str, params: int) -> None:
    assert cost(text).params == params


def test_carn_m_with_its_three_upsamplers_as_published() -> None:
    """ECCV 2018, table 1: 412 K weights of one network for three scales; here each scale has a network."""
    costs = [cost(f"carn-m x{scale}") for scale in (2, 3, 4)]
    upsamplers = [
        sum(layer.weights for layer in c.layers if layer.name.startswith("upsampler") and layer.layer[-1] == "s")
        for c in costs
    ]
    assert {c.weights - up for c, up in zip(costs, upsamplers, strict=True)} == {218496}
    assert 218496 + sum(upsamplers) == 412032


# For a 720p output; the source counts 1280 x 720, ours s floor(1280 / s) x s floor(720 / s), 0.15 % less at x3.
MULT_ADDS_G = [
    ("srcnn x2", 52.7),  # Ahn et al. 2018, table 1
    ("srcnn x3", 52.7),
    ("srcnn x4", 52.7),
    ("carn-m x2", 91.2),  # Ahn et al. 2018, table 1
    ("carn-m x3", 46.1),
    ("carn-m x4", 32.5),
    ("sesr-m5 x2", 3.11),  # MLSys 2022, table 1
    ("sesr-m5 x4", 1.05),  # MLSys 2022, table 2
]


@pytest.mark.parametrize(("text", "published_g"), MULT_ADDS_G)
def test_mult_adds_as_published(text: str, published_g: float) -> None:
    slack = 0.1 if text == "srcnn x3" else 0.05 if published_g > 10 else 0.006
    assert cost(text).mult_adds / 1e9 == pytest.approx(published_g, abs=slack)


@pytest.mark.parametrize(("scale", "published_g"), [(2, 6.0), (3, 5.0), (4, 4.6)])
def test_fsrcnn_counted_as_published_and_as_done(scale: int, published_g: float) -> None:
    """Ahn et al. 2018, table 1, takes all 81 taps of the deconvolution for every output pixel: s^2 times its work."""
    counted = cost(f"fsrcnn x{scale}")
    height, width = low_resolution(scale)
    deconvolution = next(layer for layer in counted.layers if "deconvolution" in layer.name)
    assert deconvolution.weights == 81 * 56
    assert counted.mult_adds == 12464 * height * width
    as_published = counted.mult_adds - deconvolution.mult_adds + 81 * 56 * OUTPUT_SIZE[0] * OUTPUT_SIZE[1]
    assert round(as_published / 1e9, 1) == published_g


def test_espcn_layer_by_layer() -> None:
    """CVPR 2016, section 3.1: (f1, n1) = (5, 64), (f2, n2) = (3, 32), f3 = 3; no count is published there."""
    weights = {layer.layer: layer.weights for layer in cost("espcn x3").layers}
    assert weights == {"5x5 1->64": 1600, "3x3 64->32": 18432, "3x3 32->9": 2592}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_peer_builds_at_every_scale_and_every_parameter_learns(name: str, scale: int) -> None:
    network = build(parse_spec(f"{name} x{scale}"))
    image = torch.rand(1, network.spec.channels, 7, 9, generator=torch.Generator().manual_seed(0))
    result = network(image)
    assert result.shape == (1, network.spec.channels, 7 * scale, 9 * scale)
    result.square().sum().backward()
    learned = {key: parameter for key, parameter in network.named_parameters() if parameter.requires_grad}
    assert [key for key, parameter in learned.items() if parameter.grad is None] == []
    assert count(network).params == sum(parameter.numel() for parameter in learned.values())


@pytest.mark.parametrize("text", ["fsrcnn-s x2", "sesr-m5 x3", "xlsr x3", "srcnn x2"])
def test_quantizing_costs_nothing(text: str) -> None:
    assert cost(f"{text} int8") == cost(text)


def test_sesr_starts_from_its_short_skips() -> None:
    network = build(parse_spec("sesr-m5 x2"))
    for weight in network.convs.parameters():  # type: ignore[union-attr,operator]  # a ModuleList
        assert (weight[:, :, 1, 1].diagonal() > 0.7).all()


def test_table_3_has_the_networks_of_the_zoo() -> None:
    ours, rows = our_tables()["table3"], published()["table3"]
    filled = {(own["model"], own["scale"]) for own in ours if own["mult_adds_g"] is not None}
    assert filled == {(model, scale) for model in ("SRCNN", "FSRCNN", "CARN-M") for scale in (2, 3, 4)}
    for own, row in zip(ours, rows, strict=True):
        if own["model"] in ("SRCNN", "CARN-M"):
            assert own["mult_adds_g"] == pytest.approx(row["mult_adds_g"], abs=0.1)
        if own["model"] in ("SRCNN", "FSRCNN"):
            assert int(own["params_k"]) == row["params_k"]
