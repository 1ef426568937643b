"""Engines: what runs a model. An engine knows tensors and nothing of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from edge.errors import EngineError
from edge.reasons import ENGINE_RUN, NO_ENGINE
from edge.table import Build, Entry, lookup

ENGINES: Mapping[str, Entry] = {
    "onnxruntime": Entry("edge.engines.onnxruntime:OnnxRuntimeEngine", needs=("onnxruntime",)),
    "openvino": Entry("edge.engines.openvino:OpenVinoEngine", needs=("openvino",), extra="openvino"),
    "onnxruntime-cuda": Entry(
        "edge.engines.onnxruntime:OnnxRuntimeCudaEngine",
        needs=("onnxruntime",),
        extra="cuda",
        device="NVIDIA GPU",
        build=Build("onnxruntime-gpu", "capi/*onnxruntime_providers_cuda.*"),
    ),
    "openvino-gpu": Entry(
        "edge.engines.openvino:OpenVinoGpuEngine", needs=("openvino",), extra="openvino", device="Intel GPU"
    ),
    "tensorrt": Entry(
        "edge.engines.tensorrt:TensorRtEngine", needs=("tensorrt",), extra="tensorrt", device="NVIDIA GPU"
    ),
    "tensorrt-rtx": Entry(
        "edge.engines.tensorrt:TensorRtRtxEngine",
        needs=("tensorrt_rtx_bindings",),
        extra="tensorrt-rtx",
        device="NVIDIA GPU",
    ),
}
"""The preferred one first, until a machine has measured its own (`edgerun prepare`)."""

PREPARERS: Mapping[str, Entry] = {
    "onnxruntime": Entry("edge.engines.onnxruntime:prepare"),
    "openvino": Entry("edge.engines.openvino:prepare"),
    "openvino-gpu": Entry("edge.engines.openvino:prepare"),
    "tensorrt": Entry("edge.engines.tensorrt:prepare"),
    "tensorrt-rtx": Entry("edge.engines.tensorrt:prepare"),
}
"""What compiles a model for this machine, once, and keeps it (`edge.engines.cache`); the other engines need no such."""

Progress = Callable[[str, int, int], bool]
"""Told of each step of each phase, by the engine's name for it: (phase, step from 1, steps); False stops the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output of a model: `dtype` as numpy calls it; in `shape`, -1 stands for an axis of any size."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether a tensor of this shape can be it.

        Examples
        --------
        >>> spec = TensorSpec(name="image", dtype="float32", shape=(-1, 1, 28, 28))
        >>> spec.fits((3, 1, 28, 28)), spec.fits((1, 3, 28, 28)), spec.fits((1, 28, 28))
        (True, False, False)
        """
        return len(shape) == len(self.shape) and all(
            own in (-1, size) for own, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What really runs, read back from the engine.

    Parameters
    ----------
    name : str
        As in `ENGINES`.
    version : str
    provider : str
        The engine's own word for the device and library that it runs on.
    precision : str
        Of the model that was loaded.
    threads : int
    """

    name: str
    version: str
    provider: str
    precision: str
    threads: int


class Engine(Protocol):
    """A loaded model."""

    facts: EngineFacts
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name; the arrays belong to the caller and are never written to again.

        Raises
        ------
        EngineError
            ``E502``.
        """

    def close(self) -> None:
        """Give the model's memory back; a second call does nothing."""


def check_feeds(feeds: Mapping[str, NDArray[Any]], inputs: Sequence[TensorSpec], engine: str) -> None:
    """Refuse what engines themselves would cast, cut, misread, or replace by what they were fed before.

    Parameters
    ----------
    feeds : mapping
        As given to `Engine.infer`.
    inputs : sequence of TensorSpec
        What the model takes. A dtype of another byte order is another dtype.
    engine : str
        What to call it in messages.

    Raises
    ------
    EngineError
        ``E502``.
    """
    if set(feeds) != {item.name for item in inputs}:
        names = ", ".join(sorted(feeds)) or "nothing"
        expected = ", ".join(sorted(item.name for item in inputs)) or "nothing"
        raise EngineError(f"Running {engine}: found {names}; expected {expected}.", ENGINE_RUN)
    for item in inputs:
        feed = feeds[item.name]
        if str(feed.dtype) != item.dtype or not item.fits(feed.shape):
            found = f"{item.name!r} is {feed.dtype} of shape {feed.shape}, expected {item.dtype} of shape {item.shape}"
            raise EngineError(f"Running {engine}: {found}.", ENGINE_RUN)


def available_engines() -> tuple[str, ...]:
    """Return the names of the engines whose packages and device are here, in their order; imports none of them."""
    return tuple(name for name, entry in ENGINES.items() if not entry.missing())


def open_engine(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """Load a model whose bytes have been checked.

    Parameters
    ----------
    name : str
        As in `ENGINES`.
    model : bytes
        ONNX.
    precision : str
        Of the model; for the report.
    threads : int
        As many as the engine may use.

    Raises
    ------
    EngineError
        ``E500`` the engine's packages are not installed; ``E501`` it cannot load the model.
    UsageError
        There is no engine by that name.
    """
    check_available(name)
    engine: Engine = ENGINES[name].load()(model, precision=precision, threads=threads)
    return engine


def open_prepared(name: str, model: bytes, *, precision: str, threads: int, progress: Progress | None = None) -> Engine:
    """Compile a model for this machine where the engine can and has not yet, which may take minutes, and load it.

    Parameters and errors as of `open_engine`, and:

    Parameters
    ----------
    progress : callable, optional
        Of engines that tell how far they are, which TensorRT does; called from another thread.

    Raises
    ------
    EngineError
        ``E501`` it cannot be compiled, ``E504``, ``E506``.
    OutputError
        ``W800`` or ``W801``: what was compiled cannot be kept.
    """
    check_available(name)
    if name in PREPARERS:
        PREPARERS[name].load()(model, name=name, precision=precision, threads=threads, progress=progress)
    return open_engine(name, model, precision=precision, threads=threads)


def check_available(name: str) -> None:
    """Refuse an engine that cannot run here.

    Raises
    ------
    EngineError
        ``E500``, with what lacks and what brings it.
    UsageError
        There is no engine by that name.
    """
    entry = lookup(ENGINES, name, "engine")
    if missing := entry.missing():
        raise EngineError(f"Opening {name}: {_lack(entry, missing[0])}", NO_ENGINE)


def _lack(entry: Entry, missing: str) -> str:
    if missing == entry.device:
        return f"this machine shows no {missing}, or its driver is not loaded."
    hint = f" It comes with edgerun[{entry.extra}]." if entry.extra else ""
    return f"the package {missing} is not installed.{hint}"
