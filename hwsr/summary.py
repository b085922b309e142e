"""The last page of `make run`: what the commands of one run measured, read back from their JSON files."""

import json
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from hwsr.errors import HwsrError


def render_summary(run: Path, project: Path) -> Group:
    """A table of the run's figures and the paths of what it wrote. Raises HwsrError when a command has not run."""
    try:
        return _summary(run, project)
    except (KeyError, TypeError, IndexError) as error:
        raise HwsrError(f"{run}: its JSON files are not those of hwsr's commands; run 'make run' again") from error


def _summary(run: Path, project: Path) -> Group:
    train, scores, csim, estimate = (_figures(run, name) for name in ("train", "eval", "csim", "estimate"))
    mean = scores["images"][-1]
    table = Table("what", "figure", title=f"hwsr: {train['spec']}", show_header=False)
    table.add_row("trained", f"{train['step']:,} steps on {train['data']}")
    table.add_row("bicubic", f"{mean['bicubic_psnr']:.2f} dB (Y-PSNR, mean of {len(scores['images']) - 1} images)")
    table.add_row("integer reference", f"{mean['psnr']:.2f} dB ({mean['psnr'] - mean['bicubic_psnr']:+.2f} dB)")
    verdict = "equal bit for bit" if csim["mismatches"] == 0 else f"{csim['mismatches']:,} values differ"
    table.add_row("csim against reference", f"{csim['pixels']:,} output pixels, {verdict}")
    table.add_row("csim speed", f"{csim['pixels_per_s']:,.0f} output pixels/s")
    for what, figure in _estimate_rows(estimate):
        table.add_row(what, figure)
    table.add_row("synthesis, timing, board", "not run: needs the vendor's tools (see the project's README)")
    files = [run / "model.safetensors", run / "model.onnx", project, run / "comparison.png", run / "tb"]
    paths = Table("wrote", show_header=False, box=None)
    for path in files:
        paths.add_row(str(path) if path.exists() else f"{path} (missing)")
    return Group(table, paths)


def _estimate_rows(estimate: dict[str, Any]) -> list[tuple[str, str]]:
    figures, device = estimate["estimates"], estimate["device"]
    height, width = estimate["image"]
    shares = ", ".join(f"{share:.0%} {name.upper()}" for name, share in figures["usage"].items())
    return [
        ("estimated rate", f"{figures['fps']:,.1f} frames/s of {width}x{height} in, {estimate['clock_mhz']:g} MHz"),
        ("estimated share", f"{shares} of {device['part']} ({device['board']})"),
    ]


def _figures(run: Path, name: str) -> dict[str, Any]:
    path = run / f"{name}.json"
    try:
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HwsrError(f"{path}: missing or damaged; run 'make run' again") from error
    return figures
