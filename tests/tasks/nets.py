"""Tiny nets with weights set by hand, and the examination of scans by them on a real engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from edge.engines import open_engine
from edge.findings import Findings, Refusal
from edge.pack.manifest import Manifest
from edge.pipeline import Examination, examine
from edge.scan import Scan
from tests.tasks.models import model_of

Array = NDArray[Any]
GAIN = 20.0


def model_bytes(nodes: Sequence[Any], shapes: Mapping[str, Sequence[Any]], constants: Mapping[str, Array]) -> bytes:
    """A graph of these nodes; what `shapes` names and no node gives is an input, the rest are outputs."""
    made = {name for node in nodes for name in node.output}
    info = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)) for name, dims in shapes.items()}
    inputs = [value for name, value in info.items() if name not in made]
    outputs = [value for name, value in info.items() if name in made]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def conv_net(weights: Array, bias: Sequence[float]) -> bytes:
    """Convolves ``image`` to ``scores`` of the same size; weights (out, in, spatial ...) of odd sizes, zeros around."""
    axes = weights.ndim - 2
    free = ["d", "h", "w"][-axes:]
    pads = [size // 2 for size in weights.shape[2:]] * 2
    node = helper.make_node("Conv", ["image", "weights", "bias"], ["scores"], pads=pads)
    shapes = {"image": ["n", weights.shape[1], *free], "scores": ["n", weights.shape[0], *free]}
    constants = {"weights": weights.astype(np.float32), "bias": np.array(bias, np.float32)}
    return model_bytes([node], shapes, constants)


def threshold_net(*limits: float, axes: int = 3) -> bytes:
    """A logit for each limit, above 0 where the image is above it."""
    weights = np.full((len(limits), 1, *(1,) * axes), GAIN)
    return conv_net(weights, [-GAIN * limit for limit in limits])


def examined(scans: Mapping[str, Scan], manifest: Manifest, net: bytes) -> Examination:
    """What the pipeline says of scans with a net on onnxruntime."""
    engine = open_engine("onnxruntime", net, precision="fp32", threads=1)
    try:
        return examine(scans, manifest, model_of(manifest), engine)
    finally:
        engine.close()


def findings(scans: Mapping[str, Scan], manifest: Manifest, net: bytes) -> Findings:
    """What was found; nothing was refused."""
    found = examined(scans, manifest, net).findings
    assert not isinstance(found, Refusal), found
    return found
