"""The scripts that the vendor's tools run: every command that they are to run, in order, on files that are there."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from hwsr.hls.project import write_project
from hwsr.hls.tlast import Tlast
from hwsr.reference.run import run
from tests.hls.hls_graphs import attention_net, luma_net, tiles_for, tiny_net

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
proc current_project args {return current_project}
proc get_board_parts args {
    set installed {xilinx.com:kv260_som:part0:1.9 xilinx.com:kv260_som:part0:1.10 xilinx.com:zcu104:part0:1.1}
    return [lsearch -all -inline -glob $installed [lindex $args end]]
}
foreach command {get_bd_cells get_bd_pins get_bd_intf_pins get_files make_wrapper
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


def calls(project, script, top="", arguments=(), tools=TOOLS, exported=True, **variables):
    """The commands that a script gives the tool, each with its arguments as one line. exported: the IP, earlier."""
    if exported and script == "board.tcl":
        component = project.folder / f"{project.manifest.axi_top}_prj" / "solution1" / "impl" / "ip" / "component.xml"
        component.parent.mkdir(parents=True, exist_ok=True)
        component.write_text("")
    (project.folder / "tools.tcl").write_text(tools)
    driver = f"set argv [list {' '.join(arguments)}]; source tools.tcl; source {script}"
    (project.folder / "driver.tcl").write_text(driver)
    environment = os.environ | {"HWSR_TOP": top} | variables
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
    assert ["set_property", "board_part xilinx.com:kv260_som:part0:1.10 current_project"] in made
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


def settings(made, cell):
    """The properties that a script gives a cell of a block design."""
    found = {}
    for name, line in made:
        if name == "set_property" and line.startswith("-dict ") and line.endswith(f" {cell}"):
            listed = line.removeprefix("-dict {").removesuffix(f"}} {cell}")
            words = re.findall(r"\{[^}]*\}|\S+", listed)
            found |= dict(zip(words[::2], words[1::2], strict=True))
    return {key.removeprefix("CONFIG."): value.strip("{}") for key, value in found.items()}


@pytest.mark.parametrize("channels", [3, 1])
def test_no_width_converter_meets_a_tuser_of_less_than_a_bit_a_byte(tmp_path, channels):
    graph = tiny_net() if channels == 3 else luma_net()
    made = calls(written(tmp_path / "net", graph=graph, tlast=Tlast.FRAME), "board.tcl")[1]
    to, plain, back = (settings(made, cell) for cell in ("to_pixels", "plain", "from_pixels"))
    for converter in (to, back):
        assert (converter["TUSER_BITS_PER_BYTE"], converter["TUSER_BITS_PER_BYTE.VALUE_SRC"]) == ("0", "USER")
        assert converter["HAS_TKEEP"] == converter["HAS_TLAST"] == "1"
    assert (plain["S_TUSER_WIDTH"], plain["M_TUSER_WIDTH"]) == ("1", "0")
    assert plain["TDATA_REMAP"] == f"tdata[{8 * channels - 1}:0]" and plain["TKEEP_REMAP"] == f"tkeep[{channels - 1}:0]"
    widths = [
        to["M_TDATA_NUM_BYTES"],
        plain["S_TDATA_NUM_BYTES"],
        plain["M_TDATA_NUM_BYTES"],
        back["S_TDATA_NUM_BYTES"],
    ]
    assert widths == [str(channels)] * 4
    nets = [line.split() for name, line in made if name == "connect_bd_intf_net"]
    assert ["sr/video_out", "plain/S_AXIS"] in nets and ["plain/M_AXIS", "from_pixels/S_AXIS"] in nets


HWH = "board/board.gen/sources_1/bd/design_1/hw_handoff/design_1.hwh"
BIT = "write_to board/board.runs/impl_1/design_1_wrapper.bit 1"


def test_the_description_is_found_where_earlier_releases_leave_it(tmp_path):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    done, _ = calls(project, "board.tcl", tools=TOOLS.replace(HWH, HWH.replace("board.gen", "board.srcs")))
    assert done.returncode == 0, done.stderr
    assert (project.folder / f"{project.manifest.axi_top}.hwh").is_file()


@pytest.mark.parametrize(
    "old, new, words", [(f"write_to {HWH} 1", "", "no design_1.hwh"), (BIT, "", "no bitstream in")]
)
def test_a_build_that_left_something_out_copies_nothing(tmp_path, old, new, words):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    assert old in TOOLS
    done, made = calls(project, "board.tcl", tools=TOOLS.replace(old, new))
    assert done.returncode != 0 and words in done.stderr
    assert not [path for path in project.folder.iterdir() if path.suffix in (".bit", ".hwh")]
    assert "write_hw_platform" not in [name for name, *_ in made]


def test_an_ip_that_was_not_exported_is_named(tmp_path):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    done, made = calls(project, "board.tcl", exported=False)
    assert done.returncode != 0 and "set HWSR_TOP=axi and run build_prj.tcl first" in done.stderr
    assert made == [] and not (project.folder / "board").exists()


@pytest.mark.parametrize("variables", [{}, {"BOARD_PART": "xilinx.com:zcu102:part0:3.4"}])
def test_a_board_whose_files_vivado_lacks_is_named(tmp_path, variables):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    tools = TOOLS.replace("xilinx.com:kv260_som:part0:1.9 xilinx.com:kv260_som:part0:1.10 ", "")
    done, made = calls(project, "board.tcl", tools=tools, **variables)
    wanted = variables.get("BOARD_PART", "xilinx.com:kv260_som:part0:*")
    assert done.returncode != 0 and wanted in done.stderr and "Board Store" in done.stderr
    assert [name for name, *_ in made] == ["create_project"]


def test_a_block_design_is_written_for_known_boards_alone(tmp_path):
    for part, board in (("xck26-sfvc784-2LV-c", "kv260_som"), ("xczu7ev-ffvc1156-2-e", "zcu104")):
        project = written(tmp_path / "net", tlast=Tlast.FRAME, part=part)
        made = calls(project, "board.tcl")[1]
        assert any(name == "set_property" and f"board_part xilinx.com:{board}:part0:" in line for name, line in made)
    other = written(tmp_path / "net", tlast=Tlast.FRAME, part="xc7z020clg400-1")
    assert not (other.folder / "board.tcl").exists()


def test_a_part_that_was_changed_afterwards_needs_its_board_named(tmp_path):
    project = written(tmp_path / "net", tlast=Tlast.FRAME)
    script = project.folder / "project.tcl"
    script.write_text(script.read_text().replace(project.manifest.part, "xczu9eg-ffvb1156-2-e"))
    done, made = calls(project, "board.tcl")
    assert done.returncode != 0 and "no board is known for xczu9eg-ffvb1156-2-e" in done.stderr and not made
    done, _ = calls(project, "board.tcl", BOARD_PART="xilinx.com:zcu104:part0:1.1")
    assert done.returncode == 0, done.stderr


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
