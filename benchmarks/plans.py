"""Plans of some models for usual rates on usual boards, as a Markdown table beside published designs.

With --csim every plan that fits is built as `hwsr hls --plan --frame` does and simulated, as C simulation and as
dataflow between its FIFOs; with --data the models' dB on those images stand beside their hardware.

python -m benchmarks.plans runs/A runs/B --csim 48x36 --data Set5 --json runs/plans.json
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from hwsr.cli.app import parse_size
from hwsr.data.datasets import validation_images
from hwsr.engine import Engine
from hwsr.engines import make_upscaler, model_graph
from hwsr.estimate.devices import KINDS, find_device
from hwsr.evaluate import evaluate
from hwsr.files import write_json
from hwsr.hls.csim import compare
from hwsr.hls.dataflow import verify
from hwsr.hls.project import write_project
from hwsr.ir.tiling import on_frame
from hwsr.plan.depths import found_depths
from hwsr.plan.design import Planned, Target, plan
from hwsr.plan.explain import describe_shortfall, scarcest
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
HEADINGS = (
    *("model", "board", "MHz", "output", "asked", "fps", *(kind.upper() for kind in KINDS)),
    *("adder graphs", "FIFOs, kbit", "dB", "frame", "verdict"),
)
# As their authors report them, measured after place and route, of other networks: rows of the same columns.
PUBLISHED = (
    (
        *("FSRCNN x4", "ZCU102", "300", "1280x720", "", "308 (3.25 ms)", "41,859", "29,920", "1,513", "193"),
        *("", "", "", "whole", "published"),
    ),
    ("Vitis AI's pruned RCAN x2", "ZCU102", "", "1280x720", "", "18", "", "", "", "", "", "", "", "DPU", "published"),
)


def row(model: Path, planned: Planned, seconds: float) -> dict[str, Any]:
    target, found = planned.target, planned.estimate
    return {
        "model": model.name,
        "board": target.device.board,
        "MHz": target.clock_mhz,
        "output": f"{target.out[1]}x{target.out[0]}",
        "asked": target.fps,
        "fps": found.fps,
        "fps_range": planned.ranged.fps_range,
        "resources": dict(zip(KINDS, planned.selection.total, strict=True)),
        "ranges": {kind: found.ranges[kind] for kind in KINDS},
        "usage": found.usage,
        "frame": f"{found.frame[1]}x{found.frame[0]}",
        "tiles": found.tiles,
        "interval": planned.interval,
        "bottleneck": found.bottleneck.name,
        "fifo_bits": found.counts.fifo_bits,
        "adder_graphs": {name: len(graph.sums) for name, graph in planned.adders.items()},
        "depths": planned.depths,
        "reuse_factors": {layer.name: layer.reuse_factor for layer in found.layers if layer.name in planned.foldings},
        "met": planned.met,
        "proved": planned.selection.proved,
        "scarcest": scarcest(planned),
        "short": None if planned.met else describe_shortfall(planned),
        "seconds": seconds,
    }


def simulate(planned: Planned, frame: tuple[int, int]) -> int:
    """Build the plan on a small frame; returns the output values that differ from the reference, in all simulations."""
    graph, target = on_frame(planned.graph, frame), planned.target
    depths = found_depths(graph, planned.hardware)
    with tempfile.TemporaryDirectory() as scratch:
        options = (target.device.hls_part, 1000 / target.clock_mhz, planned.foldings)
        tiles = test_tiles(graph, None)[:2]
        project = write_project(
            graph,
            Path(scratch) / "p",
            tiles,
            lambda tile: run(graph, tile),
            "Vitis",
            *options,
            planned.adders,
            depths=depths,
        )
        report = compare(project, lambda tile: run_all(graph, tile))
        verdicts = verify(project, lambda tile: run_all(graph, tile))
        return report.mismatches + sum(verdict.mismatches for verdict in verdicts)


def quality(model: Path, data: Path | None) -> float:
    """Mean Y-PSNR in dB of the integer reference."""
    upscale, scale = make_upscaler(Engine.REFERENCE, model)
    return evaluate(upscale, validation_images(scale, data), scale)[-1].psnr


def markdown(made: dict[str, Any]) -> str:
    amounts = [f"{made['resources'][kind]:,} ({made['usage'][kind]:.0%})" for kind in KINDS]
    short = "" if made["met"] else made["short"].partition("short of ")[2].removesuffix(" (estimate)")
    verdict = f"exit code 3: short of {short}" if short else "fits"
    if "mismatches" in made:
        verdict += ", csim equal" if made["mismatches"] == 0 else f", csim: {made['mismatches']} values differ"
    tiles = f"{made['tiles']} of {made['frame']}" if made["tiles"] > 1 else "whole"
    asked = f"{made['asked']:g}" if made["asked"] else "most"
    cells = [made["model"], made["board"], f"{made['MHz']:g}", made["output"], asked, rate(made), *amounts]
    decibels = f"{made['dB']:.2f}" if "dB" in made else ""
    more = [f"{len(made['adder_graphs'])}", f"{made['fifo_bits'] / 1000:,.0f}", decibels]
    return f"| {' | '.join([*cells, *more, tiles, verdict])} |"


def rate(made: dict[str, Any]) -> str:
    """Images a second, with their range where a digit of it can be seen."""
    ends = [f"{end:.1f}" for end in made["fps_range"] or ()]
    return f"{made['fps']:.1f}" + (f" ({' to '.join(ends)})" if len(set(ends)) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument(
        "--csim", type=parse_size, help="also build every plan that fits on this small frame, and compare"
    )
    parser.add_argument("--data", type=Path, help="images whose dB are shown, as 'hwsr eval' takes them")
    parser.add_argument("--adder-seconds", type=float, help="bound of the search for each adder graph")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    rows = []
    for model in options.models:
        graph = model_graph(model)
        scored = {"dB": quality(model, options.data)} if options.data else {}
        for board, mhz, out, fps in CASES:
            start = time.perf_counter()
            planned = plan(graph, Target(find_device(board), float(mhz), parse_size(out), fps), options.adder_seconds)
            made = row(model, planned, time.perf_counter() - start) | scored
            if options.csim and planned.met:
                made["mismatches"] = simulate(planned, options.csim)
            rows.append(made)
            print(markdown(made), flush=True)
    for published in PUBLISHED:
        print(f"| {' | '.join(published)} |")
    if options.json:
        write_json(options.json, {"rows": rows, "published": [dict(zip(HEADINGS, p, strict=True)) for p in PUBLISHED]})
    if any(made.get("mismatches") for made in rows):
        raise SystemExit("a simulation differs from the reference")


if __name__ == "__main__":
    main()
