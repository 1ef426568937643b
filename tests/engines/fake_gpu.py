"""A GPU that is none: its memory is the processor's, its streams do nothing until they are waited for."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.tensorrt.memory import Reached, Room, Stream, failure
from edge.gpu import Gpu

TOTAL_BYTES = 1 << 30
JUNK = 0xCD
GPU = Gpu(name="Fake GPU", uuid="GPU-00000000-0000-0000-0000-000000000001", capability="8.7", driver="540.4, CUDA 12.6")

Work = Callable[[], None]


class FakeMemory:
    """Fulfils `edge.engines.tensorrt.memory.Memory`; counts what lives, and can be lost.

    Work is done as late as a GPU may do it: at the waiting. Whoever changes what a copy was yet to read, or reads what
    a copy was yet to write, gets junk.
    """

    def __init__(self, *, integrated: bool = False, graphs: bool = True) -> None:
        self.reached = Reached(gpu=GPU, integrated=integrated, adapter="fake 1", cuda="12.6", graphs=graphs)
        self.lost = False
        self.capturing_fails = False
        self.made = 0
        self.captured = 0
        self.launched = 0
        self.live: dict[object, int] = {}
        self.streams: dict[int, FakeStream] = {}
        self.closed = False
        self._handles = itertools.count(1)

    def check(self, doing: str) -> None:
        """Fail as everything does on a GPU that is gone."""
        if self.lost:
            raise failure(doing, "cudaErrorUnknown", "unknown error")

    def hold(self, what: object, size: int) -> None:
        self.made += 1
        self.live[what] = size

    def let_go(self, what: object) -> None:
        del self.live[what]

    def allocate(self, size: int) -> FakeBlock:
        self.check(f"Allocating {size} bytes on the GPU")
        if size > self.room().free_bytes:
            raise failure(f"Allocating {size} bytes on the GPU", "cudaErrorMemoryAllocation", "out of memory")
        return FakeBlock(self, size)

    def pin(self, size: int) -> FakePinned:
        self.check("Pinning")
        return FakePinned(self, size)

    def stream(self) -> FakeStream:
        self.check("Creating a stream")
        found = FakeStream(self, next(self._handles))
        self.streams[found.handle] = found
        return found

    def room(self) -> Room:
        self.check("Asking for the GPU's free memory")
        return Room(free_bytes=TOTAL_BYTES - sum(self.live.values()), total_bytes=TOTAL_BYTES)

    def close(self) -> None:
        self.closed = True


class _Held:
    def __init__(self, memory: FakeMemory, size: int) -> None:
        self.memory = memory
        memory.hold(self, size)
        self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            self.memory.let_go(self)


class FakeBlock(_Held):
    def __init__(self, memory: FakeMemory, size: int) -> None:
        super().__init__(memory, size)
        self._bytes = np.full(size, JUNK, np.uint8)
        self.address = self._bytes.ctypes.data


class FakePinned(_Held):
    def __init__(self, memory: FakeMemory, size: int) -> None:
        super().__init__(memory, 0)
        self.values: NDArray[np.uint8] = np.full(size, JUNK, np.uint8)


class FakeGraph(_Held):
    def __init__(self, stream: FakeStream, work: list[Work]) -> None:
        super().__init__(stream.memory, 0)
        self._stream, self._work = stream, work

    def launch(self) -> None:
        self.memory.check("Running a CUDA graph")
        self.memory.launched += 1
        self._stream.queue.extend(self._work)


class FakeStream(_Held):
    def __init__(self, memory: FakeMemory, handle: int) -> None:
        super().__init__(memory, 0)
        self.handle = handle
        self.queue: list[Work] = []

    def add(self, work: Work) -> None:
        """Queue anything, as a library that was given the handle does."""
        self.queue.append(work)

    def upload(self, address: int, host: NDArray[Any]) -> None:
        self.memory.check(f"Copying {host.nbytes} bytes to the GPU")
        self.add(lambda: copy_bytes(address, host.ctypes.data, host.nbytes))

    def download(self, host: NDArray[Any], address: int) -> None:
        self.memory.check(f"Copying {host.nbytes} bytes from the GPU")
        self.add(lambda: copy_bytes(host.ctypes.data, address, host.nbytes))

    def follow(self, other: Stream) -> None:
        followed = self.memory.streams[other.handle]
        count = len(followed.queue)
        self.add(lambda: followed.drain(count))

    def capture(self, work: Work) -> FakeGraph:
        if self.memory.capturing_fails:
            raise failure("Capturing a CUDA graph", "cudaErrorStreamCaptureUnsupported", "not permitted")
        before, self.queue = self.queue, []
        work()
        captured, self.queue = self.queue, before
        self.memory.captured += 1
        return FakeGraph(self, captured)

    def drain(self, count: int) -> None:
        for _ in range(min(count, len(self.queue))):
            self.queue.pop(0)()

    def synchronise(self) -> None:
        self.memory.check("Waiting for the GPU")
        self.drain(len(self.queue))


def copy_bytes(to: int, source: int, size: int) -> None:
    ctypes.memmove(to, source, size)


def array_at(address: int, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """What lies at an address, as a library on this GPU sees it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype).reshape(shape)
