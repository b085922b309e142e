"""Networks with means on frames of another size than they were exported for."""

from dataclasses import replace

import numpy as np
import pytest

from hwsr.errors import HwsrError
from hwsr.ir.check import make_graph
from hwsr.ir.graph import Scale, SpatialSum
from hwsr.ir.whole_frame import on_whole_frame
from hwsr.reference.run import run, run_all
from tests.hls.affine_graphs import affine_net
from tests.hls.hls_graphs import Net, attention_net, tiles_for, tiny_net


@pytest.mark.parametrize("frame", [(1, 1), (3, 1), (5, 7), (16, 16), (45, 31), (1, 65537), (360, 640), (1080, 1920)])
def test_means_are_those_of_the_new_frame(frame):
    graph = on_whole_frame(attention_net(), frame)
    assert graph.frame == frame and graph.shape("y", *graph.frame) == (3, 2 * frame[0], 2 * frame[1])
    mean = next(node for node in graph.nodes if node.name == "ca.mean")
    assert isinstance(mean, Scale)
    error = mean.factor * np.exp2(-mean.factor_frac) * frame[0] * frame[1] - 1
    assert np.all(np.abs(error) <= 2.0**-15) and np.all(mean.factor < 1 << (mean.factor_bits - 1))


def test_every_other_node_stays_and_the_mean_is_computed():
    before, after = attention_net(), on_whole_frame(attention_net(), (45, 31))
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if old.name != "ca.mean":
            assert repr(old) == repr(new)
    tile = tiles_for(after, 1)[0]
    tensors = run_all(after, tile)
    mean = tensors["ca.mean"] * np.exp2(-float(after.tensors["ca.mean"].type.frac))
    features = tensors["block 1/b.q"] * np.exp2(-float(after.tensors["block 1/b.q"].type.frac))
    assert np.allclose(mean[:, 0, 0], features.mean((1, 2)), rtol=2.0**-14)
    assert np.array_equal(tensors["y"], run(after, tile)) and np.ptp(tensors["y"]) > 100


def test_its_own_frame_and_networks_without_means_are_as_they_were():
    graph = attention_net()
    assert on_whole_frame(graph, graph.frame) is graph
    assert on_whole_frame(tiny_net(), (7, 9)).frame == (7, 9)


@pytest.mark.parametrize("spoilt", ["factor", "sum"])
def test_sums_that_are_no_means_are_refused(spoilt):
    net = Net((6, 6))
    net.finish(net.layer("tail", net.attention("ca", net.head(4)), 3))
    nodes = [
        replace(node, factor=node.factor * 2) if spoilt == "factor" and node.name == "ca.mean" else node
        for node in net.nodes
    ]
    if spoilt == "sum":
        nodes = [node for node in nodes if not (isinstance(node, Scale) and node.name == "ca.mean")]
        nodes = [replace(node, inputs=("ca.sum",)) if node.inputs == ("ca.mean",) else node for node in nodes]
    graph = make_graph(nodes, net.frame)
    assert any(isinstance(node, SpatialSum) for node in graph.nodes)
    with pytest.raises(HwsrError, match=r"mean.*export with --frame"):
        on_whole_frame(graph, (9, 9))


def test_an_affine_mean_is_made_at_export():
    graph = affine_net()
    assert on_whole_frame(graph, graph.frame) is graph
    with pytest.raises(HwsrError, match=r"'ca.sum': an affine mean .*; export with --frame"):
        on_whole_frame(graph, (9, 9))
