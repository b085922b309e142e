"""The C simulation of hwsr's project beside that of the same network through hls4ml's own kernels, in one run.

Both programs upscale the same frames and must equal the reference. Times are CPU seconds: of g++, and of the program.
python -m benchmarks.csim --json runs/csim.json
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.engines import as_float
from benchmarks.stock import write_stock
from hwsr.export.qonnx import export_qonnx
from hwsr.files import write_json
from hwsr.hls.csim import FLAGS
from hwsr.hls.data import read_frames, write_frames
from hwsr.hls.project import INPUTS, write_project
from hwsr.ir.graph import IntGraph
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import parse_spec

SPECS = ("ST-bl x2 n16 g0 b3 noca anchor direct r1", "bl x2 n16 g0 b3 noca anchor direct int8")
FRAME = (48, 48)
KERNELS = ("hwsr", "hls4ml")


def make_graph(text: str, folder: Path) -> IntGraph:
    """The network of random weights, calibrated on noise."""
    image = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    network = build(parse_spec(text))
    calibrate(network, [torch.from_numpy(as_float(image))])
    export_qonnx(network.eval(), folder / "model.onnx", FRAME)
    return read_qonnx(folder / "model.onnx")


def measure(text: str, folder: Path) -> list[dict[str, float | str]]:
    """Build and run both projects of a network. Returns a row for each."""
    graph = make_graph(text, folder)
    tiles = np.random.default_rng(1).integers(0, 256, (3, 3, *FRAME)).astype(np.uint8)
    project = write_project(graph, folder / "hwsr", tiles, lambda tile: run(graph, tile))
    top = project.manifest.top
    shutil.copytree(folder / "hwsr", folder / "hls4ml")
    shutil.rmtree(folder / "hls4ml" / "firmware")
    write_stock(graph, folder / "stock", top, graph.scale**2)
    shutil.move(folder / "stock" / "firmware", folder / "hls4ml" / "firmware")
    frames = read_frames(folder / "hwsr" / INPUTS, (3, *FRAME))
    expected = np.stack([run(graph, frame) for frame in frames])
    write_frames(folder / "inputs.dat", frames)
    rows = []
    for kernels in KERNELS:
        weights = f'-DWEIGHTS_DIR="{folder / kernels / "firmware" / "weights"}"'
        sources = [f"firmware/{top}.cpp", f"{top}_test.cpp"]
        command = ["g++", *FLAGS, weights, "-Ifirmware/ap_types", "-Ifirmware", "-I.", *sources, "-o", "program"]
        compiled = cpu_seconds(command, folder / kernels)
        ran = cpu_seconds(["./program", str(folder / "inputs.dat"), "outputs.dat"], folder / kernels)
        made = read_frames(folder / kernels / "outputs.dat", expected.shape[1:])
        if not np.array_equal(made, expected):
            raise SystemExit(f"{text}: the simulation of {kernels}'s kernels and the reference differ")
        pixels = expected[:, 0].size
        rows.append(
            {"spec": text, "kernels": kernels, "compile_s": compiled, "run_s": ran, "pixels_per_s": pixels / ran}
        )
    return rows


def cpu_seconds(command: list[str], folder: Path) -> float:
    """CPU time of a program and of those that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("specs", nargs="*", default=SPECS)
    options = parser.parse_args()
    console, rows = Console(), []
    for text in options.specs:
        with tempfile.TemporaryDirectory() as scratch:
            rows.append(measure(text, Path(scratch)))
    table = Table("network", "kernels", "compile s", "run s", "pixels/s", "ratio")
    for own in rows:
        for row in own:
            ratio = row["pixels_per_s"] / own[-1]["pixels_per_s"]
            times = [f"{row[key]:.2f}" for key in ("compile_s", "run_s")]
            table.add_row(row["spec"], row["kernels"], *times, f"{row['pixels_per_s']:.0f}", f"{ratio:.1f}")
    console.print(table)
    if options.json:
        write_json(options.json, {"rows": [row for own in rows for row in own]})


if __name__ == "__main__":
    main()
