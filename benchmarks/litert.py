"""The integer reference against LiteRT's reference kernels on whole images: integers that differ, and both speeds.

python -m benchmarks.litert MODEL --data Set5 --json runs/litert.json

MODEL is the folder or QONNX file of an int8a network; without --data the embedded photographs are upscaled. A network
with channel attention works on tiles of its frame, in both engines. Ends with exit code 1 where anything differs.
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hwsr.data.colour import as_channels
from hwsr.data.datasets import validation_images
from hwsr.engines import model_graph
from hwsr.files import write_json
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import default_tiling, run_tiled
from hwsr.reference.run import upscale
from tests.litert_network import Converter


@dataclass(frozen=True)
class Comparison:
    """One image: output values compared, those that differ, and the seconds of either engine."""

    image: str
    values: int
    mismatches: int
    reference_s: float
    litert_s: float


def compare(path: Path, graph: IntGraph, name: str, image: np.ndarray) -> Comparison:
    """Upscale (C, H, W) uint8 by both."""
    tiling = default_tiling(graph) if graph.fixed_frame else None
    litert = Converter(path, tiling.frame if tiling else image.shape[1:])

    def run(tile: np.ndarray) -> np.ndarray:
        return (litert.run(tile).astype(np.int16) + 128).astype(np.uint8)

    start = time.perf_counter()
    wanted = run_tiled(run, image, tiling, graph.scale) if tiling else run(image)
    between = time.perf_counter()
    made = upscale(graph, image)
    seconds = time.perf_counter() - between, between - start
    return Comparison(name, made.size, int(np.count_nonzero(made != wanted)), *seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    graph = model_graph(options.model)
    path = options.model / "model.onnx" if options.model.is_dir() else options.model
    rows = []
    for pair in validation_images(graph.scale, options.data):
        image = as_channels(pair.lr, graph.input.channels).transpose(2, 0, 1)
        rows.append(compare(path, graph, pair.name, np.ascontiguousarray(image)))
    table = Table("image", "values", "mismatches", "reference [s]", "LiteRT [s]", title=f"{path} against LiteRT")
    for row in rows:
        seconds = f"{row.reference_s:.3f}", f"{row.litert_s:.3f}"
        table.add_row(row.image, f"{row.values:,}", f"{row.mismatches:,}", *seconds)
    Console().print(table)
    if options.json:
        write_json(options.json, {"model": str(path), "images": [asdict(row) for row in rows]})
    sys.exit(any(row.mismatches for row in rows))


if __name__ == "__main__":
    main()
