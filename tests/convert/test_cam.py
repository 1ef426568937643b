"""Class activation maps: inserted where a net ends in a mean over space, refused elsewhere, checked by their mean."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from convert.cam import TOLERANCES, MapCheck, cam_problem, check_maps, find_head, insert_cam, map_problems
from convert.half import to_fp16
from convert.optimise import drop_unread
from convert.sources import load_source
from edge.engines import available_engines
from edge.errors import UsageError
from edge.pack.manifest import Precision
from edge.pack.onnx_file import inspect_onnx
from tests.convert.graphs import Array, graph_of, operators, run
from tests.convert.tails import (
    CHANNELS,
    FEATURES,
    LAYERS,
    OTHER_ENDS,
    POOLINGS,
    SIZES,
    TORCH_NETS,
    VALUES,
    Net,
    answers,
    at,
    int8,
    tail,
    with_weights,
)

PACK = files("edge") / "packs" / "chest-pneumonia" / "model.fp32.onnx"
LABELS = ("one", "two", "three")


def problems(found: dict[str, Array], precision: Precision = "fp32") -> tuple[str, ...]:
    return map_problems(check_maps(found["logit"], found["cam"]), LABELS, TOLERANCES[precision])


def refusal(net: Net, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        insert_cam(net.built(**options), "logit")
    assert cam_problem(net.built(**options), "logit") == caught.value.message
    return caught.value.message


# Every end that qualifies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_mean_of_the_map_and_the_bias_are_the_logit(pooling: str, layer: str, rank: int, opset: int) -> None:
    net = tail(pooling, layer, rank=rank, opset=opset)
    model = net.built()
    found = run(insert_cam(model, "logit"), net.images())
    assert found["cam"].shape == (6, VALUES, *SIZES[rank])
    np.testing.assert_array_equal(found["logit"], run(model, net.images())["logit"])
    check = check_maps(found["logit"], found["cam"])
    assert check.identity_error < 1e-6
    assert check.constant == ()


@pytest.mark.parametrize("engine", available_engines())
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize(
    ("pooling", "layer"),
    [("GlobalAveragePool", "Gemm, alpha and beta"), ("ReduceMean", "MatMul, Add"), ("AveragePool", "Conv")],
)
def test_the_identity_holds_in_every_precision_on_every_engine(
    pooling: str, layer: str, rank: int, precision: Precision, engine: str
) -> None:
    net = tail(pooling, layer, rank=rank)
    model = at(precision, insert_cam(net.built(), "logit"), net.images())
    assert problems(answers(model, net.images(16, seed=8), engine, precision), precision) == ()


@pytest.mark.parametrize("rank", [2, 3])
def test_int8_really_quantises_what_is_before_the_features(rank: int) -> None:
    net = tail(rank=rank)
    model = int8(insert_cam(net.built(), "logit"), net.images())
    assert operators(model)["QuantizeLinear"] == 2
    assert operators(model)["Gemm"] == 1
    before, after = (run(each, net.images())["cam"] for each in (insert_cam(net.built(), "logit"), model))
    assert 0 < np.abs(after - before).max() < 0.2 * np.abs(before).max()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("opset", [13, 20])
def test_the_graph_is_plain_onnx_that_a_pack_may_hold(pooling: str, opset: int) -> None:
    model = insert_cam(tail(pooling, opset=opset).built(), "logit")
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    facts = inspect_onnx(model, "model")
    assert (facts.ir_version, facts.opset) == (8, opset)


def test_names_axes_and_all_other_nodes_stay() -> None:
    before, after = graph_of(tail().built()), graph_of(insert_cam(tail().built(), "logit"))
    assert list(after.input) == list(before.input)
    assert after.output[0] == before.output[0]
    assert list(after.node[:-1]) == list(before.node)
    assert list(after.initializer[:-1]) == list(before.initializer)
    cam = after.output[1]
    axes = [axis.dim_param or axis.dim_value for axis in cam.type.tensor_type.shape.dim]
    assert (cam.name, axes, cam.type.tensor_type.elem_type) == ("cam", ["batch", VALUES, 4, 4], TensorProto.FLOAT)


def test_the_same_model_gives_the_same_bytes() -> None:
    assert insert_cam(tail().built(), "logit") == insert_cam(tail().built(), "logit")


def test_axes_that_are_open_stay_open() -> None:
    proto = onnx.load_from_string(tail("ReduceMean").built())
    for axis, name in zip(proto.graph.input[0].type.tensor_type.shape.dim[2:], ("height", "width"), strict=True):
        axis.dim_param = name
    model = insert_cam(proto.SerializeToString(), "logit")
    image = np.random.default_rng(2).standard_normal((2, 2, 12, 20)).astype(np.float32)
    found = run(model, {"image": image})
    assert found["cam"].shape == (2, VALUES, 6, 10)
    assert problems(found) == ()


@pytest.mark.parametrize("activation", ["Sigmoid", "Softmax"])
def test_the_map_is_of_the_logits_before_an_activation(activation: str) -> None:
    net = Net()
    net.node(activation, net.linear(net.pooled(), output="before"), output="score")
    model = net.built("score")
    assert find_head(onnx.load_from_string(model), "score").logits == "before"
    proto = onnx.load_from_string(insert_cam(model, "score"))
    proto.graph.output[0].name = "before"
    logits = run(proto.SerializeToString(), net.images())
    assert problems({"logit": logits["before"], "cam": logits["cam"]}) == ()


def test_the_head_is_told_with_its_weights() -> None:
    net = tail(layer="Gemm, alpha and beta")
    weights = numpy_helper.to_array(next(item for item in net.constants if item.dims == [CHANNELS, VALUES]))
    head = find_head(onnx.load_from_string(net.built()), "logit")
    assert (head.features, head.spatial, head.logits, head.values) == (FEATURES, (4, 4), "logit", VALUES)
    assert head.weights is not None
    np.testing.assert_array_equal(head.weights, 0.5 * weights.T)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_without_a_layer_the_features_are_the_maps(precision: Precision) -> None:
    """As in a net that ends in one convolution to the values, and their mean."""
    net = Net()
    maps = net.volume_conv(FEATURES, CHANNELS, VALUES, size=1, output="maps")
    net.node("Flatten", net.node("GlobalAveragePool", maps), output="logit")
    model = insert_cam(net.built(), "logit")
    assert graph_of(model).node[-1].op_type == "Identity"
    for engine in available_engines():
        assert problems(answers(at(precision, model, net.images()), net.images(), engine, precision), precision) == ()


def test_the_embedded_pack_gets_the_map_that_it_has() -> None:
    proto = onnx.load_from_string(PACK.read_bytes())
    del proto.graph.output[1:]
    drop_unread(proto.graph)
    feed = {"image": np.random.default_rng(3).standard_normal((4, 1, 28, 28)).astype(np.float32)}
    found, expected = run(insert_cam(proto.SerializeToString(), "logit"), feed), run(PACK.read_bytes(), feed)
    assert list(found) == ["logit", "cam"]
    np.testing.assert_allclose(found["cam"], expected["cam"], atol=1e-5)


# What does not qualify -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("attention", "found MatMul 'node_matmul_#'"),
        ("two layers", "found Relu 'node_relu_#' of shape (batch, 5), expected the mean over space"),
        ("two layers in a row", "found Gemm 'node_first' of shape (batch, 8), expected the mean over space"),
        ("largest", "found GlobalMaxPool 'node_globalmaxpool_#' of shape (batch, 8, 4, 4)"),
        ("flattened", "found Relu 'node_features' of shape"),
        ("rows alone", "found ReduceMean 'node_reducemean_#' over the axes [3] of shape"),
        ("channels too", "found Expand 'node_expand_#' of shape (batch), expected the mean over space"),
        ("quarters", "found AveragePool 'node_averagepool_#' with a kernel of 2x2 of shape"),
        ("padded", "found AveragePool 'node_averagepool_#' with a kernel of 4x4 of shape"),
        ("no constant bias", "found Add 'node_logit', which adds no constant"),
        ("no constant bias within", "found Gemm 'node_logit', whose bias is no constant"),
        ("no constant weights", "found MatMul 'node_logit', whose weights are no constant matrix"),
        ("transposed", "found Gemm 'node_logit', which transposes the features"),
        ("weights in front", "found Transpose 'node_logit', expected one linear layer"),
        (
            "normalised",
            "found LayerNormalization 'node_layernormalization_#' of shape (batch, 8), expected the mean over space",
        ),
    ],
)
def test_a_net_that_ends_otherwise_is_refused_by_the_name_of_the_operator(end: str, message: str) -> None:
    net = Net()
    OTHER_ENDS[end](net)
    said = refusal(net)
    assert said.startswith("Looking for the class activation map of 'logit': ")
    assert message in re.sub(r"_\d+'", "_#'", said)
    assert said.endswith("goes without a map.")


def test_a_mean_of_means_is_refused_since_its_map_would_lack_an_axis() -> None:
    net = Net()
    net.linear(net.mean(2, keepdims=0, source=net.mean(3, keepdims=0)), output="logit")
    assert "found ReduceMean in front of ReduceMean" in refusal(net)


def test_features_of_one_point_have_no_map() -> None:
    net = Net()
    point = net.node("GlobalAveragePool", FEATURES, output="point")
    net.linear(net.node("Flatten", net.node("GlobalAveragePool", point)), output="logit")
    assert "'point' of shape (batch, 8, 1, 1), expected features with more than one point" in refusal(net)


def test_a_reshape_that_mixes_channels_is_refused() -> None:
    net = Net()
    mixed = net.node("Reshape", net.pooled(), net.integers(-1, CHANNELS // 2))
    net.node("Gemm", mixed, net.weights(CHANNELS // 2, VALUES), output="logit")
    assert "expected 4 channels, as the linear layer reads" in refusal(net)


def test_an_output_that_is_no_row_of_values_is_refused() -> None:
    net = Net()
    net.node("Reshape", net.linear(net.pooled()), net.integers(-1, 1), output="logit")
    assert "found 'logit' of shape (batch, 1), expected (N, 3)" in refusal(net, values=1)


def test_a_pooled_input_without_a_size_is_refused() -> None:
    proto = onnx.load_from_string(tail("AveragePool").built())
    for axis in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.ClearField("dim_value")
    said = cam_problem(proto.SerializeToString(), "logit")
    assert said is not None
    assert "with a kernel of 4x4 of shape (batch, 8, " in said


def test_an_output_that_is_an_input_is_refused() -> None:
    net = Net()
    net.node("Flatten", "image", output="logit")
    assert "found 'image', which no node makes" in refusal(net, values=128)


def test_an_output_that_is_not_there_is_refused() -> None:
    said = cam_problem(tail().built(), "scores")
    assert said == ("Looking for the class activation map of 'scores': found the outputs logit, expected one of them.")


@pytest.mark.parametrize("name", ["image", "logit", FEATURES, "constant_0", "node_logit"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"found {name} in the graph already, expected new names"):
        insert_cam(tail().built(), "logit", name=name)


def test_a_second_map_needs_a_name_of_its_own() -> None:
    once = insert_cam(tail().built(), "logit")
    problem = str(cam_problem(once, "logit"))
    assert "found cam, cam_node, cam_weights in the graph already" in problem
    assert "If that is its map, add no other (leave --map out)" in problem
    found = run(insert_cam(once, "logit", name="again"), tail().images())
    np.testing.assert_array_equal(found["again"], found["cam"])


@pytest.mark.parametrize("make", [to_fp16, lambda model: int8(model, tail().images())])
def test_a_model_that_is_converted_already_is_refused(make: Callable[[bytes], bytes]) -> None:
    said = cam_problem(make(insert_cam(tail().built(), "logit")), "logit", name="again")
    assert "Start from the FP32 model" in str(said)


# The check -----------------------------------------------------------------------------------------------------


@cache
def with_map() -> bytes:
    return insert_cam(tail().built(), "logit")


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("engine", available_engines())
def test_one_wrong_weight_breaks_the_identity_of_its_value_alone(precision: Precision, engine: str) -> None:
    def change(weights: Array) -> None:
        weights[1, 2] += 0.5

    model = at(precision, with_weights(with_map(), change), tail().images())
    (said,) = problems(answers(model, tail().images(), engine, precision), precision)
    assert said.startswith("two: the mean of its map and its logit part by ")


def test_maps_of_other_values_are_found() -> None:
    found = run(with_map(), tail().images())
    assert len(problems({"logit": found["logit"], "cam": found["cam"][:, [1, 0, 2]]})) == 2


def test_maps_of_other_scans_are_found() -> None:
    found = run(with_map(), tail().images())
    assert len(problems({"logit": found["logit"], "cam": found["cam"][::-1]})) == 3


@pytest.mark.parametrize("engine", available_engines())
def test_a_constant_map_is_found(engine: str) -> None:
    def change(weights: Array) -> None:
        weights[2] = 0

    found = answers(with_weights(with_map(), change), tail().images(), engine)
    check = check_maps(found["logit"], found["cam"])
    assert check.constant == (2,)
    assert map_problems(check, LABELS, np.inf) == ("three: its map has no contrast on any of 6 scans",)


def test_a_map_with_contrast_on_one_scan_is_not_constant() -> None:
    maps = np.ones((3, 1, 2, 2))
    maps[1, 0, 0, 0] = 2
    assert check_maps(maps.mean(axis=(2, 3)), maps).constant == ()


def test_rounding_is_no_contrast() -> None:
    maps = np.full((2, 1, 2, 2), 3, np.float32)
    maps[:, :, 0] = np.nextafter(np.float32(3), np.float32(4))
    assert check_maps(maps.mean(axis=(2, 3)), maps).constant == (0,)


@pytest.mark.parametrize(("scale", "error"), [(0.1, 0.2), (4.0, 0.05)])
def test_errors_are_relative_to_the_largest_logit_and_at_least_to_one(scale: float, error: float) -> None:
    maps = scale * np.array([[[-1.0, 1.0]], [[-1.0, 3.0]], [[-2.0, 0.0]]])
    logits = maps.mean(axis=2)
    logits[2] -= 0.2
    relative = error if scale < 1 else 0.2 / abs(logits).max()
    assert check_maps(logits, maps).identity_error == pytest.approx(relative)


def test_a_bias_is_no_error() -> None:
    maps = np.random.default_rng(1).standard_normal((5, 3, 4))
    check = check_maps(maps.mean(axis=2) + np.array([1.0, -20.0, 0.0]), maps)
    assert max(check.identity_errors) == check.identity_error < 1e-12


def test_an_error_of_just_the_tolerance_passes() -> None:
    check = MapCheck(scans=9, identity_errors=(0.5, 0.25), constant=())
    assert map_problems(check, LABELS[:2], 0.5) == ()
    (said,) = map_problems(check, LABELS[:2], 0.25)
    assert said == (
        "one: the mean of its map and its logit part by 0.5 over 9 scans, expected at most 0.25; the map is not of "
        "this score"
    )


@pytest.mark.parametrize(
    ("logits", "maps"),
    [((1, 3), (1, 3, 4)), ((4, 3), (4, 2, 4)), ((4,), (4, 2, 4)), ((4, 3), (4, 3)), ((4, 3), (4, 3, 0))],
)
def test_shapes_that_do_not_belong_together_are_refused(logits: tuple[int, ...], maps: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="of at least 2 scans"):
        check_maps(np.zeros(logits), np.zeros(maps))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_number_is_refused(value: float, which: int) -> None:
    pair = (np.zeros((2, 1)), np.zeros((2, 1, 4)))
    pair[which].flat[0] = value
    with pytest.raises(UsageError, match="values that are no numbers"):
        check_maps(*pair)


# From PyTorch --------------------------------------------------------------------------------------------------


@pytest.fixture
def torch_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module of the user's own, new for each test."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    name = f"cam_nets_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(TORCH_NETS), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("name", ["Residual", "Viewed", "Averaged"])
def test_a_net_of_torch_gets_its_map(torch_nets: str, name: str) -> None:
    source = load_source(f"{torch_nets}:{name}", example_shapes={"image": (1, 2, 16, 16)})
    output = graph_of(source.onnx).output[0].name
    assert cam_problem(source.onnx, output) is None
    model = insert_cam(source.onnx, output)
    feed = {"image": np.random.default_rng(6).standard_normal((5, 2, 16, 16)).astype(np.float32)}
    for engine in available_engines():
        found = answers(model, feed, engine)
        assert found["cam"].shape == (5, 3, 8, 8)
        assert problems({"logit": found[output], "cam": found["cam"]}) == ()


def test_a_net_of_torch_with_two_layers_has_none(torch_nets: str) -> None:
    source = load_source(f"{torch_nets}:Deep", example_shapes={"image": (1, 2, 16, 16)})
    said = cam_problem(source.onnx, graph_of(source.onnx).output[0].name)
    assert "found Relu" in str(said)
