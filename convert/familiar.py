"""How far a scan's features lie from those that a net learnt from: an output more for a graph, and what it rests on.

The distance is that of Mahalanobis (Lee et al. 2018, "A simple unified framework for detecting out-of-distribution
samples"), of features brought to length 1 (Müller and Hein 2025, "Mahalanobis++"), without regard to labels (Kamoi and
Kobayashi 2020, "Why is the Mahalanobis distance effective for anomaly detection?"). Where there are many features it is
taken along their principal directions, and what these leave over counts with the mean of the variances that are left
(as the residual in Wang et al. 2022, "ViM"). The covariance is shrunk (Ledoit and Wolf 2004), as scans are few.

The nodes are plain and always compute in float32, so a graph carries the check to every engine and in every precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from convert.optimise import ERRORS_ONLY, PROVIDERS, optimise, parse_float, producers, serialise
from edge.errors import UsageError

Array = NDArray[np.float64]
Feed = Mapping[str, NDArray[Any]]

OUTPUT = "familiar"
WEIGHED = ("Gemm", "MatMul", "Conv")
PASSED = ("Sigmoid", "Softmax", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Add", "Cast",
          "GlobalAveragePool", "GlobalMaxPool", "AveragePool", "ReduceMean", "Transpose")  # fmt: skip
"""What may stand between the last layer with weights and the scores."""
DIRECTIONS = 64
"""At most: the distance is taken along so many, and what is left counts as one."""
LEAST_CHANNELS, MOST_CHANNELS = 2, 4096
LEAST_SCANS = 50
"""Fewer tell nothing of what is usual."""
LEAST_SPREAD = 0.01
"""Of the largest standard deviation: a feature that hardly changes counts as if it changed by so much."""
TINY = 1e-12
"""Keeps features that are all 0 from being divided by 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """What the features of scans that a net learnt from are like, each scan's brought to length 1.

    Parameters
    ----------
    mean, deviation : ndarray of float64, shape (channels,)
    directions : ndarray of float64, shape (channels, k)
        Principal directions of the features less their mean, over their deviation.
    variances : ndarray of float64, shape (k,)
        Along these.
    rest : float
        Mean variance along all other directions; 0 where there are none.
    n : int
        Feeds that it was learnt from.
    """

    mean: Array
    deviation: Array
    directions: Array
    variances: Array
    rest: float
    n: int


def learn(features: NDArray[Any]) -> Learnt:
    """Return what features of typical scans are like.

    Parameters
    ----------
    features : ndarray of float, shape (n, channels)

    Raises
    ------
    UsageError
        There are fewer than `LEAST_SCANS`, there are values that are no numbers, or all scans have the same.

    Examples
    --------
    >>> seen = np.random.default_rng(0).normal(1.0, 0.1, (200, 3))
    >>> learnt = learn(seen)
    >>> bool(distances(seen, learnt).mean() < 1.1 < distances(-seen, learnt).min())
    True
    """
    from sklearn.covariance import LedoitWolf  # noqa: PLC0415 - heavy, and only some conversions need it

    if len(features) < LEAST_SCANS or not np.isfinite(features).all():
        found = f"found {len(features)} scans" if len(features) < LEAST_SCANS else "found values that are no numbers"
        raise UsageError(f"Learning what scans are usual: {found}, expected at least {LEAST_SCANS} with numbers.")
    unit = _of_length_one(features.astype(np.float64))
    mean, spread = unit.mean(axis=0), unit.std(axis=0)
    if not spread.max() > TINY:
        raise UsageError("Learning what scans are usual: found the same features in all, expected different ones.")
    deviation = np.maximum(spread, LEAST_SPREAD * spread.max())
    covariance = LedoitWolf(assume_centered=True).fit((unit - mean) / deviation).covariance_
    variances, directions = np.linalg.eigh(covariance)
    floor = TINY + 1e-6 * variances[-1]
    variances, directions = np.maximum(variances[::-1], floor), directions[:, ::-1]
    rest = variances[DIRECTIONS:]
    return Learnt(
        mean=mean,
        deviation=deviation,
        directions=directions[:, :DIRECTIONS],
        variances=variances[:DIRECTIONS],
        rest=float(rest.mean()) if len(rest) else 0.0,
        n=len(features),
    )


