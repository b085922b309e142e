"""Plans of whole networks: the rate is met or what is short is said, and nothing works faster than it has to."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsr.errors import HwsrError
from hwsr.estimate.design import count_tiles, timing_on
from hwsr.estimate.devices import Device, find_device
from hwsr.hls import fifo
from hwsr.ir.check import make_graph
from hwsr.ir.graph import IntGraph
from hwsr.ir.tiling import on_frame
from hwsr.plan import depths as depths_module
from hwsr.plan import design
from hwsr.plan.depths import Clocks, Hardware, built, found_depths, interval_at
from hwsr.plan.design import Planned, Target, outline, plan, plan_at
from hwsr.plan.explain import describe_shortfall, explain, narrowed, shortfalls
from hwsr.plan.search import cheapest, shares
from tests.hls.hls_graphs import Net, attention_net, tiny_net

KV260 = find_device("kv260")
TINY = tiny_net()


def deep_net() -> IntGraph:
    """Four convolutions of 16 channels between head and shuffle: rows worth a block RAM each."""
    net = Net((32, 32), seed=7)
    x = net.head(16)
    for i in range(4):
        x = net.layer(f"c{i}", x, 16, frac=9)
    return net.finish(net.shuffle("shuffle", net.layer("up", x, 12, frac=9), 2))


@settings(deadline=None, max_examples=12)
@given(
    st.floats(0.1, 1e5),
    st.sampled_from([KV260, find_device("pynq-z2"), find_device("arty a7-35t")]),
    st.tuples(st.integers(2, 200), st.integers(2, 200)),
)
def test_the_rate_is_met_or_what_is_short_is_said(fps: float, device: Device, out: tuple[int, int]) -> None:
    planned = plan(TINY, Target(device, device.clock_mhz, out, fps))
    found = planned.estimate
    assert found.image == (-(-out[0] // 2), -(-out[1] // 2))
    if planned.met:
        assert Fraction(device.clock_mhz) * 10**6 >= Fraction(fps) * found.cycles_per_image
        assert found.simulated == found.interval <= planned.budget
        assert not found.overflow and not shortfalls(planned)
    else:
        short = shortfalls(planned)
        assert short and all(amount > 0 for amount in short.values())
        assert "short of" in describe_shortfall(planned)
        # Every stage as fast as it can be is no faster, or what is faster enough does not fit.
        if "clock_mhz" in short:
            assert cheapest(planned.choices, device, planned.budget or 0) is None
        else:
            assert max(shares(planned.selection.total, device)) > 1


def test_rates_are_balanced() -> None:
    """What is slower, and in time, is never cheaper in everything than what was chosen."""
    planned = plan(deep_net(), Target(KV260, 200.0, (360, 640), 100.0))
    assert planned.met and planned.budget
    reuse = {layer.name: layer.reuse_factor for layer in planned.estimate.layers if layer.name in planned.foldings}
    assert len(set(reuse.values())) > 1  # the head and the others differ in shape
    for name, option in planned.selection.options.items():
        slower = [o for o in planned.choices.options[name] if option.clocks < o.clocks <= planned.budget]
        assert not any(all(a <= b for a, b in zip(o.cost, option.cost, strict=True)) for o in slower)


def test_figures_are_those_of_the_estimate() -> None:
    planned = plan(deep_net(), Target(KV260, 200.0, (360, 640), 100.0))
    total, found = planned.selection.total, planned.estimate
    assert total == (found.resources.lut, found.resources.ff, found.resources.dsp, found.resources.bram18)
    assert planned.selection.clocks(planned.choices) == found.bottleneck.cycles
    for layer in found.layers:
        if layer.name in planned.foldings:
            assert layer.cycles == planned.selection.options[layer.name].clocks


def test_a_faster_clock_than_asked_needs_no_more() -> None:
    """And without a rate the fastest that fits is no slower than any rate that is met."""
    fast, slow = (plan(deep_net(), Target(KV260, clock, (360, 640), 100.0)) for clock in (300.0, 200.0))
    assert fast.selection.share(KV260) < slow.selection.share(KV260)
    most = plan(deep_net(), Target(KV260, 200.0, (360, 640)))
    assert most.met and most.estimate.fps >= slow.estimate.fps


def held(planned: Planned) -> int:
    """Bits of all FIFOs."""
    stages = built(planned.graph, planned.foldings, planned.adders, planned.depths)
    return sum(depth * s.shape[2] * s.result.bits for s in stages for name, depth in s.streams.items())


def test_streams_are_as_deep_as_the_full_rate_needs_where_none_is_asked() -> None:
    graph = attention_net()
    planned = plan(graph, Target(KV260, 200.0, (24, 32)))
    assert planned.met and planned.depths == found_depths(planned.graph, planned.hardware)
    assert (
        planned.interval == planned.estimate.bottleneck.cycles == interval_at(graph, planned.hardware, planned.depths)
    )
    assert planned.interval < interval_at(graph, planned.hardware)  # the lowering's depths keep frames waiting
    declared = built(graph, planned.foldings, planned.adders)
    assert {s.name: s for s in declared}["n_ca_mul"].streams == {"n_ca_mul": fifo.depths(graph)["block 1/skip", 0]}


def test_streams_are_as_deep_as_the_asked_rate_needs() -> None:
    graph = on_frame(deep_net(), (40, 320))
    most = plan(graph, Target(KV260, 200.0, (80, 640)))
    slower = plan(graph, Target(KV260, 200.0, (80, 640), 300.0))
    for planned in (most, slower):
        assert planned.met and planned.estimate.counts.fifo_bits == held(planned) - held_by_output(planned)
        assert planned.interval == interval_at(planned.graph, planned.hardware, planned.depths)
    assert slower.budget >= slower.interval >= slower.estimate.bottleneck.cycles
    assert slower.depths == found_depths(slower.graph, slower.hardware, slower.budget)
    full = found_depths(slower.graph, slower.hardware)
    assert sum(slower.depths.values()) < sum(full.values())


def held_by_output(planned: Planned) -> int:
    """The output's FIFO is the reader's own."""
    stage = built(planned.graph, planned.foldings, planned.adders, planned.depths)[-1]
    return sum(depth * stage.shape[2] * stage.result.bits for depth in stage.streams.values())


def test_fifos_without_room_are_the_lowerings(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(KV260, 200.0, (80, 640), 300.0)
    lowered = plan_at(on_frame(deep_net(), (40, 320)), target)
    scarce = replace(KV260, bram18=lowered.estimate.resources.bram18)
    lowered = plan_at(lowered.graph, replace(target, device=scarce))
    endless = dict.fromkeys(found_depths(lowered.graph, lowered.hardware), 1 << 20)
    monkeypatch.setattr(design, "found_depths", lambda *_: endless)
    planned = plan(deep_net(), replace(target, device=scarce))
    assert planned.met and planned.depths is None and planned.foldings == lowered.foldings
    assert planned.interval == interval_at(planned.graph, planned.hardware) <= planned.budget
    monkeypatch.setattr(design, "clocks_at", lambda *_: Clocks(1e9, 1e9))
    missed = plan(deep_net(), replace(target, device=scarce))
    assert not missed.met and not missed.overflow
    assert f"short of {shortfalls(missed)['fps']:.1f} images a second" in describe_shortfall(missed)


@pytest.mark.parametrize("fps", [300.0, 50.0])
def test_what_fits_with_shallower_fifos_than_the_lowerings_fits(fps: float) -> None:
    target = Target(KV260, 200.0, (80, 640), fps)
    lowered = plan_at(on_frame(deep_net(), (40, 320)), target)
    scarce = replace(KV260, bram18=lowered.selection.total[3] - 3)
    assert plan_at(lowered.graph, replace(target, device=scarce)).overflow.keys() == {"bram18"}
    planned = plan(deep_net(), replace(target, device=scarce))
    assert planned.met and planned.depths and planned.estimate.tiles == 1


def test_fifos_without_room_for_the_fastest_do_not_make_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(KV260, 200.0, (80, 640))
    fastest = plan_at(on_frame(deep_net(), (40, 320)), target)
    pace = fastest.hardware.slowest(fastest.graph)
    endless = dict.fromkeys(found_depths(fastest.graph, fastest.hardware), 1 << 20)

    def found(graph: IntGraph, hardware: Hardware, interval: float | None = None) -> dict[str, int]:
        return endless if hardware.slowest(graph) <= pace else found_depths(graph, hardware, interval)

    monkeypatch.setattr(design, "found_depths", found)
    planned = plan(deep_net(), target)
    assert planned.met and planned.depths is None and planned.foldings == fastest.foldings
    assert planned.interval == interval_at(planned.graph, planned.hardware)


def test_more_images_fit_on_strips_where_rows_are_long_for_the_device() -> None:
    device = replace(find_device("pynq-z2"), bram18=60, lut=20000)
    target = Target(device, 100.0, (64, 2000))
    planned = plan(deep_net(), target)
    assert planned.met and planned.estimate.tiles == 2
    whole = plan_at(on_frame(deep_net(), (32, 1000)), target)
    assert not whole.met or whole.estimate.fps < planned.estimate.fps
    asked = plan(deep_net(), replace(target, fps=0.99 * planned.estimate.fps))
    assert asked.met and asked.estimate.tiles == 2
    roomy = plan(deep_net(), replace(target, device=replace(device, bram18=600)))
    assert roomy.estimate.tiles == 1 and roomy.estimate.fps > planned.estimate.fps


def test_outlines_run_at_the_rate_that_they_name() -> None:
    """Also where the plan that they are compared with is of strips, whose FIFOs would stand still on whole rows."""
    target = Target(KV260, 200.0, (64, 2000), 100.0)
    whole = plan_at(on_frame(deep_net(), (32, 1000)), target)
    cut = plan(deep_net(), replace(target, device=replace(KV260, bram18=whole.estimate.resources.bram18 * 3 // 4)))
    other = outline(deep_net(), target, cut)
    assert cut.estimate.tiles == 2 and other.met and other.estimate.tiles == 1
    assert other.interval == interval_at(other.graph, other.hardware, other.depths) <= other.budget


def test_a_tall_frame_is_simulated_by_its_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = on_frame(deep_net(), (40, 24))
    timing = timing_on(KV260, 200.0, "vitis")
    hardware = Hardware(8, {}, timing)
    whole, slower = found_depths(graph, hardware), interval_at(graph, hardware)
    assert interval_at(graph, hardware, whole) == hardware.slowest(graph) < slower
    monkeypatch.setattr(depths_module, "MOST_PIXELS", 24 * 20)
    assert found_depths(graph, hardware) == whole
    assert interval_at(graph, hardware, whole) == hardware.slowest(graph)
    assert interval_at(graph, hardware) == slower


def test_depths_of_wide_frames_are_drawn_out_from_narrow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = on_frame(deep_net(), (20, 500))
    hardware = Hardware(8, {}, timing_on(KV260, 200.0, "vitis"))
    sought = []
    search = depths_module.smallest_depths
    monkeypatch.setattr(depths_module, "smallest_depths", lambda *a: (sought.append(a[5]), search(*a))[1])
    drawn = found_depths(graph, hardware)
    narrow, wider, whole = sought
    assert narrow is wider is None and whole is not None
    assert interval_at(graph, hardware, drawn) == hardware.slowest(graph)
    monkeypatch.setattr(depths_module, "NARROW", 500)
    assert found_depths(graph, hardware) == drawn


def test_a_rate_that_a_stage_alone_misses_has_no_depths() -> None:
    graph = on_frame(deep_net(), (8, 8))
    hardware = Hardware(8, {}, timing_on(KV260, 200.0, "vitis"))
    with pytest.raises(HwsrError, match="a stage alone takes more"):
        found_depths(graph, hardware, hardware.slowest(graph) - 1)


def test_attention_works_by_tiles_of_its_own_frame() -> None:
    graph = attention_net()
    planned = plan(graph, Target(KV260, 200.0, (360, 640), 20.0))
    tiles = count_tiles(graph, (180, 320))
    assert planned.estimate.frame == graph.frame and planned.estimate.tiles == tiles > 180 * 320 // (12 * 16)
    assert planned.budget == 200_000_000 // (20 * tiles * planned.estimate.passes)
    assert planned.met and planned.estimate.fps >= 20
    fact = next(fact for fact in explain(graph, planned) if fact.what == "tiles")
    assert fact.figures["tiles"] == tiles and fact.figures["overlap"] > fact.figures["overlap_of_larger"] > 1


def test_strips_where_rows_are_too_long() -> None:
    graph, target = deep_net(), Target(KV260, 200.0, (64, 2000), 100.0)
    whole = plan_at(on_frame(graph, (32, 1000)), target)
    assert whole.met and whole.estimate.tiles == 1
    scarce = replace(KV260, bram18=whole.estimate.resources.bram18 * 3 // 4)
    cut = plan(graph, replace(target, device=scarce))
    assert cut.met
    height, width = cut.estimate.frame
    assert cut.estimate.tiles == 2 and height == 32
    assert 2 * width - 2 * graph.radius in (1000, 1001)
    assert cut.estimate.fps >= 100
    assert cut.estimate.resources.bram18 < whole.estimate.resources.bram18


def test_strips_that_do_not_fit_either_are_closer_where_they_are_short_of_less() -> None:
    graph, target = deep_net(), Target(KV260, 200.0, (64, 2000), 100.0)
    whole = plan_at(on_frame(graph, (32, 1000)), target)
    scarce = replace(KV260, lut=2000, bram18=whole.estimate.resources.bram18 - 1)
    assert shortfalls(plan_at(whole.graph, replace(target, device=scarce))).keys() == {"lut", "bram18"}
    closest = plan(graph, replace(target, device=scarce, fps=1.0))
    assert not closest.met and closest.estimate.tiles > 1 and shortfalls(closest).keys() == {"lut"}


def test_what_cannot_fit_says_what_is_short_and_what_would_do() -> None:
    graph = deep_net()
    tight = replace(KV260, part="tight", lut=9000, dsp=40)
    planned = plan(graph, Target(tight, 200.0, (360, 640), 500.0))
    assert not planned.met and not planned.too_slow
    assert planned.estimate.fps >= 500
    short = shortfalls(planned)
    assert short == planned.estimate.overflow and "lut" in short
    assert f"{short['lut']:,} lut ({planned.estimate.resources.lut:,} of 9,000)" in describe_shortfall(planned)
    facts = {}
    for fact in explain(graph, planned):
        facts.setdefault(fact.what, []).append(fact)
    fits, device = facts["fits"]
    slower = plan(graph, Target(tight, 200.0, (360, 640)))
    # An outline has the lowering's FIFOs, a plan those of the full rate.
    assert slower.met and 0.98 * slower.estimate.fps < fits.figures["fps"] <= slower.estimate.fps
    assert device.figures["met"] and find_device(device.figures["device"]).lut > 9000
    (faster,) = facts["next rate"]
    assert (
        set(planned.estimate.bottleneck.name.split()) <= set(faster.figures["stages"]) and faster.figures["fps"] > 500
    )
    narrow = next(fact for fact in facts["relief"] if fact.figures["what"].startswith("all weights at 4"))
    assert narrow.figures["shares"]["lut"] < planned.estimate.usage["lut"]
    assert all(fact.text.endswith("with default FIFOs") for fact in facts["relief"])


def test_too_slow_a_clock_is_named() -> None:
    planned = plan(TINY, Target(KV260, 200.0, (1080, 1920), 120.0))
    # an output pixel a clock: 248.8 MHz and a little for the pipelines
    assert planned.too_slow and not planned.met
    missing = shortfalls(planned)["clock_mhz"]
    assert 48.8 < missing < 49.5
    assert f"short of {missing:.1f} MHz" in describe_shortfall(planned)
    again = plan(TINY, Target(KV260, 200.0 + missing + 0.1, (1080, 1920), 120.0))
    assert again.met


def test_a_rate_beyond_a_clock_a_tile_has_a_clock_too() -> None:
    graph = attention_net()
    planned = plan(graph, Target(KV260, 1.0, (720, 1280), 1000.0))
    assert planned.budget == 0 and planned.too_slow
    clock = 1000 * planned.estimate.tiles * planned.choices.least_clocks / 1e6
    assert shortfalls(planned)["clock_mhz"] == pytest.approx(clock - 1)
    pace = next(fact for fact in explain(graph, planned) if fact.what == "pace")
    assert "of 0 that 1000 images a second leave" in pace.text


def test_too_slow_and_too_small_are_both_said() -> None:
    small = replace(KV260, lut=100)
    planned = plan(TINY, Target(small, 200.0, (1080, 1920), 120.0))
    assert shortfalls(planned).keys() == {"clock_mhz", "lut"}
    assert "MHz of clock, " in describe_shortfall(planned) and "lut (" in describe_shortfall(planned)


def test_narrowed_networks_are_rounded() -> None:
    graph = TINY
    narrow = narrowed(graph, {"body"})
    before, after = ({node.name: node for node in g.nodes}["body"] for g in (graph, narrow))
    assert abs(after.weight).max() <= 7 and abs(before.weight).max() > 100
    values = [node.weight / 2.0 ** node.weight_frac[:, None, None, None] for node in (before, after)]
    assert abs(values[0] - values[1]).max() <= 2.0 ** -(after.weight_frac.min()) * 1.0
    assert make_graph(narrow.nodes, narrow.frame).shape("y", 8, 10) == graph.shape("y", 8, 10)


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e-9, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(HwsrError, match="images a second"):
        Target(KV260, 200.0, (10, 10), fps)
