"""What is read of projects that hls4ml wrote, held against hls4ml's own model of them."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

from hwsr.errors import HwsrError
from hwsr.estimate.reports import DESCRIPTION, describe
from hwsr.stock.project import StockProject, read_stock
from hwsr.stock.rows import LAYER_TYPES, frames, row
from tests.stock.stock_networks import Merging, Pooled, Residual, Signal, Upscaling, write_stock

Written = tuple[Any, StockProject]


@pytest.fixture(
    scope="module", params=[Residual, Upscaling, Signal, Merging, Pooled], ids=lambda network: network.__name__
)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """hls4ml's model, and what is read of the project that it wrote."""
    folder = tmp_path_factory.mktemp("stock") / "project"
    yield write_stock(request.param(), folder), read_stock(folder)


def test_kernels_are_hls4mls_layers_in_their_order(written: Written) -> None:
    model, project = written
    layers = [layer.name for layer in model.get_layers() if layer.class_name not in ("Input", "Reshape")]
    assert [call.layer for call in project.calls] == layers


def test_a_stream_has_hls4mls_words_and_type(written: Written) -> None:
    model, project = written
    sizes = frames(project)
    for call in project.calls:
        variable = model.graph[call.layer].get_output_variable()
        stream = project.streams[call.outputs[0]]
        assert stream.width == stream.channels * variable.type.precision.width
        assert sizes[call.layer].writes * stream.channels == prod(variable.shape)


def test_fifos_are_as_deep_as_a_frame_of_theirs(written: Written) -> None:
    """hls4ml's depths without its FIFO optimization: every word of a frame."""
    _, project = written
    sizes, depths = frames(project), {name: stream.depth for name, stream in project.streams.items()}
    ports = {project.calls[0].inputs[0], project.calls[-1].outputs[0]}
    made = {name: sizes[call.layer].writes for call in project.calls for name in call.outputs}
    assert {depths[name] for name in ports} == {None}
    assert {name: depth for name, depth in depths.items() if depth} == {n: w for n, w in made.items() if n not in ports}


def test_a_row_is_hls4mls_layer(written: Written) -> None:
    model, project = written
    sizes = frames(project)
    for call in project.calls:
        described = row(project, call, sizes[call.layer])
        assert (described is None) == (call.function not in LAYER_TYPES)
        if described is None:
            continue
        assert described.keys() <= DESCRIPTION
        layer, kernel = model.graph[call.layer], describe(described)
        out = layer.get_output_variable()
        assert (kernel.backend, kernel.stream, kernel.clock_ns) == ("vitis", True, 5.0)
        assert (kernel.out_channels, kernel.out_bits) == (out.shape[-1], out.type.precision.width)
        assert kernel.x_bits == layer.get_input_variable().type.precision.width
        if kernel.products:
            weight = layer.get_weights("weight")
            assert (kernel.w_bits, kernel.products.total) == (weight.type.precision.width, weight.data.size)
            assert (kernel.acc_bits, kernel.folded) == (layer.get_attr("accum_t").precision.width, True)
            assert kernel.reuse_factor == layer.get_attr("reuse_factor")
        if call.function.startswith("concatenate"):
            assert kernel.words == prod(out.shape[:-1])


@pytest.mark.parametrize("backend", ["Vivado", "Vitis"])
def test_the_backend_and_its_strategies(tmp_path: Path, backend: str) -> None:
    write_stock(Residual(), tmp_path / "p", backend, "Latency", reuse_factor=1)
    project = read_stock(tmp_path / "p")
    assert project.backend == backend.lower()
    sizes = frames(project)
    rows = (row(project, call, sizes[call.layer]) for call in project.calls)
    kernels = [describe(described) for described in rows if described]
    assert {kernel.backend for kernel in kernels} == {backend.lower()}
    assert not any(kernel.folded for kernel in kernels)


CODE = "firmware/myproject.cpp"


def _firmware(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("project.tcl", '"vitis"', '"vivadoaccelerator"', "no project of hls4ml's Vivado or Vitis backend"),
        ("project.tcl", '"myproject"', '"../myproject"', "no project of hls4ml's"),
        ("project.tcl", "clock_period 5", "clock_period fast", "no clock_period"),
        ("project.tcl", "clock_period 5", "clock_period 0", "no clock_period"),
        (CODE, "nnet::relu<", "nnet::swish<", "nothing is known of kernel 'swish'"),
        (CODE, "nnet::relu<", "mine::relu<", "nothing is known of kernel 'mine::relu'"),
        (CODE, "nnet::relu<", "relu<", "stream 'layer2_out' is read by 0 and written by 1"),
        (CODE, "hls::stream", "array", "only io_stream"),
        (CODE, "// relu", "// first", "two kernels of layer 'first'"),
        ("firmware/defines.h", "layer3_t;", "other_t;", "defines.h has no nnet::array"),
        ("firmware/defines.h", "8*1> layer3_t", "0*1> layer3_t", "defines.h has no nnet::array"),
        ("firmware/parameters.h", "in_height = 18;", "in_height = 19;", "layer 'first' takes 266 words .* given 252"),
        ("firmware/parameters.h", "in_height = 18;", f"in_height = {'9*' * 400}9;", "layer 'first' takes 14 words"),
        ("firmware/parameters.h", "n_in = 192;", "n_in = 999999999*999;", "takes"),
    ],
)
def test_what_is_no_project_is_said(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    write_stock(Residual(), tmp_path / "p")
    _firmware(tmp_path / "p", name, old, new)
    with pytest.raises(HwsrError, match=says):
        frames(read_stock(tmp_path / "p"))


def test_concatenations_of_sides_that_do_not_fit_are_said(tmp_path: Path) -> None:
    write_stock(Merging(), tmp_path / "p")
    _firmware(tmp_path / "p", "firmware/parameters.h", "axis = 1;", "axis = -2;")
    with pytest.raises(HwsrError, match="layer 'cat_1' joins 3x8x4 and 6x8x4 along axis 2"):
        frames(read_stock(tmp_path / "p"))


def test_a_folder_without_a_project_is_said(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match=r"cannot read .*project\.tcl: No such file"):
        read_stock(tmp_path)


@pytest.mark.parametrize("line", ["typedef", "hls::stream<", "nnet::a<", "struct a {", "static const int a ="])
def test_a_file_of_nothing_but_blanks_and_beginnings_is_read_at_once(tmp_path: Path, line: str) -> None:
    """Patterns that could match in many ways would take hours for these."""
    write_stock(Pooled(), tmp_path / "p")
    for name in (CODE, "firmware/defines.h", "firmware/parameters.h"):
        path = tmp_path / "p" / name
        path.write_text(f"{line}{' ' * 400_000}!\n" + f"{line}\n" * 40_000 + line * 40_000 + "\n" + path.read_text())
    assert [call.function for call in read_stock(tmp_path / "p").calls][-1] == "relu"


def test_an_alias_of_an_alias_is_the_stream(tmp_path: Path) -> None:
    write_stock(Pooled(), tmp_path / "p")
    path = tmp_path / "p" / CODE
    before = read_stock(tmp_path / "p").calls
    aliases = "    auto& other = layer2_out;\n    auto& third = other;\n"
    text = path.read_text().replace("    nnet::relu", f"{aliases}    nnet::relu").replace("(layer2_out, ", "(third, ")
    path.write_text(text)
    assert read_stock(tmp_path / "p").calls == before
