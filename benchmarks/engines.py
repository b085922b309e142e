"""Times every engine that a folder holds a model for, in one process whose thread count its environment sets.

python -m benchmarks.engines FOLDER          what `python -m benchmarks.reference` starts; prints JSON
python -m benchmarks.engines FOLDER --memory peak memory of one 1920x1080 image instead
"""

import argparse
import ctypes
import json
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from qonnx.core import onnx_exec
from qonnx.core.modelwrapper import ModelWrapper

from hwsr.hls.csim import run as simulate
from hwsr.hls.project import load_project
from hwsr.ir.read import read_qonnx
from hwsr.reference.run import prepare, upscale

FRAME = (180, 320)
LARGE = (1080, 1920)
REPEATS = 5
# Files in the folder of one network.
QONNX, FLOAT, INT8, PROJECT = "model.onnx", "float32.onnx", "int8.onnx", "project"
AFFINE, LITERT, STOCK = "affine.onnx", "int8.tflite", "stock"
# The top function of hls4ml's own project.
TOP = "network"

Engine = Callable[[NDArray[np.uint8]], object]


def engines(folder: Path, threads: int) -> dict[str, tuple[Engine, tuple[int, int]]]:
    """Each engine by name, and the frame (H, W) that it is timed on."""
    graph, model = read_qonnx(folder / QONNX), ModelWrapper(str(folder / QONNX))
    hold_qonnx_to(threads)
    found: dict[str, tuple[Engine, tuple[int, int]]] = {
        "hwsr reference": (prepare(graph), FRAME),
        "qonnx executor": (lambda image: onnx_exec.execute_onnx(model, {"image": as_float(image)}), FRAME),
    }
    for name, file in (("onnxruntime float32", FLOAT), ("onnxruntime int8", INT8)):
        if (folder / file).is_file():
            found[name] = (session(folder / file, threads), FRAME)
    if (folder / AFFINE).is_file():
        found["hwsr reference int8a"] = (prepare(read_qonnx(folder / AFFINE)), FRAME)
    if (folder / LITERT).is_file():
        found["LiteRT int8"] = (litert(folder / LITERT, threads), FRAME)
    # Simulations have no threads to vary.
    if threads == 1 and (folder / PROJECT).is_dir():
        project = load_project(folder / PROJECT)
        found["HLS C++"] = (lambda image: simulate(project, image[None], jobs=1), project.manifest.frame)
        found["hls4ml predict"] = (predictor(folder / STOCK, graph.scale), project.manifest.frame)
    return found


def hold_qonnx_to(threads: int) -> None:
    """qonnx's executor asks for no number of threads and gets them all, on any CPU: give it what the others have."""
    onnx_exec.rt = SimpleNamespace(
        InferenceSession=partial(onnxruntime.InferenceSession, sess_options=_options(threads))
    )


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def as_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(C, H, W) pixels as the (1, C, H, W) values of the network's input."""
    return image[None].astype(np.float32) / 256


def session(path: Path, threads: int) -> Engine:
    """An onnxruntime session on so many threads."""
    running = onnxruntime.InferenceSession(str(path), _options(threads), providers=["CPUExecutionProvider"])
    return lambda image: running.run(None, {"image": as_float(image)})


def litert(path: Path, threads: int) -> Engine:
    """A .tflite file by LiteRT's fast kernels, on so many threads."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    source, made = (
        details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
    )

    def run(image: NDArray[np.uint8]) -> object:
        # int8 around mid-grey, channels last.
        interpreter.set_tensor(source, (image ^ 128).view(np.int8).transpose(1, 2, 0)[None])
        interpreter.invoke()
        return interpreter.get_tensor(made)

    return run


def predictor(folder: Path, scale: int) -> Callable[[NDArray[np.uint8]], NDArray[np.int64]]:
    """hls4ml's compiled predict: (C, H, W) pixels of the project's frame -> (C, sH, sW) integers."""
    function = getattr(ctypes.CDLL(str(next((folder / "firmware").glob("*.so")))), f"{TOP}_float")
    function.restype, function.argtypes = None, [np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")] * 2

    def run(image: NDArray[np.uint8]) -> NDArray[np.int64]:
        channels, height, width = image.shape
        made = np.zeros((height * scale, width * scale, channels), np.float32)
        function(np.ascontiguousarray(image.transpose(1, 2, 0), np.float32), made)
        return made.transpose(2, 0, 1).astype(np.int64)

    return run


def cpu_seconds() -> float:
    """CPU time of this process and of the programs that it has run."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(folder: Path, threads: int) -> list[dict[str, Any]]:
    """The least wall and CPU time of every engine, taken in turns so that all meet the same load, as seconds a frame.

    An engine that is timed on another frame than FRAME is scaled by its pixels.
    """
    rng = np.random.default_rng(0)
    found = {
        name: (engine, rng.integers(0, 256, (3, *frame)).astype(np.uint8))
        for name, (engine, frame) in engines(folder, threads).items()
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(REPEATS + 1):
        for name, (engine, image) in found.items():
            wall, cpu = time.perf_counter(), cpu_seconds()
            engine(image)
            times[name].append((time.perf_counter() - wall, cpu_seconds() - cpu))
    rows = []
    for name, (_, image) in found.items():
        scale = FRAME[0] * FRAME[1] / image[0].size
        # The first run loads and allocates.
        wall, cpu = (scale * min(column) for column in zip(*times[name][1:], strict=True))
        rows.append({"engine": name, "wall_s": wall, "cpu_s": cpu, "timed_on": list(image.shape[1:])})
    return rows


def peak_memory(folder: Path) -> dict[str, Any]:
    """Upscale one large image with the reference; the process's peak resident memory in bytes."""
    graph = read_qonnx(folder / QONNX)
    image = np.random.default_rng(0).integers(0, 256, (3, *LARGE)).astype(np.uint8)
    start = time.perf_counter()
    made = upscale(graph, image)
    seconds = time.perf_counter() - start
    # Not getrusage: its maximum starts with that of the process that forked this one.
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = 1024 * int(next(line for line in status if line.startswith("VmHWM:")).split()[1])
    return {"input": list(image.shape), "output": list(made.shape), "peak_bytes": peak, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", action="store_true")
    asked = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    print(json.dumps(peak_memory(asked.folder) if asked.memory else measure(asked.folder, threads)))


if __name__ == "__main__":
    main()
