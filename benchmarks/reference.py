"""Speed of the integer reference as a ratio to qonnx's executor on the same file and frame, in one run.

python -m benchmarks.reference --json runs/bench.json
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from hwsr.export.qonnx import execute, export_qonnx
from hwsr.files import write_json
from hwsr.ir.read import read_qonnx
from hwsr.quant import build, calibrate
from hwsr.reference.run import run
from hwsr.spec import parse_spec

SPECS = ("bl x2 n16 g0 b3 noca anchor direct int8", "ST-bl x2 n16 g0 b3 noca anchor direct r1")
FRAME = (180, 320)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The least wall time of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(text: str) -> dict[str, object]:
    """Both engines on one random frame; their outputs must be equal."""
    image = np.random.default_rng(0).integers(0, 256, (3, *FRAME)).astype(np.uint8)
    network = build(parse_spec(text))
    calibrate(network, [torch.from_numpy(image[None, :, :64, :64]) / 256])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_qonnx(network.eval(), path, FRAME)
        graph = read_qonnx(path)
        assert np.array_equal(run(graph, image), execute(path, image))
        ours, theirs = seconds(lambda: run(graph, image)), seconds(lambda: execute(path, image))
    return {"spec": text, "reference_s": ours, "qonnx_s": theirs, "times_faster": theirs / ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    target = parser.parse_args().json
    rows = [measure(text) for text in SPECS]
    for row in rows:
        print(
            f"{row['spec']}: reference {row['reference_s']:.2f} s, qonnx executor {row['qonnx_s']:.2f} s, "
            f"{row['times_faster']:.1f} times as fast ({FRAME[1]}x{FRAME[0]} frame)"
        )
    if target:
        write_json(target, rows)


if __name__ == "__main__":
    main()
