"""Weights that are no finite numbers: told by their names before anything is exported or measured with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx.numpy_helper
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from convert.sources.contract import listed
from convert.sources.external import graphs_of, nodes_of
from edge.errors import UsageError

LEARNT = (
    "Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "BatchNormalization", "InstanceNormalization",
    "LayerNormalization", "GroupNormalization", "PRelu", "LSTM", "GRU", "RNN", "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip
"""Operators that read what was learnt. Elsewhere infinity has its uses: the mask of an attention, an open limit."""

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def refuse_not_finite(model: ModelProto, name: str) -> None:
    """Refuse a model with constants that are no numbers, or with weights that are infinite.

    Parameters
    ----------
    model : ModelProto
        What lies outside it is not looked at.
    name : str
        What to call it in messages.

    Raises
    ------
    UsageError
        With the name of each such tensor, and how many of its values are none.
    """
    learnt = {read for node in nodes_of(model) if node.op_type in LEARNT for read in node.input}
    found = (
        (tensor, onnx.numpy_helper.to_array(value), tensor in learnt)
        for tensor, value in _constants(model)
        if value.data_type in _FLOATS and value.data_location != TensorProto.EXTERNAL
    )
    _refuse(found, name)


def refuse_network_not_finite(module: Any, name: str) -> None:
    """Refuse a network of PyTorch with weights that are no finite numbers; see `refuse_not_finite`.

    Parameters
    ----------
    module : nn.Module
        Of its buffers, such as the mask of an attention, some may be infinite.
    """
    weights = [(key, value, True) for key, value in module.named_parameters()]
    weights += [(key, value, False) for key, value in module.named_buffers()]
    floats = [(key, value, learnt) for key, value, learnt in weights if value.is_floating_point()]
    _refuse(((key, value.detach().double().cpu().numpy(), learnt) for key, value, learnt in floats), name)


def _constants(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    for graph in graphs_of(model):
        for tensor in graph.initializer:
            yield tensor.name, tensor
    for node in nodes_of(model):
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            yield node.output[0], node.attribute[0].t


def _refuse(found: Iterable[tuple[str, NDArray[Any], bool]], name: str) -> None:
    wrong = [words for tensor, values, learnt in found if (words := _wrong(tensor, values, learnt=learnt))]
    if wrong:
        raise UsageError(
            f"Reading {name}: found {len(wrong)} {'tensors' if len(wrong) > 1 else 'tensor'} with weights that are no"
            f" finite numbers: {listed(wrong)}. Its training diverged, or the file is damaged: give an earlier state of"
            " the training, or copy the file again."
        )


def _wrong(tensor: str, values: NDArray[Any], *, learnt: bool) -> str:
    exact = values.astype(np.float64, copy=False)
    nans, infinite = int(np.isnan(exact).sum()), int(np.isinf(exact).sum()) if learnt else 0
    if not nans + infinite:
        return ""
    counts = [f"{count} {what}" for count, what in ((nans, "NaN"), (infinite, "infinite")) if count]
    return f"{tensor} ({' and '.join(counts)} of {exact.size})"
