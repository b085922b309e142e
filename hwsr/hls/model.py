"""Stages -> hls4ml's ModelGraph, with every type checked after hls4ml's own passes have run."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hwsr.errors import HwsrError
from hwsr.hls.lower import Stage


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """hls4ml reports progress on standard output and warns of what we do on purpose."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write_firmware(stages: Sequence[Stage], folder: Path, top: str, backend: str, part: str, clock_ns: float) -> None:
    """Let hls4ml write its project for `stages` into `folder` (firmware, weights, build scripts).

    Raises HwsrError naming the layer whose type or depth hls4ml would have changed.
    """
    with quiet():
        from hls4ml.model import ModelGraph

        from hwsr.hls.layers import register

        register()
        config = _config(stages, folder, top, backend, part, clock_ns)
        model = ModelGraph.from_layer_list(config, [_layer(stage) for stage in stages])
        _set_depths(model, stages)
        _check(model, stages)
        model.write()


def _layer(stage: Stage) -> dict[str, Any]:
    layer = {"class_name": stage.kind, "name": stage.name, "outputs": list(stage.streams)}
    return layer | {"inputs": list(stage.inputs)} | stage.attributes


def _config(
    stages: Sequence[Stage], folder: Path, top: str, backend: str, part: str, clock_ns: float
) -> dict[str, Any]:
    layers = {
        stage.name: {
            "Precision": dict(stage.types),
            "ReuseFactor": stage.reuse_factor,
            "Strategy": "Latency" if stage.reuse_factor == 1 else "Resource",
            "Trace": not stage.helper,
        }
        for stage in stages
    }
    return {
        "OutputDir": str(folder),
        "ProjectName": top,
        "Backend": backend,
        "Part": part,
        "ClockPeriod": clock_ns,
        "IOType": "io_stream",
        "TraceOutput": True,
        "WriterConfig": {"Namespace": None, "WriteWeightsTxt": True, "WriteTar": False, "TBOutputStream": "both"},
        # The default precision is one that no stage uses: a type that was forgotten shows in the check.
        "HLSConfig": {"Model": {"Precision": "fixed<61,7>", "ReuseFactor": 1}, "LayerName": layers},
    }


def _set_depths(model: Any, stages: Sequence[Stage]) -> None:
    for stage in stages:
        for stream, depth in stage.streams.items():
            model.graph[stage.name].get_output_variable(stream).pragma = ("stream", depth)


def _check(model: Any, stages: Sequence[Stage]) -> None:
    """Raise unless hls4ml kept every stage and every type as asked."""
    if len({stage.name for stage in stages}) != len(stages):
        raise HwsrError("two stages have one name; this is a fault of hwsr's lowering")
    added = set(model.graph) ^ {stage.name for stage in stages}
    if added:
        raise HwsrError(f"layer '{min(added)}': hls4ml added or removed it; this release of hls4ml is not supported")
    for stage in stages:
        layer = model.graph[stage.name]
        found = {"result": [layer.get_output_variable(stream).type.precision for stream in stage.streams]}
        found |= {name: [weight.type.precision] for name, weight in layer.weights.items()}
        if "accum" in stage.types:
            found["accum"] = [layer.get_attr("accum_t").precision]
        if set(found) != set(stage.types):
            raise HwsrError(f"layer '{stage.name}': hls4ml gave it types for {sorted(found)}")
        for what, types in found.items():
            wanted = model.config.backend.convert_precision_string(stage.types[what])
            for qtype in types:
                if qtype != wanted:
                    raise HwsrError(f"layer '{stage.name}': hls4ml made its {what} {qtype} instead of {wanted}")
        if layer.get_attr("reuse_factor", 1) != stage.reuse_factor:
            raise HwsrError(f"layer '{stage.name}': hls4ml changed the reuse factor {stage.reuse_factor}")