def distances(features: NDArray[Any], learnt: Learnt) -> Array:
    """Return what the graph will say of features, shape (n,): 1 is the root mean square over what was learnt from."""
    scaled = (_of_length_one(features.astype(np.float64)) - learnt.mean) / learnt.deviation
    along = scaled @ learnt.directions
    squares = (along**2 / learnt.variances).sum(axis=1)
    if learnt.rest:
        squares += ((scaled - along @ learnt.directions.T) ** 2).sum(axis=1) / learnt.rest
    return np.asarray(np.sqrt(squares / len(learnt.mean)))


def find_features(model: bytes, output: str, *, scores: bool) -> str:
    """Return the tensor whose features tell how familiar a scan is.

    Parameters
    ----------
    model : bytes
        As `convert.optimise.optimise` returns it.
    output : str
        Of the graph, which the task reads.
    scores : bool
        Whether it holds scores of whole scans: then the features are what the last layer with weights reads. Else they
        are the last tensor on the way to it of the fewest points in space, the bottleneck of a net that widens again.

    Raises
    ------
    UsageError
        There is none, or the number of its channels is not known, or not from 2 to 4096.
    """
    proto = parse_float(model, "Looking for the features of a net")
    shapes = _shapes(proto)
    name = _before_last_layer(proto.graph, output) if scores else _bottleneck(proto.graph, output, shapes)
    shape = shapes.get(name, ())
    known = len(shape) >= 2 and isinstance(shape[1], int) and LEAST_CHANNELS <= shape[1] <= MOST_CHANNELS
    if not known or len(shape) == 3 or name in {item.name for item in proto.graph.input}:
        wanted = f"(N, channels) or (N, channels, *space) of {LEAST_CHANNELS} to {MOST_CHANNELS} channels"
        raise _no_features(f"found {name!r} of shape {shape}, expected {wanted}")
    return name


def read_features(model: bytes, features: str, feeds: Iterable[Feed]) -> NDArray[np.float32]:
    """Return the features of feeds, averaged over space, shape (n, channels)."""
    proto = parse_float(model, "Reading the features of a net")
    pooled, nodes = _pooled(proto, features)
    proto.graph.node.extend(nodes)
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info(pooled, TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    session = ort.InferenceSession(serialise(proto), options, providers=PROVIDERS)
    rows = [session.run([pooled], dict(feed))[0] for feed in feeds]
    return np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)


def insert_distance(model: bytes, features: str, learnt: Learnt) -> bytes:
    """Return the model with one more output, `OUTPUT`: the distance of each scan, float32 of shape (N, 1).

    Parameters
    ----------
    model : bytes
        Float ONNX of opset 13 to 20.
    features : str
        See `find_features`.
    learnt : Learnt

    Returns
    -------
    bytes
        The same graph and some small nodes, whose names begin with that of the output.

    Raises
    ------
    UsageError
        A tensor has the name of the output already, or see `convert.optimise.parse_float`.
    """
    proto = parse_float(model, "Inserting the distance of features")
    graph = proto.graph
    if OUTPUT in {name for node in graph.node for name in node.output} | {item.name for item in graph.input}:
        raise UsageError(f"Inserting the distance of features: found a tensor {OUTPUT!r} already, expected none.")
    pooled, nodes = _pooled(proto, features)
    constants, more = _distance_nodes(pooled, learnt)
    graph.node.extend([*nodes, *more])
    graph.initializer.extend(constants)
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 1]))
    return serialise(proto)


def familiar_nodes(model: bytes) -> tuple[str, ...]:
    """Return the nodes that lead to the distance alone, by their names in ``optimise(model)``: they stay in float32."""
    graph = onnx.load_from_string(optimise(model)).graph
    if OUTPUT not in (names := [item.name for item in graph.output]):
        return ()
    others = set().union(*(_leading_to(graph, name) for name in names if name != OUTPUT))
    return tuple(node.name for node in graph.node if node.name in _leading_to(graph, OUTPUT) - others)


def has_distance(model: bytes) -> bool:
    """Return whether a graph gives out the distance."""
    return any(item.name == OUTPUT for item in onnx.load_from_string(model).graph.output)


