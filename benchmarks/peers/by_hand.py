"""The loop that one writes by hand for ONNX Runtime or OpenVINO, behind the Protocol of an engine: apart, as they are.

Both compute in float32, as edgerun lets them, with as many threads; nothing that is fed or answered is checked.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from edge.engines import Engine, EngineFacts, TensorSpec


class OnnxRuntimeByHand:
    """An `InferenceSession`, and nothing around it."""

    def __init__(self, model: bytes, threads: int) -> None:
        ort: Any = importlib.import_module("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.facts = _facts("onnxruntime", ort.__version__, threads)
        self.inputs = tuple(_spec(item.name, item.shape) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item.name, ()) for item in self._session.get_outputs())
        self._names = [item.name for item in self.outputs]

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once."""
        return dict(zip(self._names, self._session.run(None, feeds), strict=True))

    def close(self) -> None:
        """Drop the session."""
        self._session = None


class OpenVinoByHand:
    """A compiled model, and nothing around it."""

    def __init__(self, model: bytes, threads: int) -> None:
        ov: Any = importlib.import_module("openvino")
        core, graph = ov.Core(), onnx.load_model_from_string(model).graph  # of a tensor's names OpenVINO gives any
        wanted = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", wanted)
        self.facts = _facts("openvino", ov.__version__, threads)
        self.inputs = tuple(
            _spec(item.name, [size.to_string() for size in port.partial_shape])
            for item, port in zip(graph.input, self._compiled.inputs, strict=True)
        )
        self.outputs = tuple(_spec(item.name, ()) for item in graph.output)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once."""
        found = self._compiled(feeds)
        return {item.name: found[index] for index, item in enumerate(self.outputs)}

    def close(self) -> None:
        """Drop the model."""
        self._compiled = None


def open_by_hand(name: str, model: bytes, *, precision: str, threads: int) -> Engine:  # noqa: ARG001
    """Open ``onnxruntime`` or ``openvino``."""
    if name == "onnxruntime":
        return OnnxRuntimeByHand(model, threads)
    return OpenVinoByHand(model, threads)


def _facts(name: str, version: str, threads: int) -> EngineFacts:
    return EngineFacts(name=name, version=version, provider="CPU", precision="fp32", threads=threads)


def _spec(name: str, sizes: Sequence[Any]) -> TensorSpec:
    """Of sizes that are numbers; all others are free."""
    shape = tuple(int(size) if str(size).isdigit() else -1 for size in sizes)
    return TensorSpec(name=name, dtype="float32", shape=shape)
