"""Models that come in another precision than FP32: halves are widened, which is exact; what is quantised is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx.numpy_helper
from onnx import ModelProto, TensorProto, ValueInfoProto
from onnxruntime.quantization.onnx_model import ONNXModel

from convert.sources.external import graphs_of, nodes_of, tensors_of
from edge.errors import UsageError

HALVES_TOLERANCE = 0.02
"""Largest difference between the answers in halves and in float32, relative to the largest value, at least 1."""

_QUANTISED = ("quantize", "qlinear", "integer")
_NUMBER_ATTRIBUTES = ("to", "dtype")
"""Attributes that say what type of number an operator makes: of Cast, and of those that make numbers of nothing."""
_HALVES = ("torch.float16", "torch.bfloat16")


def refuse_quantised(model: ModelProto, name: str) -> None:
    """Refuse a model in INT8: there is nothing that its loss could be told against.

    Raises
    ------
    UsageError
        With what to give instead.
    """
    found = Counter(
        node.op_type for node in nodes_of(model) if any(word in node.op_type.lower() for word in _QUANTISED)
    )
    if not found:
        return
    shown = ", ".join(f"{operator} ({count})" for operator, count in sorted(found.items()))
    raise UsageError(
        f"Reading {name}: it is quantised already, with {shown}, expected a float model: copies in INT8 are made here,"
        " for each engine, and judged against the float model. Give the model that it was made from. To judge this"
        f" file beside that: edgerun-convert gate FLOAT.onnx --candidate int8={name}."
    )


def has_halves(model: ModelProto) -> bool:
    """Return whether a model holds, takes or gives FP16 numbers."""
    return bool(_halves(model) or _typed(model))


def refuse_halves(model: ModelProto, name: str) -> None:
    """Refuse a model in FP16 where one in FP32 is needed as it is.

    Raises
    ------
    UsageError
        With how to widen it.
    """
    if has_halves(model):
        raise UsageError(
            f"Reading {name}: it is in half precision, expected a float model in FP32. Give the one that it was made"
            " from, or widen it: `edgerun-convert export` does."
        )


def widen_halves(model: ModelProto) -> list[str]:
    """Turn every FP16 number of a model into FP32, of which each half is one."""
    halves, typed = _halves(model), _typed(model)
    if not halves and not typed:
        return []
    for tensor in halves:
        values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for graph in graphs_of(model):
        graph.ClearField("value_info")
    for item in typed:
        item.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.name in _NUMBER_ATTRIBUTES and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    ONNXModel(model).topological_sort()  # what converters to FP16 put in stands at the end
    return [f"It was in half precision: its {len(halves)} tensors were widened to FP32, which changes none of them."]


def widen_network(module: Any) -> list[str]:
    """Turn the weights of a network of PyTorch that are halves into FP32, of which each half is one."""
    halves = [name for name, value in module.state_dict().items() if str(value.dtype) in _HALVES]
    if not halves:
        return []
    module.float()
    return [f"It was in half precision: its {len(halves)} tensors were widened to FP32, which changes none of them."]


def _halves(model: ModelProto) -> list[TensorProto]:
    return [tensor for tensor in tensors_of(model) if tensor.data_type == TensorProto.FLOAT16]


def _typed(model: ModelProto) -> list[ValueInfoProto]:
    """The inputs and outputs that are halves."""
    ends = [item for graph in graphs_of(model) for item in (*graph.input, *graph.output)]
    return [item for item in ends if item.type.tensor_type.elem_type == TensorProto.FLOAT16]
