"""Time and memory that the paper's own networks take to C++ and through csim on a tile of 24 x 24.

Generation is export, integers and HLS project; compilation is g++ -O2, as `hwsr csim` has it. Wall seconds; memory is
the peak of any one process. python -m benchmarks.full_width --json runs/full_width.json
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwsr.coverage.check import FULL_FRAME, frames_for, random_graph
from hwsr.files import write_json
from hwsr.hls.csim import build, compare
from hwsr.hls.project import write_project
from hwsr.reference.run import run, run_all
from hwsr.spec import parse_spec

SPECS = ("bl x2 int8", "ST-bl x2 r1")


def measure(text: str, folder: Path) -> dict[str, float | str]:
    """Generate, compile and simulate one network. Returns a row of figures."""
    start = time.perf_counter()
    graph = random_graph(parse_spec(text), FULL_FRAME)
    frames = frames_for(graph)
    project = write_project(graph, folder, frames[:1].astype("uint8"), lambda tile: run(graph, tile))
    generated = time.perf_counter()
    build(project)
    compiled = time.perf_counter()
    report = compare(project, lambda tile: run_all(graph, tile), frames)
    if report.mismatches:
        raise SystemExit(f"{text}: {report.mismatches} values differ from the reference")
    return {
        "spec": text,
        "generate_s": generated - start,
        "compile_s": compiled - generated,
        "simulate_s": report.run_s,
        "pixels": report.pixels,
        "mismatches": report.mismatches,
        "peak_gib": max(_peak(resource.RUSAGE_SELF), _peak(resource.RUSAGE_CHILDREN)),
    }


def _peak(who: int) -> float:
    """GiB of this process, or of the largest of those that it started."""
    return resource.getrusage(who).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("specs", nargs="*", default=SPECS)
    options = parser.parse_args()
    table = Table("network", "generate s", "compile s", "simulate s", "peak GiB", "mismatches")
    rows = []
    for text in options.specs:
        with tempfile.TemporaryDirectory() as scratch:
            row = measure(text, Path(scratch) / "net")
        rows.append(row)
        seconds = [f"{row[key]:.0f}" for key in ("generate_s", "compile_s", "simulate_s")]
        table.add_row(text, *seconds, f"{row['peak_gib']:.1f}", str(row["mismatches"]))
    Console().print(table)
    if options.json:
        write_json(options.json, {"rows": rows})


if __name__ == "__main__":
    main()