def _of_length_one(features: Array) -> Array:
    return np.asarray(features / (np.sqrt((features**2).sum(axis=1, keepdims=True)) + TINY))


def _pooled(proto: ModelProto, features: str) -> tuple[str, list[NodeProto]]:
    """Features of shape (N, channels), and the nodes that make them."""
    if len(_shapes(proto)[features]) == 2:
        return features, []
    mean, flat = f"{OUTPUT}/mean", f"{OUTPUT}/features"
    pool = helper.make_node("GlobalAveragePool", [features], [mean], mean)
    return flat, [pool, helper.make_node("Flatten", [mean], [flat], flat, axis=1)]


def _distance_nodes(features: str, learnt: Learnt) -> tuple[list[TensorProto], list[NodeProto]]:
    """Step by step what `distances` computes."""
    made = _Nodes()
    squared = made("Mul", features, features)
    length = made("Sqrt", made("ReduceSum", squared, made.constant("axes", [1]), keepdims=1))
    unit = made("Div", features, made("Add", length, made.constant("tiny", TINY)))
    centred = made("Sub", unit, made.constant("centre", learnt.mean[np.newaxis]))
    scaled = made("Mul", centred, made.constant("scale", 1 / learnt.deviation[np.newaxis]))
    along = made("MatMul", scaled, made.constant("directions", learnt.directions))
    white = made("Mul", along, made.constant("whiten", 1 / np.sqrt(learnt.variances[np.newaxis])))
    total = made("ReduceSum", made("Mul", white, white), "familiar/axes", keepdims=1)
    if learnt.rest:
        back = made("MatMul", along, made.constant("directions_back", learnt.directions.T))
        left = made("Mul", made("Sub", scaled, back), made.constant("whiten_rest", 1 / np.sqrt(learnt.rest)))
        total = made("Add", total, made("ReduceSum", made("Mul", left, left), "familiar/axes", keepdims=1))
    mean = made("Mul", total, made.constant("share", 1 / len(learnt.mean)))
    made.nodes.append(helper.make_node("Sqrt", [mean], [OUTPUT], f"{OUTPUT}/distance"))
    return made.constants, made.nodes


class _Nodes:
    """Nodes and constants as they are made, each with a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Make a node and return the name of its output."""
        name = f"{OUTPUT}/{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, value: object) -> str:
        """Make a constant, float32 unless it is of whole numbers, and return its name."""
        array = np.asarray(value)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array, kind), f"{OUTPUT}/{name}"))
        return self.constants[-1].name


def _before_last_layer(graph: GraphProto, output: str) -> str:
    made, constants = producers(graph), {item.name for item in graph.initializer}
    tensor = output
    while (node := made.get(tensor)) is not None:
        tensor = next((name for name in node.input if name not in constants), "")
        if node.op_type in WEIGHED:
            return tensor
        if node.op_type not in PASSED:
            raise _no_features(f"found {node.op_type} before the output {output!r}, expected a layer with weights")
    raise _no_features(f"found no layer with weights before the output {output!r}")


def _bottleneck(graph: GraphProto, output: str, shapes: Mapping[str, Sequence[object]]) -> str:
    leading = _leading_to(graph, output)
    points: dict[str, int] = {}
    for name in (name for node in graph.node if node.name in leading for name in node.output):
        space = shapes.get(name, ())[2:]
        if len(space) > 1 and all(isinstance(size, int) for size in space):
            points[name] = int(np.prod(np.array(space, dtype=np.int64)))
    fewest = min((size for size in points.values() if size > 1), default=0)
    found = [name for name, size in points.items() if size == fewest]
    if not found:
        raise _no_features("found no tensor with a known size in space")
    return found[-1]


def _shapes(proto: ModelProto) -> dict[str, tuple[int | None, ...]]:
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    return {
        item.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in item.type.tensor_type.shape.dim
        )
        for item in (*inferred.input, *inferred.value_info, *inferred.output)
    }


def _leading_to(graph: GraphProto, output: str) -> set[str]:
    needed, names = {output}, set()
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            names.add(node.name)
    return names


def _no_features(problem: str) -> UsageError:
    return UsageError(f"Looking for the features of a net: {problem}. Such a net goes without their distance.")
