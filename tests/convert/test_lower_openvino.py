"""What OpenVINO makes of a Q/DQ graph that was rewritten for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import numpy_helper

from convert.lower import lower_for_onnxruntime, lower_for_openvino
from convert.quantise import quantise_int8
from edge.engines import open_engine
from edge.errors import UsageError
from tests.convert.graphs import NETWORKS, Builder, feeds, graph_of, relative_error, run

SHAPE = ("batch", 2, 8, 8)


def dense_network() -> bytes:
    """Two signed tensors are joined, normalised, rectified and convolved, as in DenseNet."""
    net = Builder()
    first = net.conv("image", 2, 2)
    joined = net.node("Concat", first, net.conv("image", 2, 2), axis=1)
    ones, zeros = (net.constant(np.full(4, value, np.float32)) for value in (1, 0))
    norm = net.node("BatchNormalization", joined, ones, zeros, zeros, ones)
    return net.model({net.conv(net.node("Relu", norm), 4, 2, output="out"): SHAPE})


def leaky_network() -> bytes:
    net = Builder()
    active = net.node("LeakyRelu", net.conv("image", 2, 2), alpha=0.1)
    return net.model({net.conv(active, 2, 2, output="out"): SHAPE})


def quantised(model: bytes) -> bytes:
    return quantise_int8(model, feeds(), method="minmax")


def zero_points(model: bytes) -> list[str]:
    """Type and value for each tensor that is quantised, in the graph's order."""
    graph = graph_of(model)
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    zeros = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    return [f"{zero.dtype} {zero}" for zero in zeros]


def test_what_only_normalisations_read_stays_signed_and_all_else_is_shifted() -> None:
    found = zero_points(lower_for_openvino(quantised(dense_network())))
    assert sorted(found) == ["int8 0", "int8 0", "uint8 0", "uint8 128"]


def test_a_signed_join_that_a_convolution_reads_is_shifted() -> None:
    net = Builder()
    joined = net.node("Concat", net.conv("image", 2, 2), net.conv("image", 2, 2), axis=1)
    model = net.model({net.conv(joined, 4, 2, output="out"): SHAPE})
    assert set(zero_points(lower_for_openvino(quantised(model)))) == {"uint8 128"}


def test_no_pair_parts_a_convolution_from_its_activation() -> None:
    signed = quantised(leaky_network())
    assert (len(zero_points(signed)), len(zero_points(lower_for_openvino(signed)))) == (3, 2)


@pytest.mark.parametrize("name", ["residual", "u"])
def test_where_nothing_is_to_be_done_otherwise_it_is_the_file_of_onnxruntime(name: str) -> None:
    signed = quantised(NETWORKS[name]())
    assert lower_for_openvino(signed) == lower_for_onnxruntime(signed)


@pytest.mark.parametrize("build", [dense_network, leaky_network, *NETWORKS.values()])
def test_openvino_answers_as_the_float_model_does(build: Callable[[], bytes]) -> None:
    pytest.importorskip("openvino")
    model, feed = build(), feeds(1)[0]
    engine = open_engine("openvino", lower_for_openvino(quantised(model)), precision="int8", threads=1)
    expected = run(model, feed)
    for name, found in engine.infer(feed).items():
        assert relative_error(found, expected[name]) < 0.06


def test_to_lower_twice_changes_nothing() -> None:
    lowered = lower_for_openvino(quantised(dense_network()))
    assert lower_for_openvino(lowered) == lowered


def test_a_float_model_is_refused() -> None:
    with pytest.raises(UsageError, match="Lowering a model for OpenVINO: found no Q/DQ pair"):
        lower_for_openvino(dense_network())
