"""ONNX Runtime: on the CPU, and on an NVIDIA GPU by CUDA."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.engines import EngineFacts, Progress, TensorSpec, check_feeds
from edge.engines.kept import Artefact, keep_if_faster, kept
from edge.errors import EngineError
from edge.gpu import find_gpu
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, GPU_LOST, NO_ENGINE

PROVIDER = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
CUDA_OPTIONS: Mapping[str, str] = {
    "device_id": "0",
    "use_tf32": "0",
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",  # the GPU may be others', too: a GPU's memory is not taken twofold
}
"""What is asked of the CUDA provider; see `OnnxRuntimeCudaEngine`."""
CUDA_BUILD = "Uninstall onnxruntime, then install onnxruntime-gpu[cuda,cudnn]; only one of the two can be there."
CUDA_LIBRARIES = "CUDA's libraries of the version that it is built for come with onnxruntime-gpu[cuda,cudnn]."
CUDA_FAILURE = re.compile(r"CUDA (?:failure|error) (?P<number>\d+): (?P<words>[^;\n]*)")
LACKING = re.compile(r"Failed to load (?:.*[/\\\\])?([^/\\\\:\s]+): ")
"""How ONNX Runtime says that a library could not be loaded."""
HOST_NAME = re.compile(r" ; hostname=[^;]*")
OUT_OF_MEMORY = 2
GONE = frozenset({35, 46, 100, 101, 214, 219, 220, 802, 999})
BROKEN = GONE | frozenset(range(700, 720))
"""CUDA's numbers (``cudaError``): no memory; no GPU, or no driver that fits; a GPU that a process cannot use again."""
NO_GPU_MEMORY = "the GPU has not enough free memory for it; end what else uses the GPU, or choose another engine."
ERRORS_ONLY = 3
FATAL_ONLY = 4
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

    Where `prepare` kept the graph as ONNX Runtime optimised it here, that is loaded in its place, without optimising.

    Raises
    ------
    EngineError
        ``E501``.
    """

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        self._name = f"onnxruntime {ort.__version__}"
        try:
            self._session = _optimised(model, precision, threads)
            if self._session is None:
                self._session = ort.InferenceSession(model, _options(threads), providers=[PROVIDER])
        except Exception as error:  # its errors have no common base but Exception
            raise EngineError(f"Opening {self._name}: {_first_line(error)}", ENGINE_OPEN) from error
        self.facts = EngineFacts(
            name="onnxruntime",
            version=ort.__version__,
            provider=",".join(self._session.get_providers()),
            precision=precision,
            threads=threads,
        )
        self.inputs, self.outputs = _specs(self._session, self._name)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`."""
        if self._session is None:
            raise EngineError(f"Running {self._name}: it is closed.", ENGINE_RUN)
        check_feeds(feeds, self.inputs, self._name)
        try:
            return _run(self._session, self.outputs, feeds)
        except Exception as error:  # its errors have no common base but Exception
            raise EngineError(f"Running {self._name}: {_first_line(error)}", ENGINE_RUN) from error

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def prepare(model: bytes, *, name: str, precision: str, threads: int, progress: Progress | None = None) -> None:
    """Keep the graph as ONNX Runtime optimises it for this processor, if opening is faster; `progress` hears nothing.

    Raises
    ------
    EngineError
        ``E501``.
    """
    _ = progress

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            options = _options(threads)
            options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
            ort.InferenceSession(model, options, providers=[PROVIDER])
            return Path(options.optimized_model_filepath).read_bytes()

    def opened() -> OnnxRuntimeEngine:
        return OnnxRuntimeEngine(model, precision=precision, threads=threads)

    keep_if_faster(_graph(model, precision, threads, name), make, opened)


def _graph(model: bytes, precision: str, threads: int, name: str = "onnxruntime") -> Artefact:
    settings = {"threads": str(threads), "exact": str(_adds_exactly())}
    return Artefact(
        kind="onnxruntime-graph",
        engine=name,
        version=ort.__version__,
        model=model,
        precision=precision,
        settings=settings,
    )


def _optimised(model: bytes, precision: str, threads: int) -> Any:
    """A session of the optimised graph; None where none was kept or it does not load, which is no reason to fail."""
    graph = kept(_graph(model, precision, threads))
    if graph is None:
        return None
    options = _options(threads)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(graph, options, providers=[PROVIDER])
    except Exception:  # noqa: BLE001 -- its errors have no common base; the model itself is opened instead
        return None


