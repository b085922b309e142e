"""The linter: nothing in what hwsr generates, and every rule's violation where it stands."""

import json
import shutil
from pathlib import Path

import pytest

from hwsr.cli import _run
from hwsr.errors import HwsrError, InternalError
from hwsr.hls import project
from hwsr.hls.lint import Finding, lint
from hwsr.hls.lint.calls import reached
from hwsr.hls.lint.cpp import read_firmware
from hwsr.hls.project import Project, lint_project, write_project
from hwsr.ir.stages import Folding, Multiplier, Weights
from hwsr.reference.run import run
from tests.hls.hls_graphs import attention_net, fan_net, grouped_net, odd_net, tiles_for, tiny_net

IN_LUTS = Folding(1, 2, 4, Multiplier.DSP, Weights.LUT)
NETS = {
    "attention": (attention_net, "Vitis", 3),
    "odd": (odd_net, "Vivado", 2),
    "grouped": (grouped_net, "Vitis", 6),
    "fan": (lambda: fan_net(9), "Vivado", 1),
    "roms": (tiny_net, "Vitis", {"body": IN_LUTS}),
    "old roms": (tiny_net, "Vivado", {"body": IN_LUTS}),
}


def write(net, folder: Path, backend: str = "Vitis", reuse: int = 4) -> Project:
    graph = net()
    return write_project(graph, folder, tiles_for(graph, 1), lambda tile: run(graph, tile), backend, reuse_factor=reuse)


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> dict[str, Project]:
    folder = tmp_path_factory.mktemp("lint")
    return {name: write(net, folder / name, backend, reuse) for name, (net, backend, reuse) in NETS.items()}


def test_generated_projects_are_clean_and_all_of_them_is_looked_at(generated) -> None:
    seen = set()
    for made in generated.values():
        top, backend = made.manifest.top, made.manifest.backend
        firmware = read_firmware(made.folder / "firmware", f"{top}.cpp", backend)
        seen |= {function.title for function in reached(firmware.functions[top][0], firmware)}
        assert lint(made.folder / "firmware", top, backend) == []
    kernels = {layer.kind for made in generated.values() for layer in made.manifest.layers}
    helpers = {"clone_stream", "conv_take", "conv_weights_in_luts", "adder_tree::sum", "Lane::product"}
    assert seen >= kernels - {"InputLayer", "Clone"} | helpers


CONV, STREAMS, TOP = "nnet_utils/nnet_hwsr_conv.h", "nnet_utils/nnet_hwsr.h", "{top}.cpp"
IN_LANES = "const typename integer<CONFIG_T::data_bits, CONFIG_T::bits>::type value = in[step][lane];"


@pytest.mark.parametrize(
    "net, file, old, new, rule, words",
    [
        (
            "odd",
            CONV,
            "#pragma HLS ARRAY_PARTITION variable=made complete dim=0",
            "",
            "array-port",
            "'made' is indexed by",
        ),
        ("odd", CONV, "ARRAY_PARTITION variable=weights complete dim=2", "INLINE off", "array-port", "'weights'"),
        (
            "odd",
            CONV,
            "ARRAY_RESHAPE variable=line complete dim=3",
            "INLINE off",
            "array-port",
            "dimension 3 of 'line'",
        ),
        ("odd", CONV, "variable=window complete dim=0", "variable=windows complete dim=0", "pragma", "'windows'"),
        ("odd", CONV, "distance=reuse_distance", "distance=reuse", "pragma", "'reuse', which does not exist"),
        ("odd", CONV, "window[group_fold][g]", "window[group_fold + g][0]", "array-port", "dimension 1 of 'window'"),
        ("odd", CONV, "i < simd;", "i < step;", "loop-bound", "'i' are not known"),
        (
            "attention",
            STREAMS,
            IN_LANES,
            IN_LANES.replace("in[step][lane]", "fresh[step]"),
            "array-port",
            "the word 'fresh'",
        ),
        (
            "attention",
            STREAMS,
            "variable=constant complete dim=1",
            "variable=constant dim=2",
            "array-port",
            "dimension 1",
        ),
        ("odd", TOP, "layer5_cpy2);", "layer5_cpy1);", "stream", "'layer5_cpy1' has 2 producers"),
        ("fan", TOP, "    nnet::clone_stream", "    if (true)\n    nnet::clone_stream", "dataflow", "not 'if (true)'"),
    ],
)
def test_a_damaged_project_is_found_out(generated, tmp_path, net, file, old, new, rule, words) -> None:
    made = generated[net]
    folder = tmp_path / "firmware"
    shutil.copytree(made.folder / "firmware", folder)
    path = folder / file.format(top=made.manifest.top)
    source = path.read_text()
    assert old in source
    changed = source.replace(old, new)
    if "fresh" in new:
        changed = changed.replace("    read_word<CONFIG_T::n_steps>(attention, factor);", "    data_T fresh;")
    path.write_text(changed)
    found = lint(folder, made.manifest.top, made.manifest.backend)
    assert [finding for finding in found if finding.rule == rule and words in finding.message], found


