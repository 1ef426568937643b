"""PyCUDA's driver module as its manual describes it, with neither driver nor GPU."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.engines.fake_gpu import TOTAL_BYTES, copy_bytes


class Error(Exception):
    """PyCUDA's base of all errors."""


class LogicError(Error):
    pass


class NoMemoryError(Error):
    """PyCUDA's MemoryError."""


class FakePycuda:
    """What the fake holds."""

    def __init__(self) -> None:
        self.lost = False
        self.live: dict[object, int] = {}
        self.contexts = 0
        self.detached = 0

    def check(self, *, current: bool = True) -> None:
        """Fail where the GPU is gone, or no context is current as every call but the first needs."""
        if self.lost:
            raise LogicError("cuStreamSynchronize failed: unknown error")
        if current and not self.contexts:
            raise LogicError("cuMemAlloc failed: invalid device context")

    def room(self) -> tuple[int, int]:
        self.check()
        return TOTAL_BYTES - sum(self.live.values()), TOTAL_BYTES


class _Driver(types.ModuleType):
    state: FakePycuda


def fake_pycuda() -> tuple[Any, Any]:
    """Return the modules ``pycuda`` and ``pycuda.driver``; the latter has its state in ``state``."""
    package, driver, state = types.ModuleType("pycuda"), _Driver("pycuda.driver"), FakePycuda()
    vars(package).update(VERSION_TEXT="2026.1", driver=driver)
    vars(driver).update(
        state=state,
        Error=Error,
        Context=types.SimpleNamespace(pop=partial(_pop, state)),
        Device=partial(Device, state),
        Stream=partial(Stream, state),
        Event=Event,
        event_flags=types.SimpleNamespace(DISABLE_TIMING=2),
        device_attribute=types.SimpleNamespace(INTEGRATED=18),
        init=lambda: state.check(current=False),
        get_version=lambda: (12, 6, 0),
        mem_alloc=partial(mem_alloc, state),
        pagelocked_empty=partial(pagelocked_empty, state),
        memcpy_htod_async=partial(memcpy_htod_async, state),
        memcpy_dtoh_async=partial(memcpy_dtoh_async, state),
        mem_get_info=state.room,
    )
    return package, driver


def _pop(state: FakePycuda) -> None:
    state.contexts -= 1


class Context:
    def __init__(self, state: FakePycuda) -> None:
        self._state = state

    def push(self) -> None:
        self._state.contexts += 1

    def detach(self) -> None:
        self._state.detached += 1


class Device:
    def __init__(self, state: FakePycuda, number: int) -> None:
        assert number == 0
        self._state = state

    def get_attribute(self, attribute: int) -> int:
        assert attribute == 18
        return 1

    def retain_primary_context(self) -> Context:
        return Context(self._state)


class Held:
    """Memory that can be freed; numpy sees it as bytes."""

    def __init__(self, state: FakePycuda, size: int, counted: int) -> None:
        self._state = state
        self._bytes = np.full(size, 0xCD, np.uint8)
        self.__array_interface__ = self._bytes.__array_interface__
        state.live[self] = counted

    def __int__(self) -> int:
        return int(self._bytes.ctypes.data)

    def free(self) -> None:
        self._state.check()
        del self._state.live[self]


class Stream:
    def __init__(self, state: FakePycuda) -> None:
        state.check()
        self._state, self._key = state, object()
        self.queue: list[Callable[[], None]] = []
        self.handle = id(self)
        state.live[self._key] = 0

    def __del__(self) -> None:
        self._state.live.pop(self._key, None)

    def drain(self, count: int) -> None:
        for _ in range(min(count, len(self.queue))):
            self.queue.pop(0)()

    def synchronize(self) -> None:
        self._state.check()
        self.drain(len(self.queue))

    def wait_for_event(self, event: Event) -> None:
        self._state.check()
        stream, count = event.stream, event.count
        assert stream is not None
        self.queue.append(lambda: stream.drain(count))


class Event:
    def __init__(self, flags: int) -> None:
        assert flags == 2
        self.stream: Stream | None = None
        self.count = 0

    def record(self, stream: Stream) -> None:
        self.stream, self.count = stream, len(stream.queue)


def mem_alloc(state: FakePycuda, size: int) -> Held:
    if size > state.room()[0]:
        raise NoMemoryError("cuMemAlloc failed: out of memory")
    return Held(state, size, size)


def pagelocked_empty(state: FakePycuda, shape: int, dtype: Any) -> Any:
    state.check()
    held = Held(state, shape * np.dtype(dtype).itemsize, 0)
    found: Any = np.asarray(held)
    assert found.base is held  # what can be freed, as in PyCUDA
    return found


def memcpy_htod_async(state: FakePycuda, to: int, source: NDArray[Any], stream: Stream) -> None:
    state.check()
    stream.queue.append(lambda: copy_bytes(to, source.ctypes.data, source.nbytes))


def memcpy_dtoh_async(state: FakePycuda, to: NDArray[Any], source: int, stream: Stream) -> None:
    state.check()
    stream.queue.append(lambda: copy_bytes(to.ctypes.data, source, to.nbytes))
