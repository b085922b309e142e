"""The scripts that the vendor's tools run: every command that they are to run, in order, on files that are there."""

import os
import shutil
import subprocess
import sys

import pytest

from hwsr.hls.project import write_project
from hwsr.hls.tlast import Tlast
from hwsr.reference.run import run
from tests.hls.hls_graphs import attention_net, tiles_for, tiny_net

# What the tools bring: each command notes that it was called, and leaves what the scripts then read.
TOOLS = r"""
set called {}
foreach command {open_project set_top add_files open_solution config_array_partition config_compile set_part
    config_schedule create_clock set_clock_uncertainty csim_design csynth_design export_design config_interface
    synth_design opt_design report_utilization
    create_project set_property update_ip_catalog create_bd_design create_bd_cell apply_bd_automation
    connect_bd_intf_net connect_bd_net assign_bd_address validate_bd_design save_bd_design launch_runs wait_on_runs
    write_hw_platform} {
    proc $command args "puts \"CALL $command \$args\"; leave $command"
}
foreach command {get_board_parts current_project get_bd_cells get_bd_pins get_bd_intf_pins get_files make_wrapper
    current_fileset} {
    proc $command args {return [lindex $args end]}
}
proc cosim_design args {puts "CALL cosim_design $args"; leave cosim_design}
proc write_to {path text} {
    file mkdir [file dirname $path]
    set file [open $path w]
    puts $file $text
    close $file
}
proc leave command {
    upvar #0 project_name top
    switch $command {
        csim_design {write_to tb_data/csim_results.log 12}
        cosim_design {
            set sim ${top}_prj/solution1/sim
            write_to $sim/verilog/$top.tcl "log_wave -r /"
            write_to $sim/verilog/run_sim.tcl "write_to ../report/${top}_cosim.rpt passed
                write_to ../../../../tb_data/rtl_cosim_results.log 12"
        }
        launch_runs {
            write_to board/board.runs/impl_1/design_1_wrapper.bit 1
            write_to board/board.gen/sources_1/bd/design_1/hw_handoff/design_1.hwh 1
        }
    }
}
"""


# Tcl's own shell, or the Tcl that Python brings where it has tkinter.
PYTHONS = """
import os, sys, tkinter
tcl = tkinter.Tcl()
tcl.createcommand("exit", lambda code="0": (tcl.eval("flush stdout"), os._exit(int(code))))
tcl.eval("source " + sys.argv[1])
"""
TCLSH = ["tclsh"] if shutil.which("tclsh") else [sys.executable, "-c", PYTHONS]


def written(folder, backend="Vitis", graph=None, **options):
    graph = graph or tiny_net()
    return write_project(graph, folder, tiles_for(graph, 1), lambda t: run(graph, t), backend, **options)


def calls(project, script, top="", arguments=()):
    """The commands that a script gives the tool, each with its arguments as one line."""
    (project.folder / "tools.tcl").write_text(TOOLS)
    driver = f"set argv [list {' '.join(arguments)}]; source tools.tcl; source {script}"
    (project.folder / "driver.tcl").write_text(driver)
    environment = os.environ | {"HWSR_TOP": top}
    done = subprocess.run(
        [*TCLSH, "driver.tcl"], cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )
    return done, [line.split(" ", 2)[1:] for line in done.stdout.splitlines() if line.startswith("CALL ")]


STEPS = ["csim_design", "csynth_design", "cosim_design", "export_design"]


@pytest.mark.parametrize("backend, arguments", [("Vitis", ()), ("Vivado", ("export=1", "reset=1"))])
@pytest.mark.parametrize("choice", ["", "axi"])
def test_either_top_is_simulated_synthesized_cosimulated_and_exported(tmp_path, backend, arguments, choice):
    project = written(tmp_path / "net", backend)
    top = project.manifest.axi_top if choice else project.manifest.top
    done, made = calls(project, "build_prj.tcl", choice, arguments)
    assert done.returncode == 0 and "Test PASSED" in done.stdout, done.stderr
    assert [name for name, *_ in made if name in STEPS] == STEPS
    assert ["set_top", top] in made and ["set_part", project.manifest.part] in made
    added = [line.replace("-tb ", "").split()[0] for name, line in made if name == "add_files"]
    assert f"firmware/{top}.cpp" in added and f"{top}_test.cpp" in added
    assert all((project.folder / path).exists() for path in added)
    assert (project.folder / f"{top}_prj" / "solution1" / "sim" / "report" / f"{top}_cosim.rpt").is_file()


