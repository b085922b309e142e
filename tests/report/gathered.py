"""A report of a model as the command makes it, without the command."""

from pathlib import Path

from hwsr.adders.stages import chosen, graphs, solve
from hwsr.data.datasets import validation_images
from hwsr.engines import model_graph
from hwsr.estimate.devices import find_device
from hwsr.report.gather import Design, Report, report
from hwsr.report.verdict import beside


def gathered(path: Path, data: Path, reuse: int | None = None, csim: Path | None = None) -> Report:
    graph = model_graph(path)
    clocks = graph.scale**2 if reuse is None else reuse
    adders = graphs(solve(graph, chosen(graph, clocks), 5.0))
    design = Design(graph, graph.frame, clocks, find_device("kv260"), 200.0, "vitis", adders)
    return report(path, design, validation_images(graph.scale, data), data, csim or beside(path))
