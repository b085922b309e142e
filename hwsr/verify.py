"""Compares an HLS project's C simulation with the integer reference, on its own frames and on whole images."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.table import Table

from hwsr.data.colour import as_channels
from hwsr.data.images import read_image
from hwsr.engines import model_graph, project_of
from hwsr.hls.csim import AxiReport, CsimReport, compare, compare_axi, sources_hash, upscale
from hwsr.hls.dataflow import Verdict
from hwsr.hls.dataflow import verify as verify_dataflow
from hwsr.hls.project import Project, hardware_hash
from hwsr.ir.graph import IntArray, IntGraph
from hwsr.ir.tiling import default_tiling, tiles
from hwsr.reference.run import run_all
from hwsr.reference.run import upscale as reference_upscale


@dataclass(frozen=True)
class ImageReport:
    """One whole image: output pixels, output values that differ from the reference, and, where any does, its tiles."""

    name: str
    pixels: int
    mismatches: int
    by_tiles: CsimReport | None


@dataclass(frozen=True)
class Verification:
    """The project's own frames, then whole images, then its own frames again with its streams bounded, if asked; axi:
    own frames and images through the AXI4-Stream top function, axi_dataflow: that one's streams bounded.

    What it is a verdict on: frame: (H, W) of the project; graph, hardware, sources: hashes of the network on that
    frame, of what it was built with (`hwsr.hls.project`), and of the C++.
    """

    project: str
    backend: str
    frame: tuple[int, int]
    graph: str
    hardware: str
    sources: str
    frames: CsimReport
    images: tuple[ImageReport, ...]
    dataflow: tuple[Verdict, ...]
    axi: AxiReport | None = None
    axi_images: tuple[ImageReport, ...] = ()
    axi_dataflow: tuple[Verdict, ...] = ()

    @property
    def mismatches(self) -> int:
        again = (self.axi,) if self.axi else ()
        parts = (*self.images, *self.dataflow, *again, *self.axi_images, *self.axi_dataflow)
        later = (part.mismatches for part in parts)
        return self.frames.mismatches + sum(later)

    @property
    def pixels(self) -> int:
        return self.frames.pixels + sum(image.pixels for image in self.images)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "mismatches": self.mismatches,
            "pixels": self.pixels,
            "pixels_per_s": self.frames.pixels_per_s,
        }


def verify(folder: Path, model: Path, images: Sequence[Path], bounded: bool = False, axi: bool = False) -> Verification:
    """Simulate and compare, with `bounded` also the dataflow between streams of the declared depths, with `axi` all of
    it again through the AXI4-Stream top function.

    Raises HwsrError when the project was not made from the model.
    """
    project, graph = project_of(folder, model, model_graph(model))

    def reference(tile: NDArray[np.integer]) -> Mapping[str, IntArray]:
        return run_all(graph, tile)

    made = project.manifest
    plain = Verification(
        str(folder),
        made.backend,
        made.frame,
        made.graph,
        hardware_hash(made.backend, made.layers),
        sources_hash(project),
        compare(project, reference),
        tuple(_compare_image(project, graph, path) for path in images),
        verify_dataflow(project, reference) if bounded else (),
    )
    if not axi:
        return plain
    return replace(
        plain,
        axi=compare_axi(project, reference),
        axi_images=tuple(_compare_image(project, graph, path, axi=True) for path in images),
        axi_dataflow=verify_dataflow(project, reference, axi=True) if bounded else (),
    )


def _compare_image(project: Project, graph: IntGraph, path: Path, axi: bool = False) -> ImageReport:
    image = np.ascontiguousarray(as_channels(read_image(path), graph.input.channels).transpose(2, 0, 1))
    tiling = default_tiling(graph)
    got, wanted = upscale(project, image, tiling, axi), reference_upscale(graph, image, tiling)
    mismatches = int(np.count_nonzero(got != wanted))
    by_tiles = None
    if mismatches and not axi:
        cut = np.stack([tile for _, _, tile in tiles(image, tiling)])
        by_tiles = compare(project, lambda tile: run_all(graph, tile), cut)
    return ImageReport(path.name, got[0].size, mismatches, by_tiles)


def render_report(report: Verification) -> Group:
    """The verdict; on a mismatch also where it is and which layer differs first."""
    frames = report.frames
    table = Table(
        "compared", "output pixels", "mismatches", title=f"csim against the integer reference: {report.project}"
    )
    table.add_row(f"{frames.tiles} test frames", f"{frames.pixels:,}", f"{frames.mismatches:,}")
    for image in report.images:
        table.add_row(image.name, f"{image.pixels:,}", f"{image.mismatches:,}")
    for verdict in report.dataflow:
        what = f"{verdict.frames} test frames as dataflow, {verdict.in_flight} words in flight"
        table.add_row(what, f"{frames.pixels:,}", f"{verdict.mismatches:,}")
    if report.axi:
        table.add_row(
            f"{report.axi.tiles} test frames by AXI4-Stream", f"{frames.pixels:,}", f"{report.axi.mismatches:,}"
        )
    for image in report.axi_images:
        table.add_row(f"{image.name} by AXI4-Stream", f"{image.pixels:,}", f"{image.mismatches:,}")
    for verdict in report.axi_dataflow:
        what = f"{verdict.frames} test frames by AXI4-Stream as dataflow, {verdict.in_flight} words in flight"
        table.add_row(what, f"{frames.pixels:,}", f"{verdict.mismatches:,}")
    speed = f"g++ {frames.build_s:.1f} s, simulation {frames.pixels_per_s:,.0f} output pixels/s"
    parts: list[Any] = [table, speed]
    parts += _mismatch("test frame", frames)
    for image in report.images:
        parts += _mismatch(f"{image.name}, tile", image.by_tiles) if image.by_tiles else []
    if report.axi and report.axi.wrong_side_channels:
        parts.append(f"{report.axi.wrong_side_channels:,} pixels by AXI4-Stream have wrong side channels")
    for verdict in (*report.dataflow, *report.axi_dataflow):
        parts += ["DEADLOCK:", *map(str, verdict.deadlock)] if verdict.deadlock else []
    parts.append("every value equal" if not report.mismatches else f"{report.mismatches:,} values differ")
    return Group(*parts)


def _mismatch(where: str, report: CsimReport) -> list[Any]:
    """The first mismatch and, layer by layer, where it comes from; nothing when all is equal."""
    first, wrong = report.first, report.first_wrong_layer
    if first is None:
        return []
    return [
        f"first mismatch: {where} {first.tile}, channel {first.channel}, y {first.y}, x {first.x}: "
        f"csim {first.got}, reference {first.expected}",
        _layer_table(report),
        f"first wrong layer: {wrong.layer}" if wrong else "every layer by itself is equal: look at the last one",
    ]


def _layer_table(report: CsimReport) -> Table:
    table = Table(title="layer by layer")
    table.add_column("layer", overflow="fold")
    for header in ("values", "mismatches", "first at (c, y, x)", "csim", "reference"):
        table.add_column(header)
    for layer in report.layers:
        where = str(layer.first) if layer.first else ""
        values = ("", "") if layer.got is None else (str(layer.got), str(layer.expected))
        table.add_row(layer.layer, f"{layer.values:,}", f"{layer.mismatches:,}", where, *values)
    return table