PIPELINED_CLOCKS = "clock++) {\n        #pragma HLS PIPELINE II=1\n"
DEPENDENCE = "#pragma HLS DEPENDENCE variable=line inter RAW distance=reuse_distance true"
DISTANCE = "static const unsigned reuse_distance = CONFIG_T::width;"
AXI, KERNEL_AXI = "{axi_top}.cpp", "nnet_utils/nnet_hwsr_axi.h"
VIDEO = "INTERFACE axis port=video_out"


@pytest.mark.parametrize(
    "net, file, old, new, rule, words",
    [
        ("odd", CONV, PIPELINED_CLOCKS, "clock++) {\n", "pipeline", "neither pipelined nor unrolled"),
        ("odd", CONV, "PIPELINE II=1", "PIPELINE II=2", "pipeline", "II=2"),
        ("attention", STREAMS, "PIPELINE II=1", "PIPELINE ii=CONFIG_T::n_chan", "pipeline", "II=CONFIG_T::n_chan"),
        ("attention", CONV, "PIPELINE II=1", "PIPELINE off", "pipeline", "the pipeline is off"),
        ("odd", CONV, f"{DEPENDENCE}\n", "\n", "pipeline", "no dependence of 'line', so II > 1"),
        ("attention", STREAMS, f"{DEPENDENCE.replace('line', 'row')}\n", "\n", "pipeline", "'row', so II > 1"),
        # Each tool has the branch of its own looked at, and that alone.
        ("odd", CONV, "core=DSP48", "core=DSP49", "pragma", "RESOURCE has no core 'DSP49'"),
        ("attention", CONV, "core=DSP48", "core=DSP49", "", ""),
        ("odd", CONV, "HLS RESOURCE", "HLS RESUORCE", "pragma", "no tool knows the pragma 'RESUORCE'"),
        ("odd", CONV, "impl=dsp", "impl=dps", "", ""),
        ("odd", CONV, "#pragma HLS RESOURCE variable=product core=DSP48", "", "pragma", "'product_in_dsp' has no RES"),
        ("attention", CONV, "op=mul impl=fabric", "op=mul impl=dsp", "pragma", "'product_in_luts' has no BIND_OP"),
        ("odd", CONV, "#ifdef __VITIS_HLS__", "#ifndef __VITIS_HLS__", "pragma", "'product_in_dsp' has no RESOURCE"),
        ("roms", CONV, "impl=lutram", "impl=bram", "pragma", "BIND_STORAGE has no impl 'bram'"),
        ("roms", CONV, "variable=weights type", "variable=bias type", "pragma", "no BIND_STORAGE of 'weights'"),
        ("old roms", CONV, "#pragma HLS RESOURCE variable=weights", "//", "pragma", "no RESOURCE of 'weights'"),
        ("odd", STREAMS, "PRAGMA_DATA_PACK(out)", "", "stream", "'out' has no DATA_PACK"),
        ("odd", KERNEL_AXI, "PRAGMA_DATA_PACK(out)", "#pragma HLS DATA_PACK variable=out", "", ""),
        ("attention", STREAMS, "PRAGMA_DATA_PACK(out)", "", "", ""),
        # Inside a pipelined loop every loop is unrolled.
        ("odd", CONV, "k < kw; k++) {\n                #pragma HLS UNROLL", "k < kw; k++) {", "", ""),
        ("fan", STREAMS, "#pragma HLS PIPELINE II=1", "", "pipeline", "neither"),
        ("odd", TOP, "#pragma HLS DATAFLOW", "", "dataflow", "is no dataflow region"),
        ("odd", AXI, "#pragma HLS DATAFLOW", "", "dataflow", "is no dataflow region"),
        ("odd", AXI, f"#pragma HLS {VIDEO}", "", "interface", "port 'video_out' has no INTERFACE axis"),
        ("odd", AXI, VIDEO, VIDEO.replace("axis", "ap_fifo"), "interface", "'video_out'"),
        ("odd", AXI, VIDEO, VIDEO.replace("axis", "axi"), "pragma", "INTERFACE has no option 'axi'"),
        ("odd", TOP, " depth=", " deph=", "pragma", "STREAM has no option 'deph'"),
        ("odd", TOP, " depth=", " deph=", "pragma", "STREAM needs 'depth'"),
        ("odd", TOP, " depth=2", " depth=0", "pragma", "depth cannot be '0'"),
        ("odd", TOP, " depth=2", " depth=-2", "pragma", "depth cannot be '-2'"),
        ("odd", CONV, "PIPELINE II=1", "PIPELINE I=1", "pragma", "PIPELINE has no option 'i'"),
        ("odd", CONV, "variable=window complete", "variable=window complet", "pragma", "has no option 'complet'"),
        ("attention", CONV, "op=mul impl=dsp", "op=mul impl=dps", "pragma", "BIND_OP has no impl 'dps'"),
        ("odd", CONV, DEPENDENCE, DEPENDENCE.replace("inter ", "intra "), "pragma", "no dependence of 'conv_of'"),
        ("odd", CONV, DEPENDENCE, DEPENDENCE.replace(" true", " false"), "pragma", "no dependence of 'conv_of'"),
        ("odd", CONV, DEPENDENCE, DEPENDENCE.replace("=line", "=window"), "pragma", "no dependence of 'conv_of'"),
        ("odd", CONV, DISTANCE, DISTANCE.replace("width;", "width + 1;"), "pragma", "no dependence of 'conv_of'"),
        ("fan", STREAMS, "PIPELINE II=1", "PIPELINE II=1\n#pragma HLS " + DEPENDENCE[12:], "pragma", "no dependence"),
        ("odd", CONV, "sum_t before =", "double before =", "floating-point", "'double' is no integer"),
        ("odd", CONV, "fresh = data.read();", "data.read_nb(fresh);", "stream", "'data.read_nb' does not wait"),
        ("odd", KERNEL_AXI, "axi.write(out);", "axi.write_nb(out);", "stream", "'axi.write_nb' does not wait"),
        ("odd", CONV, "void conv(hls::stream<data_T> &data", "void conv(hls::stream<data_T> data", "stream", "copy"),
        ("odd", CONV, "static product_t product(", "virtual product_t product(", "unsupported", "is virtual"),
    ],
)
def test_a_project_changed_in_either_top_or_a_kernel_is_found_out(
    generated, tmp_path, net, file, old, new, rule, words
) -> None:
    made = generated[net]
    shutil.copytree(made.folder / "firmware", tmp_path / "firmware")
    path = tmp_path / "firmware" / file.format(top=made.manifest.top, axi_top=made.manifest.axi_top)
    source = path.read_text()
    assert old in source
    assert lint_project(tmp_path, made.manifest) == []
    path.write_text(source.replace(old, new))
    found = lint_project(tmp_path, made.manifest)
    assert bool(found) == bool(rule)
    assert not rule or [one for one in found if one.rule == rule and words in one.message], found


