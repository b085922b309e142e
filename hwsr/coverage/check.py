"""One network through export, reference and the C simulation of its HLS C++, compared as integers."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwsr.coverage.networks import Cell
from hwsr.engines import model_graph
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.hls import csim
from hwsr.hls.project import write_project
from hwsr.ir.graph import IntArray, IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.ir.tiling import on_frame
from hwsr.quant import build, calibrate
from hwsr.reference.run import run, run_all
from hwsr.release import read_release
from hwsr.spec import Spec, parse_spec
from hwsr.tiles import test_tiles as real_tiles
from hwsr.zoo.network import Network

# Small frames, for which optimizing takes longer than it saves; of a released model a tile as large as worth it.
FRAME, FULL_FRAME = (10, 12), (24, 24)
QUICK = ("-O0", *csim.FLAGS[1:])


@dataclass(frozen=True)
class Outcome:
    """What came of a network. pixels, mismatches: output pixels compared, output values that differ among them.

    layers: how many were compared by themselves; wrong: the first that differs; error: what stopped the network;
    rule: why there is no such network.
    """

    cell: Cell
    precision: str = ""
    pixels: int = 0
    mismatches: int = 0
    layers: int = 0
    wrong: str | None = None
    error: str | None = None
    rule: str | None = None

    @property
    def failure(self) -> str | None:
        """What keeps this network from passing, in words; None where it passes, or where none is defined."""
        if self.rule:
            return None
        if self.error or not self.pixels or not self.layers:
            return self.error or "nothing was compared"
        if self.mismatches or self.wrong:
            where = f"; first wrong layer: {self.wrong}" if self.wrong else ""
            return f"{self.mismatches:,} values of {self.pixels:,} pixels differ{where}"
        return None

    def as_json(self) -> dict[str, Any]:
        """One flat object: where the network stands, spec and figures."""
        own = {key: value for key, value in asdict(self).items() if key != "cell"}
        place = asdict(self.cell)
        return {"spec": place.pop("network"), **place, **own, "failure": self.failure}


def check(cell: Cell) -> Outcome:
    """Take one network all the way. Never raises: what went wrong is in the outcome."""
    if cell.rule:
        return Outcome(cell, rule=cell.rule)
    try:
        torch.set_num_threads(1)
        if cell.released:
            folder = Path(cell.network)
            precision = parse_spec(read_release(folder).spec).precision
            return simulate(cell, precision, on_frame(model_graph(folder), FULL_FRAME), csim.FLAGS)
        spec = parse_spec(cell.network)
        return simulate(cell, spec.precision, random_graph(spec, FRAME), QUICK)
    except Exception as error:  # whatever stops one network must not stop the others
        return Outcome(cell, error=f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}")


def simulate(cell: Cell, precision: str, graph: IntGraph, flags: tuple[str, ...]) -> Outcome:
    """A real tile and a saturating one through the compiled project; of the second every layer. Raises HwsrError."""

    def reference(tile: np.ndarray) -> Mapping[str, IntArray]:
        return run_all(graph, tile)

    frames = frames_for(graph)
    if min(run(graph, frame).std() for frame in frames) < 1:
        raise HwsrError("the picture is all but constant, which proves nothing")
    with tempfile.TemporaryDirectory() as scratch:
        tile = frames[:1].astype(np.uint8)
        project = write_project(graph, Path(scratch) / "net", tile, lambda frame: run(graph, frame), cell.backend)
        report = csim.compare(project, reference, frames, flags)
        layers = csim.compare_layers(project, reference, frames[-1], flags)
    wrong = next((layer.layer for layer in layers if layer.mismatches), None)
    return Outcome(cell, precision, report.pixels, report.mismatches, len(layers), wrong)


def frames_for(graph: IntGraph) -> IntArray:
    """Frames (2, C, H, W): of the embedded photographs' tiles the liveliest, and one of black and white noise."""
    real = max(real_tiles(graph, None), key=np.std)
    noise = np.random.default_rng(0).choice([graph.input.type.lo, graph.input.type.hi], real.shape)
    return np.stack([real, noise]).astype(np.int64)


def random_graph(spec: Spec, frame: tuple[int, int]) -> IntGraph:
    """The integers of a network of random weights on a frame (H, W)."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        export_qonnx(random_network(spec), path, frame)
        return read_qonnx(path)


def random_network(spec: Spec, seed: int = 0) -> Network:
    """Random weights and biases, exponents calibrated on noise."""
    network, generator = build(spec, seed), torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, (2, spec.channels, 16, 16), generator=generator)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                module.bias.normal_(0, 0.1, generator=generator)
    calibrate(network, [noise / 256])
    return network.eval()