class OnnxRuntimeCudaEngine:
    """A session on the CUDA provider, on the first GPU that the process may see; fulfils `edge.engines.Engine`.

    The CPU provider runs those nodes that CUDA has no kernel for, and none else: the facts count them. Whatever ONNX
    Runtime would do on the CPU instead, when opening or running fails, is turned off: there is no silent fallback.

    Floats are computed in 32 bits (no TF32). cuDNN's kernels are chosen by its heuristics (``HEURISTIC``): the same
    each time, so that a scan gives the same answer tomorrow, and without the trial of all of them that ``EXHAUSTIVE``
    runs for every shape and decides by the clock; ``DEFAULT`` is one fixed and slow kernel.

    Feeds come from numpy and outputs go there, so each run copies both once with or without an IO binding, which would
    save nothing here.

    Raises
    ------
    EngineError
        ``E500`` this ONNX Runtime is built without CUDA; ``E501``, ``E504`` no GPU answers.
    """

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        self._name = f"onnxruntime-cuda {ort.__version__}"
        self._lost = ""
        doing = f"Opening {self._name}"
        lacking = _load_cuda(doing)
        ort.set_default_logger_severity(FATAL_ONLY)  # what it prints of libraries is in the error
        try:
            self._session = ort.InferenceSession(
                model, _cuda_options(threads), providers=[(CUDA, dict(CUDA_OPTIONS)), PROVIDER], enable_fallback=0
            )
        except Exception as error:  # its errors have no common base but Exception
            words, number = _cuda_words(error)
            raise EngineError(f"{doing}: {words}", GPU_LOST if number in GONE else ENGINE_OPEN) from error
        granted = self._session.get_providers()
        if CUDA not in granted:
            found = f"it was given {', '.join(granted)}, expected {CUDA}"
            raise EngineError(f"{doing}: {found}. {lacking}{CUDA_LIBRARIES}", ENGINE_OPEN)
        self.facts = EngineFacts(
            name="onnxruntime-cuda",
            version=ort.__version__,
            provider=f"{CUDA} ({_gpu_words()}){_on_the_cpu(self._session)}",
            precision=precision,
            threads=threads,
        )
        self.inputs, self.outputs = _specs(self._session, self._name)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`.

        Raises
        ------
        EngineError
            ``E502``; once the GPU was lost, every time: no process gets one back that failed under it.
        """
        if self._lost or self._session is None:
            raise EngineError(f"Running {self._name}: {self._lost or 'it is closed.'}", ENGINE_RUN)
        check_feeds(feeds, self.inputs, self._name)
        try:
            return _run(self._session, self.outputs, feeds)
        except Exception as error:  # its errors have no common base but Exception
            words, number = _cuda_words(error)
            self._lost = words if number in BROKEN else ""
            raise EngineError(f"Running {self._name}: {words}", ENGINE_RUN) from error

    def close(self) -> None:
        """Drop the session, and with it what it holds of the GPU's memory."""
        self._session = None


def _run(session: Any, outputs: Sequence[TensorSpec], feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    names = [item.name for item in outputs]
    return {name: np.asarray(value) for name, value in zip(names, session.run(names, dict(feeds)), strict=True)}


def _load_cuda(doing: str) -> str:
    """Load CUDA's libraries, of pip's packages or the system's, and return in words which of them lack."""
    if CUDA not in ort.get_available_providers():
        found = f"found a build with {', '.join(ort.get_available_providers())}, expected one with {CUDA}"
        raise EngineError(f"{doing}: {found}. {CUDA_BUILD}", NO_ENGINE)
    words = io.StringIO()
    with contextlib.redirect_stdout(words):  # it prints
        if hasattr(ort, "preload_dlls"):  # from 1.21
            ort.preload_dlls(directory="")  # NVIDIA's packages first; never torch's
    lacking = dict.fromkeys(LACKING.findall(words.getvalue()))
    return f"These libraries lack: {', '.join(lacking)}. " if lacking else ""


def _cuda_options(threads: int) -> ort.SessionOptions:
    options = _options(threads)
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _on_the_cpu(session: Any) -> str:
    """How much of the graph CUDA has no kernels for, where the version tells (from 1.24)."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return ""
    parts = [(part.ep_name, len(part.get_nodes())) for part in session.get_provider_graph_assignment_info()]
    count = sum(nodes for name, nodes in parts if name != CUDA)
    return f", {count} of {sum(nodes for _, nodes in parts)} nodes on the CPU" if count else ""


def _gpu_words() -> str:
    gpu = find_gpu()
    return "GPU 0" if gpu is None else f"{gpu.name}, driver {gpu.driver}"


def _cuda_words(error: Exception) -> tuple[str, int]:
    """What an error says in plain words, without this machine's name in it, and CUDA's number for it, if it has one."""
    text = str(error)
    found = CUDA_FAILURE.search(text)
    number = int(found["number"]) if found else 0
    if number == OUT_OF_MEMORY or "Failed to allocate memory" in text:
        return NO_GPU_MEMORY, number
    if found and number in BROKEN:
        return f"the GPU failed and this process cannot use it again (CUDA {number}: {found['words'].strip()}).", number
    return HOST_NAME.sub("", _first_line(error)), number


def _specs(session: Any, name: str) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    return (
        tuple(_spec(item, name) for item in session.get_inputs()),
        tuple(_spec(item, name) for item in session.get_outputs()),
    )


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


def _spec(item: Any, name: str) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in item.shape)
    if item.type not in DTYPES:
        found = f"the input or output {item.name!r} is {item.type}, expected a tensor of numbers"
        raise EngineError(f"Opening {name}: {found}.", ENGINE_OPEN)
    return TensorSpec(name=item.name, dtype=DTYPES[item.type], shape=shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