PIPELINE = "\n#pragma HLS PIPELINE\n"
PIPELINED = f"for (int i = 0; i < 8; i++) {{{PIPELINE}"
SNIPPETS = {
    "new": ("int *p = new int[4];", "dynamic-memory", 1),
    "malloc": ("void *p = malloc(4);", "dynamic-memory", 1),
    "vector": ("std::vector<int> v;", "dynamic-memory", 1),
    "sized at run time": ("int a[n];", "dynamic-memory", 1),
    "while": ("while (n > 0) {}", "loop-bound", 1),
    "do": ("do { n--; } while (n > 0);", "loop-bound", 1),
    "run-time bound": ("for (int i = 0; i < n; i++) {}", "loop-bound", 1),
    "run-time step": ("for (int i = 0; i < 8; i += n) {}", "loop-bound", 1),
    "triangle": (f"for (int i = 0; i < 8; i++) {{\nfor (int j = 0; j < i; j++) {{{PIPELINE}}} }}", "loop-bound", 2),
    "counter changed": ("for (int i = 0; i < 8; i++) { i += 2; }", "loop-bound", 1),
    "throw": ("throw 1;", "unsupported", 1),
    "assembly": ('asm("nop");', "unsupported", 1),
    "goto": ("goto end;\nend: return;", "unsupported", 1),
    "self": ("work(data, n);", "recursion", -1),
    "unknown pragma": ("#pragma HLS PIPELNE", "pragma", 1),
    "no such variable": ("int a[2];\n#pragma HLS ARRAY_PARTITION variable=b complete", "pragma", 2),
    "unrolled index": (f"int a[8][8];\n{PIPELINED}for (int j = 0; j < 8; j++) {{ a[i][j] = j; }} }}", "array-port", 4),
    "three reads": (f"int a[8], s = 0;\n{PIPELINED}s += a[i] + a[i + n] + a[n]; }}", "array-port", 2),
    "neither pipelined nor unrolled": ("for (int i = 0; i < 8; i++) { s += i; }", "pipeline", 1),
    "around unrolled loops alone": (
        "for (int i = 0; i < 8; i++) {\nfor (int j = 0; j < 8; j++) {\n#pragma HLS UNROLL\ns += j; } }",
        "pipeline",
        1,
    ),
    "float": ("float x;", "floating-point", 1),
    "double": ("s = (double)n;", "floating-point", 1),
    "a fraction": ("s = 0.5 * n;", "floating-point", 1),
    "read without waiting": ("T w;\ndata.read_nb(w);", "stream", 2),
    "asks for words": ("if (data.empty()) {}", "stream", 1),
    "banks of a counter and the run time": (
        "int a[64];\n#pragma HLS ARRAY_PARTITION variable=a complete\n"
        f"{PIPELINED}for (int j = 0; j < 8; j++) {{\nconst int c = n * 8 + j;\na[c] = j; }} }}",
        "array-port",
        7,
    ),
    "word": (f"T w;\n{PIPELINED}s = w[n]; }}", "array-port", 4),
}
CLEAN = {
    "constant bound": f"const int m = 2 * N;\nfor (int i = 0; i < m; i++) {{{PIPELINE}}}",
    "loops around a pipelined one": f"for (int j = 0; j < 8; j++) {{ {PIPELINED} }} }}",
    "inside a pipelined loop": f"{PIPELINED}for (int j = 0; j < 8; j++) {{ s += j; }} }}",
    "integers as they are written": "s = 0x1E5 + 12u + 1LL;",
    "unrolled triangle": "for (int i = 0; i < 8; i++) {\n#pragma HLS UNROLL\nfor (int j = 0; j < i; j++) {} }",
    "simulation only": "#ifndef __SYNTHESIS__\nstd::vector<int> v;\n#endif",
    "two ports": f"int a[8], s = 0;\n{PIPELINED}s += a[i] + a[n]; }}",
    "one branch at a time": f"int a[8], s = 0;\n{PIPELINED}if (n) {{ s += a[i] + a[n]; }} else {{ a[i] = s; }} }}",
    "a bank a counter": (
        "int a[8][8];\n#pragma HLS ARRAY_PARTITION variable=a complete dim=2\n"
        f"{PIPELINED}for (int j = 0; j < 8; j++) {{ a[i][j] = a[n][j]; }} }}"
    ),
    "banks of a counter, banks of the run time": (
        "int a[8][8];\n#pragma HLS ARRAY_PARTITION variable=a complete dim=0\n"
        f"{PIPELINED}for (int j = 0; j < 8; j++) {{ a[n][j] = a[n + 1][7 - j]; }} }}"
    ),
    "words by constants": f"T w;\n{PIPELINED}for (int j = 0; j < 8; j++) {{ w[j + 1] = n; }} }}",
    "another instance": "if (N > 1) { work<T, N / 2>(data, n); }",
}
FIRST = 6  # the line in front of a snippet


