"""Models that are FP16 or INT8 already: the former are widened and go their way, the latter are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from convert.half import to_fp16
from convert.quantise import quantise_int8
from convert.road import Ways, travel
from convert.sources import load_source
from convert.sources.precision import refuse_quantised, widen_halves
from convert.sources.trial import Runner
from edge.errors import UsageError
from tests.convert.foreign import constant, network, refusal, saved
from tests.convert.graphs import NETWORKS, feeds, relative_error, run
from tests.convert.scans import Heard, bench, brightness_net, converted, quick


def halved(model: bytes, *, ends: bool = True) -> Any:
    """The model in FP16, its inputs and outputs too where `ends` says so."""
    return convert_float_to_float16(onnx.load_from_string(model), keep_io_types=not ends)


def kinds(model: bytes) -> set[int]:
    """Of all that the graph holds, takes and gives."""
    graph = onnx.load_from_string(model).graph
    ends = {item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)}
    return ends | {item.data_type for item in graph.initializer}


# FP16 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_in_halves_is_widened_and_answers_like_it(tmp_path: Path, name: str, *, ends: bool) -> None:
    model = NETWORKS[name]()
    source = load_source(saved(tmp_path, halved(model, ends=ends)))
    assert TensorProto.FLOAT16 not in kinds(source.onnx)
    feed = feeds(1, batch=2)[0]
    for output, expected in run(model, feed).items():
        assert relative_error(Runner(source.onnx).run(feed)[output], expected) < 0.005
    assert any("tensors were widened to FP32, which changes none of them" in note for note in source.notes)
    assert any("as before, within 0.02" in note for note in source.notes)


def test_the_workshops_own_halves_are_widened(tmp_path: Path) -> None:
    source = load_source(saved(tmp_path, to_fp16(NETWORKS["residual"]())))
    half = onnx.load_from_string(to_fp16(NETWORKS["residual"]())).graph.initializer
    values = {item.name: numpy_helper.to_array(item) for item in onnx.load_from_string(source.onnx).graph.initializer}
    for item in half:
        np.testing.assert_array_equal(values[item.name], numpy_helper.to_array(item))


def test_numbers_in_a_node_and_its_words_for_types_are_widened(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["mean"], ["small"], to=TensorProto.FLOAT16),
        constant("bias", np.array([0.5, 0.25], np.float16)),
        helper.make_node("Add", ["small", "bias"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["scores"], to=TensorProto.FLOAT),
    ]
    model = network(nodes)
    assert widen_halves(model) == [
        "It was in half precision: its 1 tensors were widened to FP32, which changes none of them."
    ]
    assert TensorProto.FLOAT16 not in {attribute.i for node in model.graph.node for attribute in node.attribute}
    onnx.checker.check_model(model, full_check=True)
    assert load_source(saved(tmp_path, model)).onnx


def test_what_holds_no_half_is_left_alone() -> None:
    model = network()
    before = model.SerializeToString()
    assert widen_halves(model) == []
    assert model.SerializeToString() == before


def test_a_model_that_answers_otherwise_in_halves_is_refused_with_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convert.sources.onnx_model.HALVES_TOLERANCE", 1e-7)
    said = refusal(saved(tmp_path, halved(NETWORKS["u"]())))
    assert "Repairing model.onnx: its answers changed by " in said
    assert said.endswith("expected at most 1e-07. Give the FP32 model.")


def test_a_model_in_halves_takes_the_whole_road(tmp_path: Path) -> None:
    made = bench(tmp_path / "in", halved(brightness_net()).SerializeToString())
    with quick():
        conversion = travel(made.road(tmp_path / "out", Ways(max_steps=1)), Heard())
    assert [item.precision for item in conversion.candidates] == ["fp32", "fp16", "int8"]
    assert any("in half precision" in note for note in conversion.notes)


def test_a_network_of_torch_in_halves_is_widened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    (tmp_path / "halves_of_tests.py").write_text(
        "from torch import nn\n\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).half()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = load_source("halves_of_tests:build", example_shapes={"image": (1, 1, 8, 8)})
    assert "It was in half precision: its 4 tensors were widened" in source.notes[1]
    assert TensorProto.FLOAT16 not in kinds(source.onnx)


# INT8 ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quantised() -> bytes:
    return quantise_int8(NETWORKS["residual"](), feeds(), method="minmax")


def test_a_quantised_model_is_refused_with_what_to_give_and_how_to_judge_it(tmp_path: Path, quantised: bytes) -> None:
    said = refusal(saved(tmp_path, quantised, "small.onnx"))
    assert said.startswith("Reading small.onnx: it is quantised already, with DequantizeLinear (")
    assert "QuantizeLinear (" in said
    assert "expected a float model" in said
    assert "Give the model that it was made from." in said
    assert said.endswith("edgerun-convert gate FLOAT.onnx --candidate int8=small.onnx.")


@pytest.mark.parametrize("operator", ["DynamicQuantizeLinear", "ConvInteger", "QLinearMatMul"])
def test_every_kind_of_quantisation_is_known(operator: str) -> None:
    with pytest.raises(UsageError, match=rf"with {operator} \(1\)"):
        refuse_quantised(network([helper.make_node(operator, ["mean"], ["scores"])]), "net.onnx")


@pytest.mark.parametrize("command", ["init", "build", "export"])
def test_every_command_refuses_it_before_anything_is_written(tmp_path: Path, quantised: bytes, command: str) -> None:
    made = bench(tmp_path / "in", quantised)
    extra = {"build": [*made.arguments[2:], "--out", tmp_path / "out"], "export": ["--out", tmp_path / "out"]}
    ran = converted(command, made.model, *extra.get(command, []))
    assert ran.code == 2
    assert "net.onnx: it is quantised already" in ran.err
    assert not (tmp_path / "out").exists()


# Step by step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["gate", "quantise"])
def test_no_reference_is_in_another_precision(tmp_path: Path, quantised: bytes, command: str) -> None:
    made = bench(tmp_path / "in", quantised)
    half = tmp_path / "half.onnx"
    half.write_bytes(to_fp16(brightness_net()))
    sets = {"gate": ["--evaluate", made.evaluate], "quantise": ["--calibrate", made.calibrate]}[command]
    words = ["--describe", made.describe, *sets, "--out", tmp_path / "out"]
    said = {model: converted(command, model, *words) for model in (made.model, half)}
    assert {ran.code for ran in said.values()} == {2}
    assert "net.onnx: it is quantised already" in said[made.model].err
    assert "half.onnx: it is in half precision, expected a float model in FP32" in said[half].err
    assert not (tmp_path / "out").exists()


def test_a_half_that_was_exported_is_judged_as_fp32(tmp_path: Path) -> None:
    made = bench(tmp_path / "in", brightness_net())
    half, wide = tmp_path / "half.onnx", tmp_path / "wide.onnx"
    half.write_bytes(to_fp16(brightness_net()))
    assert converted("export", half, "--out", wide).code == 0
    words = ["--describe", made.describe, "--evaluate", made.evaluate, "--candidate", f"fp16={half}"]
    with quick():
        ran = converted("gate", wide, *words, "--out", tmp_path / "conversion.json")
    assert ran.code == 0, ran.err
    assert "fp16 on onnxruntime: " in ran.err
