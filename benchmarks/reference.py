"""Speed of the integer reference beside other engines on the same network and frame, as ratios, in one run.

- qonnx: its executor on the same QONNX file
- onnxruntime float32: the network of the same spec, not quantized, exported by torch
- onnxruntime int8: that file through onnxruntime's own static quantization (QDQ, weights a channel); other integers
- LiteRT int8: the network of the same spec in int8a, by LiteRT's fast kernels, and the reference on that network
- HLS C++: the project's csim program, on a small frame, scaled by pixels
- hls4ml predict: the network through hls4ml's own kernels, as its compiled predict runs it, on the same small frame

and the reference's peak memory on a 1920x1080 image. python -m benchmarks.reference --json runs/bench.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.engines import (
    AFFINE,
    FLOAT,
    FRAME,
    INT8,
    LARGE,
    LITERT,
    PROJECT,
    QONNX,
    STOCK,
    TOP,
    as_float,
    predictor,
)
from benchmarks.stock import write_stock
from hwsr.export.qonnx import execute, export_qonnx
from hwsr.files import write_json
from hwsr.hls.csim import build as build_project
from hwsr.hls.project import write_project
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import parse_spec
from hwsr.zoo.network import Network
from tests.litert_network import Converter

WIDTHS = (16, 32, 64)
THREADS = (1, 2)
# What the HLS program is timed on.
SMALL = (32, 32)


class Calibration(CalibrationDataReader):
    """One image, for onnxruntime's quantization."""

    def __init__(self, image: np.ndarray) -> None:
        self.images = iter([{"image": as_float(image)}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.images, None)


def make_models(n: int, folder: Path) -> None:
    """The files of the network with n features for every engine; the reference must equal qonnx's executor."""
    image = np.random.default_rng(0).integers(0, 256, (3, *FRAME)).astype(np.uint8)
    text = f"bl x2 n{n} g0 b3 noca anchor direct"
    network = calibrated(f"{text} int8", image)
    export_qonnx(network, folder / QONNX, FRAME)
    graph = read_qonnx(folder / QONNX)
    if not np.array_equal(run(graph, image), execute(folder / QONNX, image)):
        raise SystemExit(f"n = {n}: the reference and qonnx's executor differ")
    _export_float(text, folder / FLOAT)
    quant_pre_process(str(folder / FLOAT), str(folder / INT8))
    options = {"quant_format": QuantFormat.QDQ, "per_channel": True, "weight_type": QuantType.QInt8}
    quantize_static(str(folder / INT8), str(folder / INT8), Calibration(image), **options)
    with tempfile.TemporaryDirectory() as scratch:
        export_qonnx(network, Path(scratch) / QONNX, SMALL)
        small = read_qonnx(Path(scratch) / QONNX)
    tiles = image[None, :, : SMALL[0], : SMALL[1]]
    build_project(write_project(small, folder / PROJECT, tiles, lambda tile: run(small, tile)))
    _build_stock(small, folder / STOCK, tiles[0])
    export_qonnx(calibrated(f"{text} int8a", image), folder / AFFINE, FRAME)
    _write_tflite(folder / AFFINE, folder / LITERT)


def calibrated(text: str, image: np.ndarray) -> Network:
    """A network of random weights that has seen a part of the image."""
    network = build(parse_spec(text))
    calibrate(network, [torch.from_numpy(as_float(image[:, :64, :64]))])
    return network.eval()


def _build_stock(graph: IntGraph, folder: Path, tile: np.ndarray) -> None:
    """Write and compile hls4ml's project of a network; its predict must equal the reference."""
    write_stock(graph, folder, TOP, graph.scale**2)
    subprocess.run(["bash", "build_lib.sh"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    if not np.array_equal(predictor(folder, graph.scale)(tile), run(graph, tile)):
        raise SystemExit(f"{folder}: the reference and hls4ml's predict differ")


def _write_tflite(path: Path, target: Path) -> None:
    converter = Converter(path, FRAME)
    assert converter.image
    output = converter.made[converter.graph.output[0].name]
    target.write_bytes(converter.model.file([converter.image], output))


def _export_float(text: str, path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 3, *FRAME)
        network = build(parse_spec(text)).eval()
        torch.onnx.export(network, (example,), str(path), input_names=["image"], dynamo=False)


def in_process(folder: Path, threads: int, *options: str) -> Any:
    """What `benchmarks.engines` measures in a process of its own on so many threads."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.engines", str(folder), *options]
    done = subprocess.run(command, env={**os.environ, **counts}, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(console: Console, n: int, threads: int, rows: list[dict[str, Any]]) -> None:
    ours = rows[0]
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    table = Table("engine", "wall ms", "CPU ms", "wall ratio", "CPU ratio", title=f"n = {n}, {on}")
    for row in rows:
        times = [f"{row[key] * 1e3:.1f}" for key in ("wall_s", "cpu_s")]
        ratios = [f"{row[key] / ours[key]:.2f}" for key in ("wall_s", "cpu_s")]
        table.add_row(row["engine"], *times, *ratios)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    target = parser.parse_args().json
    console = Console()
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = {n: Path(scratch) / str(n) for n in WIDTHS}
        for n, folder in track(folders.items(), "models", console=console, transient=True):
            folder.mkdir()
            make_models(n, folder)
        for n, folder in folders.items():
            for threads in THREADS:
                rows = in_process(folder, threads)
                show(console, n, threads, rows)
                results.append({"n": n, "threads": threads, "frame": FRAME, "engines": rows})
        memory = in_process(folders[WIDTHS[0]], 1, "--memory")
    console.print(f"Times of a {FRAME[1]}x{FRAME[0]} frame x2; a ratio is how many times as long as the reference.")
    console.print(
        f"Peak memory of a {LARGE[1]}x{LARGE[0]} image x2, n = {WIDTHS[0]}: {memory['peak_bytes'] / 1e6:.0f} MB "
        f"in {memory['seconds']:.1f} s"
    )
    if target:
        write_json(target, {"engines": results, "memory": memory})


if __name__ == "__main__":
    main()
