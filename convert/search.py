"""Which layers INT8 hurts, and models that give the worst of them back to float, one after the other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx
import onnxruntime as ort
from onnx import GraphProto, ModelProto, NodeProto

from convert.optimise import DEQUANTISE, PROVIDERS, QUANTISE, drop_unread, optimise, serialise
from convert.quantise import WEIGHED, Calibration, Feed, check_feed, quantise
from edge.errors import UsageError

PREFIX = "int8/"
PICTURES = 32
"""So many feeds rank the layers as well as all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """What rounding to INT8 does to one layer.

    Parameters
    ----------
    node : str
        Its name, as ``keep_float`` takes it.
    operator : str
    snr_db : float
        Power of its output over the power of the error in it, in decibels, when this layer alone reads and weighs
        integers: it is not blamed for the layers before it. Infinite where nothing is lost.
    """

    node: str
    operator: str
    snr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One INT8 model of the search.

    Parameters
    ----------
    given_back : tuple of str
        The layers in float that the first model has in INT8, the worst first.
    model : bytes
        Q/DQ.
    """

    given_back: tuple[str, ...]
    model: bytes


def rank_layers(
    calibration: Calibration, feeds: Iterable[Feed], *, keep_float: Sequence[str] = ()
) -> tuple[LayerError, ...]:
    """Return what INT8 does to each layer of a calibrated model, the worst first; see `layer_errors`."""
    return layer_errors(calibration.model, quantise(calibration, keep_float=keep_float), islice(feeds, PICTURES))


def int8_steps(
    calibration: Calibration, ranked: Sequence[LayerError], *, max_steps: int, keep_float: Sequence[str] = ()
) -> Iterator[Step]:
    """Yield INT8 models that give layers back to float, the worst first, for as long as nobody is content.

    Each gives back twice as many layers as the one before: 0, 1, 3, 7 and so on. The same calibration and ranking
    give the same models. The last one has a layer in INT8 still.

    Parameters
    ----------
    calibration : Calibration
    ranked : sequence of LayerError
        See `rank_layers`.
    max_steps : int
        Models that may be tried, at least 1.
    keep_float : sequence of str
        Nodes that are float from the start.

    Raises
    ------
    UsageError
        As `convert.quantise.quantise`, or `max_steps` is below 1.
    """
    if max_steps < 1:
        raise UsageError(f"Searching for an INT8 model: found max_steps {max_steps}, expected at least 1.")
    names = [error.node for error in ranked]
    for index in range(max_steps):
        given = tuple(names[: 2**index - 1])
        if index and 2**index - 1 >= len(names):
            return
        yield Step(given_back=given, model=quantise(calibration, keep_float=(*keep_float, *given)))


def layer_errors(float_model: bytes, int8_model: bytes, feeds: Iterable[Feed]) -> tuple[LayerError, ...]:
    """Return what INT8 does to each layer with weights, the worst first, ties by name.

    Both networks run in one graph: the float one whole, and beside it each quantised layer, its pairs reading the
    float network's tensors.

    Parameters
    ----------
    float_model : bytes
        From which `int8_model` was made.
    int8_model : bytes
        As `convert.quantise.quantise_int8` returns it.
    feeds : iterable of mappings
        Prepared scans. Read once.

    Raises
    ------
    UsageError
        No feeds, feeds that the model does not take, or two models that do not belong together.
    """
    proto = onnx.load_from_string(optimise(float_model))
    layers = _beside(proto, onnx.load_from_string(int8_model).graph)
    session = ort.InferenceSession(serialise(proto), _unoptimised(), providers=PROVIDERS)
    names = [name for node in layers for name in (node.output[0].removeprefix(PREFIX), node.output[0])]
    signal: dict[str, float] = defaultdict(float)
    noise: dict[str, float] = defaultdict(float)
    for index, feed in enumerate(feeds):
        values = session.run(names, dict(check_feed(feed, proto.graph, index)))
        for node, true, rounded in zip(layers, values[::2], values[1::2], strict=True):
            signal[node.name] += float(np.square(true, dtype=np.float64).sum())
            noise[node.name] += float(np.square(np.subtract(true, rounded, dtype=np.float64)).sum())
    if not signal:
        raise UsageError("Measuring the layers of an INT8 model: found no feed, expected at least one.")
    errors = [
        LayerError(node=node.name.removeprefix(PREFIX), operator=node.op_type, snr_db=_decibels(signal, noise, node))
        for node in layers
    ]
    return tuple(sorted(errors, key=lambda error: (error.snr_db, error.node)))


def _decibels(signal: dict[str, float], noise: dict[str, float], node: NodeProto) -> float:
    if not noise[node.name]:
        return math.inf
    return 10 * math.log10(signal[node.name] / noise[node.name]) if signal[node.name] else -math.inf


def _beside(proto: ModelProto, quantised: GraphProto) -> list[NodeProto]:
    """Add the quantised layers to the float graph and give out both their outputs; return the layers added."""
    graph = proto.graph
    known = {name for node in graph.node for name in node.output} | {item.name for item in graph.input}
    made = {name for node in quantised.node if node.op_type == DEQUANTISE for name in node.output}
    layers = []
    for node in quantised.node:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = PREFIX + node.name
        # Where a pair begins, the float network goes on; everything else belongs to the quantised one.
        begins = node.op_type == QUANTISE
        copy.input[:] = [
            name if begins and index == 0 else name and PREFIX + name for index, name in enumerate(node.input)
        ]
        copy.output[:] = [PREFIX + name for name in node.output]
        graph.node.append(copy)
        if node.op_type in WEIGHED and node.input[1] in made:
            layers.append(copy)
    if strangers := sorted({n.input[0] for n in quantised.node if n.op_type == QUANTISE} - known):
        raise UsageError(
            f"Comparing a float and an INT8 model: the latter quantises {strangers[0]!r}, which the former lacks. "
            "Give the model that it was made from."
        )
    _give_out(proto, quantised, layers)
    return layers


def _give_out(proto: ModelProto, quantised: GraphProto, layers: Sequence[NodeProto]) -> None:
    graph = proto.graph
    for item in quantised.initializer:
        graph.initializer.append(item)
        graph.initializer[-1].name = PREFIX + item.name
    for item in quantised.input:
        graph.node.insert(0, onnx.helper.make_node("Identity", [item.name], [PREFIX + item.name]))
    del graph.output[:]
    names = [name for node in layers for name in (node.output[0].removeprefix(PREFIX), node.output[0])]
    graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    drop_unread(graph)


def _unoptimised() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return options
