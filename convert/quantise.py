"""Static INT8: from a float model and prepared scans to one Q/DQ graph that every engine takes.

Weights are int8 with a scale per output channel, activations int8 with one scale per tensor; all zero points are 0 and
biases stay float, as TensorRT asks for (https://docs.nvidia.com/deeplearning/tensorrt, "Explicit quantization"). Q/DQ
pairs stand on the inputs of what computes in integers, not between a convolution and its ReLU, which engines fuse.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import io
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    create_calibrator,
)
from onnxruntime.quantization.calibrate import TensorsData

from convert.optimise import (
    DEQUANTISE,
    QUANTISE,
    drop_unread,
    optimise,
    producers,
    readers,
    reread,
    serialise,
)
from edge.errors import EdgerunError, UsageError

Feed = Mapping[str, NDArray[Any]]
Method = Literal["minmax", "entropy", "percentile"]

WEIGHED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights."""
QUANTISED = (*WEIGHED, "Add", "Concat", "MaxPool", "AveragePool", "Resize")
"""Operators whose inputs get Q/DQ pairs."""
FUSED = ("Relu", "Clip")
"""Engines compute these together with the operator before them; a pair in between would part the two."""
POOLING = ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax")

# The histograms keep the outputs of every layer for so many feeds at a time. Their first chunk fixes the width of the
# bins, so a chunk of one would leave that to a single picture.
CHUNK = 8

CALIBRATORS: Mapping[Method, tuple[CalibrationMethod, Mapping[str, object]]] = {
    "minmax": (CalibrationMethod.MinMax, {"symmetric": True}),
    "entropy": (CalibrationMethod.Entropy, {"symmetric": True, "num_bins": 1024, "num_quantized_bins": 128}),
    "percentile": (CalibrationMethod.Percentile, {"symmetric": True, "num_bins": 2048, "percentile": 99.99}),
}

OPTIONS: Mapping[str, object] = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "MatMulConstBOnly": True,
    "ForceQuantizeNoInputCheck": True,
}


class NothingToQuantiseError(UsageError):
    """No layer can be quantised, or each that could be is to stay in float, as in a net that is all head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A model and the ranges that its tensors had on the calibration scans.

    Parameters
    ----------
    model : bytes
        As `convert.optimise.optimise` returns it; its names of nodes are those that ``keep_float`` takes.
    ranges : TensorsData
        ONNX Runtime's ranges, by name of tensor.
    """

    model: bytes
    ranges: TensorsData


def quantise_int8(model: bytes, feeds: Iterable[Feed], *, method: Method, keep_float: Collection[str] = ()) -> bytes:
    """Return the model in INT8: a Q/DQ graph of plain ONNX, symmetric, per channel, with float biases and outputs.

    Parameters
    ----------
    model : bytes
        Float ONNX of opset 13 to 20.
    feeds : iterable of mappings
        Calibration: what `edge.prepare.prepare` yields for typical scans, float32 by name of input. Read once.
    method : {"minmax", "entropy", "percentile"}
        How a tensor's range is chosen: all values; the least loss of information (Migacz, GTC 2017, S7310);
        99.99% of the magnitudes. The latter two keep every layer's outputs for 8 feeds at a time.
    keep_float : collection of str
        Nodes, by their names in ``optimise(model)``, that read and weigh floats; see `head_nodes`.

    Returns
    -------
    bytes
        The same model, feeds and options give the same bytes under the same ONNX Runtime.

    Raises
    ------
    UsageError
        No feeds; values that are no numbers; shapes that the model does not take; a name that no node has; nothing
        to quantise; a model that is quantised already.
    EdgerunError
        A layer overflowed on a calibration scan.
    """
    return quantise(calibrate(model, feeds, method=method), keep_float=keep_float)


def calibrate(model: bytes, feeds: Iterable[Feed], *, method: Method) -> Calibration:
    """Return the ranges of a model's tensors, from which `quantise` may be called many times; see `quantise_int8`."""
    ready = optimise(model)
    proto = onnx.load_from_string(ready)
    if not any(node.op_type in WEIGHED for node in proto.graph.node):
        found = f"found none of {', '.join(WEIGHED)}: INT8 would gain nothing."
        raise NothingToQuantiseError(f"Quantising a model: {found}")
    checked = (check_feed(feed, proto.graph, index) for index, feed in enumerate(feeds))
    ranges = _ranges(ready, checked, method)
    _check_ranges(ranges, proto.graph)
    return Calibration(model=ready, ranges=ranges)


