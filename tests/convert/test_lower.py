"""What each engine makes of a Q/DQ graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from convert.lower import lower_for_onnxruntime, tensorrt_problems
from convert.quantise import quantise_int8
from edge.errors import UsageError
from edge.pack.onnx_file import inspect_onnx
from tests.convert.graphs import NETWORKS, Builder, feeds, graph_of, relative_error, residual_network, run

INT8 = np.array(0, np.int8)


def quantised(name: str) -> bytes:
    return quantise_int8(NETWORKS[name](), feeds(), method="minmax")


def fused(model: bytes, folder: Path) -> Counter[str]:
    """What ONNX Runtime really runs."""
    run(model, feeds(1)[0], save=folder / "optimised.onnx")
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


def pair(kind: str = "Relu", *, zero: int = 0, limits: Sequence[float] = (), **attributes: Any) -> bytes:
    """An activation with a pair behind it."""
    net = Builder()
    scale = net.constant(np.array(0.5, np.float32), "scale")
    ends_of_range = [net.constant(np.array(limit, np.float32)) for limit in limits]
    made = net.node(kind, "image", *ends_of_range, **attributes)
    ends = (scale, net.constant(np.array(zero, np.int8)))
    net.node("DequantizeLinear", net.node("QuantizeLinear", made, *ends), *ends, output="out")
    return net.model({"out": ["batch", 2, 8, 8]})


def zero_points(model: bytes) -> set[str]:
    """Type and value of the zero points of whole tensors."""
    graph = graph_of(model)
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    zeros = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    return {f"{zero.dtype} {zero}" for zero in zeros}


@pytest.mark.parametrize(("name", "convolutions", "floats"), [("residual", 3, 1), ("u", 3, 1), ("normalised", 2, 1)])
def test_every_convolution_fuses_but_the_one_that_gives_floats_out(
    name: str, convolutions: int, floats: int, tmp_path: Path
) -> None:
    found = fused(lower_for_onnxruntime(quantised(name)), tmp_path)
    assert (found["QLinearConv"], found["Conv"] + found["FusedConv"]) == (convolutions, floats)


def test_without_it_a_relu_keeps_them_apart(tmp_path: Path) -> None:
    assert fused(quantised("u"), tmp_path)["QLinearConv"] == 0


def test_sums_and_joins_fuse_too(tmp_path: Path) -> None:
    assert fused(lower_for_onnxruntime(quantised("u")), tmp_path)["QLinearConcat"] == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_the_error_stays_within_a_tenth_of_what_it_was(name: str) -> None:
    feed = feeds(1, batch=16, seed=41)[0]
    expected = run(NETWORKS[name](), feed)
    before, after = (run(model, feed) for model in (quantised(name), lower_for_onnxruntime(quantised(name))))
    for output, true in expected.items():
        error = relative_error(after[output], true)
        assert error < 0.05
        assert error < 1.1 * relative_error(before[output], true)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_plain_onnx_that_a_pack_may_hold(name: str) -> None:
    lowered = lower_for_onnxruntime(quantised(name))
    onnx.checker.check_model(onnx.load_from_string(lowered), full_check=True)
    facts = inspect_onnx(lowered, name)
    assert (facts.ir_version, facts.opset) == (10, 18)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_batch_stays_free(batch: int) -> None:
    lowered = lower_for_onnxruntime(quantised("u"))
    assert run(lowered, feeds(1, batch=batch)[0])["mask"].shape == (batch, 2, 8, 8)


def test_what_is_never_negative_gets_all_of_uint8() -> None:
    lowered = lower_for_onnxruntime(pair("Relu"))
    scale = next(item for item in graph_of(lowered).initializer if item.name.startswith("scale"))
    assert zero_points(lowered) == {"uint8 0"}
    assert numpy_helper.to_array(scale) == pytest.approx(0.5 * 127 / 255)


def test_what_may_be_negative_keeps_its_values_to_the_bit() -> None:
    feed = {"image": np.linspace(-70, 70, 2 * 64, dtype=np.float32).reshape(1, 2, 8, 8)}
    model = pair("LeakyRelu", alpha=0.5)
    lowered = lower_for_onnxruntime(model)
    assert zero_points(lowered) == {"uint8 128"}
    np.testing.assert_array_equal(run(lowered, feed)["out"], run(model, feed)["out"])


@pytest.mark.parametrize(
    ("kind", "limits", "zero_point"),
    [
        ("Relu", (), "uint8 0"),
        ("Sigmoid", (), "uint8 0"),
        ("Clip", (0, 6), "uint8 0"),
        ("Clip", (-1, 6), "uint8 128"),
        ("Clip", (), "uint8 128"),
        ("Tanh", (), "uint8 128"),
    ],
)
def test_signs_are_known_by_operator(kind: str, limits: tuple[int, ...], zero_point: str) -> None:
    assert zero_points(lower_for_onnxruntime(pair(kind, limits=limits))) == {zero_point}


def test_signs_are_followed_through_pooling_and_joins() -> None:
    net = Builder()
    ends = (net.constant(np.array(0.5, np.float32), "scale"), net.constant(INT8))
    pooled = net.node("MaxPool", net.node("Relu", "image"), kernel_shape=[1, 1])
    joined = net.node("Concat", pooled, net.node("Sigmoid", "image"), axis=1)
    mixed = net.node("Concat", pooled, "image", axis=1)
    for source, output in ((joined, "positive"), (mixed, "signed")):
        net.node("DequantizeLinear", net.node("QuantizeLinear", source, *ends), *ends, output=output)
    lowered = lower_for_onnxruntime(net.model({name: ["batch", 4, 8, 8] for name in ("positive", "signed")}))
    constants = {item.name: numpy_helper.to_array(item) for item in graph_of(lowered).initializer}
    ends_of = [node for node in graph_of(lowered).node if node.op_type == "DequantizeLinear"]
    assert {node.output[0]: int(constants[node.input[2]]) for node in ends_of} == {"positive": 0, "signed": 128}


def test_a_pair_that_is_not_symmetric_is_left_alone() -> None:
    assert zero_points(lower_for_onnxruntime(pair(zero=5))) == {"int8 5"}


def test_to_lower_twice_changes_nothing() -> None:
    lowered = lower_for_onnxruntime(quantised("residual"))
    assert lower_for_onnxruntime(lowered) == lowered


def test_the_same_bytes_twice() -> None:
    model = quantised("residual")
    assert lower_for_onnxruntime(model) == lower_for_onnxruntime(model)


@pytest.mark.parametrize("function", [lower_for_onnxruntime, tensorrt_problems])
def test_a_float_model_is_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(UsageError, match="found no Q/DQ pair, expected a quantised model"):
        function(residual_network())


def test_tensorrt_would_refuse_the_lowered_graph() -> None:
    problems = " ".join(tensorrt_problems(lower_for_onnxruntime(quantised("u"))))
    assert "is of UINT8, expected INT8" in problems
    assert "zero point other than 0" in problems


def odd(*ends: Any) -> bytes:
    """A convolution whose pair has these ends: scale and, perhaps, zero point."""
    net = Builder()
    names = [net.constant(np.asarray(end)) for end in ends]
    quantise = net.node("QuantizeLinear", "image", *names)
    net.conv(net.node("DequantizeLinear", quantise, *names), 2, 2, output="out")
    return net.model({"out": ["batch", 2, 8, 8]})


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (odd(np.float32(0.5), np.int8(3)), "has a zero point other than 0"),
        (odd(np.float32(0.5), np.uint8(0)), "is of UINT8, expected INT8"),
        (odd(np.float32(0.5)), "is of UINT8, expected INT8"),
        (odd(np.float32(0), np.int8(0)), "has a scale that is no positive constant"),
        (odd(np.ones(2, np.float32), np.zeros(2, np.int8)), "has a scale per channel, but reads no constant"),
    ],
)
def test_what_tensorrt_refuses_is_told(model: bytes, problem: str) -> None:
    problems = tensorrt_problems(model)
    assert len(problems) == 2
    assert all(problem in item for item in problems)


def test_a_bias_in_int32_is_told() -> None:
    net = Builder()
    ends = (net.constant(np.float32(0.5)), net.constant(INT8))
    value = net.node("DequantizeLinear", net.node("QuantizeLinear", "image", *ends), *ends)
    bias = net.node("DequantizeLinear", net.constant(np.array([1, 2], np.int32)), net.constant(np.float32(0.1)))
    net.node("Conv", value, net.weights(2, 2, 1, 1), bias, output="out")
    (problem,) = tensorrt_problems(net.model({"out": ["batch", 2, 8, 8]}))
    assert "is of INT32, expected INT8" in problem


def test_ends_that_are_computed_are_told() -> None:
    net = Builder()
    scale = net.node("Identity", net.constant(np.float32(0.5)))
    zero = net.node("Identity", net.constant(INT8))
    quantise = net.node("QuantizeLinear", "image", scale, zero)
    net.node("DequantizeLinear", quantise, scale, zero, output="out")
    problems = " ".join(tensorrt_problems(net.model({"out": ["batch", 2, 8, 8]})))
    assert "has a scale that is no positive constant" in problems
    assert "has a zero point that is no constant" in problems
