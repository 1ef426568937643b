"""What each engine makes of a Q/DQ graph: its rewriting for ONNX Runtime, and what TensorRT would refuse."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from convert.optimise import DEQUANTISE, QUANTISE, drop_unread, producers, readers, reread, serialise
from edge.errors import UsageError
from edge.pack.onnx_file import inspect_onnx

NEVER_NEGATIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Abs", "Exp", "Sqrt")
"""Whatever they read."""
JOINING = ("Add", "Mul", "Concat")
"""Several of their inputs hold values; of the others, the first alone."""
KEEP_SIGN = (
    *JOINING, "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "Reshape",
    "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Identity", "Dropout", QUANTISE, DEQUANTISE,
)  # fmt: skip
"""No negative number comes out where none went in, a zero point of 0 given."""

PASSING = ("Concat", "MaxPool", "AveragePool", QUANTISE, DEQUANTISE)
"""OpenVINO moves a dequantisation from before them to behind them."""
ACTIVATIONS = ("LeakyRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Softplus", "Tanh")
"""OpenVINO computes these together with the convolution before them."""

FINER = np.float32(127 / 255)


def lower_for_onnxruntime(model: bytes) -> bytes:
    """Return the Q/DQ graph such that ONNX Runtime's CPU provider fuses it on x86.

    A tensor that is never negative leaves half of int8 unused, and ONNX Runtime fuses a convolution with its ReLU
    only where quantising cuts off what is negative. So the pair of such a tensor becomes uint8 with zero point 0
    over the same range: the scale shrinks by 127/255, and so does the rounding error.

    Parameters
    ----------
    model : bytes
        As `convert.quantise.quantise_int8` returns it.

    Returns
    -------
    bytes
        TensorRT takes no uint8. On x86 without VNNI or AVX-VNNI its
        convolutions may saturate (https://github.com/microsoft/onnxruntime/pull/12088), so golden cases must
        be run on the device.

    Raises
    ------
    UsageError
        There is no Q/DQ pair in it.
    """
    proto = _parse_quantised(model, "Lowering a model")
    _make_unsigned(proto.graph, signed=frozenset())
    return _done(proto)


def lower_for_openvino(model: bytes) -> bytes:
    """Return the Q/DQ graph such that OpenVINO's CPU plugin computes as much of it as it can in integers.

    As for ONNX Runtime, but for two things. No pair stands between a convolution and its activation, which OpenVINO
    fuses and ONNX Runtime does not. And a tensor with negative numbers that only normalisations read, be it through
    joins and poolings, stays int8 with zero point 0: a zero point of 128 keeps OpenVINO from drawing dequantisation,
    normalisation, ReLU and quantisation together. All others are shifted, since OpenVINO's answers are wrong without a
    word where a convolution reads a signed join.

    Parameters
    ----------
    model : bytes
        As `convert.quantise.quantise_int8` returns it.

    Raises
    ------
    UsageError
        There is no Q/DQ pair in it.
    """
    proto = _parse_quantised(model, "Lowering a model for OpenVINO")
    _part_no_activation(proto.graph)
    _make_unsigned(proto.graph, signed=_only_normalised(proto.graph))
    return _done(proto)


def _done(proto: ModelProto) -> bytes:
    drop_unread(proto.graph)
    del proto.graph.value_info[:]
    return serialise(proto)


def _make_unsigned(graph: GraphProto, *, signed: Collection[str]) -> None:
    """Let the pairs be uint8; those of tensors with negative numbers too, but for `signed`, the outputs of their Q."""
    reading, constants = readers(graph), {item.name: item for item in graph.initializer}
    unsigned = _never_negative(graph)
    for node in graph.node:
        ends = reading[node.output[0]]
        if node.op_type == QUANTISE and _is_signed(node, constants) and all(end.op_type == DEQUANTISE for end in ends):
            signs = node.input[0] not in unsigned
            if not (signs and node.output[0] in signed):
                names = _unsigned(graph, constants[node.input[1]], signs=signs)
                for end in (node, *ends):
                    end.input[1:] = names


def _part_no_activation(graph: GraphProto) -> None:
    made = producers(graph)
    outputs = {item.name for item in graph.output}
    for node in graph.node:
        source = made.get(node.input[0]) if node.op_type == DEQUANTISE else None
        if source is None or source.op_type != QUANTISE or node.output[0] in outputs:
            continue
        reading = readers(graph)[node.output[0]]
        if all(reader.op_type in ACTIVATIONS for reader in reading):
            reread(reading, node.output[0], source.input[0])
    drop_unread(graph)


def _only_normalised(graph: GraphProto) -> frozenset[str]:
    """What quantising gives where all that is made of it ends in normalisations."""
    reading, outputs = readers(graph), {item.name for item in graph.output}
    ends: dict[str, bool] = {}
    for node in reversed(graph.node):
        name = node.output[0]
        ends[name] = name not in outputs and all(
            reader.op_type == "BatchNormalization" or (reader.op_type in PASSING and ends[reader.output[0]])
            for reader in reading[name]
        )
    return frozenset(node.output[0] for node in graph.node if node.op_type == QUANTISE and ends[node.output[0]])


def tensorrt_problems(model: bytes) -> tuple[str, ...]:
    """Return what in a Q/DQ graph TensorRT would refuse, in words; nothing if it takes it.

    Checked are the rules of its ONNX parser: zero points are constants of 0; int8 alone is quantised to and
    dequantised from, so that neither uint8 nor int32 biases occur; scales are positive constants; only constants
    have a scale per channel.

    Parameters
    ----------
    model : bytes
        A model that a pack may hold.
    """
    graph = _parse_quantised(model, "Checking a model for TensorRT").graph
    constants = {item.name: item for item in graph.initializer}
    made = producers(graph)
    found: list[str] = []
    for node in graph.node:
        if node.op_type in (QUANTISE, DEQUANTISE):
            found += [f"{node.op_type} {node.name!r} {problem}" for problem in _pair_problems(node, constants, made)]
    return tuple(found)


def _pair_problems(node: NodeProto, constants: Mapping[str, TensorProto], made: Mapping[str, NodeProto]) -> list[str]:
    problems = []
    zero = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    scale = constants.get(node.input[1])
    if scale is None or not (numpy_helper.to_array(scale) > 0).all():
        problems.append("has a scale that is no positive constant")
    elif scale.dims and node.input[0] not in constants:
        problems.append("has a scale per channel, but reads no constant")
    if len(node.input) > 2 and node.input[2] and zero is None:
        problems.append("has a zero point that is no constant")
    if zero is not None and numpy_helper.to_array(zero).any():
        problems.append("has a zero point other than 0")
    kind = _kind(node, zero, constants, made)
    if kind != TensorProto.INT8:
        problems.append(f"is of {TensorProto.DataType.Name(kind)}, expected INT8")
    return problems


def _kind(
    node: NodeProto, zero: TensorProto | None, constants: Mapping[str, TensorProto], made: Mapping[str, NodeProto]
) -> int:
    """The integer type on the quantised side; without a zero point, QuantizeLinear gives uint8."""
    if zero is not None:
        return int(zero.data_type)
    if node.input[0] in constants and node.op_type == DEQUANTISE:
        return int(constants[node.input[0]].data_type)
    source = made.get(node.input[0])
    if node.op_type == DEQUANTISE and source is not None and source.op_type == QUANTISE:
        own = constants.get(source.input[2]) if len(source.input) > 2 else None
        return int(own.data_type) if own is not None else int(TensorProto.UINT8)
    return int(TensorProto.UINT8)


def _parse_quantised(model: bytes, doing: str) -> ModelProto:
    facts = inspect_onnx(model, "the model")
    if QUANTISE not in facts.operators or DEQUANTISE not in facts.operators:
        raise UsageError(f"{doing}: found no Q/DQ pair, expected a quantised model. Quantise it first.")
    return onnx.load_from_string(model)


def _never_negative(graph: GraphProto) -> set[str]:
    """The tensors that hold no negative number, by following the signs through the graph."""
    found: set[str] = set()
    constants = {item.name: item for item in graph.initializer}
    for node in graph.node:
        values = node.input if node.op_type in JOINING else node.input[:1]
        keeps = node.op_type in KEEP_SIGN and all(name in found for name in values)
        if keeps or node.op_type in NEVER_NEGATIVE or _clips_at_zero(node, constants):
            found.update(node.output)
    return found


def _clips_at_zero(node: NodeProto, constants: Mapping[str, TensorProto]) -> bool:
    least = constants.get(node.input[1]) if node.op_type == "Clip" and len(node.input) > 1 else None
    return least is not None and bool((numpy_helper.to_array(least) >= 0).all())


def _is_signed(node: NodeProto, constants: Mapping[str, TensorProto]) -> bool:
    """Whether it quantises a whole tensor symmetrically to int8."""
    zero = constants.get(node.input[2]) if len(node.input) > 2 else None
    scale = constants.get(node.input[1])
    if zero is None or scale is None or zero.data_type != TensorProto.INT8:
        return False
    return not zero.dims and not scale.dims and not numpy_helper.to_array(zero).any()


def _unsigned(graph: GraphProto, scale: TensorProto, *, signs: bool) -> tuple[str, str]:
    """Add the constants of the unsigned pair; return the names of scale and zero point."""
    new = f"{scale.name}_{'shifted' if signs else 'finer'}"
    zero = "zero_point_128" if signs else "zero_point_0"
    names = {item.name for item in graph.initializer}
    if new not in names:
        value = numpy_helper.to_array(scale) * (np.float32(1) if signs else FINER)
        graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), new))
    if zero not in names:
        graph.initializer.append(numpy_helper.from_array(np.array(128 if signs else 0, np.uint8), zero))
    return new, zero
