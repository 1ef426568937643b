"""Reproducible export of PyTorch networks to ONNX."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MAX_OPSET = 20
MAX_IR_VERSION = 10
PRODUCER = "edgerun"


def export_onnx(  # noqa: PLR0913
    model: nn.Module,
    example: tuple[Tensor, ...],
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    path: Path,
    opset: int = 18,
    ir_version: int = 10,
    metadata: Mapping[str, str],
) -> None:
    """Write a network as one self-contained ONNX file with a dynamic first axis.

    The same network, example and metadata give the same bytes under the same PyTorch and ONNX releases;
    nothing of the exporting machine is kept.

    Parameters
    ----------
    model : nn.Module
        Network on the CPU; it is exported in evaluation mode and left as it was.
    example : tuple of Tensor
        Inputs of the shapes and dtypes to export, with a batch of at least 2, since a batch of 1 may be taken
        for a constant.
    input_names, output_names : sequence of str
        Names of the graph's inputs and outputs, in the order of `forward`.
    path : Path
        File to write; it is replaced only once the new one is complete.
    opset : int
        Version of the default operator set, at most 20.
    ir_version : int
        Version of the ONNX file format, at most 10.
    metadata : mapping of str to str
        The model's ``metadata_props``.

    Raises
    ------
    ValueError
        If `opset` or `ir_version` is above its bound, an example's batch is below 2, or the exporter could
        not reach `opset`.
    """
    if opset > MAX_OPSET or ir_version > MAX_IR_VERSION:
        raise ValueError(f"opset {opset}, IR version {ir_version}: at most {MAX_OPSET} and {MAX_IR_VERSION}")
    if any(tensor.dim() == 0 or len(tensor) < 2 for tensor in example):
        raise ValueError("each example input needs a batch of at least 2 on its first axis")
    proto = _convert(fold_batch_norm(model), example, list(input_names), list(output_names), opset)
    _strip(proto)
    proto.ir_version = ir_version
    proto.producer_name = PRODUCER
    onnx.helper.set_model_props(proto, dict(sorted(metadata.items())))
    _check(proto, opset)
    _write(path, proto.SerializeToString(deterministic=True))


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, with batch normalisations folded into the convolutions before them.

    Parameters
    ----------
    model : nn.Module
        Network; within each module a ``BatchNorm2d`` child that directly follows a ``Conv2d`` child, in the
        order of definition, must be applied to the output of that convolution and nothing else.

    Returns
    -------
    nn.Module
        The copy; a folded normalisation becomes ``nn.Identity``.
    """
    folded = copy.deepcopy(model).eval()
    for parent in list(folded.modules()):
        previous: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and previous and isinstance(previous[1], nn.Conv2d):
                setattr(parent, previous[0], fuse_conv_bn_eval(previous[1], child))
                setattr(parent, name, nn.Identity())
            previous = (name, child)
    return folded


def _convert(
    model: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], opset: int
) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        # The exporter trips over PyTorch's own deprecations.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            example,
            dynamo=True,
            external_data=False,
            opset_version=opset,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple({0: batch} for _ in example),
            verbose=False,
        )
    if program is None:
        raise ValueError("the exporter returned no program")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    # The exporter records stack traces, and with them paths of the exporting machine, on nodes and values.
    graph = proto.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for item in (proto, graph, *graph.node, *values):
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    proto.ClearField("producer_version")


def _check(proto: onnx.ModelProto, opset: int) -> None:
    found = {entry.domain: entry.version for entry in proto.opset_import}
    used = {node.domain for node in proto.graph.node}
    if used - {""} or proto.functions:
        raise ValueError(f"the graph needs operators outside the default domain: {sorted(used - {''})}")
    if found.get("") != opset:
        raise ValueError(f"the exporter wrote opset {found.get('')}, not {opset}")
    onnx.checker.check_model(proto, full_check=True)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
