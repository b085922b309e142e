"""The top function as it is read from the C++."""

import pytest

from hwsr.errors import HwsrError
from hwsr.hls.firmware import SINK, SOURCE, read_top

TOP = """#include <iostream>

#include "top.h"


void top(
    hls::stream<input_t> &image,
    hls::stream<result_t> &layer4_out
) {

    // hls-fpga-machine-learning insert IO
    #pragma HLS INTERFACE axis port=image,layer4_out
    #pragma HLS DATAFLOW

    hls::stream<layer2_t> layer2_cpy1("layer2_cpy1");
    #pragma HLS STREAM variable=layer2_cpy1 depth=2

    hls::stream<layer2_t> layer2_cpy2("layer2_cpy2");
    #pragma HLS STREAM variable=layer2_cpy2 depth=132

    hls::stream<layer3_t> layer3_out("layer3_out");

    nnet::clone_stream<input_t, layer2_t, 12>(image, layer2_cpy1, layer2_cpy2); // image_fork

    nnet::conv<layer2_t, layer3_t, config3>(layer2_cpy1, layer3_out, weights_n_a, bias_n_a); // n_a
#ifndef __SYNTHESIS__
    nnet::save_layer_output<layer3_t>(layer3_out, "n_a", 4*4*3);
#endif

    nnet::add_streams<layer3_t, layer2_t, result_t, config4>(layer3_out, layer2_cpy2, layer4_out); // n_add
}
"""


def read(tmp_path, text):
    (tmp_path / "top.cpp").write_text(text)
    return read_top(tmp_path / "top.cpp")


def test_streams_depths_and_processes(tmp_path):
    top = read(tmp_path, TOP)
    assert (top.input, top.output) == ("image", "layer4_out")
    assert {name: stream.depth for name, stream in top.streams.items()} == {
        "image": 2,
        "layer4_out": 2,
        "layer2_cpy1": 2,
        "layer2_cpy2": 132,
        "layer3_out": 2,
    }
    assert [(call.name, call.reads, call.writes) for call in top.calls] == [
        ("image_fork", ("image",), ("layer2_cpy1", "layer2_cpy2")),
        ("n_a", ("layer2_cpy1",), ("layer3_out",)),
        ("n_add", ("layer3_out", "layer2_cpy2"), ("layer4_out",)),
    ]
    assert top.calls[1].text.startswith("nnet::conv<") and top.calls[1].text.endswith("bias_n_a);")
    assert top.ends["layer2_cpy2"] == ("image_fork", "n_add")
    assert top.ends["image"] == (SOURCE, "image_fork") and top.ends["layer4_out"] == ("n_add", SINK)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(layer3_out, layer2_cpy2, layer4_out)", "(layer3_out, layer2_cpy1, layer4_out)", r"'layer2_cpy1' needs one"),
        ("depth=132", "depth=0", r"'layer2_cpy2' of depth 0"),
        ("    nnet::conv<", "    if (fast) nnet::conv<", r"'if \(fast\) .*' is not understood"),
        ("    hls::stream<input_t> &image,\n", "", r"one input and one output"),
        ("#pragma HLS STREAM variable=layer2_cpy1 depth=2", "static int depth;", r"'static int depth;' is not"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, old, new, message):
    assert old in TOP
    with pytest.raises(HwsrError, match=message):
        read(tmp_path, TOP.replace(old, new))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(HwsrError, match=r"none.cpp: it cannot be read"):
        read_top(tmp_path / "none.cpp")
