"""What can be set right in a foreign ONNX model without changing its answers; each repair says what it did."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx.numpy_helper
import onnx.shape_inference
import onnx.version_converter
from onnx import ModelProto, TensorProto, ValueInfoProto

from convert.sources.contract import first_line, listed
from convert.sources.external import graphs_of, nodes_of
from convert.sources.trial import Tensor
from edge.errors import UsageError
from edge.pack.onnx_file import NEWEST_IR, NEWEST_OPSET, OLDEST_OPSET, PLAIN_DOMAINS

BATCH = "batch"
_CONSTANTS_STAND_ALONE = 4
"""The first IR version in which an initializer need not be an input (onnx/docs/IR.md, "Graphs")."""


def inline_functions(model: ModelProto, name: str) -> tuple[ModelProto, list[str]]:
    """Put each function's nodes where it is called."""
    if not model.functions:
        return model, []
    names = sorted({function.name for function in model.functions})
    try:
        inlined = onnx.inliner.inline_local_functions(model, convert_version=True)
    except Exception as error:  # its errors have no common base but Exception
        raise UsageError(
            f"Reading {name}: its functions {listed(names)} cannot be inlined ({first_line(error)}). Export it again"
            " without functions."
        ) from error
    return inlined, [f"Its {len(names)} functions were inlined: {listed(names)}."]


def refuse_foreign_operators(model: ModelProto, name: str) -> None:
    """Raise `UsageError` with every operator that is not plain ONNX, and how often it stands there."""
    functions = {(function.domain, function.name) for function in model.functions}
    found = Counter(
        f"{node.domain}.{node.op_type}"
        for node in nodes_of(model)
        if node.domain not in PLAIN_DOMAINS and (node.domain, node.op_type) not in functions
    )
    if not found:
        return
    shown = listed([f"{operator} ({count})" for operator, count in sorted(found.items())])
    hint = "Export the model again to plain ONNX."
    if any(operator.startswith("com.microsoft.") for operator in found):
        hint = "These are ONNX Runtime's own: give the model as it was before it was optimised or quantised with that."
    elif any(operator.startswith("ai.onnx.ml.") for operator in found):
        hint = "These are of classical models such as trees, on tables: edgerun is for networks on pictures."
    raise UsageError(f"Reading {name}: found the operators {shown}, expected plain ONNX operators only. {hint}")


def reach_versions(model: ModelProto, name: str) -> tuple[ModelProto, list[str]]:
    """Bring opset and IR version into the range that a pack may have."""
    notes = []
    opset = opset_of(model)
    wanted = min(max(opset, OLDEST_OPSET), NEWEST_OPSET)
    if opset != wanted:
        model = _at_opset(model, opset, wanted, name)
        notes.append(f"It was converted from opset {opset} to {wanted}.")
    if model.ir_version > NEWEST_IR:
        notes.append(f"Its IR version was lowered from {model.ir_version} to {NEWEST_IR}.")
        lower_ir(model)
    return model, notes


def opset_of(model: ModelProto) -> int:
    """Return the version of the plain operators; 1 where none is given."""
    return max((item.version for item in model.opset_import if item.domain in PLAIN_DOMAINS), default=1)


def lower_ir(model: ModelProto) -> None:
    """Set the newest IR version of a pack; what came later tells devices apart, and nothing else here knows it."""
    model.ir_version = NEWEST_IR
    model.ClearField("configuration")
    for node in nodes_of(model):
        node.ClearField("device_configurations")


def _at_opset(model: ModelProto, found: int, wanted: int, name: str) -> ModelProto:
    try:
        return onnx.version_converter.convert_version(model, wanted)
    except Exception as error:  # its errors have no common base but Exception
        raise UsageError(
            f"Reading {name}: found opset {found}, expected {OLDEST_OPSET} to {NEWEST_OPSET}, and onnx cannot convert"
            f" it ({first_line(error)}). Export it again with opset_version=18."
        ) from error


def drop_training(model: ModelProto) -> list[str]:
    """Leave out what only training needs."""
    if not model.training_info:
        return []
    model.ClearField("training_info")
    return ["What only training needs was left out."]


