"""A float graph made ready: constants folded, normalisations in their convolutions, shapes known, nodes named.

Also what the other passes over ONNX graphs share: bytes to graph, graph to bytes, who reads a tensor.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from edge.errors import EdgerunError, UsageError
from edge.pack.onnx_file import PLAIN_DOMAINS, inspect_onnx

OLDEST_OPSET = 13
"""The first in which QuantizeLinear has a scale per channel."""

PRODUCER = "edgerun"
PROVIDERS = ("CPUExecutionProvider",)
ERRORS_ONLY = 3
QUANTISE, DEQUANTISE = "QuantizeLinear", "DequantizeLinear"


def optimise(model: bytes) -> bytes:
    """Return the same network, simplified for any engine on any machine.

    ONNX Runtime's basic level folds constants and merges what needs no operator of its own, so the result is plain
    ONNX. Inputs and outputs keep their names and their dynamic axes. To optimise twice changes nothing.

    Parameters
    ----------
    model : bytes
        ONNX of opset 13 to 20, not quantised.

    Returns
    -------
    bytes
        ONNX in which every node has a name of its own and every tensor a known type.

    Raises
    ------
    UsageError
        It is quantised already, in half precision, or older than opset 13.
    EdgerunError
        It is no model that a pack may hold (`edge.errors.PackError`), or ONNX Runtime cannot simplify it.
    """
    proto = parse_float(model, "Optimising a model")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        try:
            ort.InferenceSession(model, _options(file), providers=PROVIDERS)
            # Unlike the wrapper quant_pre_process, which logs a failure and goes on with the graph as it was.
            simple = onnx.shape_inference.infer_shapes(onnx.load(file), strict_mode=True)
        except Exception as error:  # neither library's errors have a common base but Exception
            raise EdgerunError(f"Optimising a model: it cannot be run or typed. {str(error).strip()}") from error
    simple.ir_version = proto.ir_version
    _name_nodes(simple.graph)
    return serialise(simple)


def parse_float(model: bytes, doing: str) -> ModelProto:
    """Return the graph of an FP32 model.

    Parameters
    ----------
    doing : str
        What messages begin with.

    Raises
    ------
    UsageError
        It is quantised already, in half precision, or older than opset 13.
    edge.errors.PackError
        It is no model that a pack may hold.
    """
    facts = inspect_onnx(model, "the model")
    found = [
        name for name in facts.operators if any(word in name.lower() for word in ("quantize", "qlinear", "integer"))
    ]
    if found:
        raise UsageError(
            f"{doing}: found the operators {', '.join(found)}, expected a float model. Start from the FP32 model."
        )
    if facts.opset < OLDEST_OPSET:
        raise UsageError(f"{doing}: found opset {facts.opset}, expected at least {OLDEST_OPSET}. Export it again.")
    proto = onnx.load_from_string(model)
    halves = [
        item.name for item in proto.graph.initializer if item.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    ]
    if halves:
        # ONNX Runtime's CPU provider would widen them without a word.
        raise UsageError(f"{doing}: the tensor {halves[0]!r} is in half precision. Start from the FP32 model.")
    return proto


def serialise(proto: ModelProto) -> bytes:
    """Return the bytes of a model: the same graph gives the same bytes, and nothing of this machine is kept."""
    plain = [entry for entry in proto.opset_import if entry.domain in PLAIN_DOMAINS]
    del proto.opset_import[:]
    proto.opset_import.extend(plain)
    proto.producer_name = PRODUCER
    proto.ClearField("producer_version")
    for item in (proto, proto.graph, *proto.graph.node):
        item.ClearField("doc_string")  # where exporters leave stack traces
    return bytes(proto.SerializeToString(deterministic=True))


def readers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """Return the nodes that read each tensor, by the tensor's name, in the graph's order."""
    found: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            found[name].append(node)
    return found


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """Return the node that makes each tensor, by the tensor's name."""
    return {name: node for node in graph.node for name in node.output if name}


def reread(nodes: Iterable[NodeProto], old: str, new: str) -> None:
    """Let nodes read the tensor `new` where they read `old`."""
    for node in nodes:
        node.input[:] = [new if name == old else name for name in node.input]


def drop_unread(graph: GraphProto) -> None:
    """Drop the nodes and constants that lead to no output of the graph."""
    needed = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    constants = [item for item in graph.initializer if item.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def _options(file: Path) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    options.log_severity_level = ERRORS_ONLY
    return options


def _name_nodes(graph: GraphProto) -> None:
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)
