"""Models from anywhere: foreign ONNX files are repaired and answer as before, or are refused with a reason."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from convert.sources import KINDS, RECIPES, Source, load_source
from convert.sources.trial import Runner, largest_difference
from edge.errors import EngineError
from edge.pack.onnx_file import inspect_onnx
from edge.testing import tiny_model
from tests.convert.foreign import FLOAT, WEIGHTS, assert_answers_as, constant, images, network, refusal, saved

# Repairs ---------------------------------------------------------------------------------------------------


def test_a_plain_model_comes_through_and_says_what_it_is(tmp_path: Path) -> None:
    model = network()
    source = load_source(saved(tmp_path, model))
    assert_answers_as(source, model)
    assert source.origin.startswith("model.onnx (SHA-256 ")
    assert str(tmp_path) not in source.origin
    assert source.notes == ("Its answers to made-up inputs are as before, within 1e-05 (found 0).",)


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = saved(tmp_path, network(opset=21, ir_version=11))
    assert load_source(spec) == load_source(spec)


@pytest.mark.parametrize(("opset", "ir_version"), [(21, 10), (22, 12), (18, 11), (20, 13)])
def test_a_model_newer_than_packs_is_converted_down(tmp_path: Path, opset: int, ir_version: int) -> None:
    model = network(opset=opset, ir_version=ir_version)
    source = load_source(saved(tmp_path, model))
    facts = inspect_onnx(source.onnx, "model.onnx")
    assert (facts.opset, facts.ir_version) == (min(opset, 20), 10)
    assert any(f"opset {opset} to 20" in note for note in source.notes) == (opset > 20)
    assert any(f"lowered from {ir_version} to 10" in note for note in source.notes) == (ir_version > 10)
    model.ir_version = 10
    assert_answers_as(source, model)


def test_an_opset_that_cannot_be_converted_is_refused_with_what_to_do(tmp_path: Path) -> None:
    model = network([helper.make_node("Swish", ["mean"], ["scores"])], opset=24)
    said = refusal(saved(tmp_path, model))
    assert "found opset 24, expected 7 to 20" in said
    assert "opset_version=18" in said


def test_constants_that_could_be_fed_cannot_any_more(tmp_path: Path) -> None:
    model = network(ir_version=3)
    model.graph.input.append(helper.make_tensor_value_info("weights", FLOAT, WEIGHTS.shape))
    source = load_source(saved(tmp_path, model))
    assert [item.name for item in onnx.load_from_string(source.onnx).graph.input] == ["image"]
    assert "1 constants that could be fed" in source.notes[0]
    assert_answers_as(source, model)


def test_traces_of_the_exporting_machine_are_left_out_everywhere(tmp_path: Path) -> None:
    trace = "/home/someone/train.py"
    inner = helper.make_graph(
        [helper.make_node("Identity", ["mean"], ["chosen"], doc_string=trace)],
        "inner", [], [helper.make_tensor_value_info("chosen", FLOAT, None)], doc_string=trace,
    )  # fmt: skip
    choose = helper.make_node("If", ["yes"], ["scores"], then_branch=inner, else_branch=inner)
    model = network([constant("yes", value=True), choose])
    model.doc_string = model.graph.doc_string = model.graph.initializer[0].doc_string = trace
    model.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value=trace)
    assert trace.encode() in model.SerializeToString()
    source = load_source(saved(tmp_path, model))
    assert b"someone" not in source.onnx
    assert any("traces" in note for note in source.notes)
    assert_answers_as(source, model)


def test_functions_are_inlined(tmp_path: Path) -> None:
    imports = [helper.make_opsetid("", 18)]
    double = helper.make_function(
        "own", "Double", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], imports
    )  # fmt: skip
    model = network([helper.make_node("Double", ["mean"], ["scores"], domain="own")])
    model.functions.append(double)
    model.opset_import.append(helper.make_opsetid("own", 1))
    source = load_source(saved(tmp_path, model))
    assert "Its 1 functions were inlined: Double." in source.notes
    assert {item.domain for item in onnx.load_from_string(source.onnx).opset_import} == {""}
    assert_answers_as(source, model)


def test_what_only_training_needs_is_left_out(tmp_path: Path) -> None:
    model = network()
    model.training_info.add().algorithm.CopyFrom(model.graph)
    source = load_source(saved(tmp_path, model))
    assert "What only training needs was left out." in source.notes
    assert_answers_as(source, model)


def test_a_picture_of_bytes_is_fed_as_float(tmp_path: Path) -> None:
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node[0].input[0] = "numbers"
    model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["numbers"], to=FLOAT))
    source = load_source(saved(tmp_path, model))
    assert any("takes uint8" in note for note in source.notes)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 1, 8, 8))
    expected = Runner(model.SerializeToString()).run({"image": pixels.astype(np.uint8)})
    found = Runner(source.onnx).run({"image": pixels.astype(np.float32)})
    assert largest_difference(expected, found) == 0


# The batch -------------------------------------------------------------------------------------------------


def batch_of(source: Source) -> str | int:
    dim = onnx.load_from_string(source.onnx).graph.input[0].type.tensor_type.shape.dim[0]
    found: str | int = dim.dim_param or dim.dim_value
    return found


@pytest.mark.parametrize("kind", ["initializer", "node"])
def test_a_fixed_batch_is_opened_through_a_constant_shape(tmp_path: Path, kind: str) -> None:
    reshape = helper.make_node("Reshape", ["mean", "shape"], ["scores"])
    model = network([constant("shape", [1, 2]), reshape] if kind == "node" else [reshape], batch=1)
    if kind == "initializer":
        model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "shape"))
    source = load_source(saved(tmp_path, model))
    assert batch_of(source) == "batch"
    assert "three at once answer as each alone" in source.notes[-1]
    assert_answers_as(source, model, images(1))
    assert Runner(source.onnx).run(images(5))["scores"].shape == (5, 2)


@pytest.mark.parametrize(
    "nodes",
    [
        [constant("axis", [0]), helper.make_node("ReduceMax", ["mean", "axis"], ["scores"], keepdims=1)],
        [helper.make_node("Softmax", ["mean"], ["of"], axis=0), helper.make_node("Add", ["mean", "of"], ["scores"])],
        [helper.make_node("Gather", ["mean", "zero"], ["scores"], axis=0)],
    ],
    ids=["reduced over", "mixed", "first alone"],
)  # fmt: skip
def test_a_batch_that_is_no_batch_stays_as_it_is(tmp_path: Path, nodes: list[Any]) -> None:
    model = network(nodes, batch=1)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "zero"))
    source = load_source(saved(tmp_path, model))
    assert batch_of(source) == 1
    assert source.notes[-1] == "Its batch stays fixed at 1."
    assert_answers_as(source, model, images(1))


# Numbers beside the model ----------------------------------------------------------------------------------


def beside(folder: Path, location: str = "weights.bin", **where: str) -> str:
    """A model whose weights are said to lie at `location`, and a file ``weights.bin`` that holds them."""
    (folder / "weights.bin").write_bytes(WEIGHTS.tobytes())
    model = network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **where}.items():
        tensor.external_data.add(key=key, value=value)
    return saved(folder, model)


@pytest.mark.parametrize("where", [{}, {"offset": "0"}, {"offset": "0", "length": str(WEIGHTS.nbytes)}])
def test_numbers_beside_the_model_are_read_into_it(tmp_path: Path, where: dict[str, str]) -> None:
    source = load_source(beside(tmp_path, **where))
    assert source.notes[0] == "The numbers beside it were read into it: weights.bin."
    assert_answers_as(source, network())


def test_numbers_that_onnx_itself_saved_beside_a_model_are_found(tmp_path: Path) -> None:
    model = network([constant("bias", [0.5, 0.25]), helper.make_node("Add", ["mean", "half"], ["scores"])])
    model.graph.node[3].CopyFrom(helper.make_node("Cast", ["bias"], ["half"], to=FLOAT))
    model.graph.node.insert(3, constant("bias", [0.5, 0.25]))
    whole = network()
    whole.CopyFrom(model)
    onnx.save_model(
        model, tmp_path / "big.onnx", save_as_external_data=True, location="big.onnx.data", size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    assert b"external" not in whole.SerializeToString()
    source = load_source(str(tmp_path / "big.onnx"))
    assert_answers_as(source, whole)


@pytest.mark.parametrize(
    ("location", "where", "message"),
    [
        ("../weights.bin", {}, "expected a file in the model's own folder"),
        ("in/../../weights.bin", {}, "expected a file in the model's own folder"),
        ("/etc/hostname", {}, "expected a file in the model's own folder"),
        ("C:/weights.bin", {}, "expected a file in the model's own folder"),
        ("", {}, "expected a file in the model's own folder"),
        ("gone.bin", {}, "there is no such file"),
        ("link.bin", {}, "which is a link"),
        ("linked/weights.bin", {}, "which is a link"),
        ("weights.bin", {"offset": "4"}, "found 72 bytes from 4 in a file of 72, expected 72 bytes in it"),
        ("weights.bin", {"offset": "-4"}, "expected whole numbers"),
        ("weights.bin", {"length": "8"}, "found 8 bytes from 0"),
        ("weights.bin", {"length": "9" * 30}, "expected 72 bytes in it"),
    ],
)
def test_numbers_elsewhere_are_refused(tmp_path: Path, location: str, where: dict[str, str], message: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert message in refusal(beside(folder, location, **where))


# Refusals --------------------------------------------------------------------------------------------------


def test_every_foreign_operator_is_listed_with_what_to_do(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("FusedConv", ["mean"], ["a"], domain="com.microsoft"),
        helper.make_node("FusedConv", ["a"], ["b"], domain="com.microsoft"),
        helper.make_node("Warp", ["b"], ["scores"], domain="of.mine"),
    ]
    said = refusal(saved(tmp_path, network(nodes)))
    assert "found the operators com.microsoft.FusedConv (2); of.mine.Warp (1)" in said
    assert "before it was optimised or quantised" in said


def test_a_model_of_tables_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Scaler", ["mean"], ["scores"], domain="ai.onnx.ml")
    assert "classical models such as trees" in refusal(saved(tmp_path, network([node])))


def test_a_model_that_draws_random_numbers_is_refused(tmp_path: Path) -> None:
    noise = [helper.make_node("RandomNormalLike", ["mean"], ["n"]), helper.make_node("Add", ["mean", "n"], ["scores"])]
    assert "the same input gave two answers, expected one" in refusal(saved(tmp_path, network(noise)))


def test_a_model_that_takes_texts_is_refused(tmp_path: Path) -> None:
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("words", TensorProto.STRING, [1]))
    assert "the input 'words' takes texts" in refusal(saved(tmp_path, model))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found no operator in it"),
        (b"no model at all", "it is no ONNX file, or it is cut off"),
        (tiny_model()[:-9], "it is no ONNX file, or it is cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of Git LFS"),
        (b"\x18\x00\x00\x00ORTM", "ONNX Runtime's own format"),
    ],
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    assert message in refusal(saved(tmp_path, data))


def test_a_model_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    said = refusal(saved(tmp_path, network([helper.make_node("Relu", ["nowhere"], ["scores"])])))
    assert "nowhere" in said
    assert said.startswith("Checking model.onnx: ")


def test_a_model_that_does_not_load_is_refused_by_the_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="E501"):
        load_source(saved(tmp_path, network([helper.make_node("MatMul", ["mean", "weights"], ["scores"])])))


def test_a_converted_model_that_no_trial_can_prove_is_refused(tmp_path: Path) -> None:
    """Open axes for which no guess fits: what was converted cannot be compared until shapes are given."""
    model = network(
        [constant("fixed", np.zeros((1, 2), np.float32)), helper.make_node("Add", ["mean", "fixed"], ["scores"])]
    )
    model.graph.node[2].CopyFrom(helper.make_node("Reshape", ["pooled", "two"], ["mean"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 2]), "two"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 1, 27, 27), np.float32), "window"))
    model.graph.node[0].CopyFrom(helper.make_node("Slice", ["image", "from", "to", "axes"], ["cut"]))
    model.graph.node.insert(1, helper.make_node("Conv", ["tiled", "weights"], ["features"]))
    model.graph.node.insert(1, helper.make_node("Reshape", ["cut", "shape"], ["tiled"]))
    for name, value in {"from": [0], "to": [2**31], "axes": [2], "shape": [-1, 1, 30, 50]}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    plain = load_source(saved(tmp_path, model))
    assert "takes no made-up inputs" in plain.notes[-1]
    model.opset_import[0].version = 21
    spec = saved(tmp_path, model)
    assert "Give a shape for each input" in refusal(spec)
    source = load_source(spec, example_shapes={"image": (1, 1, 30, 50)})
    assert "as before" in source.notes[-1]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"picture": (1, 1, 8, 8)}, "found a shape for the input 'picture', expected one of image"),
        ({"image": (1, 1, 8)}, "found the shape 1 x 1 x 8 for 'image', expected N x 1 x 8 x 8"),
        ({"image": (1, 3, 8, 8)}, "found the shape 1 x 3 x 8 x 8 for 'image', expected N x 1 x 8 x 8"),
    ],
)
def test_shapes_that_are_not_the_models_are_refused(tmp_path: Path, shapes: dict[str, Any], message: str) -> None:
    assert message in refusal(saved(tmp_path, network()), example_shapes=shapes)


# What kind of model it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("weights.safetensors", b"x", "it holds weights without their network"),
        ("model.keras", b"x", "tf2onnx"),
        ("model.tflite", b"x", "tf2onnx"),
        ("model.pkl", b"x", "it is a pickle, a program, and is not run"),
        ("model.pt2", b"x", "torch.export"),
        ("model.engine", b"x", "TensorRT"),
        ("old.pth", b"\x80\x02", "it is a pickle, and what it holds of a network cannot be had without running it"),
        ("model.bin", b"x", "found a file whose name ends in .bin, expected an ONNX file"),
        ("model", b"x", "found a file whose name ends in nothing"),
    ],
)
def test_files_of_other_kinds_are_refused_with_what_to_do(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert message in refusal(str(tmp_path / name))


def test_weights_that_torch_saved_are_told_from_a_program(tmp_path: Path) -> None:
    for name, inner in {"state.pt": "state/data.pkl", "other.zip": "readme.txt"}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(inner, b"")
    assert "torch.save wrote it" in refusal(str(tmp_path / "state.pt"))
    assert "found a file whose name ends in .zip" in refusal(str(tmp_path / "other.zip"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gone.onnx", "Reading gone.onnx: there is no such file or folder. Expected an ONNX file, a TorchScript file"),
        ("folder/gone", "there is no such file or folder"),
        ("chest-pneumona", "did you mean 'chest-pneumonia'"),
    ],
)
def test_what_is_not_there_is_refused(spec: str, message: str) -> None:
    assert message in refusal(spec)


def test_weights_beside_a_whole_model_are_refused(tmp_path: Path) -> None:
    said = refusal(saved(tmp_path, network()), weights=tmp_path / "weights.safetensors")
    assert "it holds its weights already" in said


def test_the_tables_name_what_they_need() -> None:
    assert {row.extra for row in (*KINDS.values(), *RECIPES.values())} == {"convert"}
    assert "torch" not in KINDS["onnx"].needs
    assert "torch" in KINDS["module"].needs
