"""Class activation maps: a second output for nets that end in a mean over space and one linear layer, and its check.

The map of a value is the features, before they are averaged, weighed as the linear layer weighs their means (Zhou et
al. 2016, "Learning deep features for discriminative localization", section 2). Both are linear, so the mean of the map
plus the layer's bias is the logit: a map that checks itself on every scan, in every precision, and on every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from convert.optimise import parse_float, producers, serialise
from edge.errors import UsageError
from edge.pack.manifest import Precision
from edge.pack.onnx_file import PLAIN_DOMAINS

Array = NDArray[Any]
Shape = tuple[int | str | None, ...]
"""Sizes of axes: a number, the name of an open axis, or None where neither is known."""

TOLERANCES: Mapping[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2, "int8": 1e-4}
"""How far the identity of `check_maps` may be off. Measured on nets of 2-D and 3-D, random and of ResNet-18's form, on
ONNX Runtime and OpenVINO: at most 3e-7 in FP32, 5e-4 in FP16, and 2e-7 in INT8 whose head is float. The rest is room
for maps that are many times as large as their mean, in which more is rounded; one wrong weight is far above it."""
LEAST_CONTRAST = 1e-5
"""Of a map's largest magnitude: what rounding alone may make of equal numbers."""

ACTIVATIONS = ("Sigmoid", "Softmax")
SHAPE_ONLY = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout")
"""They keep all numbers and their order."""
AVERAGING = ("GlobalAveragePool", "AveragePool", "ReduceMean")
UNPADDED = (b"NOTSET", b"VALID")
AXES_AS_INPUT = 18
"""The opset from which ReduceMean takes its axes as an input."""

