"""ONNX Runtime on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.engines import EngineFacts, TensorSpec, check_feeds
from edge.errors import EngineError
from edge.reasons import ENGINE_OPEN, ENGINE_RUN

PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
EXACT = frozenset({"avx512_vnni", "avx_vnni"})
"""Linux's words for processors that add up products of INT8 in 32 bits."""

DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
"""ONNX Runtime's words for the tensors that numpy can hold."""


class OnnxRuntimeEngine:
    """A session on the CPU provider; fulfils `edge.engines.Engine`.

    Idle threads sleep rather than spin: an idle session that spins slows decoding and preparation many times over.

    Raises
    ------
    EngineError
        ``E501``.
    """

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        try:
            self._session = ort.InferenceSession(model, _options(threads), providers=[PROVIDER])
        except Exception as error:  # its errors have no common base but Exception
            raise EngineError(f"Opening onnxruntime {ort.__version__}: {_first_line(error)}", ENGINE_OPEN) from error
        self.facts = EngineFacts(
            name="onnxruntime",
            version=ort.__version__,
            provider=",".join(self._session.get_providers()),
            precision=precision,
            threads=threads,
        )
        self.inputs = tuple(_spec(item) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item) for item in self._session.get_outputs())

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`."""
        check_feeds(feeds, self.inputs, f"onnxruntime {ort.__version__}")
        names = [item.name for item in self.outputs]
        try:
            values = self._session.run(names, dict(feeds))
        except Exception as error:  # its errors have no common base but Exception
            raise EngineError(f"Running onnxruntime {ort.__version__}: {_first_line(error)}", ENGINE_RUN) from error
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Processors without VNNI add up pairs of INT8 products in 16 bits, which can overflow: take the exact kernels.
    # With it the fast ones are exact too, and ONNX Runtime (1.32) would be half as fast with the slow ones.
    options.add_session_config_entry("session.x64quantprecision", "0" if _adds_exactly() else "1")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked, not what it looks like
    return options


def _adds_exactly() -> bool:
    """Whether the processor is known to; elsewhere than on Linux nothing is known."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
        flags = next((line.partition(":")[2].split() for line in file if line.startswith("flags")), [])
        return not EXACT.isdisjoint(flags)
    return False


def _spec(item: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in item.shape)
    if item.type not in DTYPES:
        found = f"the input or output {item.name!r} is {item.type}, expected a tensor of numbers"
        raise EngineError(f"Opening onnxruntime {ort.__version__}: {found}.", ENGINE_OPEN)
    return TensorSpec(name=item.name, dtype=DTYPES[item.type], shape=shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
