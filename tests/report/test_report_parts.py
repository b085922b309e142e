"""The parts of a report: blocks and their picture, the table's totals, clocks of stages, float figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwsr.data.datasets import make_pair
from hwsr.dataflow import dataflow
from hwsr.engine import Engine
from hwsr.engines import make_upscaler
from hwsr.estimate.cross_validation import cross_validation
from hwsr.estimate.design import estimate, timing_on
from hwsr.estimate.devices import find_device
from hwsr.evaluate import evaluate
from hwsr.hls.lower import lower
from hwsr.ir.graph import IntGraph, Requantize, Rescale
from hwsr.quantize import quantize_model
from hwsr.report.blocks import Block, blocks
from hwsr.report.claims import Absent, Kind, claims
from hwsr.report.draw import skips
from hwsr.report.hardware import RESOURCES, Amount, hardware, rows
from hwsr.report.quality import float_network, quality
from hwsr.report.timeline import timeline
from hwsr.report.verdict import Compared, Status, Verdict
from tests.hls.hls_graphs import BUILDS, tiny_net

KV260 = find_device("kv260")


@pytest.fixture(params=BUILDS)
def graph(request: pytest.FixtureRequest) -> IntGraph:
    return BUILDS[request.param][0]()


def test_every_tensor_that_several_read_has_a_block(graph: IntGraph) -> None:
    shown = blocks(graph)
    assert {block.makes for block in shown} >= {name for name, readers in graph.consumers.items() if len(readers) != 1}
    rounded = {node.inputs[0] for node in graph.nodes if isinstance(node, Requantize)}
    assert {block.makes for block in shown} >= graph.tensors.keys() - rounded or graph_is_affine(graph)
    names = [block.name for block in shown]
    assert all(names.index(source) < row for row, block in enumerate(shown) for source in block.inputs)
    assert shown[-1].makes == graph.output.name


def graph_is_affine(graph: IntGraph) -> bool:
    return any(isinstance(node, Rescale) for node in graph.nodes)


def test_skips_do_not_run_over_one_another() -> None:
    def block(name: str, *inputs: str) -> Block:
        return Block(name, name, "add", inputs, "", (1, 1, 1), 8, True, None, 0.0)

    shown = [block("a"), block("b", "a"), block("c", "b", "a"), block("d", "c"), block("e", "d", "b", "a", "c")]
    found = {(skip.start, skip.ends): skip.lane for skip in skips(shown)}
    assert found.keys() == {(0, (2, 4)), (1, (4,)), (2, (4,))}
    assert len(set(found.values())) == 3
    apart = [block("a"), block("b", "a"), block("c", "b", "a"), block("d", "c"), block("e", "d", "c")]
    assert [skip.lane for skip in skips(apart)] == [0, 0]


def test_rows_are_the_stages_of_the_estimate_and_add_up(graph: IntGraph) -> None:
    stages = lower(graph, 4)
    found = estimate(graph, stages, KV260, 200.0)
    table, shown = rows(blocks(graph), stages, found.layers), hardware(found)
    assert len(table) == len(stages) - 1
    for share in shown.shares:
        key = next(name for name, title in RESOURCES.items() if title == share.name)
        assert sum(getattr(row.taken, key).value for row in table) == share.amount.value
        assert share.amount.low <= share.amount.value <= share.amount.high
        assert share.share == share.amount.value / getattr(KV260, key)
    pixels = graph.frame[0] * graph.frame[1]
    assert sum(row.macs for row in table) == pytest.approx(found.counts.macs / pixels)


def test_the_rate_has_the_ends_of_its_simulations(graph: IntGraph) -> None:
    found = replace(estimate(graph, lower(graph, 4), KV260, 200.0), simulated=1000.4)
    assert hardware(found).interval == Amount(1000, 1000, 1001)
    assert hardware(found).fps_range == (found.fps, found.fps)
    shown = hardware(replace(found, spread=(999.5, 2000.0)))
    assert shown.interval == Amount(1000, 999, 2000)
    assert shown.fps_range == (200e6 / 2000, 200e6 / 1000) and shown.fps == 200e6 / 1001


def test_without_an_estimate_every_operation_has_a_row(graph: IntGraph) -> None:
    shown = blocks(graph)
    assert [row.name for row in rows(shown)] == [block.name for block in shown[1:]]
    assert all(row.taken is None for row in rows(shown))


def test_clocks_of_stages(graph: IntGraph) -> None:
    """No stage ends before what it reads from; from first access to last it works or waits."""
    flow = dataflow(graph, lower(graph, 4), timing_on(KV260, 200.0, "vitis"))
    shown = timeline(flow)
    spans = {work.stage: work.spans for work in shown.work}
    assert spans[shown.work[-1].stage][0][1] == flow.run.finished[0] == shown.latency
    assert flow.run.spans[shown.work[-1].stage][-1][1] == flow.run.finished[-1]
    assert spans[shown.work[0].stage][0][0] == 0
    for queue in shown.queues:
        for before, after in zip(spans[queue.writer], spans[queue.reader], strict=True):
            assert before[0] < after[1] and before[1] <= after[1]
        assert 1 <= queue.held <= queue.depth
    for process in flow.processes:
        accesses = np.concatenate([*process.reads.values(), *process.writes.values()])
        start, stop = flow.run.spans[process.name][-1]
        stall = flow.run.stalls[process.name]
        assert np.ptp(accesses) + 1 <= stop - start <= process.ticks + stall.starved + stall.blocked


def test_float_figures_are_of_the_very_model_that_was_quantized(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "models" / "bl_x2_n16_b4"
    (tmp_path / "float").symlink_to(folder)
    quantize_model(folder, "int8", tmp_path / "int8", None, 0)
    found = float_network(tmp_path / "int8")
    assert found.source.startswith("float, which this network started from") and found.upscale
    hr = np.random.default_rng(0).integers(0, 256, (40, 44, 3)).astype(np.uint8)
    assert np.array_equal(found.upscale(hr), make_upscaler(Engine.TORCH, folder)[0](hr))
    (tmp_path / "float").unlink()
    gone = float_network(tmp_path / "int8")
    assert gone.upscale is None and gone.psnr is None and "in no folder beside it" in gone.source


def test_quality_is_that_of_eval(tmp_path: Path) -> None:
    from hwsr.export.qonnx import export_qonnx
    from tests.export.test_qonnx import random_network

    path = tmp_path / "model.onnx"
    export_qonnx(random_network("bl x2 n4 g0 b1 noca direct int8"), path, (12, 14))
    noise = np.random.default_rng(0).integers(0, 256, (2, 36, 42, 3)).astype(np.uint8)
    pairs = [make_pair(f"n{i}", hr, 2) for i, hr in enumerate(noise)]
    found, crops = quality(path, 2, pairs, None)
    wanted = evaluate(make_upscaler(Engine.REFERENCE, path)[0], pairs, 2)
    assert [(each.name, each.psnr, each.ssim) for each in (*found.images, found.mean)] == [
        (each.name, each.psnr, each.ssim) for each in wanted
    ]
    assert [each.bicubic_ssim for each in (*found.images, found.mean)] == [each.bicubic_ssim for each in wanted]
    assert (found.mean.float_psnr, found.floats) == (
        None,
        "not known: a QONNX file alone does not tell of its training",
    )
    assert [(crop.name, crop.width, crop.height) for crop in crops] == [("n0", 42, 36), ("n1", 42, 36)]


def test_the_errors_of_estimates_are_those_of_the_document() -> None:
    document = (Path(__file__).parents[2] / "docs" / "estimates.md").read_text(encoding="utf-8")
    shipped = document.split("<!-- shipped -->")[1].split("By the shipped coefficients")[0]
    for group in cross_validation():
        cells = [f"{off.median:.1%}, {off.p90:.0%}, {off.in_range:.0%}" for off in group.off.values()]
        assert f"| {group.layers} | {group.reports} | {' | '.join(cells)} |" in shipped


@pytest.mark.slow
def test_the_errors_of_estimates_are_those_of_the_shipped_reports() -> None:
    from benchmarks.estimate_error import FIGURES, held_out_totals, outcomes
    from hwsr.estimate.fit import calibration, usable

    reports = [dict(row) for row in calibration() if usable(dict(row))]
    found = held_out_totals({figure: outcomes(reports, figure) for figure in FIGURES})
    assert [(group.layers, group.reports) for group in found] == [(g.layers, g.reports) for g in cross_validation()]
    for got, held in zip(found, cross_validation(), strict=True):
        for name, off in got.off.items():
            assert (off.median, off.p90, off.in_range) == pytest.approx(
                (held.off[name].median, held.off[name].p90, held.off[name].in_range), rel=1e-6, abs=1e-9
            )


def test_claims_say_what_was_refuted_first_and_what_was_not_run() -> None:
    absent = Absent("no kernel for X")
    wrong = Verdict(Status.DIFFERS, "", "Vitis", (4, 5), 3, (Compared("2 test frames", 99, "values", 3),))
    found = claims(wrong, absent, absent)
    assert (found[0].kind, found[0].how) == (Kind.REFUTED, "C simulation: 3 values differ")
    assert [claim.kind for claim in found].count(Kind.PROVED) == 1
    assert sum("no kernel for X" in claim.how for claim in found if claim.kind is Kind.UNPROVED) == 2
    assert "nothing was synthesized" in found[-1].how
    unsaid = claims(Verdict(Status.NOT_RUN, "there is no csim.json"), absent, absent)
    assert Kind.REFUTED not in {claim.kind for claim in unsaid}
    assert [claim.kind for claim in unsaid if "there is no csim.json" in claim.how] == [Kind.UNPROVED]


def test_what_frames_have_shown_is_tested_and_not_proved() -> None:
    equal = Verdict(Status.EQUAL, "", "Vitis", (4, 5), 0, (Compared("2 test frames", 99, "values", 0),))
    net = tiny_net()
    shown = timeline(dataflow(net, lower(net, 4), timing_on(KV260, 200.0, "vitis")))
    assert not shown.deadlock
    found = {claim.what: claim.kind for claim in claims(equal, shown, Absent("no kernel for X"))}
    assert found["no accumulator overflows"] is Kind.PROVED
    assert found["the generated C++ computes the reference's integers, bit for bit"] is Kind.TESTED
    assert found["FIFOs are deep enough: the pipeline does not deadlock"] is Kind.TESTED
    assert list(found.values()).count(Kind.PROVED) == 1
