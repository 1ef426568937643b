"""Small classification nets as ONNX graphs, by how they end, and what they answer in each precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from convert.half import to_fp16
from convert.lower import lower_for_onnxruntime
from convert.quantise import head_nodes, quantise_int8
from edge.engines import open_engine
from edge.pack.manifest import Precision
from tests.convert.graphs import Array, Builder, Feed

CHANNELS, VALUES = 8, 3
FEATURES = "features"
SIZES = {2: (4, 4), 3: (2, 4, 4)}
"""Of the features."""


class Net(Builder):
    """Two convolutions, a ReLU that gives the features (N, 8, *spatial), and whatever follows, in 2-D or 3-D."""

    def __init__(self, rank: int = 2, opset: int = 18) -> None:
        super().__init__(seed=7)
        self.rank, self.opset = rank, opset
        self.size = tuple(2 * size for size in SIZES[rank])
        stem = self.volume_conv("image", 2, CHANNELS, size=3, strides=[2] * rank)
        self.node("Relu", self.volume_conv(self.node("Relu", stem), CHANNELS, CHANNELS, size=3), output=FEATURES)

    def volume_conv(self, source: str, before: int, after: int, *, size: int, **attributes: Any) -> str:
        weights = self.weights(after, before, *[size] * self.rank)
        return self.node("Conv", source, weights, self.weights(after), pads=[size // 2] * 2 * self.rank, **attributes)

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def mean(self, *axes: int, keepdims: int = 1, source: str = FEATURES, operator: str = "ReduceMean") -> str:
        """A mean over axes, which are an input from opset 18 on."""
        if self.opset < 18:
            return self.node(operator, source, axes=axes, keepdims=keepdims)
        return self.node(operator, source, self.integers(*axes), keepdims=keepdims)

    def space(self) -> range:
        return range(2, self.rank + 2)

    def pooled(self) -> str:
        """The global mean, of shape (N, 8)."""
        return self.node("Flatten", self.node("GlobalAveragePool", FEATURES))

    def linear(self, source: str, *, output: str | None = None, before: int = CHANNELS) -> str:
        return self.node("Gemm", source, self.weights(VALUES, before), self.weights(VALUES), output=output, transB=1)

    def built(self, output: str = "logit", values: int | str | None = VALUES) -> bytes:
        """The model; `image` and the output have an open batch."""
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 2, *self.size])
        answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", values])
        graph = helper.make_graph(self.nodes, "network", [image], [answer], self.constants)
        opset = helper.make_opsetid("", self.opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        return bytes(model.SerializeToString(deterministic=True))

    def images(self, count: int = 6, seed: int = 5) -> dict[str, NDArray[np.float32]]:
        """Noise, of another strength and mean for each scan."""
        random = np.random.default_rng(seed)
        strength = random.uniform(0.2, 3, (count, 1, *[1] * self.rank))
        noise = random.standard_normal((count, 2, *self.size)) + random.standard_normal(strength.shape)
        return {"image": (strength * noise).astype(np.float32)}


# Poolings: each returns a tensor of N times 8 numbers.


def global_average(net: Net) -> str:
    return net.pooled()


def mean_without_axes_left(net: Net) -> str:
    return net.mean(*net.space(), keepdims=0)


def mean_of_negative_axes(net: Net) -> str:
    return net.node("Flatten", net.mean(*(axis - net.rank - 2 for axis in net.space())))


def average_of_all(net: Net) -> str:
    pooled = net.node("AveragePool", FEATURES, kernel_shape=SIZES[net.rank], strides=[1] * net.rank)
    return net.node("Squeeze", pooled, net.integers(*net.space()))


def reshaped(net: Net) -> str:
    pooled = net.node("Identity", net.node("GlobalAveragePool", FEATURES))
    return net.node("Dropout", net.node("Reshape", pooled, net.integers(-1, CHANNELS)))


def reshaped_by_its_batch(net: Net) -> str:
    """As ``x.view(x.size(0), -1)`` is exported."""
    pooled = net.node("GlobalAveragePool", FEATURES)
    batch = net.node("Gather", net.node("Shape", pooled), net.constant(np.array(0)))
    shape = net.node("Concat", net.node("Unsqueeze", batch, net.integers(0)), net.integers(-1), axis=0)
    return net.node("Reshape", pooled, shape)


POOLINGS: Mapping[str, Callable[[Net], str]] = {
    "GlobalAveragePool": global_average,
    "ReduceMean": mean_without_axes_left,
    "ReduceMean, negative axes": mean_of_negative_axes,
    "AveragePool": average_of_all,
    "Reshape": reshaped,
    "Reshape by batch": reshaped_by_its_batch,
}


# Layers: from N times 8 numbers to the output `logit`.


def gemm(net: Net, source: str) -> str:
    return net.linear(source, output="logit")


def scaled_gemm(net: Net, source: str) -> str:
    weights, bias = net.weights(CHANNELS, VALUES), net.weights(1, VALUES)
    return net.node("Gemm", source, weights, bias, output="logit", alpha=0.5, beta=2.0)


def matmul(net: Net, source: str) -> str:
    return net.node("MatMul", source, net.weights(CHANNELS, VALUES), output="logit")


def matmul_and_bias(net: Net, source: str) -> str:
    product = net.node("MatMul", source, net.weights(CHANNELS, VALUES))
    return net.node("Add", net.weights(VALUES), product, output="logit")


def matmul_of_constant_nodes(net: Net, source: str) -> str:
    """Weights in a Constant node and transposed there, as some exporters leave them."""
    value = net.constants[-1].__class__()
    net.weights(VALUES, CHANNELS)
    value.CopyFrom(net.constants.pop())
    weights = net.node("Transpose", net.node("Constant", value=value), perm=[1, 0])
    return net.node("MatMul", source, weights, output="logit")


def convolution(net: Net, source: str) -> str:
    apart = net.node("Reshape", source, net.integers(-1, CHANNELS, *[1] * net.rank))
    return net.node("Flatten", net.volume_conv(apart, CHANNELS, VALUES, size=1), output="logit")


LAYERS: Mapping[str, Callable[[Net, str], str]] = {
    "Gemm": gemm,
    "Gemm, alpha and beta": scaled_gemm,
    "MatMul": matmul,
    "MatMul, Add": matmul_and_bias,
    "MatMul, Constant": matmul_of_constant_nodes,
    "Conv": convolution,
}


def tail(pooling: str = "GlobalAveragePool", layer: str = "Gemm", *, rank: int = 2, opset: int = 18) -> Net:
    """A net that ends so, in the output `logit`."""
    net = Net(rank, opset)
    LAYERS[layer](net, POOLINGS[pooling](net))
    return net


def with_weights(model: bytes, change: Callable[[Array], None]) -> bytes:
    """The weights of the map, changed."""
    proto = onnx.load_from_string(model)
    weights = next(item for item in proto.graph.initializer if item.name == "cam_weights")
    values = numpy_helper.to_array(weights).copy()
    change(values)
    weights.CopyFrom(numpy_helper.from_array(values, "cam_weights"))
    return bytes(proto.SerializeToString())


def answers(model: bytes, feed: Feed, engine: str = "onnxruntime", precision: Precision = "fp32") -> dict[str, Array]:
    opened = open_engine(engine, model, precision=precision, threads=1)
    try:
        return opened.infer(feed)
    finally:
        opened.close()


def int8(model: bytes, feed: Feed) -> bytes:
    scans = [{"image": image[np.newaxis]} for image in feed["image"]]
    kept = head_nodes(model, ["logit", "cam"])
    return lower_for_onnxruntime(quantise_int8(model, scans, method="minmax", keep_float=kept))


def at(precision: Precision, model: bytes, feed: Feed) -> bytes:
    return {"fp32": lambda: model, "fp16": lambda: to_fp16(model), "int8": lambda: int8(model, feed)}[precision]()


# Ends without a map: each leads to the output `logit`.


def attention(net: Net) -> None:
    tokens = net.node("Transpose", net.node("Reshape", FEATURES, net.integers(-1, CHANNELS, 16)), perm=[0, 2, 1])
    scores = net.node("Softmax", net.node("MatMul", tokens, net.weights(CHANNELS, 1)), axis=1)
    pooled = net.node("MatMul", net.node("Reshape", FEATURES, net.integers(-1, CHANNELS, 16)), scores)
    net.linear(net.node("Squeeze", pooled, net.integers(2)), output="logit")


def two_layers(net: Net) -> None:
    first = net.node("Relu", net.node("Gemm", net.pooled(), net.weights(CHANNELS, 5)))
    net.linear(first, output="logit", before=5)


def two_layers_in_a_row(net: Net) -> None:
    net.linear(net.node("Gemm", net.pooled(), net.weights(CHANNELS, 5), output="first"), output="logit", before=5)


def largest(net: Net) -> None:
    net.linear(net.node("Flatten", net.node("GlobalMaxPool", FEATURES)), output="logit")


def flattened(net: Net) -> None:
    net.linear(net.node("Flatten", FEATURES), output="logit", before=16 * CHANNELS)


def rows_alone(net: Net) -> None:
    net.linear(net.node("Flatten", net.mean(3)), output="logit", before=4 * CHANNELS)


def channels_too(net: Net) -> None:
    net.linear(net.node("Expand", net.mean(1, 2, 3, keepdims=0), net.integers(1, CHANNELS)), output="logit")


def quarters(net: Net) -> None:
    pooled = net.node("AveragePool", FEATURES, kernel_shape=[2, 2], strides=[2, 2])
    net.linear(net.node("Flatten", pooled), output="logit", before=4 * CHANNELS)


def padded(net: Net) -> None:
    pooled = net.node("AveragePool", FEATURES, kernel_shape=[4, 4], pads=[1, 1, 0, 0], strides=[4, 4])
    net.linear(net.node("Flatten", pooled), output="logit")


def no_constant_bias(net: Net) -> None:
    bias = net.linear(net.node("Flatten", net.node("GlobalMaxPool", FEATURES)))
    net.node("Add", net.linear(net.pooled()), bias, output="logit")


def no_constant_bias_within(net: Net) -> None:
    bias = net.linear(net.node("Flatten", net.node("GlobalMaxPool", FEATURES)))
    net.node("Gemm", net.pooled(), net.weights(CHANNELS, VALUES), bias, output="logit")


def no_constant_weights(net: Net) -> None:
    shape = net.integers(CHANNELS, VALUES)
    weights = net.node("Reshape", net.node("Slice", "image", net.integers(0), net.integers(24), net.integers(3)), shape)
    net.node("MatMul", net.pooled(), weights, output="logit")


def transposed(net: Net) -> None:
    net.node("Gemm", net.pooled(), net.weights(6, VALUES), output="logit", transA=1)


def weights_in_front(net: Net) -> None:
    net.node("Transpose", net.node("MatMul", net.weights(VALUES, 6), net.pooled()), output="logit")


def normalised(net: Net) -> None:
    ones = [net.constant(np.ones(CHANNELS, np.float32)) for _ in range(2)]
    net.linear(net.node("LayerNormalization", net.pooled(), *ones), output="logit")


OTHER_ENDS: Mapping[str, Callable[[Net], None]] = {
    "attention": attention,
    "two layers": two_layers,
    "two layers in a row": two_layers_in_a_row,
    "largest": largest,
    "flattened": flattened,
    "rows alone": rows_alone,
    "channels too": channels_too,
    "quarters": quarters,
    "padded": padded,
    "no constant bias": no_constant_bias,
    "no constant bias within": no_constant_bias_within,
    "no constant weights": no_constant_weights,
    "transposed": transposed,
    "weights in front": weights_in_front,
    "normalised": normalised,
}


TORCH_NETS = """
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(4)
            self.stem = nn.Sequential(nn.Conv2d(2, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
            self.body = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.head = nn.Linear(16, 3)

        def features(self, image):
            stem = self.stem(image)
            return stem + self.body(stem)

        def forward(self, image):
            return self.head(torch.flatten(self.pool(self.features(image)), 1))

    class Viewed(Residual):
        def forward(self, image):
            pooled = nn.functional.adaptive_avg_pool2d(self.features(image), (1, 1)).view(image.size(0), -1)
            return self.head(nn.functional.dropout(pooled, training=self.training))

    class Averaged(Residual):
        def forward(self, image):
            return self.head(self.features(image).mean([2, 3]))

    class Deep(Residual):
        def __init__(self):
            super().__init__()
            self.head = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
"""
"""A module such as users bring."""
