"""FP16: a typed graph whose inputs and outputs stay FP32, with FP32 where halves would lose the answer."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from convert.optimise import optimise, serialise
from edge.errors import UsageError

IN_FLOAT = (
    "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LpNormalization", "Softmax", "LogSoftmax",
    "MeanVarianceNormalization", "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2", "GlobalAveragePool", "Exp",
    "Log", "Pow", "GridSample",
)  # fmt: skip
"""They sum many numbers, or squares of them, beyond what a half can hold; GridSample's coordinates need its digits."""

LARGEST = float(np.finfo(np.float16).max)


def to_fp16(model: bytes, *, keep_float: Collection[str] = ()) -> bytes:
    """Return the model in FP16: strongly typed, with casts behind its FP32 inputs and before its FP32 outputs.

    Parameters
    ----------
    model : bytes
        Float ONNX of opset 13 to 20.
    keep_float : collection of str
        Nodes, by their names in ``optimise(model)``, that stay in FP32.

    Returns
    -------
    bytes
        The same model gives the same bytes. What it computes on a scan may still overflow: that is the gate's to see.

    Raises
    ------
    UsageError
        A weight is beyond the range of FP16 (65504), or the model is quantised or has no weights to convert.
    """
    proto = onnx.load_from_string(optimise(model))
    _check_range(proto, keep_float)
    converted = convert_float_to_float16(
        proto,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *IN_FLOAT],
        node_block_list=sorted(keep_float),
        disable_shape_infer=True,
    )
    _drop_repeated(converted)
    graph = ONNXModel(converted)
    graph.topological_sort()
    _name_apart(graph.model)
    del graph.model.graph.value_info[:]
    return serialise(graph.model)


def _drop_repeated(proto: ModelProto) -> None:
    """Some versions of the converter write the cast of a tensor once for each layer that takes it."""
    kept: list[NodeProto] = []
    casts: set[tuple[str, str]] = set()
    for node in proto.graph.node:
        ends = (node.input[0], node.output[0]) if node.op_type == "Cast" else None
        if ends is None or ends not in casts:
            kept.append(node)
            casts |= {ends} if ends else set()
    del proto.graph.node[:]
    proto.graph.node.extend(kept)


def _name_apart(proto: ModelProto) -> None:
    """Some versions of the converter give two casts one name, which some versions of ONNX Runtime refuse."""
    taken: set[str] = set()
    for node in proto.graph.node:
        name, number = node.name, 1
        while node.name in taken:
            number += 1
            node.name = f"{name}_{number}"
        taken.add(node.name)


def _check_range(proto: ModelProto, keep_float: Collection[str] = ()) -> None:
    constants = {item.name: item for item in proto.graph.initializer if item.data_type == TensorProto.FLOAT}
    halved = 0
    for node in proto.graph.node:
        if node.name in keep_float or node.op_type in IN_FLOAT or node.op_type in DEFAULT_OP_BLOCK_LIST:
            continue
        tensors = [(name, constants[name]) for name in node.input if name in constants]
        for name, tensor in [*tensors, *_attributes(node)]:
            halved += 1
            values = numpy_helper.to_array(tensor)
            largest = float(np.abs(values).max(initial=0, where=np.isfinite(values)))
            if largest > LARGEST:
                raise UsageError(
                    f"Converting a model to FP16: the tensor {name!r} holds {largest:g}, expected at most {LARGEST:g}. "
                    "Rescale that layer, or use FP32."
                )
    if not halved:
        raise UsageError("Converting a model to FP16: found no FP32 weights, expected a float model.")


def _attributes(node: NodeProto) -> list[tuple[str, TensorProto]]:
    """The float tensors that a node carries itself."""
    return [
        (f"{node.name}.{item.name}", item.t)
        for item in node.attribute
        if item.HasField("t") and item.t.data_type == TensorProto.FLOAT
    ]
