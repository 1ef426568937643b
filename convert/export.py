"""Reproducible export of PyTorch networks to ONNX, and what else of a network only PyTorch can read or run."""

from __future__ import annotations

import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MAX_OPSET = 20
MAX_IR_VERSION = 10
PRODUCER = "edgerun"
BATCH = "batch"

Exporter = Literal["dynamo", "torchscript"]


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
    exporter: Exporter = "dynamo",
    fold: bool = True,
) -> None:
    """Write a network as one self-contained ONNX file with a dynamic first axis.

    The same network, example and metadata give the same bytes under the same PyTorch and ONNX releases;
    nothing of the exporting machine is kept.

    Parameters
    ----------
    model : nn.Module
        Network on the CPU; it is exported in evaluation mode, and with `fold` left as it was.
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
    exporter : {"dynamo", "torchscript"}
        PyTorch's way to the graph. The second traces: it keeps the branch that the example took.
    fold : bool
        Whether to fold batch normalisations; what `fold_batch_norm` asks of the network must hold.

    Raises
    ------
    ValueError
        If `opset` or `ir_version` is above its bound, an example's batch is below 2, or the exporter could
        not reach `opset` or took the batch for a constant.
    """
    if opset > MAX_OPSET or ir_version > MAX_IR_VERSION:
        raise ValueError(f"opset {opset}, IR version {ir_version}: at most {MAX_OPSET} and {MAX_IR_VERSION}")
    if any(tensor.dim() == 0 or len(tensor) < 2 for tensor in example):
        raise ValueError("each example input needs a batch of at least 2 on its first axis")
    convert = _convert if exporter == "dynamo" else _trace
    network = fold_batch_norm(model) if fold else model.eval()
    proto = convert(network, example, list(input_names), list(output_names), opset)
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
        Network; within each module a ``BatchNorm2d`` child that directly follows a ``Conv2d`` child, or a
        ``BatchNorm3d`` child a ``Conv3d`` child, in the order of definition, must be applied to the output of that
        convolution and nothing else.

    Returns
    -------
    nn.Module
        The copy; a folded normalisation becomes ``nn.Identity``.
    """
    folded = copy.deepcopy(model).eval()
    for parent in list(folded.modules()):
        previous: tuple[str, nn.Module] | None = None
        for name, child in list(parent.named_children()):
            fused = _fused(previous[1], child) if previous else None
            if previous and fused:
                setattr(parent, previous[0], fused)
                setattr(parent, name, nn.Identity())
            previous = (name, child)
    return folded


def _fused(convolution: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Both in one where they are a convolution and a batch normalisation of the same dimensions."""
    if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        return fuse_conv_bn_eval(convolution, norm)
    if isinstance(convolution, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
        return fuse_conv_bn_eval(convolution, norm)
    return None


def _convert(
    model: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], opset: int
) -> onnx.ModelProto:
    batch = torch.export.Dim(BATCH)
    shapes = tuple({0: batch} for _ in example)
    with _quiet():
        program = torch.onnx.export(
            model,
            example,
            dynamo=True,
            external_data=False,
            opset_version=opset,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=(shapes,) if isinstance(model, _AnyArguments) else shapes,
            verbose=False,
        )
    if program is None:
        raise ValueError("the exporter returned no program")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _trace(
    model: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], opset: int
) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with _quiet():
        torch.onnx.export(
            model,
            example,
            buffer,
            dynamo=False,
            opset_version=opset,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: {0: BATCH} for name in (*inputs, *outputs)},
            verbose=False,
        )
    proto: onnx.ModelProto = onnx.load_model_from_string(buffer.getvalue())
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch says of itself: its deprecations, shapes taken for constants, packages it would know."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


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
    if fixed := [item.name for item in proto.graph.input if not item.type.tensor_type.shape.dim[0].dim_param]:
        raise ValueError(f"the batch of {', '.join(fixed)} was taken for a constant: the network asks for its size")
    onnx.checker.check_model(proto, full_check=True)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _AnyArguments(nn.Module):
    """A network whose `forward` takes all its inputs as ``*inputs``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


class Flat(_AnyArguments):
    """A network whose answer, whatever tuples, lists and dictionaries it is made of, is a tuple of its tensors."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors in the order in which they stand in the answer."""
        return tuple(tensor for _, tensor in _named(self.network(*inputs), ""))


class Leaves(_AnyArguments):
    """A network that answers with what its innermost modules gave, in the order in which they were first called."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.seen: dict[str, Tensor] = {}
        for name, module in network.named_modules():
            if name and not list(module.children()):
                module.register_forward_hook(partial(_keep, self.seen, name))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return one tensor for each name in `seen`."""
        self.seen.clear()
        self.network(*inputs)
        return tuple(self.seen.values())


def _keep(seen: dict[str, Tensor], name: str, _module: nn.Module, _inputs: object, output: object) -> None:
    if isinstance(output, Tensor):
        seen.setdefault(name, output)


def _named(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of an answer, named by the keys, fields or places that lead to it."""
    if isinstance(value, Tensor):
        yield name or "output", value
        return
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, (tuple, list)):
        parts = list(zip(getattr(value, "_fields", range(len(value))), value, strict=True))
    elif value is None:
        parts = []
    else:
        raise TypeError(f"it answers with {type(value).__name__}, expected tensors")
    for key, part in parts:
        here = f"{name}_{key}" if name else (f"output_{key}" if isinstance(key, int) else str(key))
        yield from _named(part, here)


def run(network: nn.Module, feeds: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what a network in evaluation mode answers, each tensor by the name that its place gives it."""
    with torch.no_grad():
        answer = network(*(torch.from_numpy(feed) for feed in feeds))
    return {name: tensor.numpy() for name, tensor in _named(answer, "")}


def tensors(feeds: Sequence[NDArray[Any]]) -> tuple[Tensor, ...]:
    """Return arrays as an example for `export_onnx`."""
    return tuple(torch.from_numpy(np.ascontiguousarray(feed)) for feed in feeds)


def read_script(path: Path) -> nn.Module:
    """Return a TorchScript program in evaluation mode, on the CPU. Reading it runs its author's restricted program."""
    with _quiet():
        script: nn.Module = torch.jit.load(str(path), map_location="cpu")
    script.eval()
    return script


def read_state(path: Path) -> object:
    """Return what a file of weights holds, tensors and plain containers; of a pickle nothing else is ever made."""
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def is_tensor(value: object) -> bool:
    """Whether a value read by `read_state` is a tensor."""
    return isinstance(value, Tensor)
