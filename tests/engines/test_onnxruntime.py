"""ONNX Runtime: on the CPU and nowhere else, as many threads as it was given, every type by numpy's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from edge.engines.onnxruntime import DTYPES, OnnxRuntimeEngine
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN
from edge.testing import tiny_model


def of_type(kind: int) -> bytes:
    """A model that gives back what it is fed, of any type."""
    x = helper.make_tensor_value_info("x", kind, ["n"])
    y = helper.make_tensor_value_info("y", kind, ["n"])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def opened(data: bytes, threads: int = 1) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(data, precision="fp32", threads=threads)


KINDS = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "bool": TensorProto.BOOL,
}


def test_every_type_of_the_map_is_tried_below() -> None:
    assert set(DTYPES.values()) == set(KINDS)


@pytest.mark.parametrize("dtype", KINDS)
def test_a_tensor_is_called_as_numpy_calls_it_and_comes_back_as_it_went_in(dtype: str) -> None:
    engine = opened(of_type(KINDS[dtype]))
    assert engine.inputs[0].dtype == engine.outputs[0].dtype == dtype
    values = np.array([0, 1, 1]).astype(dtype)
    found = engine.infer({"x": values})["y"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_texts_are_no_numbers() -> None:
    with pytest.raises(EngineError, match=r"'x' is tensor\(string\), expected a tensor of numbers") as caught:
        opened(of_type(TensorProto.STRING))
    assert caught.value.reason is ENGINE_OPEN


def test_it_runs_on_the_cpu_and_says_so() -> None:
    facts = opened(tiny_model()).facts
    assert facts.provider == "CPUExecutionProvider"
    assert facts.version == ort.__version__


def test_it_takes_the_threads_that_it_is_given_and_lets_idle_ones_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    session = ort.InferenceSession

    def spy(model: bytes, options: Any, **others: Any) -> Any:
        seen.append(options)
        return session(model, options, **others)

    monkeypatch.setattr(ort, "InferenceSession", spy)
    opened(tiny_model(), threads=3)
    (options,) = seen
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.load_model_format") == "ONNX"


def test_a_model_cannot_reach_for_files_beside_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a model is refused before (`edge.pack.onnx_file`); the engine must at least not crash on it."""
    monkeypatch.chdir(tmp_path)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../nowhere")
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "out", [], [y], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(EngineError) as caught:
        opened(bytes(model.SerializeToString()))
    assert caught.value.reason is ENGINE_OPEN


def test_the_first_line_of_what_it_says_is_kept_and_its_cause_too() -> None:
    with pytest.raises(EngineError) as caught:
        opened(b"no model")
    assert caught.value.__cause__ is not None
    assert "\n" not in caught.value.message
    assert f"Opening onnxruntime {ort.__version__}: " in caught.value.message
