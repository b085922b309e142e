"""Gives the quantizers of a network the bits that its spec asks for, and names its layers.

`wNaM` are the bits of a convolution's weights and of what it reads. A ReLU makes M bits. What else flows between
layers, above all what skip connections carry, stays at 8 bits, and a convolution reads it through a quantizer of its
own; so does channel attention, which works once a frame. The first and the last convolution have 8 bits of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from brevitas.core.scaling import ParameterScaling
from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
from brevitas.quant_tensor import IntQuantTensor
from torch import nn

from hwsr.bits import Bits
from hwsr.errors import HwsrError
from hwsr.quant.layers import Conv
from hwsr.quant.quantizers import Int8Act, Uint8Act
from hwsr.quant.weights import LeastSquaresQuant, SumBound
from hwsr.zoo.layers import stored, value

# What puts tensors on a grid.
ACTIVATIONS = (QuantIdentity, QuantReLU)

# A frame on which a network shows what its layers read.
_FRAME = 4
# A bias on a bounded accumulator is so many bits narrower: it takes up to an eighth of the range.
_BIAS_MARGIN = 3


@dataclass(frozen=True)
class _Reads:
    """What a layer reads: its bits (None: on no grid of its own), its sign, and whether it is one pixel."""

    bits: int | None
    signed: bool
    pooled: bool


def weight_layers(network: nn.Module) -> dict[str, QuantConv2d]:
    """The convolutions that learn, by name, in the network's order."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, QuantConv2d) and stored(module, "weight").requires_grad
    }


def activation_layers(network: nn.Module) -> dict[str, QuantIdentity]:
    """The quantizers of activations whose range is learned, by name; those of pixels and of tables have a fixed one."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, ACTIVATIONS) and isinstance(scaling(module), ParameterScaling)
    }


def scaling(module: QuantIdentity) -> Any:
    """What holds an activation's threshold: its `value` is the power of two, rounded up in use."""
    return getattr(module.act_quant.fused_activation_quant_proxy.tensor_quant, "scaling_impl", None)


def activation_bits(module: QuantIdentity) -> int:
    """The width of an activation's integers."""
    return int(module.act_quant.fused_activation_quant_proxy.tensor_quant.msb_clamp_bit_width_impl())


def weight_bits(conv: QuantConv2d) -> int:
    """The width of a convolution's weights."""
    quant = conv.weight_quant.tensor_quant
    return int(quant.bit_width() if isinstance(quant, LeastSquaresQuant) else quant.msb_clamp_bit_width_impl())


def read_bits(network: nn.Module, channels: int) -> dict[str, int]:
    """The bits in which every convolution of a quantized network for `channels` image channels reads its input."""
    convs = weight_layers(network)
    reads = _reads(network, convs, channels)
    narrowed = {name: activation_bits(conv.narrow) for name, conv in convs.items() if getattr(conv, "narrow", None)}
    return {name: narrowed.get(name, reads[name].bits or 8) for name in convs}


def set_activation_bits(module: QuantIdentity, bits: int) -> None:
    """Change the width of an activation's integers. Its threshold stays."""
    threshold = scaling(module).value.detach().clone()
    module.act_quant.quant_injector = module.act_quant.quant_injector.let(bit_width=bits)
    module.act_quant.init_tensor_quant()
    with torch.no_grad():
        scaling(module).value.copy_(threshold)


def set_weight_bits(conv: QuantConv2d, bits: int, per_channel: bool, bound: SumBound | None = None) -> None:
    """Change the width of a convolution's weights, to grids of least squared error; `bound` their sums."""
    conv.weight_quant.quant_injector = conv.weight_quant.quant_injector.let(
        tensor_quant=LeastSquaresQuant, bit_width=bits, per_channel=per_channel, bound=bound
    )
    conv.weight_quant.init_tensor_quant()


