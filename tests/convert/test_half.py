"""FP16: typed within, FP32 at the border and where halves would lose the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnxruntime.transformers.float16 import convert_float_to_float16

from convert.half import to_fp16
from convert.optimise import producers
from convert.quantise import quantise_int8
from edge.errors import UsageError
from edge.pack.onnx_file import inspect_onnx
from tests.convert.graphs import (
    NETWORKS,
    Builder,
    Outputs,
    feeds,
    graph_of,
    normalised_network,
    relative_error,
    residual_network,
    run,
)

OUT: Outputs = {"out": ["batch", 2, 8, 8]}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_answers_like_the_fp32_model(name: str) -> None:
    model = NETWORKS[name]()
    feed = feeds(1, batch=4, seed=19)[0]
    expected = run(model, feed)
    for output, found in run(to_fp16(model), feed).items():
        assert found.dtype == np.float32
        assert relative_error(found, expected[output]) < 0.005


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_plain_onnx_that_a_pack_may_hold(name: str) -> None:
    half = to_fp16(NETWORKS[name]())
    onnx.checker.check_model(onnx.load_from_string(half), full_check=True)
    facts = inspect_onnx(half, name)
    assert (facts.ir_version, facts.opset) == (10, 18)


@pytest.mark.parametrize("name", NETWORKS)
def test_inputs_and_outputs_stay_fp32(name: str) -> None:
    graph = graph_of(to_fp16(NETWORKS[name]()))
    kinds = {item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)}
    assert kinds == {TensorProto.FLOAT}


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_of_convolutions_are_halved(name: str) -> None:
    graph = graph_of(to_fp16(NETWORKS[name]()))
    kinds = {item.name: item.data_type for item in graph.initializer}
    weights = {kinds[node.input[1]] for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm")}
    assert weights == {TensorProto.FLOAT16}


@pytest.mark.parametrize(
    ("model", "operator"), [(residual_network(), "ReduceMean"), (normalised_network(), "InstanceNormalization")]
)
def test_what_sums_many_numbers_stays_fp32(model: bytes, operator: str) -> None:
    graph = graph_of(to_fp16(model))
    made = producers(graph)
    for node in graph.node:
        if node.op_type == operator:
            cast = made[node.input[0]]
            assert (cast.op_type, cast.attribute[0].i) == ("Cast", TensorProto.FLOAT)


def test_a_sum_beyond_the_range_of_halves_keeps_its_mean() -> None:
    net = Builder()
    many = net.node("Relu", net.node("Conv", "image", net.constant(np.full((2, 2, 1, 1), 2, np.float32))))
    net.node("GlobalAveragePool", many, output="out")
    model = net.model({"out": ["batch", 2, 1, 1]})
    feed = {"image": np.full((1, 2, 8, 8), 10000, np.float32)}
    np.testing.assert_allclose(run(to_fp16(model), feed)["out"], 40000, rtol=1e-3)


def test_the_batch_stays_free() -> None:
    half = to_fp16(residual_network())
    assert [run(half, feeds(1, batch=batch)[0])["logit"].shape for batch in (1, 5)] == [(1, 1), (5, 1)]


def test_the_same_bytes_twice() -> None:
    assert to_fp16(residual_network()) == to_fp16(residual_network())


def test_the_models_own_words_are_kept() -> None:
    proto = onnx.load_from_string(to_fp16(residual_network()))
    assert {item.key: item.value for item in proto.metadata_props} == {"credit": "nobody"}


@pytest.mark.parametrize("value", [65505, -1e6])
def test_a_weight_beyond_the_range_is_refused_by_name(value: float) -> None:
    net = Builder()
    net.node("Conv", "image", net.constant(np.full((2, 2, 1, 1), value, np.float32), "stem.weight"), output="out")
    with pytest.raises(UsageError, match=r"the tensor 'stem\.weight' holds .*, expected at most 65504"):
        to_fp16(net.model(OUT))


def test_a_constant_within_a_node_beyond_the_range_is_refused() -> None:
    net = Builder()
    shape = net.node("Shape", "image")
    value = onnx.helper.make_tensor("value", TensorProto.FLOAT, [1], [1e9])
    filled = net.node("ConstantOfShape", shape, value=value)
    net.node("Add", net.conv("image", 2, 2), filled, output="out")
    with pytest.raises(UsageError, match="constantofshape"):
        to_fp16(net.model(OUT))


def test_what_stays_fp32_may_be_beyond_the_range() -> None:
    net = Builder()
    scale = net.constant(np.full(2, 1e6, np.float32))
    norm = net.node("InstanceNormalization", net.conv("image", 2, 2), scale, net.constant(np.zeros(2, np.float32)))
    net.node("Tanh", norm, output="out")
    model = net.model(OUT)
    assert np.isfinite(run(to_fp16(model), feeds(1)[0])["out"]).all()


def test_a_quantised_model_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a float model"):
        to_fp16(quantise_int8(residual_network(), feeds(), method="minmax"))


def test_an_fp16_model_is_refused() -> None:
    with pytest.raises(UsageError, match="in half precision"):
        to_fp16(to_fp16(residual_network()))


def test_a_model_without_weights_is_refused() -> None:
    net = Builder()
    net.node("Relu", "image", output="out")
    with pytest.raises(UsageError, match="found no FP32 weights"):
        to_fp16(net.model(OUT))


def test_no_two_nodes_have_one_name_whatever_the_converter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(proto: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
        converted: onnx.ModelProto = convert_float_to_float16(proto, **options)
        for node in converted.graph.node:
            if node.op_type == "Cast":
                node.name = "cast"
        return converted

    model, feed = residual_network(), feeds(1, batch=4, seed=19)[0]
    expected = run(to_fp16(model), feed)
    monkeypatch.setattr("convert.half.convert_float_to_float16", careless)
    half = to_fp16(model)
    names = [node.name for node in graph_of(half).node]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("cast") for name in names) > 1
    np.testing.assert_equal(run(half, feed), expected)


def test_a_cast_that_the_converter_writes_twice_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def repeating(proto: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
        converted: onnx.ModelProto = convert_float_to_float16(proto, **options)
        converted.graph.node.extend([node for node in converted.graph.node if node.op_type == "Cast"])
        return converted

    model = residual_network()
    expected = to_fp16(model)
    monkeypatch.setattr("convert.half.convert_float_to_float16", repeating)
    assert to_fp16(model) == expected
