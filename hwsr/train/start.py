"""Starting from another model's weights: x3 and x4 from the trained x2, as the source does; few bits from float."""

from pathlib import Path

from rich.console import Console

from hwsr.errors import HwsrError
from hwsr.quant.decompose import decomposed
from hwsr.quant.spconv import freeze_sums
from hwsr.spec import ModelSpec, Precision, Spec, in_float, parse_spec
from hwsr.train.checkpoint import load_tensors, model_file
from hwsr.zoo.network import Network


def start_from(init: Path, network: Network, console: Console) -> str:
    """Copy every tensor of the model `init` whose name and shape `network` has; return that model's digest.

    What differs (an upsampler of another scale) stays as it was drawn. Raises HwsrError when the model cannot be
    read, has another number of features, or has nothing that fits.
    """
    tensors, card = load_tensors(model_file(init))
    spec, own = parse_spec(card.spec), network.state_dict()
    found, wanted = _kind(spec), _kind(network.spec)
    if found != wanted:
        raise HwsrError(f"{init}: a network of {found}, not of {wanted}; start from a model of the same kind")
    if starts_warmed_up(init, network.spec) and network.spec.precision is Precision.TERNARY:
        tensors = decomposed(network, tensors)
        freeze_sums(network)
    fitting = {
        name: tensor
        for name, tensor in tensors.items()
        if name in own and (own[name].shape, own[name].dtype) == (tensor.shape, tensor.dtype)
    }
    if not fitting:
        raise HwsrError(f"{init}: '{card.spec}' has no tensor that fits; start from a model of the same kind")
    network.load_state_dict(own | fitting)
    console.print(f"started from {init}: {len(fitting)} of {len(own)} tensors")
    return card.tensors_sha256


def starts_warmed_up(init: Path, spec: Spec) -> bool:
    """Whether the model `init` is the network `spec` in float or in other bits: nothing is left to warm up.

    A ternary network starts from the ternary terms of its float network's weights, but no network from a ternary one.
    Raises HwsrError when the model cannot be read.
    """
    found = parse_spec(load_tensors(model_file(init))[1].spec)
    if found.precision is Precision.TERNARY or spec.precision is Precision.FLOAT:
        return False
    return in_float(found) == in_float(spec)


def _kind(spec: Spec) -> str:
    """What two networks must share for the weights of one to mean something in the other."""
    return f"{spec.n} features" if isinstance(spec, ModelSpec) else f"{spec.name}'s layers"
