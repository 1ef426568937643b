"""The models that a GPU is checked with: which files are one, and what they are fed."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.gpu_check_models import EMBEDDED, error_of, feeds_for, subjects_in, subjects_of, takes_batches
from edge.engines import TensorSpec
from edge.errors import UsageError


def test_files_are_grouped_by_model_and_precision(tmp_path: Path) -> None:
    for name in ("a.fp32.onnx", "a.int8.onnx", "b.onnx", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    found = subjects_in([tmp_path])
    assert {item.name: dict(item.files) for item in found} == {
        "a": {"fp32": b"a.fp32.onnx", "int8": b"a.int8.onnx"},
        "b": {"fp32": b"b.onnx"},
    }


def test_the_embedded_pack_is_one_model_by_its_own_name() -> None:
    (found,) = subjects_in([EMBEDDED])
    assert (found.name, sorted(found.files)) == ("chest-pneumonia", ["fp32", "int8"])


def test_a_folder_without_models_and_a_model_without_fp32_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no \.onnx file"):
        subjects_in([tmp_path])
    (tmp_path / "a.int8.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match="found a in int8, expected it in fp32 too"):
        subjects_in([tmp_path])


def test_a_recipe_is_one_model_in_every_precision_and_its_int8_is_the_signed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("torch", "onnx", "onnxscript", "safetensors"):
        pytest.importorskip(package)
    nets = importlib.import_module("benchmarks.nets")
    net = nets.Net(name="unet2d", fp32=b"f", fp16=b"h", signed=b"s", lowered={"onnxruntime": b"u"}, feeds=())
    monkeypatch.setattr(nets, "convert", lambda _: net)
    (found,) = subjects_of(["unet2d"])
    assert (found.name, dict(found.files)) == ("unet2d", {"fp32": b"f", "fp16": b"h", "int8": b"s"})


def spec(dtype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name="x", dtype=dtype, shape=shape)


def test_feeds_are_seeded_and_in_the_dtype_asked_for() -> None:
    one, two, other = (feeds_for([spec("float16", -1, 3)], batch=2, seed=seed) for seed in (0, 0, 1))
    assert one is not None
    assert two is not None
    assert other is not None
    assert one["x"].shape == (2, 3)
    assert one["x"].dtype == np.float16
    assert np.array_equal(one["x"], two["x"])
    assert not np.array_equal(one["x"], other["x"])


def test_whole_numbers_are_fed_as_such() -> None:
    found = feeds_for([spec("int64", 50)], batch=1)
    assert found is not None
    assert set(found["x"].tolist()) == {0, 1}


def test_a_free_axis_that_is_not_the_batch_is_not_guessed() -> None:
    assert feeds_for([spec("float32", -1, -1)], batch=1) is None


def test_only_a_free_first_axis_takes_batches() -> None:
    assert takes_batches([spec("float32", -1, 3)])
    assert not takes_batches([spec("float32", -1, 3), spec("float32", 1, 3)])


@pytest.mark.parametrize(
    "found", [{}, {"x": np.zeros(2)}, {"x": np.array([np.nan])}, {"x": np.array([np.inf])}, {"y": np.ones(1)}]
)
def test_what_cannot_be_compared_is_infinitely_wrong(found: dict[str, NDArray[Any]]) -> None:
    assert math.isinf(error_of(found, {"x": np.ones(1)}))


def test_the_worst_output_counts() -> None:
    expected = {"a": np.ones(4), "b": np.ones(4)}
    assert error_of({"a": np.ones(4), "b": np.full(4, 1.5)}, expected) == 0.5
