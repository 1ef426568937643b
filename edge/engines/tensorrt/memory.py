"""Memory of the GPU behind one small interface: what an engine needs of CUDA, and no more.

Every size is in bytes. Copies and launches are queued on a stream and done when it was synchronised.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.gpu import Gpu, find_gpu
from edge.reasons import ENGINE_RUN, GPU_LOST, NO_ENGINE, Reason
from edge.table import Entry

OPENING = "Opening the GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The GPU that is used, and what reaches it.

    Parameters
    ----------
    gpu : Gpu
    integrated : bool
        Whether it shares its memory with the processor.
    adapter : str
        The library and its version.
    cuda : str
        The CUDA that the adapter was built for.
    graphs : bool
        Whether the adapter can capture CUDA graphs.
    """

    gpu: Gpu
    integrated: bool
    adapter: str
    cuda: str
    graphs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Memory of the GPU, in bytes."""

    free_bytes: int
    total_bytes: int


class Block(Protocol):
    """Memory of the GPU."""

    address: int

    def close(self) -> None:
        """Free it; a second call does nothing."""


class Pinned(Protocol):
    """Memory of the processor that the GPU reads and writes by itself."""

    values: NDArray[np.uint8]

    def close(self) -> None:
        """Free it; `values` must not be touched any more. A second call does nothing."""


class Graph(Protocol):
    """Work that was captured from a stream."""

    def launch(self) -> None:
        """Queue all of it on the stream that it was captured from."""

    def close(self) -> None:
        """Forget it; a second call does nothing."""


class Stream(Protocol):
    """A queue of work; for one thread at a time.

    Attributes
    ----------
    handle : int
        CUDA's own, for libraries.
    """

    handle: int

    def upload(self, address: int, host: NDArray[Any]) -> None:
        """Queue a copy of a whole contiguous array to the GPU; it must stay as it is until then."""

    def download(self, host: NDArray[Any], address: int) -> None:
        """Queue a copy from the GPU that fills a whole contiguous array."""

    def follow(self, other: Stream) -> None:
        """Let what is queued here from now on wait for what is queued there already (an event)."""

    def capture(self, work: Callable[[], None]) -> Graph:
        """Return what `work` queues here as a graph, without doing it."""

    def synchronise(self) -> None:
        """Wait until all that was queued is done."""

    def close(self) -> None:
        """Forget the stream; a second call does nothing."""


class Memory(Protocol):
    """A way to the memory of one GPU; for any number of threads. All calls raise `EngineError`."""

    reached: Reached

    def allocate(self, size: int) -> Block:
        """Return so many bytes of the GPU's memory."""

    def pin(self, size: int) -> Pinned:
        """Return so many bytes of pinned memory."""

    def stream(self) -> Stream:
        """Return a new stream that waits for no other."""

    def room(self) -> Room:
        """Return what is free now."""

    def close(self) -> None:
        """Let go of the GPU; what was allocated must have been freed."""


ADAPTERS: Mapping[str, Entry] = {
    "cuda-python": Entry("edge.engines.tensorrt.memory_cuda_python:open_gpu", needs=("cuda.bindings",)),
    "pycuda": Entry("edge.engines.tensorrt.memory_pycuda:open_gpu", needs=("pycuda",)),
}
"""The first that is installed is the one in use; one that fails is not replaced by the next."""

LOST = frozenset(
    {
        "cudaErrorDevicesUnavailable",
        "cudaErrorNoDevice",
        "cudaErrorInvalidDevice",
        "cudaErrorInsufficientDriver",
        "cudaErrorECCUncorrectable",
        "cudaErrorNvlinkUncorrectable",
        "cudaErrorContained",
        "cudaErrorContextIsDestroyed",
        "cudaErrorHardwareStackError",
        "cudaErrorSystemNotReady",
        "cudaErrorExternalDevice",
        "cudaErrorUnknown",
    }
)
"""What CUDA's runtime says when the GPU is gone rather than the call wrong (cudaError_t of its reference)."""


def open_memory() -> Memory:
    """Return the way to the first GPU that this process may see (CUDA_VISIBLE_DEVICES chooses).

    Raises
    ------
    EngineError
        ``E500`` no adapter is installed; ``E504`` no GPU answers.
    """
    for entry in ADAPTERS.values():
        if not missing(entry):
            memory: Memory = entry.load()()
            return memory
    expected = " or ".join(ADAPTERS)
    raise EngineError(f"{OPENING}: found neither of its packages, expected {expected}.", NO_ENGINE)


def missing(entry: Entry) -> bool:
    """Return whether a package is not installed; `find_spec` fails for a part of one that is not there at all."""
    try:
        return any(importlib.util.find_spec(name) is None for name in entry.needs)
    except ModuleNotFoundError:
        return True


def failure(doing: str, code: str, words: str, reason: Reason = ENGINE_RUN) -> EngineError:
    """Return the error for what CUDA said; at the opening, `reason` is that of a GPU that is not there.

    Parameters
    ----------
    doing : str
        Such as ``Copying 12 bytes to the GPU``.
    code, words : str
        CUDA's own.
    """
    said = f"{code}: {words}" if words else code
    if code == "cudaErrorMemoryAllocation":
        return EngineError(f"{doing}: the GPU has not enough free memory ({said}).", reason)
    if code in LOST and reason is not GPU_LOST:
        return EngineError(f"{doing}: the GPU was lost in the middle, it does not answer any more ({said}).", reason)
    return EngineError(f"{doing}: {said}.", reason)


def known_gpu() -> Gpu:
    """Return the GPU as its driver knows it.

    Raises
    ------
    EngineError
        ``E504``: none answers.
    """
    found = find_gpu()
    if found is None:
        raise EngineError(f"{OPENING}: found none that answers.", GPU_LOST)
    return found


def cuda_version(number: int) -> str:
    """Return CUDA's version in its usual spelling.

    Examples
    --------
    >>> cuda_version(12060), cuda_version(13000)
    ('12.6', '13.0')
    """
    return f"{number // 1000}.{number % 1000 // 10}"