def constants_are_no_inputs(model: ModelProto) -> list[str]:
    """Take initializers off the list of inputs, where anyone could feed other weights."""
    constants = {tensor.name for tensor in model.graph.initializer}
    kept = [item for item in model.graph.input if item.name not in constants]
    count = len(model.graph.input) - len(kept)
    model.ir_version = max(model.ir_version, _CONSTANTS_STAND_ALONE)
    if not count:
        return []
    _replace(model.graph.input, kept)
    return [f"{count} constants that could be fed as inputs cannot any more."]


def strip_words(model: ModelProto) -> list[str]:
    """Clear documentation and traces, which hold paths of the machine that exported the model."""
    before = model.ByteSize()
    holders: list[Any] = [model, *model.functions]
    for graph in graphs_of(model):
        holders += [graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer]
    holders += nodes_of(model)
    for holder in holders:
        holder.ClearField("doc_string")
        if holder is not model:
            holder.ClearField("metadata_props")
    for node in nodes_of(model):
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
    return ["Documentation and traces within it were left out."] if model.ByteSize() < before else []


def drop_unused_domains(model: ModelProto) -> None:
    """Import no operator set that no node is of."""
    used = {node.domain for node in nodes_of(model)} | set(PLAIN_DOMAINS)
    _replace(model.opset_import, [item for item in model.opset_import if item.domain in used])


def freed_batch(model: ModelProto) -> ModelProto | None:
    """Return a copy whose inputs and outputs have an open first axis, where all inputs have 1 there; None otherwise.

    A constant shape that begins with 1 keeps what comes in instead (0 in Reshape, onnx/docs/Operators.md). Whether
    all that holds for more than one is for a trial to show.
    """
    inputs = [item for item in model.graph.input if item.type.tensor_type.shape.dim]
    if not inputs or any(item.type.tensor_type.shape.dim[0].dim_value != 1 for item in inputs):
        return None
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.graph.ClearField("value_info")
    for item in (*copy.graph.input, *copy.graph.output):
        if item.type.tensor_type.shape.dim:
            item.type.tensor_type.shape.dim[0].dim_param = BATCH
    _open_reshapes(copy)
    return copy


def _open_reshapes(model: ModelProto) -> None:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    opened: dict[str, TensorProto] = {}
    for node in model.graph.node:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        if any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute):
            continue
        sizes = onnx.numpy_helper.to_array(constants[node.input[1]]).copy()
        if sizes.size and sizes[0] == 1:
            sizes[0] = 0
            name = f"{node.input[1]}/open"
            opened[name] = onnx.numpy_helper.from_array(sizes, name)
            node.input[1] = name
    model.graph.initializer.extend(opened.values())


def takes_float32(model: ModelProto) -> list[str]:
    """Put a cast behind every picture-like input of another type of number: the runtime feeds float32."""
    notes = []
    casts = []
    for item in model.graph.input:
        kind = item.type.tensor_type.elem_type
        if len(item.type.tensor_type.shape.dim) < 3 or kind in (TensorProto.FLOAT, TensorProto.BOOL):
            continue
        inner = f"{item.name}/as_float32"
        for graph in graphs_of(model):
            for node in graph.node:
                _replace(node.input, [inner if name == item.name else name for name in node.input])
            if graph is not model.graph:
                continue
            for output in graph.output:
                if output.name == item.name:
                    raise UsageError(f"Reading the model: {item.name!r} is input and output at once.")
        casts.append(onnx.helper.make_node("Cast", [item.name], [inner], to=kind))
        item.type.tensor_type.elem_type = TensorProto.FLOAT
        words = TensorProto.DataType.Name(kind).lower()
        notes.append(f"The input {item.name!r} takes {words}: it is now fed as float32 and cast to that in the graph.")
    _replace(model.graph.node, [*casts, *model.graph.node])
    return notes