@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
def test_either_tops_synthesis_by_vivado_has_a_report_of_its_own(tmp_path, backend):
    project = written(tmp_path / "net", backend)
    for choice, top in (("", project.manifest.top), ("axi", project.manifest.axi_top)):
        done, made = calls(project, "vivado_synth.tcl", choice)
        assert done.returncode == 0, done.stderr
        assert ["report_utilization", f"-file {top}_vivado_synth.rpt"] in made
        assert any(name == "synth_design" and f"-top {top} " in line for name, line in made)


def test_fifos_outside_are_not_cosimulated_but_by_the_plain_top(tmp_path):
    project = written(tmp_path / "net", graph=attention_net((4, 5)), reuse_factor=9, off_chip=True)
    for choice, steps in (("", STEPS), ("axi", [step for step in STEPS if step != "cosim_design"])):
        done, made = calls(project, "build_prj.tcl", choice)
        assert done.returncode == 0, done.stderr
        assert [name for name, *_ in made if name in STEPS] == steps


@pytest.mark.parametrize("outside", [False, True])
def test_the_block_design_connects_every_stream(tmp_path, outside):
    graph = attention_net((4, 5)) if outside else tiny_net()
    project = written(tmp_path / "net", graph=graph, reuse_factor=9, tlast=Tlast.FRAME, off_chip=outside)
    done, made = calls(project, "board.tcl")
    assert done.returncode == 0, done.stderr
    cells = [line.split()[-1] for name, line in made if name == "create_bd_cell"]
    assert {"ps", "dma", "sr", "to_pixels", "from_pixels"} <= set(cells) and len(set(cells)) == len(cells)
    assert any(
        f"xilinx.com:hls:{project.manifest.axi_top} sr" in line for name, line in made if name == "create_bd_cell"
    )
    ends = [end for name, line in made if name == "connect_bd_intf_net" for end in line.split()]
    ports = {"sr/video_in", "sr/video_out"}
    for place in range(len(project.manifest.outside)):
        ports |= {f"sr/memory{place}_in", f"sr/memory{place}_out"}
        assert f"fifo{place}" in cells
    assert {end for end in ends if end.startswith("sr/")} == ports and len(set(ends)) == len(ends)
    assert {end.split("/")[0] for end in ends} <= set(cells)
    assert bool(project.manifest.outside) == outside
    bit, described = (project.folder / f"{project.manifest.axi_top}{suffix}" for suffix in (".bit", ".hwh"))
    assert bit.is_file() and described.is_file()


def test_a_block_design_of_lines_is_refused(tmp_path):
    project = written(tmp_path / "net")
    done, made = calls(project, "board.tcl")
    assert done.returncode != 0 and "hwsr hls --tlast frame" in done.stderr and not made


def test_every_script_is_complete_tcl(tmp_path):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    scripts = sorted(project.folder.glob("*.tcl"))
    assert {"board.tcl", "build_opt.tcl", "build_prj.tcl", "project.tcl"} <= {path.name for path in scripts}
    for script in scripts:
        whole = f"set f [open {script.name}]; exit [expr {{![info complete [read $f]]}}]"
        (project.folder / "whole.tcl").write_text(whole)
        assert subprocess.run([*TCLSH, "whole.tcl"], cwd=project.folder, check=False).returncode == 0
    (project.folder / "board.tcl").write_text((project.folder / "board.tcl").read_text() + "if {1} {\n")
    (project.folder / "whole.tcl").write_text("set f [open board.tcl]; exit [expr {![info complete [read $f]]}]")
    assert subprocess.run([*TCLSH, "whole.tcl"], cwd=project.folder, check=False).returncode == 1
