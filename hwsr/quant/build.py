"""Makes the network of a spec, and switches its quantizers."""

from collections.abc import Container, Iterable

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from torch import Tensor, nn

from hwsr.bits import ALL_8
from hwsr.quant.affine import AffineLayers, fitted_ranges
from hwsr.quant.bits import activation_bits, activation_layers, apply_bits, scaling
from hwsr.quant.layers import Int8Layers, TernaryLayers
from hwsr.spec import ModelSpec, Precision, Spec
from hwsr.zoo.carn import CARNM
from hwsr.zoo.layers import FloatLayers, Layers, value
from hwsr.zoo.network import Network, initialize
from hwsr.zoo.peers import ABPN, ESPCN, FSRCNN, SESR, SRCNN, XLSR
from hwsr.zoo.skeleton import Skeleton


def build(spec: Spec, seed: int = 0) -> Network:
    """The network of `spec` with weights drawn from `seed`, in eval mode.

    Input (N, C, H, W) float32, pixel q as q / 256; output (N, C, sH, sW) likewise; C = spec.channels.
    """
    network = _network(spec, _layers(spec))
    initialize(network, seed)
    if spec.bits != ALL_8:
        apply_bits(network, spec.bits, spec.precision is not Precision.INT8_PER_TENSOR, spec.channels)
    return network.eval()


def _layers(spec: Spec) -> Layers:
    if isinstance(spec, ModelSpec) and spec.precision is Precision.TERNARY:
        return TernaryLayers(spec.sp_ratio)
    if spec.precision is Precision.FLOAT:
        return FloatLayers()
    if spec.precision is Precision.INT8_AFFINE:
        return AffineLayers()
    return Int8Layers(per_channel=spec.precision is not Precision.INT8_PER_TENSOR)


def _network(spec: Spec, layers: Layers) -> Network:
    if isinstance(spec, ModelSpec):
        return Skeleton(spec, layers)
    match spec.name:
        case "srcnn":
            return SRCNN(spec, layers)
        case "fsrcnn":
            return FSRCNN(spec, layers, d=56, s=12, m=4)
        case "fsrcnn-s":
            return FSRCNN(spec, layers, d=32, s=5, m=1)
        case "espcn":
            return ESPCN(spec, layers)
        case "carn-m":
            return CARNM(spec, layers)
        case "abpn":
            return ABPN(spec, layers)
        case "xlsr":
            return XLSR(spec, layers)
        case "sesr-m5":
            return SESR(spec, layers)
    raise ValueError(f"no network {spec}")


def set_quantized(network: nn.Module, on: bool) -> None:
    """Switch every quantizer on, or let every tensor through in float."""
    _set_quantized(network, weights=on, activations=on)


def _set_quantized(network: nn.Module, weights: bool, activations: bool) -> None:
    for module in network.modules():
        if isinstance(module, QuantConv2d):
            module.weight_quant.disable_quant = not weights
            # A bias is put on the grid of its accumulators, which is known only where the input has one.
            module.bias_quant.disable_quant = not (weights and activations)
        elif isinstance(module, QuantIdentity | QuantReLU):
            module.act_quant.disable_quant = not activations
            module.return_quant_tensor = activations


def calibrate(network: nn.Module, batches: Iterable[Tensor], layers: Container[str] | None = None) -> None:
    """Set every learned activation exponent to the one of least squared error over `batches`; or those of `layers`.

    Affine ranges are fitted likewise. Weights are quantized meanwhile, activations are not. Leaves it quantized.
    """
    errors: dict[nn.Module, Tensor] = {}
    learned = {
        module: scaling(module)
        for name, module in activation_layers(network).items()
        if layers is None or name in layers
    }

    def observe(module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        unsigned, bits = isinstance(module, QuantReLU), activation_bits(module)
        errors[module] = errors.get(module, 0) + exponent_errors(value(inputs[0]), unsigned, bits)

    _set_quantized(network, weights=True, activations=False)
    hooks = [module.register_forward_hook(observe) for module in learned]
    with torch.no_grad():
        with fitted_ranges(network):
            for batch in batches:
                network(batch)
        for module, threshold in learned.items():
            # The exponent is rounded up in use; half a step below is the middle of what rounds to it.
            threshold.value.fill_(EXPONENTS[int(errors[module].argmin())] - 0.5)
    for hook in hooks:
        hook.remove()
    _set_quantized(network, weights=True, activations=True)


# Candidate thresholds 2**e of a grid tensor: beyond these, a network over [0, 1) images makes no sense.
EXPONENTS = range(-10, 13)


def exponent_errors(x: Tensor, unsigned: bool, bits: int = 8) -> Tensor:
    """Sum of squared errors of x on the grid of each threshold in EXPONENTS. Shape (len(EXPONENTS),)."""
    levels, low = (2**bits, 0) if unsigned else (2 ** (bits - 1), -(2 ** (bits - 1)))
    x = x.clamp_min(0) if unsigned else x
    sums = []
    for exponent in EXPONENTS:
        scale = 2.0**exponent / levels
        sums.append(((x / scale).round().clamp(low, levels - 1) * scale - x).square().sum())
    return torch.stack(sums)