POOLING = (
    "the mean over space: GlobalAveragePool, ReduceMean over every axis behind the channels, or AveragePool over the"
    " whole of a known size"
)
LAYER = f"one linear layer of constant weights (Gemm, MatMul with Add, or a 1x1 Conv) behind {POOLING}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """The end of a net that has class activation maps.

    Parameters
    ----------
    features : str
        The tensor that is averaged over space, (N, channels, *spatial); in `spatial`, None stands for an open axis.
    logits : str
        The tensor of which the maps are: the output itself, or what its Sigmoid or Softmax reads.
    values : int
    weights : ndarray of float, shape (values, channels), optional
        Of the linear layer, times its alpha. None where there is no layer, so that the features are the maps.
    """

    features: str
    spatial: tuple[int | None, ...]
    logits: str
    values: int
    weights: Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCheck:
    """What `check_maps` found.

    Parameters
    ----------
    identity_errors : tuple of float
        By value.
    constant : tuple of int
        Indices of the values whose map has no contrast on any scan.
    """

    scans: int
    identity_errors: tuple[float, ...]
    constant: tuple[int, ...]

    @property
    def identity_error(self) -> float:
        """The largest of all values."""
        return max(self.identity_errors)


def insert_cam(model: bytes, output: str, *, name: str = "cam") -> bytes:
    """Return the model with one more output: the class activation maps of an output that it has.

    Parameters
    ----------
    model : bytes
        Float ONNX of opset 13 to 20.
    output : str
        The graph's output of shape (N, values): logits, or their Sigmoid or Softmax.
    name : str
        Of the new output, float of shape (N, values, *spatial), the last of the graph's outputs. Its mean over space
        is the logit less the bias of its layer.

    Returns
    -------
    bytes
        The same graph and one node: a 1x1 convolution of its own weights, or Identity where the pooled features are
        the logits. The same model gives the same bytes.

    Raises
    ------
    UsageError
        There is no such output, the net does not end in a mean over space and one linear layer, a tensor or an input
        has that name already, or the model is quantised, in half precision, or older than opset 13.
    edge.errors.PackError
        It is no model that a pack may hold.
    """
    proto = parse_float(model, "Inserting a class activation map")
    graph = proto.graph
    weights_name, node_name = f"{name}_weights", f"{name}_node"
    if clash := sorted(_names(graph).intersection((name, weights_name, node_name))):
        raise UsageError(
            f"Inserting the class activation map {name!r}: found {', '.join(clash)} in the graph already, expected new "
            "names. If that is its map, add no other (leave --map out); else rename what has the name."
        )
    head = find_head(proto, output)
    source = next(item for item in graph.output if item.name == output)
    if head.weights is None:
        node = helper.make_node("Identity", [head.features], [name], node_name)
    else:
        weights = head.weights.reshape(*head.weights.shape, *[1] * len(head.spatial))
        graph.initializer.append(numpy_helper.from_array(weights, weights_name))
        inputs, kernel = [head.features, weights_name], [1] * len(head.spatial)
        node = helper.make_node("Conv", inputs, [name], node_name, kernel_shape=kernel)
    graph.node.append(node)
    shape = [next(iter(_axes(source)), None), head.values, *head.spatial]
    graph.output.append(helper.make_tensor_value_info(name, source.type.tensor_type.elem_type, shape))
    return serialise(proto)


def cam_problem(model: bytes, output: str, *, name: str = "cam") -> str | None:
    """Return why `insert_cam` refuses a model, in words; None if it does not."""
    try:
        insert_cam(model, output, name=name)
    except UsageError as error:
        return error.message
    return None


def find_head(proto: ModelProto, output: str) -> Head:
    """Return what the class activation maps of an output are made from, by walking back from it.

    Raises
    ------
    UsageError
        The net does not end in a mean over space and one linear layer: names the node that does not fit.
    """
    tail = _Tail(proto, output)
    last = tail.maker(output, f"logits, {' or '.join(ACTIVATIONS)} of them")
    logits = last.input[0] if last.op_type in ACTIVATIONS else output
    node = tail.maker(tail.without_bias(logits), LAYER)
    weights = None
    if node.op_type in LAYERS:
        weights = LAYERS[node.op_type](tail, node)
        node = tail.maker(node.input[0], POOLING)
    if weights is None and node.op_type not in AVERAGING:
        raise tail.refusal(node, LAYER)
    _check_pooling(tail, node)
    features = node.input[0]
    if tail.makes(features, "ReduceMean"):
        raise tail.refusal(f"ReduceMean in front of {node.op_type} {node.name!r}", "one mean over all of space at once")
    values = _check_shapes(tail, features, output, weights)
    spatial = tuple(size if isinstance(size, int) else None for size in tail.shape(features)[2:])
    return Head(features=features, spatial=spatial, logits=logits, values=values, weights=weights)


def check_maps(logits: Array, maps: Array) -> MapCheck:
    """Return whether maps belong to their logits, and which explain nothing.

    The bias of the linear layer is the same on every scan, so the logit less the mean of the map must not vary.

    Parameters
    ----------
    logits : ndarray of float, shape (n, values)
        Of n scans, before any Sigmoid or Softmax, as the engine gave them.
    maps : ndarray of float, shape (n, values, *spatial)
        Of the same scans from the same runs.

    Returns
    -------
    MapCheck
        The error of a value is the largest deviation of the logit less the mean of the map from its median over the
        scans, relative to the largest logit of all, and to 1 if that is larger.

    Raises
    ------
    UsageError
        The shapes do not belong together, there are fewer than two scans, or there are values that are no numbers.
    """
    if maps.ndim < 3 or maps.shape[:2] != logits.shape or len(logits) < 2 or not maps.size:
        raise UsageError(
            f"Checking class activation maps: found logits of shape {logits.shape} and maps of shape {maps.shape}, "
            "expected (n, values) and (n, values, *spatial) of at least 2 scans."
        )
    if not (np.isfinite(logits).all() and np.isfinite(maps).all()):
        raise UsageError("Checking class activation maps: found values that are no numbers. The model overflows.")
    flat = maps.reshape(*logits.shape, -1).astype(np.float64)
    biases = logits.astype(np.float64) - flat.mean(axis=2)
    errors = np.abs(biases - np.median(biases, axis=0)).max(axis=0) / max(1.0, float(np.abs(logits).max()))
    limits = LEAST_CONTRAST * np.abs(flat).max(axis=2)
    constant = np.flatnonzero((np.ptp(flat, axis=2) <= limits).all(axis=0))
    return MapCheck(scans=len(logits), identity_errors=tuple(errors.tolist()), constant=tuple(constant.tolist()))


def map_problems(check: MapCheck, labels: Sequence[str], tolerance: float) -> tuple[str, ...]:
    """Return what is wrong with the maps, in words; nothing if they may be shown.

    Parameters
    ----------
    labels : sequence of str
        One name for each value.
    tolerance : float
        Largest identity error that is let pass; `TOLERANCES` has one for each precision.
    """
    off = [
        f"{label}: the mean of its map and its logit part by {error:.2g} over {check.scans} scans, expected at most "
        f"{tolerance:.2g}; the map is not of this score"
        for label, error in zip(labels, check.identity_errors, strict=True)
        if not error <= tolerance
    ]
    flat = [f"{labels[index]}: its map has no contrast on any of {check.scans} scans" for index in check.constant]
    return (*off, *flat)


class _Tail:
    """A graph as it is walked back from one of its outputs."""

    def __init__(self, proto: ModelProto, output: str) -> None:
        graph, self._doing = proto.graph, f"Looking for the class activation map of {output!r}"
        if output not in (names := [item.name for item in graph.output]):
            raise UsageError(f"{self._doing}: found the outputs {', '.join(names)}, expected one of them.")
        self.opset = max(item.version for item in proto.opset_import if item.domain in PLAIN_DOMAINS)
        self._made = producers(graph)
        self._constants = {item.name: item for item in graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
        self._shapes = {
            item.name: _axes(item)
            for item in (*inferred.input, *inferred.value_info, *inferred.output)
            if item.type.tensor_type.HasField("shape")
        }

    def refusal(self, found: NodeProto | str, expected: str, why: str = "") -> UsageError:
        """The error that names what does not fit."""
        if isinstance(found, NodeProto):
            found = f"{found.op_type} {found.name!r}" if found.name else f"{found.op_type} of {found.output[0]!r}"
        return UsageError(f"{self._doing}: found {found}{why}, expected {expected}. Such a net goes without a map.")

    def maker(self, tensor: str, expected: str) -> NodeProto:
        """The node that makes a tensor, behind any that only shape it."""
        node = self._made.get(tensor)
        if node is None:
            raise self.refusal(f"{tensor!r}, which no node makes", expected)
        return self.maker(node.input[0], expected) if node.op_type in SHAPE_ONLY else node

    def without_bias(self, tensor: str) -> str:
        """What a constant is added to, behind nodes that only shape it, or the tensor itself."""
        node = self.maker(tensor, LAYER)
        if node.op_type != "Add":
            return tensor
        for value, bias in (tuple(node.input), tuple(reversed(node.input))):
            if _is_bias(self.constant(bias)):
                return str(value)
        raise self.refusal(node, LAYER, ", which adds no constant of one number for each value")

    def constant(self, tensor: str) -> Array | None:
        """The value of a tensor that is the same on every scan, as far as that is written in the graph."""
        if tensor in self._constants:
            return np.asarray(numpy_helper.to_array(self._constants[tensor]))
        node = self._made.get(tensor)
        if node is None or node.op_type not in ("Constant", "Transpose"):
            return None
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            return np.asarray(numpy_helper.to_array(value) if isinstance(value, TensorProto) else value)
        before = self.constant(node.input[0])
        return None if before is None else np.asarray(before.transpose(_attributes(node).get("perm")))

    def makes(self, tensor: str, operator: str) -> bool:
        """Whether an operator makes a tensor."""
        return tensor in self._made and self._made[tensor].op_type == operator

    def shape(self, tensor: str) -> Shape:
        """The sizes of a tensor's axes, none where they are not known."""
        return self._shapes.get(tensor, ())


