"""Foreign ONNX models for tests: built here, saved, and compared with what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from convert.sources import Source, load_source
from convert.sources.trial import Runner, largest_difference
from edge.engines import open_engine
from edge.errors import UsageError
from edge.pack.onnx_file import inspect_onnx

FLOAT = TensorProto.FLOAT
WEIGHTS = np.random.default_rng(3).standard_normal((2, 1, 3, 3)).astype(np.float32)


def network(
    nodes: Sequence[Any] = (), *, batch: Any = "N", opset: int = 18, ir_version: int = 10, classes: int = 2
) -> Any:
    """A convolution, its mean, and `nodes` from ``mean`` to ``scores``; its weights are an initializer."""
    image = helper.make_tensor_value_info("image", FLOAT, [batch, 1, 8, 8])
    scores = helper.make_tensor_value_info("scores", FLOAT, [batch, classes])
    body = [
        helper.make_node("Conv", ["image", "weights"], ["features"], name="conv"),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        *(nodes or [helper.make_node("Identity", ["mean"], ["scores"])]),
    ]
    graph = helper.make_graph(body, "foreign", [image], [scores], [numpy_helper.from_array(WEIGHTS, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def constant(name: str, value: Any) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value), name))


def saved(folder: Path, model: Any, name: str = "model.onnx") -> str:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return str(path)


def refusal(spec: str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load_source(spec, **options)
    return caught.value.message


def images(count: int = 2) -> dict[str, NDArray[np.float32]]:
    return {"image": np.random.default_rng(1).standard_normal((count, 1, 8, 8)).astype(np.float32)}


def assert_answers_as(source: Source, model: Any, feeds: dict[str, Any] | None = None) -> None:
    """Both answer alike, and a pack may hold the one that was converted."""
    inspect_onnx(source.onnx, "model.onnx")
    open_engine("onnxruntime", source.onnx, precision="fp32", threads=1).close()
    expected = Runner(model.SerializeToString()).run(feeds or images())
    assert largest_difference(expected, Runner(source.onnx).run(feeds or images())) < 1e-6