def apply_bits(network: nn.Module, bits: Bits, per_channel: bool, channels: int) -> None:
    """Give every quantizer of a network for `channels` image channels its width, and bound its accumulators.

    Raises HwsrError for the name of no layer, and for a bound that some convolution cannot keep.
    """
    convs, activations = weight_layers(network), activation_layers(network)
    _check_names(bits, [*convs, *activations])
    reads = _reads(network, {**convs, **activations}, channels)
    wide = {next(iter(convs)), next(reversed(convs)), *(name for name, read in reads.items() if read.pooled)}
    for name, module in activations.items():
        default = bits.activations if isinstance(module, QuantReLU) and name not in wide else 8
        _, wanted = bits.of(name, 8, default)
        if wanted != activation_bits(module):
            set_activation_bits(module, wanted)
    reads = _reads(network, convs, channels)
    for name, conv in convs.items():
        defaults = (8, 8) if name in wide else (bits.weights, bits.activations)
        weights, reads_bits = bits.of(name, *defaults)
        read = _narrowed(conv, reads[name], reads_bits)
        bound = _bound(name, bits.accumulator, read) if bits.accumulator else None
        if bound or weights != weight_bits(conv):
            set_weight_bits(conv, weights, per_channel, bound)
        if bits.accumulator and conv.bias is not None:
            width = bits.accumulator - _BIAS_MARGIN
            conv.bias_quant.quant_injector = conv.bias_quant.quant_injector.let(bit_width=width)
            conv.bias_quant.init_tensor_quant()


def _check_names(bits: Bits, known: list[str]) -> None:
    for name, _ in bits.layers:
        if not any(layer == name or layer.startswith(f"{name}.") for layer in known):
            raise HwsrError(f"'{name}': the network has no layer of this name; its layers are {', '.join(known)}")


def _reads(network: nn.Module, layers: Mapping[str, nn.Module], channels: int) -> dict[str, _Reads]:
    """What every layer reads: of several inputs what holds them all."""
    found: dict[str, _Reads] = {}

    def observe(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        x, name = inputs[0], names[layer]
        bits, signed = (int(x.bit_width), bool(x.signed)) if isinstance(x, IntQuantTensor) else (None, True)
        read = _Reads(bits, signed, pooled=tuple(value(x).shape[2:]) == (1, 1))
        found[name] = _holding(found[name], read) if name in found else read

    names = {layer: name for name, layer in layers.items()}
    hooks = [layer.register_forward_pre_hook(observe) for layer in layers.values()]
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, _FRAME, _FRAME))
    for hook in hooks:
        hook.remove()
    return found


def _holding(a: _Reads, b: _Reads) -> _Reads:
    """The type of both: unsigned integers need a bit more where the others have a sign."""
    if a.bits is None or b.bits is None:
        return replace(a, bits=None, signed=True)
    signed = a.signed or b.signed
    bits = max(bits + (signed and not own) for bits, own in ((a.bits, a.signed), (b.bits, b.signed)))
    return replace(a, bits=bits, signed=signed)


def _narrowed(conv: QuantConv2d, read: _Reads, bits: int) -> _Reads:
    """Let a convolution read `bits` where its input is wider."""
    if not isinstance(conv, Conv) or bits >= min(read.bits or 8, 8):
        return read
    # An unsigned grid through a ReLU, which leaves what it reads there as it is.
    if read.signed:
        conv.narrow = QuantIdentity(act_quant=Int8Act, return_quant_tensor=True)
    else:
        conv.narrow = QuantReLU(act_quant=Uint8Act, return_quant_tensor=True)
    set_activation_bits(conv.narrow, bits)
    return replace(read, bits=bits)


def _bound(name: str, accumulator: int, read: _Reads) -> SumBound:
    """What the sums of a convolution's weights must keep for its accumulator to be no wider than `accumulator`."""
    if read.bits is None:
        raise HwsrError(f"'{name}' reads a part of a tensor, where accumulators cannot be bounded; leave accN out")
    room = 2 ** (accumulator - 1) - 1 - 2 ** (accumulator - 1 - _BIAS_MARGIN)
    limit = room // (2 ** (read.bits - 1) if read.signed else 2**read.bits - 1)
    if limit < 1:
        raise HwsrError(f"acc{accumulator} holds no product of the {read.bits}-bit input of '{name}'; widen it")
    return SumBound(limit, together=read.signed)
