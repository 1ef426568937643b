"""The GPU's memory by way of PyCUDA (`pycuda.driver`), for machines without cuda-python.

PyCUDA speaks CUDA's driver API, so the context that CUDA's runtime uses (the primary one) is made current around each
call: it would otherwise be so in one thread only. It captures no graphs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pycuda
import pycuda.driver as cuda
from numpy.typing import NDArray

from edge.engines.tensorrt.memory import OPENING, Graph, Reached, Room, failure, known_gpu
from edge.errors import EngineError
from edge.reasons import ENGINE_RUN, GPU_LOST, Reason

DEVICE = 0
"""The first that the process may see."""

CODES = {
    "out of memory": "cudaErrorMemoryAllocation",
    "no CUDA-capable device": "cudaErrorNoDevice",
    "ECC": "cudaErrorECCUncorrectable",
    "NVLink": "cudaErrorNvlinkUncorrectable",
    "context is destroyed": "cudaErrorContextIsDestroyed",
    "hardware stack": "cudaErrorHardwareStackError",
    "unknown error": "cudaErrorUnknown",
}
"""PyCUDA gives the driver's words without its number; these parts of them are told apart."""


def open_gpu() -> PycudaMemory:
    """Return the way to the first GPU.

    Raises
    ------
    EngineError
        ``E504``: there is none, or it or its driver does not answer.
    """
    with _mapped(OPENING, GPU_LOST):
        cuda.init()
        device = cuda.Device(DEVICE)
        reached = Reached(
            gpu=known_gpu(),
            integrated=bool(device.get_attribute(cuda.device_attribute.INTEGRATED)),
            adapter=f"pycuda {pycuda.VERSION_TEXT}",
            cuda=".".join(str(part) for part in cuda.get_version()[:2]),
            graphs=False,
        )
        return PycudaMemory(device.retain_primary_context(), reached)


class PycudaMemory:
    """Fulfils `edge.engines.tensorrt.memory.Memory`."""

    def __init__(self, context: Any, reached: Reached) -> None:
        self._context = context
        self.reached = reached

    def allocate(self, size: int) -> _Block:
        """Return so many bytes of the GPU's memory."""
        with self.current(f"Allocating {size} bytes on the GPU"):
            return _Block(self, cuda.mem_alloc(size))

    def pin(self, size: int) -> _Pinned:
        """Return so many bytes of pinned memory."""
        with self.current(f"Allocating {size} bytes of pinned memory"):
            return _Pinned(self, cuda.pagelocked_empty(size, np.uint8))

    def stream(self) -> _Stream:
        """Return a new stream."""
        with self.current("Creating a stream"):
            return _Stream(self, cuda.Stream())

    def room(self) -> Room:
        """Return what is free now."""
        with self.current("Asking for the GPU's free memory"):
            free, total = cuda.mem_get_info()
        return Room(free_bytes=int(free), total_bytes=int(total))

    def close(self) -> None:
        """Let go of the primary context, which stays as long as anybody else in the process uses it."""
        context, self._context = self._context, None
        if context is not None:
            with _mapped("Closing the GPU", ENGINE_RUN):
                context.detach()

    @contextlib.contextmanager
    def current(self, doing: str) -> Iterator[None]:
        """Make the context this thread's while this lasts, and map PyCUDA's errors."""
        with _mapped(doing, ENGINE_RUN):
            self._context.push()
            try:
                yield
            finally:
                cuda.Context.pop()


class _Block:
    def __init__(self, memory: PycudaMemory, held: Any) -> None:
        self._memory, self._held = memory, held
        self.address = int(held)

    def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with self._memory.current("Freeing memory of the GPU"):
                held.free()


class _Pinned:
    def __init__(self, memory: PycudaMemory, values: NDArray[np.uint8]) -> None:
        self._memory = memory
        self._held: Any = values.base
        self.values = values

    def close(self) -> None:
        held, self._held = self._held, None
        self.values = np.empty(0, np.uint8)
        if held is not None:
            with self._memory.current("Freeing pinned memory"):
                held.free()


class _Stream:
    def __init__(self, memory: PycudaMemory, stream: Any) -> None:
        self._memory, self.queue = memory, stream
        self.handle = int(stream.handle)

    def upload(self, address: int, host: NDArray[Any]) -> None:
        with self._memory.current(f"Copying {host.nbytes} bytes to the GPU"):
            cuda.memcpy_htod_async(address, host, self.queue)

    def download(self, host: NDArray[Any], address: int) -> None:
        with self._memory.current(f"Copying {host.nbytes} bytes from the GPU"):
            cuda.memcpy_dtoh_async(host, address, self.queue)

    def follow(self, other: Any) -> None:
        with self._memory.current("Letting one stream wait for another"):
            event = cuda.Event(cuda.event_flags.DISABLE_TIMING)
            event.record(other.queue)
            self.queue.wait_for_event(event)

    def capture(self, work: Callable[[], None]) -> Graph:  # noqa: ARG002 -- the protocol's, which tells by `graphs`
        raise EngineError("Capturing a CUDA graph: PyCUDA is in use, which captures none.", ENGINE_RUN)

    def synchronise(self) -> None:
        with self._memory.current("Waiting for the GPU"):
            self.queue.synchronize()

    def close(self) -> None:
        with self._memory.current("Closing a stream"):
            self.queue = None  # PyCUDA destroys it with its last name


@contextlib.contextmanager
def _mapped(doing: str, reason: Reason) -> Iterator[None]:
    try:
        yield
    except cuda.Error as error:
        words = re.sub(r"\s+", " ", str(error)).strip()
        code = next((code for part, code in CODES.items() if part in words), type(error).__name__)
        raise failure(doing, code, words, reason) from error