def _check_shapes(tail: _Tail, features: str, output: str, weights: Array | None) -> int:
    """How many values there are. Only if all sizes agree do nodes that shape leave each number with its scan."""
    before, after = tail.shape(features), tail.shape(output)
    found = f"{features!r} of {_words(before)}"
    if len(before) < 3 or not isinstance(before[1], int):
        raise tail.refusal(found, "features of (N, channels, *spatial) with a known number of channels")
    if all(size == 1 for size in before[2:]):
        raise tail.refusal(found, "features with more than one point in space")
    values, channels = (before[1], before[1]) if weights is None else (len(weights), weights.shape[1])
    if channels != before[1]:
        raise tail.refusal(found, f"{channels} channels, as the linear layer reads")
    if len(after) != 2 or after[1] != values:
        raise tail.refusal(f"{output!r} of {_words(after)}", f"(N, {values})")
    return values


def _of_gemm(tail: _Tail, node: NodeProto) -> Array:
    attributes, weights = _attributes(node), _weights(tail, node, 2)
    if attributes.get("transA", 0):
        raise tail.refusal(node, LAYER, ", which transposes the features")
    if any(node.input[2:]) and not _is_bias(tail.constant(node.input[2])):
        raise tail.refusal(node, LAYER, ", whose bias is no constant of one number for each value")
    alpha = weights.dtype.type(attributes.get("alpha", 1.0))
    return np.array(alpha * (weights if attributes.get("transB", 0) else weights.T), order="C")


