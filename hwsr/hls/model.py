"""Stages -> hls4ml's ModelGraph, with every type checked after hls4ml's own passes have run."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from hwsr.errors import HwsrError
from hwsr.hls.source import definitions, kernel, precision, types
from hwsr.ir.stages import Stage


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """hls4ml reports progress on standard output and warns of what we do on purpose."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write_firmware(stages: Sequence[Stage], folder: Path, top: str, backend: str, part: str, clock_ns: float) -> None:
    """Let hls4ml write its project for `stages` into `folder` (firmware, build scripts), and the constants beside it.

    Raises HwsrError naming the layer whose type or depth hls4ml would have changed.
    """
    with quiet():
        from hls4ml.model import ModelGraph

        from hwsr.hls.layers import register

        register()
        results = {stage.name: {"result": precision(stage.result)} for stage in stages}
        config = model_config(results, folder, top, backend, part, clock_ns)
        for stage in stages:
            config["HLSConfig"]["LayerName"][stage.name]["Trace"] = not stage.helper
        model = ModelGraph.from_layer_list(config, [layer_of(stage) for stage in stages])
        _set_depths(model, stages)
        _check(model, stages)
        model.write()
    write_constants(stages, folder)


def write_constants(stages: Sequence[Stage], folder: Path) -> None:
    """Write the arrays and adder graph of every stage's kernel into the firmware, which includes them."""
    for stage in stages:
        if stage.constants:
            header = folder / "firmware" / "weights" / f"{stage.name}.h"
            header.write_text(f"#pragma once\n{definitions(stage)}", encoding="ascii")


def layer_of(stage: Stage) -> dict[str, Any]:
    """A stage as `ModelGraph.from_layer_list` takes it."""
    layer: dict[str, Any] = {"name": stage.name, "inputs": list(stage.inputs), "outputs": list(stage.streams)}
    match stage.kind:
        case "InputLayer":
            return layer | {"class_name": stage.kind, "input_shape": list(stage.shape)}
        case "Clone":
            return layer | {"class_name": stage.kind, "size": prod(stage.shape)}
    built = {
        "kernel": kernel(stage),
        "settings": stage.settings,
        "constants": list(stage.constants),
        "types": types(stage),
    }
    return layer | {"class_name": "HwsrKernel", "out_shape": list(stage.shape)} | built


def model_config(
    types: Mapping[str, Mapping[str, str]], folder: Path, top: str, backend: str, part: str, clock_ns: float
) -> dict[str, Any]:
    """hls4ml's configuration; types: hls4ml's names of those of every layer, by what they are of."""
    layers = {name: {"Precision": dict(own)} for name, own in types.items()}
    return {
        "OutputDir": str(folder),
        "ProjectName": top,
        "Backend": backend,
        "Part": part,
        "ClockPeriod": clock_ns,
        "IOType": "io_stream",
        "TraceOutput": True,
        "WriterConfig": {"Namespace": None, "WriteWeightsTxt": False, "WriteTar": False, "TBOutputStream": "both"},
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
    for place, stage in enumerate(stages, 1):
        layer = model.graph[stage.name]
        if layer.index != place:
            raise HwsrError(f"layer '{stage.name}': hls4ml numbered it {layer.index} instead of {place}")
        wanted = model.config.backend.convert_precision_string(precision(stage.result))
        for stream in stage.streams:
            found = layer.get_output_variable(stream).type.precision
            if found != wanted:
                raise HwsrError(f"layer '{stage.name}': hls4ml made its result {found} instead of {wanted}")
