"""TensorRT itself, in either of its two makes, and every place where its versions differ.

Two majors live, 10.3 (JetPack 6, for ever) and 11, and TensorRT for RTX beside them with nearly the same interface.
What one has and another has not is asked of the module in hand, never of its version: here and nowhere else.
"""

from __future__ import annotations

import collections
import functools
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import EngineError
from edge.reasons import NO_ENGINE


def _tensorrt() -> Any:
    import tensorrt  # noqa: PLC0415 -- takes seconds, and is there only where it is used

    return tensorrt


def _tensorrt_rtx() -> Any:
    import tensorrt_rtx_bindings  # noqa: PLC0415 -- the same

    return tensorrt_rtx_bindings


MODULES: Mapping[str, Callable[[], Any]] = {"tensorrt": _tensorrt, "tensorrt-rtx": _tensorrt_rtx}
"""By the engine's name; one never stands in for the other."""

DTYPES: Mapping[str, str] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "UINT8": "uint8",
}
"""TensorRT's words for the tensors that numpy can hold."""

LONGEST_MESSAGE = 300
_KEPT_LINES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """One make of TensorRT.

    Parameters
    ----------
    engine : str
        As in `edge.engines.ENGINES`.
    trt : module
    logger : ILogger
        TensorRT keeps the first that it is given for the whole process.
    lines : deque of str
        The last errors that it logged.
    """

    engine: str
    trt: Any
    logger: Any
    lines: collections.deque[str]

    @property
    def version(self) -> str:
        """Such as ``10.3.0``."""
        return str(self.trt.__version__)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"{self.engine} {self.version}"

    def words(self) -> str:
        """Return the first error that was logged since the last call, in one line, or that none was."""
        lines = list(self.lines)
        self.lines.clear()
        return first_words(lines[0]) if lines else "it gave no reason"


@functools.cache
def load_library(engine: str) -> Library:
    """Return what `import_library` does, the same one each time: TensorRT's logger must outlive all that it makes.

    Raises
    ------
    EngineError
        ``E500``.
    """
    return import_library(engine)


def import_library(engine: str) -> Library:
    """Import one make of TensorRT, which takes a while.

    Raises
    ------
    EngineError
        ``E500``: it is not installed, or a library that it needs is not.
    """
    try:
        trt = MODULES[engine]()
    except (ImportError, OSError) as error:  # its own libraries are loaded with ctypes, which raises the latter
        raise EngineError(f"Loading {engine}: {first_words(str(error))}.", NO_ENGINE) from error
    lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
    return Library(engine, trt, _logger(trt, lines), lines)


def first_words(text: str) -> str:
    """Return the first line that says something, without the place in the source code and the final full stop.

    Examples
    --------
    >>> first_words("IRuntime::load: Error Code 1: Cuda Runtime (In load at /_src/a.cpp:25 (cudaError 35: no driver))")
    'IRuntime::load: Error Code 1: Cuda Runtime (cudaError 35: no driver)'
    """
    line = next((line for line in text.splitlines() if line.strip()), "")
    head, place, tail = line.partition("In ")
    if place and ".cpp:" in tail:
        line = head.rstrip("( ") + " " + tail.partition(".cpp:")[2].lstrip("0123456789").strip()
        line = line.replace("))", ")") if line.count("(") < line.count(")") else line
    return textwrap.shorten(line, LONGEST_MESSAGE).rstrip(". ")


def _logger(trt: Any, lines: collections.deque[str]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # known only when it runs
        """Keeps errors; nothing may be raised here, TensorRT's threads call it."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                lines.append(message)

    return Logger()


def network_flags(trt: Any) -> int:
    """Return the flags of a network whose tensors have the types that the file gives them.

    In 10.x that is asked for; 11 knows nothing else and may yet drop the flag (11.1 has it).
    """
    kinds = trt.NetworkDefinitionCreationFlag
    return 1 << int(kinds.STRONGLY_TYPED) if hasattr(kinds, "STRONGLY_TYPED") else 0


def configure(trt: Any, config: Any, workspace_bytes: int | None) -> None:
    """Set what makes a build faithful: no TF32, which is on by default, and numbers that are none kept as such.

    ``STRICT_NANS`` is there from 10.6 on. Workspace is limited only where a limit is given.
    """
    flags = trt.BuilderFlag
    if hasattr(flags, "TF32"):
        config.clear_flag(flags.TF32)
    if hasattr(flags, "STRICT_NANS"):
        config.set_flag(flags.STRICT_NANS)
    if workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)


def has_timing_cache(library: Library) -> bool:
    """Return whether it times its kernels when it builds; TensorRT for RTX does not, its functions do nothing (1.2)."""
    return library.engine == "tensorrt" and hasattr(library.trt.IBuilderConfig, "create_timing_cache")


def create_context(trt: Any, engine: Any) -> Any:
    """Return an execution context.

    TensorRT for RTX compiles its kernels on the machine, for each shape: by default beside the runs, which then change
    kernels, and so bytes, at some time. Here it does so before the first run of a shape.
    """
    strategies = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
    if strategies is None:  # TensorRT itself, which from 10.11 on has such a config, but not this in it
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return engine.create_execution_context(config)


def capturable(context: Any, stream: int) -> bool:
    """Return whether a run can be captured as a CUDA graph, where the library tells (RTX); elsewhere it is tried."""
    return bool(context.is_stream_capturable(stream)) if hasattr(context, "is_stream_capturable") else True
