"""Scores that a graph gives with axes to spare, or with one too few: laid out as the runtime reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from convert.draft import sizes_of
from convert.road import travel
from convert.sources import load_source
from convert.sources.trial import Runner
from edge.pack.store import open_pack
from tests.convert.descriptions import answer, filled
from tests.convert.foreign import FLOAT, WEIGHTS, images, network, saved
from tests.convert.scans import Heard, bench, brightness_net, converted, quick


def pooled(batch: Any = "N", *, sizes: Any = (8, 8), declared: Any = (1, 1), opset: int = 18) -> Any:
    """A network whose scores are what its pooling gives, N x 2 x 1 x 1."""
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weights"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["scores"]),
        ],
        "pooled",
        [helper.make_tensor_value_info("image", FLOAT, [batch, 1, *sizes])],
        [helper.make_tensor_value_info("scores", FLOAT, [batch, 2, *declared])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.mark.parametrize("opset", [7, 12, 18, 21])
@pytest.mark.parametrize("batch", ["N", 1])
def test_two_axes_of_one_behind_the_scores_are_taken_away(tmp_path: Path, batch: Any, opset: int) -> None:
    model = pooled(batch, opset=opset)
    source = load_source(saved(tmp_path, model))
    assert source.notes[-1] == "Its output 'scores' was laid out as N x 2 instead of N x 2 x 1 x 1."
    (shape,) = sizes_of(source.onnx)[1].values()
    assert shape == (None, 2)
    expected = Runner(model.SerializeToString()).run(images(1))["scores"]
    found = Runner(source.onnx).run(images(1))["scores"]
    np.testing.assert_array_equal(found, expected[:, :, 0, 0])
    assert Runner(source.onnx).run(images(3))["scores"].shape == (3, 2)


def test_axes_that_are_not_declared_to_be_one_are_found_to_be_so(tmp_path: Path) -> None:
    source = load_source(saved(tmp_path, pooled(sizes=("h", "w"), declared=("a", "b"))))
    assert Runner(source.onnx).run(images(2))["scores"].shape == (2, 2)


def test_scores_of_a_volume_lose_three_axes(tmp_path: Path) -> None:
    model = pooled(sizes=(6, 6, 6), declared=(1, 1, 1))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((2, 1, 3, 3, 3), np.float32), "weights"))
    source = load_source(saved(tmp_path, model))
    assert sizes_of(source.onnx)[1] == {"scores": (None, 2)}


def test_what_else_reads_the_scores_reads_them_as_before(tmp_path: Path) -> None:
    model = pooled()
    model.graph.node.append(helper.make_node("ReduceMax", ["scores", "axes"], ["largest"], keepdims=0))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    model.graph.output.append(helper.make_tensor_value_info("largest", FLOAT, ["N", 2]))
    model.graph.output[0].name = "scores"
    source = load_source(saved(tmp_path, model))
    assert source.notes[-1].startswith("Its answers")  # there are N x 2 already: the other may be a map of one point
    del model.graph.output[1:]
    model.graph.node[-1].CopyFrom(helper.make_node("Relu", ["scores"], ["unread"]))
    again = Runner(load_source(saved(tmp_path, model)).onnx).run(images(2))
    assert again["scores"].shape == (2, 2)


@pytest.mark.parametrize("batch", ["N", 1])
def test_a_score_that_was_squeezed_gets_its_axis_back(tmp_path: Path, batch: Any) -> None:
    nodes = [helper.make_node("Squeeze", ["mean", "one"], ["scores"])]
    model = network(nodes, batch=batch)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(WEIGHTS[:1], "weights"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", FLOAT, [batch]))
    source = load_source(saved(tmp_path, model))
    assert source.notes[-1] == "Its output 'scores' was laid out as N x 1 instead of N."
    assert Runner(source.onnx).run(images(2))["scores"].shape == (2, 1)


def test_a_list_that_is_no_batch_is_left_as_it_is(tmp_path: Path) -> None:
    model = network([helper.make_node("Flatten", ["mean"], ["flat"], axis=0)])
    model.graph.node.append(helper.make_node("Squeeze", ["flat", "first"], ["scores"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "first"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", FLOAT, ["values"]))
    source = load_source(saved(tmp_path, model))
    assert sizes_of(source.onnx)[1] == {"scores": (None,)}


def test_maps_stay_maps(tmp_path: Path) -> None:
    model = pooled()
    model.graph.node[1].CopyFrom(helper.make_node("Identity", ["features"], ["scores"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", FLOAT, ["N", 2, "h", "w"]))
    assert len(sizes_of(load_source(saved(tmp_path, model)).onnx)[1]["scores"]) == 4


def test_what_is_laid_out_already_is_not_touched(tmp_path: Path) -> None:
    once = load_source(saved(tmp_path, pooled())).onnx
    again = load_source(saved(tmp_path, once))
    assert not any("laid out" in note for note in again.notes)
    assert [node.op_type for node in onnx.load_from_string(again.onnx).graph.node].count("Flatten") == 1


def test_torchs_own_heads_are_laid_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    (tmp_path / "heads_of_tests.py").write_text(
        "from torch import nn\n\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 3, 1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = load_source("heads_of_tests:build", example_shapes={"image": (1, 1, 8, 8)})
    assert "N x 3 instead of N x 3 x 1 x 1" in source.notes[-1]
    ((name, shape),) = sizes_of(source.onnx)[1].items()
    assert shape == (None, 3)
    assert Runner(source.onnx).run(images(2))[name].shape == (2, 3)


def test_init_drafts_them_and_build_judges_them(tmp_path: Path) -> None:
    proto = onnx.load_from_string(brightness_net())
    proto.graph.node.append(helper.make_node("Unsqueeze", ["row", "axes"], ["scores"]))
    proto.graph.node[-2].output[0] = "row"
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", FLOAT, ["batch", 1, 1, 1]))
    made = bench(tmp_path / "in", bytes(proto.SerializeToString()))
    drafted = converted("init", made.model)
    assert drafted.code == 0, drafted.err
    assert 'kind = "classification"' in filled(drafted.out, answer)
    assert 'mode = "binary"' in drafted.out
    with quick():
        travel(made.road(tmp_path / "out"), Heard())
    assert len(open_pack(tmp_path / "out" / "workshop").manifest.models) > 1