def firmware(folder: Path, body: str, top: str = "") -> Path:
    (folder / "kernels.h").write_text(
        "#pragma once\nnamespace nnet {\n// comment\ntemplate <class T, int N>\n"
        f"void work(hls::stream<T> &data, int n) {{\nint s = 0; data.read();\n{body}\n}}\n"
        "template <class T> void make(hls::stream<T> &data) { data.write(T()); }\n}\n"
    )
    calls = top or 'hls::stream<word_t> inner("inner");\nnnet::make<word_t>(inner);\nnnet::work<word_t, 4>(inner, 3);'
    (folder / "top.cpp").write_text(
        f'#include "kernels.h"\nvoid top(hls::stream<word_t> &in) {{\n'
        f"#pragma HLS INTERFACE axis port=in\n#pragma HLS DATAFLOW\n{calls}\n}}\n"
    )
    return folder


PORTS = "port 'in' has 0 producers and 0 consumers inside instead of one of either"


def others(findings: list[Finding]) -> list[Finding]:
    """All but that of the port that no snippet uses."""
    return [finding for finding in findings if finding.message != PORTS]


@pytest.mark.parametrize("name", SNIPPETS)
def test_every_violation_is_found_where_it_stands(name: str, tmp_path: Path) -> None:
    body, rule, line = SNIPPETS[name]
    found = others(lint(firmware(tmp_path, body), "top", "Vitis"))
    assert [(finding.file, finding.line, finding.rule) for finding in found] == [("kernels.h", FIRST + line, rule)], (
        found
    )


