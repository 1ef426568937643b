"""What a draft reads off a graph: sizes, axes, the activation that it ends in, the values that it is made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.numpy_helper
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

Sizes = tuple[int | None, ...]

ACTIVATIONS = ("Sigmoid", "Softmax")
PASSES_ON = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze")
MOVES_ONLY = ("Identity", "Transpose", "Unsqueeze", "Squeeze", "Reshape")
"""Operators that leave every value of an input as it is."""
WHOLE: Mapping[int, str] = {
    TensorProto.UINT8: "0 to 255",
    TensorProto.INT8: "-128 to 127",
    TensorProto.UINT16: "0 to 65535",
    TensorProto.INT16: "-32768 to 32767",
    TensorProto.INT32: "whole numbers",
    TensorProto.INT64: "whole numbers",
}
"""What a tensor of whole numbers can hold."""
PIXELS = 256.0
"""Who divides by more has no pixels of a byte before him."""
LARGE = 20.0
"""Who subtracts or divides by more than this does not expect values from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or an output; None stands for an open axis."""

    name: str
    sizes: Sizes


def sizes_of(onnx_file: bytes) -> tuple[dict[str, Sizes], dict[str, Sizes]]:
    """Return the sizes of the inputs and of the outputs of a graph, by name; None stands for an open axis."""
    graph = onnx.load_model_from_string(onnx_file).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {item.name: _sizes(item) for item in graph.input if item.name not in constants}
    return inputs, {item.name: _sizes(item) for item in graph.output}


def _sizes(item: ValueInfoProto) -> Sizes:
    dims = item.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.dim_value > 0 else None for dim in dims)


def show_sizes(sizes: Sizes) -> str:
    """Return sizes as a text.

    Examples
    --------
    >>> show_sizes((None, 3, 224, 224))
    '? x 3 x 224 x 224'
    """
    return " x ".join("?" if size is None else str(size) for size in sizes)


def axes_of(item: Tensor) -> str:
    """Return a guess at where the channels stand: last where only the last size is small, else first."""
    few = (1, 2, 3, 4)
    last = item.sizes[-1] in few and item.sizes[1] not in few
    spatial = "HW" if len(item.sizes) == 4 else "DHW"
    return f"N{spatial}C" if last else f"NC{spatial}"


def channels_of(item: Tensor, axes: str) -> int | None:
    """Return the number of channels."""
    return item.sizes[axes.index("C")]


def spatial_of(item: Tensor, axes: str) -> Sizes:
    """Return the sizes of all axes but batch and channels."""
    return tuple(size for axis, size in zip(axes, item.sizes, strict=True) if axis not in "NC")


def activation_of(model: ModelProto, output: str) -> str:
    """Return the activation that the graph itself ends in, or an empty text."""
    producers: Mapping[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
    node = producers.get(output)
    while node is not None and node.op_type in PASSES_ON:
        node = producers.get(node.input[0])
    return node.op_type if node is not None and node.op_type in ACTIVATIONS else ""


def values_asked(model: ModelProto, name: str) -> str:
    """Return what the graph's first step on an input tells of the values that it is made for, or an empty text."""
    for node in model.graph.node:
        if name not in node.input or node.op_type in ("Shape", "Size"):
            continue
        if node.op_type == "Cast" and (span := WHOLE.get(node.attribute[0].i)):
            kind = TensorProto.DataType.Name(node.attribute[0].i).lower()
            return f"The graph turns it into {kind}: the steps must leave {span}, not 0 to 1."
        if node.op_type in (*MOVES_ONLY, "Cast"):
            return values_asked(model, node.output[0])
        return _said_of(model, node)
    return ""


def _said_of(model: ModelProto, node: NodeProto) -> str:
    """What it means that the graph normalises by large numbers itself."""
    number = _constant(model, node)
    if number is None:
        return ""
    largest = float(np.abs(number).max(initial=0.0))
    shown = ", ".join(f"{value:.6g}" for value in number.ravel()[:3])
    words = {"Div": "divides it by", "Sub": "subtracts from it", "Add": "adds to it", "Mul": "multiplies it by"}
    large = 0 < largest < 1 / LARGE if node.op_type == "Mul" else largest > LARGE
    if node.op_type not in words or not large:
        return ""
    span = "not 0 to 1" if node.op_type != "Mul" and largest > PIXELS else "such as 0 to 255 of a picture, not 0 to 1"
    return f"The graph itself {words[node.op_type]} {shown}: the steps must leave what it was before that, {span}."


def _constant(model: ModelProto, node: NodeProto) -> NDArray[np.float64] | None:
    """The constant that a node reads, if it is one of numbers."""
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    for other in model.graph.node:
        if other.op_type == "Constant" and other.attribute[0].name == "value":
            known[other.output[0]] = other.attribute[0].t
    read = node.input[1:] if node.op_type in ("Div", "Sub") else node.input
    found = [onnx.numpy_helper.to_array(known[name]) for name in read if name in known]
    numbers = [
        values.astype(np.float64) for values in found if values.dtype.kind in "fiu" and np.isfinite(values).all()
    ]
    return numbers[0] if len(numbers) == 1 else None
