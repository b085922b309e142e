"""Plans of some models for usual rates on usual boards, as a Markdown table; with --csim, each built and simulated.

python -m benchmarks.plans runs/A runs/B --csim 48x36 --json runs/plans.json
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from hwsr.cli.app import parse_size
from hwsr.engines import model_graph
from hwsr.estimate.devices import find_device
from hwsr.files import write_json
from hwsr.hls.csim import compare
from hwsr.hls.project import write_project
from hwsr.ir.tiling import on_frame
from hwsr.plan.design import Planned, Target, plan
from hwsr.plan.explain import describe_shortfall, scarcest
from hwsr.plan.options import KINDS
from hwsr.reference.run import run, run_all
from hwsr.tiles import test_tiles

# (board, MHz, output, images a second or as many as fit)
CASES = (
    ("KV260", 200, "1280x720", 60),
    ("KV260", 200, "1920x1080", 60),
    ("KV260", 300, "1920x1080", 60),
    ("KV260", 200, "1920x1080", None),
    ("KV260", 200, "3840x2160", 30),
    ("KV260", 300, "3840x2160", 30),
    ("ZCU102", 200, "1280x720", 60),
    ("ZCU102", 200, "1920x1080", 60),
    ("ZCU102", 300, "3840x2160", 30),
    ("PYNQ-Z2", 100, "1280x720", 60),
    ("PYNQ-Z2", 100, "1280x720", None),
)
HEADINGS = ("model", "board", "MHz", "output", "asked", "fps", *(kind.upper() for kind in KINDS), "frame", "verdict")


def row(model: Path, planned: Planned, seconds: float) -> dict[str, Any]:
    target, found = planned.target, planned.estimate
    return {
        "model": model.name,
        "board": target.device.board,
        "MHz": target.clock_mhz,
        "output": f"{target.out[1]}x{target.out[0]}",
        "asked": target.fps,
        "fps": found.fps,
        "range": [
            target.clock_mhz * 1e6 / (found.cycles_per_image / found.bottleneck.cycles * cycles)
            for cycles in reversed(found.ranges["cycles"])
        ],
        "resources": dict(zip(KINDS, planned.selection.total, strict=True)),
        "ranges": {kind: found.ranges[kind] for kind in KINDS},
        "usage": found.usage,
        "frame": f"{found.frame[1]}x{found.frame[0]}",
        "tiles": found.tiles,
        "reuse_factors": {layer.name: layer.reuse_factor for layer in found.layers if layer.name in planned.foldings},
        "met": planned.met,
        "proved": planned.selection.proved,
        "scarcest": scarcest(planned),
        "short": None if planned.met else describe_shortfall(planned),
        "seconds": seconds,
    }


def simulate(planned: Planned, frame: tuple[int, int]) -> int:
    """Build the plan on a small frame; returns the output values that differ from the reference."""
    graph, target = on_frame(planned.graph, frame), planned.target
    with tempfile.TemporaryDirectory() as scratch:
        options = (target.device.hls_part, 1000 / target.clock_mhz, planned.foldings)
        tiles = test_tiles(graph, None)[:2]
        project = write_project(
            graph, Path(scratch) / "p", tiles, lambda tile: run(graph, tile), "Vitis", *options, adders={}
        )
        return compare(project, lambda tile: run_all(graph, tile)).mismatches


def markdown(made: dict[str, Any]) -> str:
    amounts = [f"{made['resources'][kind]:,} ({made['usage'][kind]:.0%})" for kind in KINDS]
    verdict = "fits" if made["met"] else made["short"]
    if "mismatches" in made:
        verdict += ", csim equal" if made["mismatches"] == 0 else f", csim: {made['mismatches']} values differ"
    tiles = f"{made['tiles']} of {made['frame']}" if made["tiles"] > 1 else "whole"
    asked = f"{made['asked']:g}" if made["asked"] else "most"
    cells = [made["model"], made["board"], f"{made['MHz']:g}", made["output"], asked, f"{made['fps']:.1f}", *amounts]
    return f"| {' | '.join([*cells, tiles, verdict])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument(
        "--csim", type=parse_size, help="also build every plan that fits on this small frame, and compare"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    rows = []
    for model in options.models:
        graph = model_graph(model)
        for board, mhz, out, fps in CASES:
            start = time.perf_counter()
            planned = plan(graph, Target(find_device(board), float(mhz), parse_size(out), fps))
            made = row(model, planned, time.perf_counter() - start)
            if options.csim and planned.met:
                made["mismatches"] = simulate(planned, options.csim)
            rows.append(made)
            print(markdown(made), flush=True)
    if options.json:
        write_json(options.json, {"rows": rows})
    if any(made.get("mismatches") for made in rows):
        raise SystemExit("a simulation differs from the reference")


if __name__ == "__main__":
    main()