@pytest.mark.parametrize("name", CLEAN)
def test_what_hardware_can_do_is_no_finding(name: str, tmp_path: Path) -> None:
    assert others(lint(firmware(tmp_path, CLEAN[name]), "top", "Vitis")) == []


STREAM = 'hls::stream<word_t> s("s");\n'
TOPS = {
    "no reader": (STREAM + "nnet::make<word_t>(s);", "stream", "1 producers and 0 consumers"),
    "no writer": (STREAM + "nnet::work<word_t, 4>(s, 3);", "stream", "0 producers and 1 consumers"),
    "two readers": (
        STREAM + "nnet::make<word_t>(s);\nnnet::work<word_t, 4>(s, 3);\nnnet::work<word_t, 4>(s, 3);",
        "stream",
        "1 producers and 2 consumers",
    ),
    "unknown kernel": ("nnet::sort<word_t>(in);", "dataflow", "'nnet::sort<word_t>' is not in the firmware"),
    "a loop": ("for (int i = 0; i < 2; i++) { nnet::work<word_t, 4>(in, 3); }", "dataflow", "not 'for (int i"),
    "an assignment": ("int n;\nn = 3;\nnnet::work<word_t, 4>(in, n);", "dataflow", "not 'n = 3;'"),
}


@pytest.mark.parametrize("name", TOPS)
def test_a_dataflow_region_is_calls_joined_by_streams(name: str, tmp_path: Path) -> None:
    top, rule, words = TOPS[name]
    found = others(lint(firmware(tmp_path, "", top), "top", "Vitis"))
    assert [finding.rule for finding in found] == [rule] and words in found[0].message
    assert found[0].file == "top.cpp"


