"""Weights that are no numbers are told by their names, before anything is exported or measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from convert.sources import load_source
from convert.sources.finite import refuse_not_finite
from edge.errors import UsageError
from tests.convert.foreign import WEIGHTS, constant, network, refusal, saved
from tests.convert.scans import bench, brightness_net, converted, with_weights

BROKEN = (np.nan, np.inf, -np.inf)


def with_convolution(values: Any, kind: int = TensorProto.FLOAT) -> Any:
    model = network()
    values = values.astype(helper.tensor_dtype_to_np_dtype(kind))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "weights"))
    return model


def broken(*values: float) -> Any:
    weights = WEIGHTS.copy()
    weights.flat[: len(values)] = values
    return weights


def test_every_tensor_is_named_with_how_many_of_its_values_are_none(tmp_path: Path) -> None:
    shift = np.array([np.nan, 1.0], np.float32)
    nodes = [helper.make_node("Add", ["mean", "shift"], ["scores"])]
    model = network(nodes)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(broken(np.nan, np.nan, np.inf), "weights"))
    model.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    said = refusal(saved(tmp_path, model))
    assert said == (
        "Reading model.onnx: found 2 tensors with weights that are no finite numbers: weights (2 NaN and 1 infinite of"
        " 18); shift (1 NaN of 2). Its training diverged, or the file is damaged: give an earlier state of the"
        " training, or copy the file again."
    )
    assert "pack check" not in said


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_one_value_is_enough(value: float, kind: int) -> None:
    with pytest.raises(UsageError, match=r"found 1 tensor with .* weights \(1 (NaN|infinite) of 18\)"):
        refuse_not_finite(with_convolution(broken(value), kind), "model.onnx")


def test_numbers_that_stand_in_a_node_are_looked_at(tmp_path: Path) -> None:
    model = network(
        [constant("bias", np.full(2, np.nan, np.float32)), helper.make_node("Add", ["mean", "bias"], ["scores"])]
    )
    assert "bias (2 NaN of 2)" in refusal(saved(tmp_path, model))


def test_numbers_beside_the_model_are_looked_at(tmp_path: Path) -> None:
    onnx.save_model(
        with_convolution(broken(np.nan)), tmp_path / "big.onnx", save_as_external_data=True, location="big.data",
        size_threshold=0,
    )  # fmt: skip
    assert "weights (1 NaN of 18)" in refusal(str(tmp_path / "big.onnx"))


def test_infinity_has_its_uses_where_nothing_was_learnt(tmp_path: Path) -> None:
    mask = np.array([0.0, -np.inf], np.float32)
    nodes = [
        constant("limit", np.array(np.inf, np.float32)),
        helper.make_node("Clip", ["mean", "", "limit"], ["clipped"]),
        helper.make_node("Add", ["clipped", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["scores"]),
    ]
    model = network(nodes)
    model.graph.initializer.append(numpy_helper.from_array(mask, "mask"))
    assert load_source(saved(tmp_path, model)).onnx


def test_whole_numbers_are_always_finite() -> None:
    model = network()
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**62, -1]), "shape"))
    refuse_not_finite(model, "model.onnx")


@pytest.mark.parametrize("command", ["build", "gate", "quantise", "init", "export"])
def test_every_command_says_so_and_leaves_nothing(tmp_path: Path, command: str) -> None:
    names = [item.name for item in onnx.load_from_string(brightness_net()).graph.initializer]
    made = bench(tmp_path / "in", with_weights(brightness_net(), names[0], lambda weights: weights * np.nan))
    sets: list[object] = ["--describe", made.describe, "--calibrate", made.calibrate, "--evaluate", made.evaluate]
    out: list[object] = ["--out", tmp_path / "out"]
    words = {"build": sets + out, "gate": [*sets[:2], *sets[4:], *out], "quantise": sets[:4] + out, "export": out}
    ran = converted(command, made.model, *words.get(command, []))
    assert ran.code == 2
    assert re.search(rf"Reading net\.onnx: .*: {names[0]} \(\d+ NaN of \d+\)", ran.err)
    assert not (tmp_path / "out").exists()


# PyTorch ---------------------------------------------------------------------------------------------------

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, where="", value=float("nan")):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
        if where:
            self.state_dict()[where].fill_(value)

    def forward(self, image):
        return (self.head(torch.relu(self.norm(self.stem(image))).mean((2, 3))) + self.mask).softmax(1)

def weights(): return Net("stem.weight")
def endless(): return Net("head.bias", float("inf"))
def statistics(): return Net("norm.running_var")
def sound(): return Net()
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    name = f"unsound_{tmp_path.parent.name.replace('-', '_')}_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("weights", "stem.weight (36 NaN of 36)"),
        ("endless", "head.bias (2 infinite of 2)"),
        ("statistics", "norm.running_var (4 NaN of 4)"),
    ],
)
def test_a_network_is_looked_at_before_it_is_exported(nets: str, build: str, said: str) -> None:
    assert said in refusal(f"{nets}:{build}", example_shapes={"image": (1, 1, 8, 8)})


def test_a_mask_of_a_network_may_be_infinite(nets: str) -> None:
    assert load_source(f"{nets}:sound", example_shapes={"image": (1, 1, 8, 8)}).onnx
