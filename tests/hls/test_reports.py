"""Reports of vendor tools: their numbers, their stages, and what is no report."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hwsr.cli import _run
from hwsr.errors import HwsrError
from hwsr.export.qonnx import export_qonnx
from hwsr.hls.project import DEFAULT_PARTS, Project, is_too_new, write_project
from hwsr.hls.reports import Cosim, read_cosim, read_module, read_reports, read_utilization
from hwsr.ir.read import read_qonnx
from hwsr.reference.run import run
from hwsr.synthesized import render, synthesized
from tests.export.test_qonnx import random_network
from tests.hls.hls_graphs import tiles_for

REPORTS = Path(__file__).parent / "reports"
RELU = (REPORTS / "vivado_hls_2019_2_relu.xml").read_text()


def test_csynth_of_both_tools() -> None:
    conv, relu, top, vitis = (
        read_module(REPORTS / f"{name}.xml")
        for name in (
            *("vivado_hls_2019_2_conv", "vivado_hls_2019_2_relu", "vivado_hls_2019_2_top"),
            "vitis_hls_2023_1_top",
        )
    )
    assert (conv.name, conv.tool_version) == ("conv_2d_cl_array_array_ap_fixed_1u_config20_s", "2019.2.1")
    assert (conv.part, conv.clock_target_ns, conv.clock_ns) == ("xc7z020-clg400-1", 5.0, 4.429)
    assert (conv.latency_min, conv.latency_max, conv.interval_max) == (4624, 95948, 95948)
    assert conv.resources == {"lut": 1802, "ff": 4419, "dsp": 2, "bram18": 1, "uram": 0}
    assert (conv.ii, relu.ii) == (None, 1)
    assert relu.resources == {"lut": 194, "ff": 178, "dsp": 0, "bram18": 0, "uram": 0}
    assert top.resources["bram18"] == 285 and top.available["bram18"] == 280 and top.available["dsp"] == 220
    assert (vitis.latency_max, vitis.interval_max, vitis.clock_ns) == (3363, 3360, 4.344)
    assert vitis.resources == {"lut": 20752, "ff": 15559, "dsp": 6, "bram18": 13, "uram": 0}


def test_cosimulation_and_utilization() -> None:
    assert read_cosim(REPORTS / "cosim.rpt") == (Cosim("Verilog", "Pass", 2840, 5444, 2593, 2593),)
    used = {"lut": 123948, "ff": 43435, "dsp": 5386, "bram18": 161, "uram": 0}
    assert read_utilization(REPORTS / "utilization.rpt") == used


@pytest.mark.parametrize("value", ["undef", "?", "", "-1", "1e9", "9" * 40])
def test_what_a_tool_cannot_tell_is_unknown(value: str, tmp_path: Path) -> None:
    (tmp_path / "a_csynth.xml").write_text(RELU.replace(">1028<", f">{value}<").replace(">178<", f">{value}<"))
    found = read_module(tmp_path / "a_csynth.xml")
    assert (found.latency_max, found.interval_max, found.resources["ff"]) == (None, None, None)
    assert found.resources["lut"] == 194


BOMB = '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<profile>&b;</profile>'
OUTSIDE = '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<profile>&a;</profile>'


@pytest.mark.parametrize(
    "text, message",
    [
        *((text, "DOCTYPE") for text in (BOMB, OUTSIDE, "<!DOCTYPE profile>\n" + RELU)),
        *(("<profile>", "not XML"), ("", "not XML"), (RELU[: len(RELU) // 2], "not XML")),
        ("<profile></profile>", "no AreaEstimates/Resources"),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a_csynth.xml"
    path.write_text(text)
    with pytest.raises(HwsrError, match=f"a_csynth.xml: .*{message}"):
        read_module(path)


def test_a_file_too_large_or_missing_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a_csynth.xml").open("wb") as file:
        file.truncate(1 << 27)
    with pytest.raises(HwsrError, match=r"more than 64 MB"):
        read_module(tmp_path / "a_csynth.xml")
    with pytest.raises(HwsrError, match=r"No such file"):
        read_cosim(tmp_path / "b.rpt")
    (tmp_path / "u.rpt").write_text("| CLB LUTs | 3 |\n")
    with pytest.raises(HwsrError, match=r"no ff, dsp, bram18"):
        read_utilization(tmp_path / "u.rpt")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Project]:
    """A model and its project."""
    folder = tmp_path_factory.mktemp("reports")
    export_qonnx(random_network("ST-bl x2 n8 g0 b1 r1"), folder / "model.onnx", (6, 7))
    graph = read_qonnx(folder / "model.onnx")
    return folder / "model.onnx", write_project(
        graph, folder / "net", tiles_for(graph, 1), lambda tile: run(graph, tile), reuse_factor=7
    )


def synthesize(project: Project, folder: Path, axi: bool = False) -> Project:
    """A copy of a project as the tools would leave it; a stage's LUTs are ten times its place. axi: that top's."""
    if folder != project.folder:
        shutil.copytree(project.folder, folder)
    top = project.manifest.axi_top if axi else project.manifest.top
    reports, cosim = (folder / f"{top}_prj" / "solution1" / part / "report" for part in ("syn", "sim"))
    reports.mkdir(parents=True)
    cosim.mkdir(parents=True)

    def report(name: str, lut: int, ii: int = 1) -> None:
        text = RELU.replace("relu_array_array_ap_fixed_1u_relu_config21_s", name).replace(">194<", f">{lut}<")
        text = text.replace("<PipelineII>1<", f"<PipelineII>{ii}<")
        (reports / f"{name}_csynth.xml").write_text(text)

    for place, layer in enumerate(project.manifest.layers, 1):
        if layer.kind not in ("InputLayer", "Clone"):
            report(f"{layer.kind}_array_ap_int_8u_array_ap_int_8_8u_config{place}_s", 10 * place)
            report(f"{layer.kind}_array_ap_int_8u_config{place}_Pipeline_Clocks", 5 * place, ii=2 + place % 2)
    report("clone_stream_array_ap_int_3u_array_ap_int_8_3u_126_s", 77)
    (reports / f"{top}_csynth.xml").write_text(
        (REPORTS / "vitis_hls_2023_1_top.xml").read_text().replace(">myproject<", f">{top}<")
    )
    (reports / "csynth.xml").write_text("the design's overview: not one of a function")
    shutil.copy(REPORTS / "cosim.rpt", cosim / f"{top}_cosim.rpt")
    shutil.copy(REPORTS / "utilization.rpt", folder / f"{top}_vivado_synth.rpt")
    return replace(project, folder=folder)


def printed(folder: Path, model: Path | None = None) -> str:
    console = Console(width=150)
    with console.capture() as captured:
        console.print(render(synthesized(folder, model)))
    return captured.get()


@pytest.mark.parametrize("axi", [False, True])
def test_reports_find_their_stages(made, tmp_path, axi) -> None:
    project = synthesize(made[1], tmp_path / "net", axi)
    (found,) = read_reports(project)
    assert found.design == (project.manifest.axi_top if axi else project.manifest.top)
    kernels = {layer.name: i for i, layer in enumerate(project.manifest.layers, 1) if layer.kind != "Clone"}
    del kernels["image"]
    assert {name: module.resources["lut"] for name, module in found.stages.items()} == {
        name: 10 * place for name, place in kernels.items()
    }
    assert found.top is not None and found.top.resources["lut"] == 20752
    others = [module.name for module in found.others]
    assert others == ["clone_stream_array_ap_int_3u_array_ap_int_8_3u_126_s"]
    assert all(found.stages[name].ii == 2 + place % 2 for name, place in kernels.items())
    assert found.cosim[0].status == "Pass" and found.vivado is not None and found.vivado["bram18"] == 161


def test_each_top_that_was_built_is_reported_with_its_own_figures(made, tmp_path) -> None:
    plain = synthesize(made[1], tmp_path / "net")
    both = synthesize(plain, plain.folder, axi=True)
    tops = (both.manifest.top, both.manifest.axi_top)
    own = both.folder / f"{tops[1]}_vivado_synth.rpt"
    own.write_text(own.read_text().replace("123948", "55555"))
    # As earlier releases named it: of which top function it is cannot be told.
    shutil.copy(REPORTS / "utilization.rpt", both.folder / "vivado_synth.rpt")
    found = read_reports(both)
    assert tuple(each.design for each in found) == tops
    assert [each.vivado and each.vivado["lut"] for each in found] == [123948, 55555]
    own.unlink()
    assert [each.vivado and each.vivado["lut"] for each in read_reports(both)] == [123948, None]


def test_a_top_without_reports_does_not_hide_the_other(made, tmp_path) -> None:
    project = synthesize(made[1], tmp_path / "net", axi=True)
    (project.folder / f"{project.manifest.top}_prj" / "solution1" / "csim").mkdir(parents=True)
    assert [each.design for each in read_reports(project)] == [project.manifest.axi_top]


def test_the_report_that_earlier_releases_named_alike_is_the_only_tops(made, tmp_path) -> None:
    project = synthesize(made[1], tmp_path / "net", axi=True)
    own = project.folder / f"{project.manifest.axi_top}_vivado_synth.rpt"
    own.rename(project.folder / "vivado_synth.rpt")
    (found,) = read_reports(project)
    assert found.vivado is not None and found.vivado["lut"] == 123948


def test_reports_of_another_design_are_refused(made, tmp_path) -> None:
    project = synthesize(made[1], tmp_path / "net")
    own = project.folder / f"{project.manifest.top}_prj/solution1/syn/report/{project.manifest.top}_csynth.xml"
    own.write_text(own.read_text().replace(f">{project.manifest.top}<", ">myproject<"))
    with pytest.raises(HwsrError, match=rf"{own.name}: a report of 'myproject', which is another design"):
        read_reports(project)
    own.rename(own.with_name("myproject_csynth.xml"))
    with pytest.raises(HwsrError, match=rf"no {own.name}: reports of another design"):
        read_reports(project)


def test_estimates_stand_beside_them(made, tmp_path) -> None:
    model, project = made[0], synthesize(made[1], tmp_path / "net")
    found = synthesized(project.folder, model)
    assert found.estimates.keys() == {layer.name for layer in project.manifest.layers[1:]}
    assert found.total is not None and found.total.lut_csynth == sum(
        layer.resources.lut_csynth for layer in found.estimates.values()
    )
    text = printed(project.folder, model)
    for expected in (f"20,752 / {found.total.lut_csynth:,}", f"123,948 / {found.total.lut:,}", "4.344 ns of 5.0 ns"):
        assert expected in text
    assert f"{project.manifest.top}: csynth" in text
    assert "co-simulation (Verilog): Pass, latency 2,840 to 5,444, interval 2,593 clocks" in text


def test_the_command_shows_and_writes_them(made, tmp_path, monkeypatch, capsys) -> None:
    model, project = made[0], synthesize(made[1], tmp_path / "net")
    out = tmp_path / "report.json"

    def command(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["hwsr", "hls-report", *map(str, arguments)])
        return _run()

    assert command(project.folder, "-m", model, "--json", out) == 0
    (written,) = json.loads(out.read_text())["tops"]
    assert written["top"] == project.manifest.top
    assert [stage["stage"] for stage in written["stages"]] == [layer.name for layer in project.manifest.layers[1:]]
    conv = next(stage for stage in written["stages"] if stage["kind"] == "conv")
    assert conv["csynth"]["latency_max"] == 1028 and conv["estimates"]["cycles"] > 0
    assert written["total"]["vivado"]["lut"] == 123948 and written["cosim"][0]["interval_max"] == 2593
    assert command(project.folder, "--json", out) == 0
    (written,) = json.loads(out.read_text())["tops"]
    assert written["total"]["estimates"] is None and written["stages"][0]["estimates"] is None
    capsys.readouterr()
    assert command(made[1].folder) == 2
    assert "holds no report of a synthesis" in capsys.readouterr().err


def test_reports_from_before_the_project_are_named(made, tmp_path) -> None:
    project = synthesize(made[1], tmp_path / "net")
    assert not read_reports(project)[0].older and "written before" not in printed(project.folder)
    os.utime(project.folder / f"{project.manifest.top}_vivado_synth.rpt", (1, 1))
    assert read_reports(project)[0].older and "written before the project was" in printed(project.folder)


def test_a_project_of_another_release_is_not_compared(made, tmp_path) -> None:
    project = synthesize(made[1], tmp_path / "net")
    manifest = project.folder / "hwsr.json"
    manifest.write_text(manifest.read_text().replace('"kind": "conv"', '"kind": "convolution"', 1))
    with pytest.raises(HwsrError, match=r"another release"):
        synthesized(project.folder, made[0])
    assert synthesized(project.folder, None).estimates == {}


@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
def test_the_build_runs_every_step_for_a_part_that_the_tool_has(backend: str, made, tmp_path) -> None:
    graph = read_qonnx(made[0])
    project = write_project(graph, tmp_path / "net", tiles_for(graph, 1), lambda tile: run(graph, tile), backend)
    assert project.manifest.part == DEFAULT_PARTS[backend]
    assert not is_too_new(backend, project.manifest.part) and is_too_new("Vivado", DEFAULT_PARTS["Vitis"])
    script, readme = ((project.folder / name).read_text() for name in ("build_prj.tcl", "README.md"))
    for step in ("csim_design", "csynth_design", "cosim_design", "export_design"):
        assert step in script
    steps = (project.folder / "build_opt.tcl").read_text() if backend == "Vitis" else readme
    for step in ("csim", "synth", "cosim", "validation", "export"):
        assert f"    {step:<10} 1\n" in steps or f" {step}=1" in steps
    assert "does not have" not in readme
    other = write_project(
        graph, tmp_path / "net", tiles_for(graph, 1), lambda tile: run(graph, tile), backend, DEFAULT_PARTS["Vitis"]
    )
    text = (other.folder / "README.md").read_text()
    assert ("Vivado HLS does not have xck26" in text) == (backend == "Vivado")
