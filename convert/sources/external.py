"""Models whose numbers lie in files beside them: read into one file, where these are plain files of the same folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from edge.errors import UsageError

LARGEST = 2**31 - 1
"""Bytes of a protobuf message, and so of a model in one file."""


def merge_external(model: ModelProto, file: Path) -> tuple[str, ...]:
    """Put the numbers that lie beside the model into it, and return the names of the files they came from.

    Raises
    ------
    UsageError
        A file lies elsewhere, is a link, is missing or too short, or the whole would not fit one file.
    """
    read: dict[str, bytes] = {}
    outside = [tensor for tensor in tensors_of(model) if tensor.data_location == TensorProto.EXTERNAL]
    for tensor in outside:
        if tensor.data_type == TensorProto.STRING:
            raise UsageError(f"Reading {file.name}: the tensor {tensor.name!r} holds texts outside the file.")
        where = {entry.key: entry.value for entry in tensor.external_data}
        location = where.get("location", "")
        if location not in read:
            read[location] = _plain_file(file, location, tensor.name).read_bytes()
            if sum(map(len, read.values())) > LARGEST:
                raise UsageError(f"Reading {file.name}: found more than 2 GiB of numbers beside it, expected less.")
        tensor.raw_data = _cut(read[location], where, tensor, file)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return tuple(read)


def _plain_file(file: Path, location: str, tensor: str) -> Path:
    doing = f"Reading {file.name}: the numbers of {tensor!r} lie in {location!r}"
    parts = PurePosixPath(location).parts
    if not parts or ".." in parts or PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive:
        raise UsageError(f"{doing}, expected a file in the model's own folder. Save the model anew with its data.")
    found = file.parent
    for part in parts:
        found = found / part
        if found.is_symlink():
            raise UsageError(f"{doing}, which is a link. Copy the folder with the files themselves (cp -rL).")
    if not found.is_file():
        raise UsageError(f"{doing}, and there is no such file. Put it beside the model, as it was downloaded.")
    return found


def _cut(data: bytes, where: dict[str, str], tensor: TensorProto, file: Path) -> bytes:
    """The bytes of one tensor."""
    texts = [where.get("offset", "0"), where.get("length", "")]
    if not all(text == "" or (text.isascii() and text.isdigit()) for text in texts):
        raise UsageError(f"Reading {file.name}: {tensor.name!r} lies at {texts}, expected whole numbers.")
    expected = _size(tensor)
    offset, length = int(texts[0] or 0), int(texts[1] or expected)
    if length != expected or offset + length > len(data):
        raise UsageError(
            f"Reading {file.name}: for the tensor {tensor.name!r} found {length} bytes from {offset} in a file of"
            f" {len(data)}, expected {expected} bytes in it. Download the model again."
        )
    return data[offset : offset + length]


def _size(tensor: TensorProto) -> int:
    count = int(math.prod(tensor.dims))
    if TensorProto.DataType.Name(tensor.data_type) in ("INT4", "UINT4", "FLOAT4E2M1"):
        return (count + 1) // 2
    return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def tensors_of(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model: of its graph, the graphs within, its attributes and its functions."""
    for graph in graphs_of(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from _of_attribute(attribute)


def _of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    # Asking for a field that holds a message would make it, so what is absent is not asked for.
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse = ([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []) + list(attribute.sparse_tensors)
    for item in sparse:
        yield from (item.values, item.indices)


def graphs_of(model: ModelProto) -> Iterator[GraphProto]:
    """The graph and every graph within a node of it or of a function."""
    yield from _within([model.graph])
    for function in model.functions:
        yield from _within(_branches(function.node))


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, of the graphs and of the functions."""
    for graph in graphs_of(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _within(graphs: list[GraphProto]) -> Iterator[GraphProto]:
    for graph in graphs:
        yield graph
        yield from _within(_branches(graph.node))


def _branches(nodes: Any) -> list[GraphProto]:
    attributes = [attribute for node in nodes for attribute in node.attribute]
    single = [attribute.g for attribute in attributes if attribute.HasField("g")]
    return single + [graph for attribute in attributes for graph in attribute.graphs]