def lay_out_scores(model: ModelProto) -> list[str]:
    """Lay out scores as the runtime reads them, N x values: behind N x values x 1 x 1 (or x 1 x 1 x 1), or behind N.

    The former are what a convolution gives that stands for the last linear layer; the latter a score that was squeezed.
    A map of one point beside scores of as many values stays a map.
    """
    shapes = {item.name: _inferred(item, model) for item in model.graph.output}
    rows = {shape[1] for shape in shapes.values() if len(shape) == 2}
    made = {name for node in model.graph.node for name in node.output}
    notes = []
    for name, shape in shapes.items():
        if name not in made:
            continue
        if len(shape) in (4, 5) and set(shape[2:]) == {1} and shape[1] not in rows:
            node, wanted = ("Flatten", shape[:2])
        elif shapes.keys() == {name} and len(shape) == 1 and shape[0] in _batches(model):
            node, wanted = ("Reshape", (shape[0], 1))
        else:
            continue
        _put_behind(model, name, node, wanted)
        shown, laid = (" x ".join(map(str, ("N", *sizes[1:]))) for sizes in (shape, wanted))
        notes.append(f"Its output {name!r} was laid out as {laid} instead of {shown}.")
    return notes


def _inferred(item: ValueInfoProto, model: ModelProto) -> tuple[int | str | None, ...]:
    """The sizes of an output, where they are left open as far as the graph tells them."""
    axes = tuple(_axis(dim) for dim in item.type.tensor_type.shape.dim)
    if len(axes) not in (4, 5) or all(isinstance(size, int) for size in axes[2:]):
        return axes
    bare = ModelProto()
    bare.CopyFrom(model)
    for output in bare.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        typed = onnx.shape_inference.infer_shapes(bare)
    except Exception:  # noqa: BLE001 - its errors have no common base, and what it cannot tell stays open
        return axes
    found = {output.name: output for output in typed.graph.output}[item.name]
    told = tuple(_axis(dim) for dim in found.type.tensor_type.shape.dim)
    return told if len(told) == len(axes) else axes


def _batches(model: ModelProto) -> set[int | str | None]:
    """What the inputs call their first axis, or 1."""
    constants = {tensor.name for tensor in model.graph.initializer}
    dims = [item.type.tensor_type.shape.dim for item in model.graph.input if item.name not in constants]
    found = {_axis(each[0]) for each in dims if each}
    return {axis for axis in found if axis == 1 or isinstance(axis, str)}


def _put_behind(model: ModelProto, name: str, operator: str, sizes: tuple[int | str | None, ...]) -> None:
    """Put an operator behind an output, whose name it takes over."""
    inner = f"{name}/as_it_was"
    for node in nodes_of(model):
        _replace(node.input, [inner if each == name else each for each in node.input])
        _replace(node.output, [inner if each == name else each for each in node.output])
    shape = [f"{name}/sizes"] if operator == "Reshape" else []
    for each in shape:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1], np.int64), each))
    model.graph.node.append(onnx.helper.make_node(operator, [inner, *shape], [name]))
    _replace(model.graph.value_info, [item for item in model.graph.value_info if item.name != name])
    for output in model.graph.output:
        if output.name == name:
            kind = output.type.tensor_type.elem_type
            output.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, list(sizes)))


def graph_inputs(model: ModelProto, name: str) -> dict[str, Tensor]:
    """Return the inputs that must be fed.

    Raises
    ------
    UsageError
        One is no tensor of numbers, or the graph has none or no output.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {item.name: _tensor(item, name) for item in model.graph.input if item.name not in constants}
    if not inputs or not model.graph.output:
        raise UsageError(
            f"Reading {name}: found {len(inputs)} inputs and {len(model.graph.output)} outputs, expected some."
        )
    return inputs


def _tensor(item: ValueInfoProto, name: str) -> Tensor:
    kind = item.type.WhichOneof("value")
    number = item.type.tensor_type.elem_type if kind == "tensor_type" else TensorProto.UNDEFINED
    if number in (TensorProto.UNDEFINED, TensorProto.STRING):
        found = "texts" if number == TensorProto.STRING else str(kind or "nothing").removesuffix("_type")
        raise UsageError(f"Reading {name}: the input {item.name!r} takes {found}, expected a tensor of numbers.")
    if not item.type.tensor_type.HasField("shape"):
        raise UsageError(f"Reading {name}: the input {item.name!r} has no shape, expected one. Export it again.")
    axes = tuple(_axis(dim) for dim in item.type.tensor_type.shape.dim)
    return Tensor(dtype=onnx.helper.tensor_dtype_to_np_dtype(number), axes=axes)


def _axis(dim: Any) -> int | str | None:
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value > 0 else (dim.dim_param or None)


def _replace(field: Any, items: list[Any]) -> None:
    kept = list(items)
    del field[:]
    field.extend(kept)
