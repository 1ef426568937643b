"""Static INT8: what the graph looks like, what it answers, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, numpy_helper

from convert.lower import lower_for_onnxruntime, tensorrt_problems
from convert.optimise import optimise, producers, readers
from convert.quantise import Method, calibrate, head_nodes, quantise, quantise_int8
from edge.errors import EdgerunError, PackError, UsageError
from edge.pack.onnx_file import inspect_onnx
from tests.convert.graphs import (
    NETWORKS,
    Builder,
    feeds,
    graph_of,
    operators,
    relative_error,
    residual_network,
    run,
    u_network,
)

METHODS: tuple[Method, ...] = ("minmax", "entropy", "percentile")
ROOT = Path(__file__).parents[2]


def int8(model: bytes, method: Method = "minmax", **options: Any) -> bytes:
    return quantise_int8(model, feeds(), method=method, **options)


def node_named(model: bytes, name: str) -> NodeProto:
    found: NodeProto = next(node for node in graph_of(model).node if node.name == name)
    return found


def sources(model: bytes, name: str) -> list[str]:
    """The operators that make what a node reads; constants are left out."""
    made = producers(graph_of(model))
    return [made[item].op_type for item in node_named(model, name).input if item in made]


# Entropy cuts off the tails, which on so little noise are a good part of it.
@pytest.mark.parametrize(("method", "largest_error"), [("minmax", 0.05), ("entropy", 0.25), ("percentile", 0.05)])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_int8_model_answers_like_the_float_one(name: str, method: Method, largest_error: float) -> None:
    model = NETWORKS[name]()
    quantised = int8(model, method)
    feed = feeds(1, batch=16, seed=77)[0]
    expected = run(model, feed)
    for output, found in run(quantised, feed).items():
        assert relative_error(found, expected[output]) < largest_error


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_plain_onnx_that_a_pack_may_hold_and_tensorrt_takes(name: str) -> None:
    quantised = int8(NETWORKS[name]())
    facts = inspect_onnx(quantised, name)
    onnx.checker.check_model(onnx.load_from_string(quantised), full_check=True)
    assert (facts.ir_version, facts.opset) == (10, 18)
    assert tensorrt_problems(quantised) == ()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_int8_per_output_channel_and_biases_stay_float(name: str) -> None:
    graph = graph_of(int8(NETWORKS[name]()))
    constants = {item.name: item for item in graph.initializer}
    made = producers(graph)
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            dequantise = made[node.input[1]]
            weights, scale = constants[dequantise.input[0]], constants[dequantise.input[1]]
            axis = dequantise.attribute[0].i
            assert weights.data_type == TensorProto.INT8
            assert axis == (0 if node.op_type == "Conv" else 1)
            assert list(scale.dims) == [weights.dims[axis]]
        if len(node.input) > 2 and node.op_type in ("Conv", "ConvTranspose", "Gemm"):
            assert constants[node.input[2]].data_type == TensorProto.FLOAT


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pair_parts_a_convolution_from_its_relu(name: str) -> None:
    graph = graph_of(int8(NETWORKS[name]()))
    made = producers(graph)
    assert all(made[node.input[0]].op_type != "DequantizeLinear" for node in graph.node if node.op_type == "Relu")


def test_both_summands_of_a_residual_block_are_quantised() -> None:
    quantised = int8(residual_network())
    add = next(node.name for node in graph_of(quantised).node if node.op_type == "Add")
    assert sources(quantised, add) == ["DequantizeLinear", "DequantizeLinear"]


def test_pooling_and_joining_work_on_integers() -> None:
    quantised = int8(u_network())
    for operator in ("MaxPool", "Concat"):
        node = next(node.name for node in graph_of(quantised).node if node.op_type == operator)
        assert set(sources(quantised, node)) == {"DequantizeLinear"}


def test_a_join_that_only_floats_read_stays_float() -> None:
    net = Builder()
    joined = net.node("Concat", net.conv("image", 2, 4), net.conv("image", 2, 4), axis=1)
    net.node("InstanceNormalization", joined, net.weights(8), net.weights(8), output="out")
    quantised = int8(net.model({"out": ["batch", 8, 8, 8]}))
    assert [node.op_type for node in readers(graph_of(quantised))["concat_2"]] == ["InstanceNormalization"]


def test_a_sum_with_a_constant_is_a_bias_and_stays_float() -> None:
    net = Builder()
    net.node("Add", net.node("Relu", net.conv("image", 2, 4)), net.weights(1, 4, 8, 8), output="out")
    assert sources(int8(net.model({"out": ["batch", 4, 8, 8]})), "node_out") == ["Relu"]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_not_rounded(name: str) -> None:
    graph = graph_of(int8(NETWORKS[name]()))
    made = producers(graph)
    assert all(made[item.name].op_type != "DequantizeLinear" for item in graph.output)


def test_an_output_that_is_also_read_on_is_given_out_as_float() -> None:
    net = Builder()
    middle = net.conv("image", 2, 4, output="middle")
    net.conv(middle, 4, 2, output="end")
    model = net.model({"middle": ["batch", 4, 8, 8], "end": ["batch", 2, 8, 8]})
    quantised = int8(model)
    assert producers(graph_of(quantised))["middle"].op_type == "Conv"
    assert sources(quantised, "node_end") == ["DequantizeLinear", "DequantizeLinear"]
    assert relative_error(run(quantised, feeds(1)[0])["end"], run(model, feeds(1)[0])["end"]) < 0.05


@pytest.mark.parametrize("batch", [1, 5])
def test_the_batch_stays_free(batch: int) -> None:
    assert run(int8(residual_network()), feeds(1, batch=batch)[0])["logit"].shape == (batch, 1)


def test_the_head_is_what_lies_behind_the_features() -> None:
    assert head_nodes(residual_network(), ("logit", "cam")) == ("node_cam", "node_reducemean_9", "node_logit")


def test_the_head_of_one_output_begins_at_the_last_pooling() -> None:
    assert head_nodes(residual_network(), ("logit",)) == ("node_reducemean_9", "node_logit")


def test_the_head_of_a_segmentation_is_its_last_convolution() -> None:
    assert head_nodes(u_network(), ("mask",)) == ("node_mask",)


def test_a_model_without_pooling_and_weights_has_no_head() -> None:
    net = Builder()
    net.node("Relu", "image", output="out")
    assert head_nodes(net.model({"out": ["batch", 2, 8, 8]}), ("out",)) == ()


def test_the_mean_of_the_map_is_the_score_in_int8_too() -> None:
    model = residual_network()
    quantised = int8(model, keep_float=head_nodes(model, ("logit", "cam")))
    for candidate in (quantised, lower_for_onnxruntime(quantised)):
        for feed in feeds(4, seed=31):
            found = run(candidate, feed)
            score = found["cam"].mean(axis=(2, 3)) + np.float32(0.25)
            np.testing.assert_allclose(score, found["logit"], atol=1e-5)


def test_with_the_head_in_int8_map_and_score_part() -> None:
    found = run(int8(residual_network()), feeds(1, seed=31)[0])
    assert abs(found["cam"].mean() + 0.25 - found["logit"][0, 0]) > 1e-4


def test_nodes_that_stay_float_read_and_weigh_floats() -> None:
    quantised = int8(residual_network(), keep_float=("node_conv_3",))
    assert sources(quantised, "node_conv_3") == ["MaxPool"]
    assert sources(quantised, "node_conv_5") == ["DequantizeLinear", "DequantizeLinear"]


def test_weights_that_two_nodes_share_stay_float_for_the_one_that_does() -> None:
    net = Builder()
    weights, ones = net.weights(2, 2, 1, 1), net.weights(2)
    middle = net.node("Relu", net.node("Conv", "image", weights, ones, output="first"))
    net.node("Conv", middle, weights, ones, output="second")
    quantised = int8(net.model({"second": ["batch", 2, 8, 8]}), keep_float=("node_first",))
    assert sources(quantised, "node_first") == []
    assert sources(quantised, "node_second") == ["DequantizeLinear", "DequantizeLinear"]


def test_one_calibration_serves_many_models() -> None:
    model = residual_network()
    calibration = calibrate(model, feeds(), method="minmax")
    assert quantise(calibration) == int8(model)
    assert quantise(calibration, keep_float=("node_conv_3",)) == int8(model, keep_float=("node_conv_3",))


def test_a_layer_that_is_always_zero_gets_a_scale_that_engines_take() -> None:
    net = Builder()
    dead = net.node("Conv", "image", net.constant(np.zeros((4, 2, 1, 1), np.float32)))
    net.conv(net.node("Relu", dead), 4, 2, output="out")
    quantised = int8(net.model({"out": ["batch", 2, 8, 8]}))
    assert tensorrt_problems(quantised) == ()
    assert np.isfinite(run(quantised, feeds(1)[0])["out"]).all()


def test_the_models_own_words_are_kept_and_nothing_of_this_machine() -> None:
    quantised = int8(residual_network())
    proto = onnx.load_from_string(quantised)
    assert {item.key: item.value for item in proto.metadata_props} == {"credit": "nobody"}
    assert (proto.producer_name, proto.producer_version) == ("edgerun", "")
    for place in (tempfile.gettempdir(), str(Path.home()), os.fspath(ROOT)):
        assert place.encode() not in quantised


def test_the_four_bytes_of_a_weight_become_one() -> None:
    net = Builder()
    net.conv(net.conv("image", 2, 64), 64, 64, output="out")
    model = net.model({"out": ["batch", 64, 8, 8]})
    assert len(int8(model)) < 0.3 * len(model)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bytes_twice(method: Method) -> None:
    assert int8(residual_network(), method) == int8(residual_network(), method)


def test_the_same_bytes_whatever_the_order_of_sets() -> None:
    program = (
        "import hashlib; from tests.convert.graphs import *; from convert.quantise import *; m = residual_network();"
        "k = head_nodes(m, ('logit', 'cam')); q = quantise_int8(m, feeds(), method='percentile', keep_float=set(k));"
        "print(hashlib.sha256(q).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, text=True,
            capture_output=True, check=True,
        )
        for seed in ("1", "2")
    ]  # fmt: skip
    assert runs[0].stdout == runs[1].stdout != ""


def test_calibration_says_nothing_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    int8(residual_network(), "entropy")
    assert capfd.readouterr().out == ""


def test_feeds_may_come_from_a_generator() -> None:
    model = residual_network()
    assert quantise_int8(model, iter(feeds()), method="percentile") == int8(model, "percentile")


@pytest.mark.parametrize("method", METHODS)
def test_feeds_may_differ_in_their_batch(method: Method) -> None:
    mixed = [*feeds(3), *feeds(2, batch=3), *feeds(10, batch=2)]
    assert tensorrt_problems(quantise_int8(residual_network(), mixed, method=method)) == ()


def test_no_feed_is_refused() -> None:
    with pytest.raises(UsageError, match="found no feed, expected some hundred"):
        quantise_int8(residual_network(), [], method="minmax")


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ({"image": np.full((1, 2, 8, 8), np.nan, np.float32)}, "no numbers"),
        ({"image": np.full((1, 2, 8, 8), np.inf, np.float32)}, "no numbers"),
        ({"image": np.zeros((1, 3, 8, 8), np.float32)}, r"found float32 \(1, 3, 8, 8\), expected .*\('any', 2, 8, 8\)"),
        ({"image": np.zeros((2, 8, 8), np.float32)}, r"found float32 \(2, 8, 8\)"),
        ({"image": np.zeros((0, 2, 8, 8), np.float32)}, r"found float32 \(0, 2, 8, 8\)"),
        ({"image": np.zeros((1, 2, 8, 8))}, "found float64"),
        ({"picture": np.zeros((1, 2, 8, 8), np.float32)}, r"found the inputs \['picture'\], expected \['image'\]"),
    ],
)
@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_a_feed_that_is_none_is_refused_by_its_number(feed: Mapping[str, Any], words: str, method: Method) -> None:
    with pytest.raises(UsageError, match=f"feed 1: .*{words}"):
        quantise_int8(residual_network(), [*feeds(1), feed], method=method)


def test_a_model_without_weights_is_refused() -> None:
    net = Builder()
    net.node("Relu", "image", output="out")
    with pytest.raises(UsageError, match="found none of Conv, ConvTranspose, Gemm, MatMul"):
        int8(net.model({"out": ["batch", 2, 8, 8]}))


def test_a_quantised_model_is_refused() -> None:
    with pytest.raises(UsageError, match="found the operators DequantizeLinear, QuantizeLinear"):
        int8(int8(residual_network()))


def test_an_old_opset_is_refused() -> None:
    net = Builder()
    net.conv("image", 2, 2, output="out")
    with pytest.raises(UsageError, match="found opset 12, expected at least 13"):
        int8(net.model({"out": ["batch", 2, 8, 8]}, opset=12))


def test_no_model_is_refused() -> None:
    with pytest.raises(PackError, match="no ONNX file"):
        int8(b"no model")


def test_a_model_that_cannot_be_run_is_refused() -> None:
    net = Builder()
    net.conv("nowhere", 2, 2, output="out")
    with pytest.raises(EdgerunError, match="cannot be run"):
        int8(net.model({"out": ["batch", 2, 8, 8]}))


def test_a_name_that_no_node_has_is_refused_with_those_alike() -> None:
    with pytest.raises(UsageError, match=r"'node_konv_3', which no node has; found .*node_conv_3"):
        int8(residual_network(), keep_float=("node_konv_3",))


def test_a_head_of_another_model_is_refused() -> None:
    with pytest.raises(UsageError, match="found the outputs logit, cam, expected map"):
        head_nodes(residual_network(), ("logit", "map"))


def test_a_model_that_stays_float_altogether_is_refused() -> None:
    model = residual_network()
    with pytest.raises(UsageError, match="nothing is left"):
        int8(model, keep_float=[node.name for node in graph_of(optimise(model)).node])


@pytest.mark.parametrize(("method", "words"), [("minmax", "'huge'"), ("percentile", "a layer overflows")])
def test_a_layer_that_overflows_is_told(method: Method, words: str) -> None:
    net = Builder()
    huge = net.constant(np.full((2, 2, 1, 1), 3e38, np.float32))
    net.conv(net.node("Conv", "image", huge, output="huge"), 2, 2, output="out")
    with pytest.raises(EdgerunError, match=words):
        int8(net.model({"out": ["batch", 2, 8, 8]}), method)


def test_optimising_folds_constants_and_names_every_node_and_to_do_it_twice_changes_nothing() -> None:
    net = Builder()
    weights = net.node("Mul", net.weights(4, 2, 3, 3), net.constant(np.float32(2)))
    convolved = net.node("Conv", "image", weights, pads=[1] * 4)
    norm = [net.constant(np.full(4, value, np.float32)) for value in (2, 1, 0.5, 4)]
    net.node("Relu", net.node("BatchNormalization", convolved, *norm), output="out")
    for node in net.nodes:
        node.name = ""
    model = net.model({"out": ["batch", 4, 8, 8]})
    simple = optimise(model)
    assert operators(simple) == {"Conv": 1, "Relu": 1}
    assert all(node.name for node in graph_of(simple).node)
    assert optimise(simple) == simple
    assert relative_error(run(simple, feeds(1)[0])["out"], run(model, feeds(1)[0])["out"]) < 1e-6


def test_int8_weights_lie_within_half_a_step_of_the_float_ones() -> None:
    net = Builder()
    net.node("Conv", "image", net.weights(4, 2, 1, 1), output="out")
    graph = graph_of(int8(net.model({"out": ["batch", 4, 8, 8]})))
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    dequantise = next(node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants)
    weights, scale = constants[dequantise.input[0]], constants[dequantise.input[1]].reshape(-1, 1, 1, 1)
    true = numpy_helper.to_array(net.constants[0])
    assert np.abs(weights * scale - true).max() <= scale.max() / 2 * 1.001
    assert (np.abs(weights).max(axis=(1, 2, 3)) == 127).all()