def dump_calibration(calibration: Calibration) -> bytes:
    """Return a calibration as bytes, which `load_calibration` reads: all that `quantise` needs of it."""
    ranges = {
        name: [float(np.ravel(value)[0]) for value in data.range_value] for name, data in calibration.ranges.items()
    }
    return json.dumps({"model": base64.b64encode(calibration.model).decode(), "ranges": ranges}).encode()


def load_calibration(data: bytes) -> Calibration:
    """Return the calibration that `dump_calibration` wrote."""
    document = json.loads(data)
    ranges = {name: tuple(np.array(value, np.float32) for value in pair) for name, pair in document["ranges"].items()}
    return Calibration(model=base64.b64decode(document["model"]), ranges=TensorsData(CalibrationMethod.MinMax, ranges))


def check_feed(feed: Feed, graph: GraphProto, index: int) -> Feed:
    """Return the feed if the graph takes it.

    Raises
    ------
    UsageError
        Wrong names, shape or type; values that are no numbers.
    """
    doing = f"Calibrating with feed {index}"
    constants = {item.name for item in graph.initializer}
    inputs = {item.name: item.type.tensor_type for item in graph.input if item.name not in constants}
    if set(feed) != set(inputs):
        raise UsageError(f"{doing}: found the inputs {sorted(feed)}, expected {sorted(inputs)}.")
    for name, kind in inputs.items():
        wanted = [axis.dim_value if axis.HasField("dim_value") else None for axis in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        value = feed[name]
        fits = value.ndim == len(wanted) and all(w in (None, n) for w, n in zip(wanted, value.shape, strict=True))
        if not fits or value.dtype != dtype or not value.size:
            shape = tuple(size or "any" for size in wanted)
            raise UsageError(f"{doing}: {name!r}: found {value.dtype} {value.shape}, expected {dtype} {shape}.")
        if not np.isfinite(value).all():
            raise UsageError(f"{doing}: {name!r} holds values that are no numbers. Leave that scan out.")
    return feed


def quantise(calibration: Calibration, *, keep_float: Collection[str] = ()) -> bytes:
    """Return the calibrated model in INT8, with some nodes in float; see `quantise_int8`."""
    proto = onnx.load_from_string(calibration.model)
    words = list(proto.metadata_props)
    kept = _known(keep_float, proto.graph)
    _own_constants(proto.graph, kept)
    excluded = sorted(kept | _better_in_float(proto.graph))
    if all(node.name in kept for node in proto.graph.node if node.op_type in WEIGHED):
        raise NothingToQuantiseError("Quantising a model: every node with weights stays in float, nothing is left.")
    quantiser = QDQQuantizer(
        proto,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8,
        tensors_range=calibration.ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=excluded,
        op_types_to_quantize=QUANTISED,
        extra_options=dict(OPTIONS),
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    found: ModelProto = quantiser.model.model
    _place_pairs(found.graph, kept)
    del found.graph.value_info[:], found.metadata_props[:]
    found.metadata_props.extend(words)
    return serialise(found)


def head_nodes(model: bytes, outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes behind the features, which are best kept in float: they cost little and decide the answer.

    With several outputs these are the nodes on the way to some of them but not to all. Where the outputs are a score
    and its class activation map, both then read the very same features, and the mean of the map is the score.
    With one output they begin at the last global pooling; without one, the last node with weights is the head.

    Parameters
    ----------
    model : bytes
        As given to `quantise_int8`.
    outputs : sequence of str
        Names of the graph's outputs.

    Returns
    -------
    tuple of str
        Names of nodes in ``optimise(model)``, in the graph's order.

    Raises
    ------
    UsageError
        The graph has no such output.
    """
    graph = onnx.load_from_string(optimise(model)).graph
    if unknown := sorted(set(outputs) - {item.name for item in graph.output}):
        names = ", ".join(item.name for item in graph.output)
        raise UsageError(f"Looking for the head of a model: found the outputs {names}, expected {', '.join(unknown)}.")
    ways = [_leading_to(graph, name) for name in outputs]
    if len(ways) > 1:
        some, every = set().union(*ways), set(ways[0]).intersection(*ways[1:])
        return tuple(node.name for node in graph.node if node.name in some - every)
    return _tail([node for node in graph.node if node.name in set().union(*ways)])


def _tail(nodes: Sequence[NodeProto]) -> tuple[str, ...]:
    for kinds in (POOLING, WEIGHED):
        starts = [index for index, node in enumerate(nodes) if node.op_type in kinds]
        if starts:
            return tuple(node.name for node in nodes[starts[-1] :])
    return ()


def _leading_to(graph: GraphProto, output: str) -> set[str]:
    needed, names = {output}, set()
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            names.add(node.name)
    return names


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """A few feeds, in the words of ONNX Runtime."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        feed = next(self._feeds, None)
        return None if feed is None else dict(feed)


def _ranges(model: bytes, feeds: Iterator[Feed], method: Method) -> TensorsData:
    kind, options = CALIBRATORS[method]
    chunks = _chunks(feeds)
    first = next(chunks, None)
    if first is None:
        raise UsageError("Calibrating a model: found no feed, expected some hundred typical scans.")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        file = Path(folder) / "model.onnx"
        file.write_bytes(model)
        calibrator = create_calibrator(
            file, QUANTISED, str(Path(folder) / "augmented.onnx"), kind, extra_options=dict(options)
        )
        try:
            for chunk in chain([first], chunks):
                calibrator.collect_data(_Reader(chunk))
        except ValueError as error:  # NumPy's, of a histogram over what is no number
            raise EdgerunError(f"Calibrating a model: a layer overflows on a calibration scan. {error}") from error
        return calibrator.compute_data()


def _chunks(feeds: Iterator[Feed]) -> Iterator[list[Feed]]:
    """A few feeds at a time, all of one shape, since the histograms stack what they give."""
    for _, alike in groupby(feeds, key=lambda feed: {name: value.shape for name, value in feed.items()}):
        while chunk := list(islice(alike, CHUNK)):
            yield chunk


def _check_ranges(ranges: TensorsData, graph: GraphProto) -> None:
    for name in [name for node in graph.node for name in node.output if name in ranges]:
        low, high = (float(limit) for limit in np.ravel(ranges[name].range_value))
        if not np.isfinite((low, high)).all():
            raise EdgerunError(
                f"Calibrating a model: the tensor {name!r} ranges from {low:g} to {high:g}, expected numbers. "
                "The model overflows on a calibration scan."
            )


def _known(names: Collection[str], graph: GraphProto) -> set[str]:
    known = {node.name for node in graph.node}
    for name in sorted(set(names) - known):
        close = ", ".join(difflib.get_close_matches(name, sorted(known))) or "none that is alike"
        raise UsageError(f"Quantising a model: keep_float names {name!r}, which no node has; found {close}.")
    return set(names)


def _better_in_float(graph: GraphProto) -> set[str]:
    """Sums and joins with a constant, which has the worth of a bias, and joins that no integer operator reads."""
    constants = {item.name for item in graph.initializer}
    reading = readers(graph)
    found = set()
    for node in graph.node:
        with_constant = node.op_type in ("Add", "Concat") and not constants.isdisjoint(node.input)
        unread = not any(reader.op_type in QUANTISED for reader in reading[node.output[0]])
        if with_constant or (node.op_type == "Concat" and unread):
            found.add(node.name)
    return found


def _own_constants(graph: GraphProto, kept: Collection[str]) -> None:
    """Give nodes that stay float constants of their own, where others would quantise the same ones."""
    constants = {item.name: item for item in graph.initializer}
    for name, nodes in readers(graph).items():
        floats = [node for node in nodes if node.name in kept]
        if name in constants and floats and len(floats) < len(nodes):
            copy = TensorProto()
            copy.CopyFrom(constants[name])
            copy.name = f"{name}_float"
            graph.initializer.append(copy)
            reread(floats, name, copy.name)


def _place_pairs(graph: GraphProto, kept: Collection[str]) -> None:
    """Take out the pairs that stand before fused activations, nodes that stay float, and the graph's outputs."""
    made = producers(graph)
    outputs = {item.name for item in graph.output}
    for node in list(graph.node):
        source = made.get(node.input[0]) if node.op_type == DEQUANTISE else None
        if source is None or source.op_type != QUANTISE:
            continue
        if node.output[0] in outputs:
            _free_output(graph, node, source)
        reading = readers(graph)[node.output[0]]
        fused = all(reader.op_type in FUSED for reader in reading)
        reread((reader for reader in reading if fused or reader.name in kept), node.output[0], source.input[0])
    drop_unread(graph)


def _free_output(graph: GraphProto, dequantise: NodeProto, quantise: NodeProto) -> None:
    """Let the graph give out the tensor before the pair, under the name that it has behind it."""
    name, before = dequantise.output[0], quantise.input[0]
    behind = f"{name}_{DEQUANTISE}_Output"
    reread(graph.node, name, behind)
    reread(graph.node, before, name)
    for node in graph.node:
        node.output[:] = [{name: behind, before: name}.get(item, item) for item in node.output]