def _of_conv(tail: _Tail, node: NodeProto) -> Array:
    shape, attributes = tail.shape(node.input[0]), _attributes(node)
    weights = _weights(tail, node, len(shape))
    whole = attributes.get("group", 1) == 1 and not any(attributes.get("pads", ()))
    if not whole or set(weights.shape[2:]) != {1} or set(shape[2:]) != {1}:
        raise tail.refusal(node, LAYER, ", which is no 1x1 Conv of pooled features")
    return np.array(weights.reshape(weights.shape[:2]))


def _weights(tail: _Tail, node: NodeProto, rank: int) -> Array:
    weights = tail.constant(node.input[1])
    if weights is None or weights.ndim != rank:
        raise tail.refusal(node, LAYER, ", whose weights are no constant matrix")
    return np.asarray(weights)


def _check_pooling(tail: _Tail, node: NodeProto) -> None:
    shape, attributes = tail.shape(node.input[0]), _attributes(node)
    if node.op_type == "ReduceMean":
        axes = _mean_axes(tail, node)
        how = f" over the axes {axes}"
        whole = len(shape) > 2 and {axis % len(shape) for axis in axes} == set(range(2, len(shape)))
    elif node.op_type == "AveragePool":
        kernel = tuple(attributes["kernel_shape"])
        how = f" with a kernel of {'x'.join(map(str, kernel))}"
        padded = any(attributes.get("pads", ())) or attributes.get("auto_pad", b"NOTSET") not in UNPADDED
        whole = kernel == shape[2:] and not padded and set(attributes.get("dilations", (1,))) == {1}
    else:
        how, whole = "", node.op_type == "GlobalAveragePool"
    if not whole:
        raise tail.refusal(node, POOLING, f"{how} of {_words(shape)}")


def _mean_axes(tail: _Tail, node: NodeProto) -> list[int]:
    """As the node says; none where it says none, or not before it runs."""
    if tail.opset < AXES_AS_INPUT:
        return list(_attributes(node).get("axes", ()))
    axes = tail.constant(node.input[1]) if len(node.input) > 1 else None
    return [] if axes is None else [int(axis) for axis in axes.ravel()]


LAYERS: Mapping[str, Callable[[_Tail, NodeProto], Array]] = {
    "Gemm": _of_gemm,
    "MatMul": lambda tail, node: np.array(_weights(tail, node, 2).T, order="C"),
    "Conv": _of_conv,
}
"""By operator: what finds the weights of a linear layer, shape (values, channels)."""


def _is_bias(value: Array | None) -> bool:
    """Whether it adds the same to each scan: one number, or one for each value on the last axis."""
    return value is not None and (value.size == 1 or value.shape[-1] == value.size)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _axes(item: Any) -> Shape:
    dims = item.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims)


def _words(shape: Shape) -> str:
    return f"shape ({', '.join('any' if size is None else str(size) for size in shape)})" if shape else "unknown shape"


def _names(graph: GraphProto) -> set[str]:
    """The names of all nodes and tensors."""
    found = {item.name for item in (*graph.node, *graph.input, *graph.output, *graph.initializer)}
    found.update(*(node.output for node in graph.node))
    return found