def test_a_chain_of_calls_that_comes_back_is_recursion(tmp_path: Path) -> None:
    folder = firmware(tmp_path, "even(n);")
    path = folder / "kernels.h"
    path.write_text(
        path.read_text().replace(
            "// comment", "int odd(int n) { return even(n - 1); }\nint even(int n) { return odd(n); }"
        )
    )
    assert [str(finding) for finding in others(lint(folder, "top", "Vitis"))] == [
        "kernels.h:3 recursion 'odd' calls itself",
        "kernels.h:4 recursion 'even' calls itself",
    ]


@pytest.mark.parametrize(
    "member, rule",
    [
        ("virtual int get() { return 1; }", "unsupported"),
        ("virtual int get() = 0;", "unsupported"),
        ("std::vector<int> held;\nint get() { return 1; }", "dynamic-memory"),
        ("int held;\nint get() { return held; }", None),
    ],
)
def test_a_class_is_looked_at_where_it_is_used(member: str, rule: str | None, tmp_path: Path) -> None:
    folder = firmware(tmp_path, "Held held;\ns = held.get();")
    path = folder / "kernels.h"
    path.write_text(path.read_text().replace("// comment", f"struct Held {{\n{member}\n}};"))
    assert {finding.rule for finding in others(lint(folder, "top", "Vitis"))} == ({rule} if rule else set())
    path.write_text(path.read_text().replace("Held held;\ns = held.get();", ""))
    assert others(lint(folder, "top", "Vitis")) == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match=r"top.cpp: No such file"):
        lint(tmp_path, "top", "Vitis")
    (tmp_path / "top.cpp").write_text("int other() { return 1; }")
    with pytest.raises(HwsrError, match=r"no function 'top'"):
        lint(tmp_path, "top", "Vitis")
    (tmp_path / "top.cpp").write_text("#if VERSION > 3\n#endif\nvoid top() {}")
    with pytest.raises(HwsrError, match=r"'VERSION > 3'"):
        lint(tmp_path, "top", "Vitis")


def test_files_outside_the_firmware_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.h").write_text("void hidden() { while (1) {} }")
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "top.cpp").write_text(
        '#include "../secret.h"\nvoid top() {\n#pragma HLS DATAFLOW\nhidden(); }'
    )
    found = lint(tmp_path / "firmware", "top", "Vitis")
    assert [finding.message for finding in found] == ["'hidden' is not in the firmware"]


def test_a_finding_in_what_hwsr_writes_is_its_own_error(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(project, "lint", lambda *_: [Finding("a.h", 3, "pragma", "wrong"), Finding("b.h", 1, "x", "y")])
    with pytest.raises(InternalError, match=r"a.h:3 pragma wrong \(and 1 more\)"):
        write(tiny_net, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_findings_and_fails(generated, tmp_path, monkeypatch, capsys) -> None:
    made = generated["fan"]
    report = tmp_path / "lint.json"

    def command(folder: Path) -> int:
        monkeypatch.setattr("sys.argv", ["hwsr", "hls-lint", str(folder), "--json", str(report)])
        return _run()

    assert command(made.folder) == 0 and "no finding" in capsys.readouterr().out
    assert json.loads(report.read_text())["findings"] == []
    shutil.copytree(made.folder, tmp_path / "p")
    path = tmp_path / "p" / "firmware" / STREAMS
    path.write_text(path.read_text().replace("#pragma HLS PIPELINE II=1", "#pragma HLS PIPELIN II=1"))
    assert command(tmp_path / "p") == 1
    printed = capsys.readouterr().out.splitlines()
    findings = json.loads(report.read_text())["findings"]
    assert len(printed) == len(findings) + 1 and printed[-1] == f"{len(findings)} findings"
    unknown = next(finding for finding in findings if finding["rule"] == "pragma")
    assert f"{path}:{unknown['line']} pragma no tool knows the pragma 'PIPELIN'" in printed
