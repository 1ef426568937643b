"""The GPU's memory by way of NVIDIA's cuda-python (`cuda.bindings.runtime`)."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from edge.engines.tensorrt.memory import OPENING, Reached, Room, Stream, cuda_version, failure, known_gpu
from edge.errors import EngineError
from edge.reasons import ENGINE_RUN, GPU_LOST, Reason

DEVICE = 0
"""The first that the process may see."""


def open_gpu() -> CudaMemory:
    """Return the way to the first GPU.

    Raises
    ------
    EngineError
        ``E504``: there is none, or it or its driver does not answer.
    """
    return CudaMemory(_reach())


class CudaMemory:
    """Fulfils `edge.engines.tensorrt.memory.Memory`. CUDA's runtime shares one context among all of a process."""

    def __init__(self, reached: Reached) -> None:
        self.reached = reached

    def allocate(self, size: int) -> _Block:
        """Return so many bytes of the GPU's memory."""
        return _Block(size)

    def pin(self, size: int) -> _Pinned:
        """Return so many bytes of pinned memory."""
        return _Pinned(size)

    def stream(self) -> _Stream:
        """Return a new stream that waits for no other."""
        return _Stream()

    def room(self) -> Room:
        """Return what is free now."""
        free, total = _call(cudart.cudaMemGetInfo, doing="Asking for the GPU's free memory")
        return Room(free_bytes=free, total_bytes=total)

    def close(self) -> None:
        """Nothing is held: the context stays for the rest of the process, which may be using it elsewhere."""


class _Block:
    def __init__(self, size: int) -> None:
        self.address: int = _call(cudart.cudaMalloc, size, doing=f"Allocating {size} bytes on the GPU")

    def close(self) -> None:
        address, self.address = self.address, 0
        if address:
            _call(cudart.cudaFree, address, doing="Freeing memory of the GPU")


class _Pinned:
    def __init__(self, size: int) -> None:
        self._address: int = _call(cudart.cudaMallocHost, size, doing=f"Allocating {size} bytes of pinned memory")
        self.values: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._address))

    def close(self) -> None:
        address, self._address = self._address, 0
        self.values = np.empty(0, np.uint8)
        if address:
            _call(cudart.cudaFreeHost, address, doing="Freeing pinned memory")


class _Stream:
    def __init__(self) -> None:
        flags = cudart.cudaStreamNonBlocking
        self._stream = _call(cudart.cudaStreamCreateWithFlags, flags, doing="Creating a stream")
        self.handle = int(self._stream)

    def upload(self, address: int, host: NDArray[Any]) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        doing = f"Copying {host.nbytes} bytes to the GPU"
        _call(cudart.cudaMemcpyAsync, address, _start_of(host), host.nbytes, kind, self._stream, doing=doing)

    def download(self, host: NDArray[Any], address: int) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        doing = f"Copying {host.nbytes} bytes from the GPU"
        _call(cudart.cudaMemcpyAsync, _start_of(host), address, host.nbytes, kind, self._stream, doing=doing)

    def follow(self, other: Stream) -> None:
        doing = "Letting one stream wait for another"
        event = _call(cudart.cudaEventCreateWithFlags, cudart.cudaEventDisableTiming, doing=doing)
        try:
            _call(cudart.cudaEventRecord, event, other.handle, doing=doing)
            _call(cudart.cudaStreamWaitEvent, self._stream, event, 0, doing=doing)
        finally:  # CUDA keeps what is waited for until it came to pass
            _call(cudart.cudaEventDestroy, event, doing=doing)

    def capture(self, work: Callable[[], None]) -> _Graph:
        # Only what this thread does is captured, and only it may not wait meanwhile: other lanes go on as they do.
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(cudart.cudaStreamBeginCapture, self._stream, mode, doing="Capturing a CUDA graph")
        try:
            work()
        except BaseException:
            with contextlib.suppress(EngineError):  # what went wrong in it says more than that it was cut short
                self._end_capture().close()
            raise
        return self._end_capture()

    def _end_capture(self) -> _Graph:
        graph = _call(cudart.cudaStreamEndCapture, self._stream, doing="Capturing a CUDA graph")
        try:
            run = _call(cudart.cudaGraphInstantiate, graph, 0, doing="Preparing a CUDA graph")
        finally:
            _call(cudart.cudaGraphDestroy, graph, doing="Preparing a CUDA graph")
        return _Graph(run, self._stream)

    def synchronise(self) -> None:
        _call(cudart.cudaStreamSynchronize, self._stream, doing="Waiting for the GPU")

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            _call(cudart.cudaStreamDestroy, stream, doing="Closing a stream")


class _Graph:
    def __init__(self, run: Any, stream: Any) -> None:
        self._run, self._stream = run, stream

    def launch(self) -> None:
        _call(cudart.cudaGraphLaunch, self._run, self._stream, doing="Running a CUDA graph")

    def close(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            _call(cudart.cudaGraphExecDestroy, run, doing="Forgetting a CUDA graph")


def _start_of(host: NDArray[Any]) -> int:
    """Where a contiguous array begins: CUDA is given bare addresses, and would copy past the rows of another."""
    if not host.flags.c_contiguous:
        raise ValueError("Copying between processor and GPU: found an array with gaps, expected a contiguous one.")
    return host.ctypes.data


def _call(function: Callable[..., Any], *arguments: Any, doing: str, reason: Reason = ENGINE_RUN) -> Any:
    """What a call of the runtime returns beside its status: nothing, one value, or several."""
    try:
        status, *values = function(*arguments)
    except RuntimeError as error:  # how cuda-python says that the driver's library is not there, or is too old
        raise EngineError(f"{doing}: {error}", reason) from error
    if int(status):
        _, words = cudart.cudaGetErrorString(status)
        raise failure(doing, status.name, words.decode("utf-8", "replace"), reason)
    return values[0] if len(values) == 1 else tuple(values)


def _reach() -> Reached:
    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        return _call(function, *arguments, doing=OPENING, reason=GPU_LOST)

    ask(cudart.cudaSetDevice, DEVICE)
    ask(cudart.cudaFree, 0)  # the usual way to have the context made now, and to hear now if it cannot be
    return Reached(
        gpu=known_gpu(),
        integrated=bool(ask(cudart.cudaDeviceGetAttribute, cudart.cudaDeviceAttr.cudaDevAttrIntegrated, DEVICE)),
        adapter=f"cuda-python {importlib.metadata.version('cuda-bindings')}",
        cuda=cuda_version(ask(cudart.cudaRuntimeGetVersion)),
        graphs=True,
    )
