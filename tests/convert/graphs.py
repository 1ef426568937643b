"""Small networks as ONNX graphs, seeded, and what they are fed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]
Feed = Mapping[str, NDArray[np.float32]]
Outputs = Mapping[str, Sequence[int | str | None]]
"""Shape by name."""

SIZE = 8


class Builder:
    """A network of float32 pictures (N, channels, 8, 8), written down node by node; each returns its output's name."""

    def __init__(self, channels: int = 2, seed: int = 3) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.channels = channels
        self._random = np.random.default_rng(seed)

    def constant(self, value: Array, name: str | None = None) -> str:
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weights(self, *shape: int) -> str:
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.constant((self._random.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], f"node_{output}", **attributes))
        return output

    def conv(self, source: str, before: int, after: int, *, size: int = 3, output: str | None = None) -> str:
        weights, bias = self.weights(after, before, size, size), self.weights(after)
        return self.node("Conv", source, weights, bias, output=output, pads=[size // 2] * 4)

    def model(self, outputs: Outputs, *, opset: int = 18, ir: int = 10) -> bytes:
        shape: list[int | str | None] = ["batch", self.channels, SIZE, SIZE]
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name, axes in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        helper.set_model_props(model, {"credit": "nobody"})
        return bytes(model.SerializeToString(deterministic=True))


def residual_network() -> bytes:
    """A residual network with pooling, and with a class activation map beside its score."""
    net = Builder()
    stem = net.node("MaxPool", net.node("Relu", net.conv("image", 2, 8)), kernel_shape=[2, 2], strides=[2, 2])
    inner = net.node("Relu", net.conv(stem, 8, 8))
    features = net.node("Relu", net.node("Add", net.conv(inner, 8, 8), stem), output="features")
    weights = np.random.default_rng(9).standard_normal((1, 8)).astype(np.float32)
    net.node("Conv", features, net.constant(weights[:, :, None, None]), output="cam")
    mean = net.node("ReduceMean", features, net.constant(np.array([2, 3])), keepdims=0)
    net.node("Gemm", mean, net.constant(weights), net.constant(np.array([0.25], np.float32)), output="logit", transB=1)
    return net.model({"logit": ["batch", 1], "cam": ["batch", 1, 4, 4]})


def u_network() -> bytes:
    """One step down and up again, joined with what was there before, as in a U-Net."""
    net = Builder()
    left = net.node("Relu", net.conv("image", 2, 8))
    low = net.node("Relu", net.conv(net.node("MaxPool", left, kernel_shape=[2, 2], strides=[2, 2]), 8, 16))
    up = net.node("ConvTranspose", low, net.weights(16, 8, 2, 2), net.weights(8), strides=[2, 2])
    right = net.node("Relu", net.conv(net.node("Concat", left, up, axis=1), 16, 8))
    net.conv(right, 8, 2, size=1, output="mask")
    return net.model({"mask": ["batch", 2, 8, 8]})


def normalised_network() -> bytes:
    """Convolutions with instance normalisation, as in nnU-Net."""
    net = Builder()
    value = "image"
    for before, after in ((2, 8), (8, 8)):
        ones, zeros = np.ones(after, np.float32), np.zeros(after, np.float32)
        value = net.node(
            "InstanceNormalization", net.conv(value, before, after), net.constant(ones), net.constant(zeros)
        )
        value = net.node("LeakyRelu", value, alpha=0.01)
    net.conv(value, 8, 2, size=1, output="mask")
    return net.model({"mask": ["batch", 2, 8, 8]})


NETWORKS = {"residual": residual_network, "u": u_network, "normalised": normalised_network}


def feeds(count: int = 12, *, batch: int = 1, seed: int = 5, channels: int = 2) -> list[Feed]:
    """Noise in the shape of pictures."""
    random = np.random.default_rng(seed)
    return [{"image": random.standard_normal((batch, channels, SIZE, SIZE), dtype=np.float32)} for _ in range(count)]


def graph_of(model: bytes) -> GraphProto:
    """The graph."""
    return onnx.load_from_string(model).graph


def operators(model: bytes) -> Counter[str]:
    """How often each operator occurs."""
    return Counter(node.op_type for node in graph_of(model).node)


def run(model: bytes, feed: Feed, *, optimised: bool = True, save: Path | None = None) -> dict[str, Array]:
    """The outputs, by name; `save` takes the graph as ONNX Runtime really runs it."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save:
        options.optimized_model_filepath = str(save)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feed)), strict=True))


def relative_error(found: Array, expected: Array) -> float:
    """Length of the difference over length."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
