"""CUDA's runtime as cuda-python shows it, with neither driver nor GPU: each call gives a status and then its values."""

from __future__ import annotations

import enum
import itertools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.engines.fake_gpu import TOTAL_BYTES, copy_bytes

cudaError_t = enum.IntEnum(  # noqa: N816 -- CUDA's name
    "cudaError_t",
    {
        "cudaSuccess": 0,
        "cudaErrorMemoryAllocation": 2,
        "cudaErrorInvalidResourceHandle": 400,
        "cudaErrorUnknown": 999,
    },
)
cudaMemcpyKind = enum.IntEnum("cudaMemcpyKind", {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})  # noqa: N816
cudaStreamCaptureMode = enum.IntEnum("cudaStreamCaptureMode", {"cudaStreamCaptureModeThreadLocal": 1})  # noqa: N816
cudaDeviceAttr = enum.IntEnum("cudaDeviceAttr", {"cudaDevAttrIntegrated": 18})  # noqa: N816


class FakeRuntime:
    """What the fake runtime holds."""

    def __init__(self) -> None:
        self.lost = False
        self.unloadable = False
        self.live: dict[int, int] = {}
        self.arrays: dict[int, Any] = {}
        self.queues: dict[int, list[Callable[[], None]]] = {}
        self.marks: dict[int, tuple[int, int]] = {}
        self.captures: dict[int, int] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.handles = itertools.count(1000)

    def new(self) -> int:
        handle = next(self.handles)
        self.live[handle] = 0
        return handle

    def drain(self, stream: int, count: int) -> None:
        for _ in range(min(count, len(self.queues[stream]))):
            self.queues[stream].pop(0)()


class _Module(types.ModuleType):
    state: FakeRuntime


def fake_runtime() -> Any:
    """Return a module with what the adapter calls; its state is in ``state``."""
    module, state = _Module("cuda.bindings.runtime"), FakeRuntime()
    module.state = state
    for kind in (cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode, cudaDeviceAttr):
        setattr(module, kind.__name__, kind)
    vars(module).update(cudaStreamNonBlocking=1, cudaEventDisableTiming=2)
    calls = {**_memory(state), **_streams(state), **_graphs(state), **_device(state)}
    for name, call in calls.items():
        setattr(module, name, _checked(state, call))
    module.cudaGetErrorString = lambda status: (cudaError_t(0), f"words for {int(status)}".encode())  # type: ignore[attr-defined]
    return module


def _checked(state: FakeRuntime, call: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    def checked(*arguments: Any) -> tuple[Any, ...]:
        if state.unloadable:
            raise RuntimeError("libcuda is not there")
        if state.lost:
            return (cudaError_t(999), None)
        try:
            found = call(*arguments)
        except MemoryError:
            return (cudaError_t(2), None)
        except KeyError:
            return (cudaError_t(400),)
        return (cudaError_t(0), *(found if isinstance(found, tuple) else () if found is None else (found,)))

    return checked


def _memory(state: FakeRuntime) -> dict[str, Callable[..., Any]]:
    def allocate(size: int, counted: int) -> int:
        if counted > TOTAL_BYTES - sum(state.live.values()):
            raise MemoryError
        array = np.full(size, 0xCD, np.uint8)
        address = int(array.ctypes.data)
        state.arrays[address], state.live[address] = array, counted
        return address

    def free(address: int) -> None:
        if address:
            del state.live[address], state.arrays[address]

    def copy(to: int, source: int, size: int, kind: int, stream: int) -> None:
        assert isinstance(kind, cudaMemcpyKind)
        state.queues[stream].append(lambda: copy_bytes(to, source, size))

    return {
        "cudaMalloc": lambda size: allocate(size, size),
        "cudaMallocHost": lambda size: allocate(size, 0),
        "cudaFree": free,
        "cudaFreeHost": free,
        "cudaMemcpyAsync": copy,
        "cudaMemGetInfo": lambda: (TOTAL_BYTES - sum(state.live.values()), TOTAL_BYTES),
    }


def _streams(state: FakeRuntime) -> dict[str, Callable[..., Any]]:
    def create(flags: int) -> int:
        assert flags == 1
        stream = state.new()
        state.queues[stream] = []
        return stream

    def destroy(stream: int) -> None:
        del state.live[stream], state.queues[stream]

    def record(event: int, stream: int) -> None:
        state.marks[event] = (stream, len(state.queues[stream]))

    def wait(stream: int, event: int, _flags: int) -> None:
        marked = state.marks[event]
        state.queues[stream].append(lambda: state.drain(*marked))

    return {
        "cudaStreamCreateWithFlags": create,
        "cudaStreamDestroy": destroy,
        "cudaStreamSynchronize": lambda stream: state.drain(stream, len(state.queues[stream])),
        "cudaStreamWaitEvent": wait,
        "cudaEventCreateWithFlags": lambda _flags: state.new(),
        "cudaEventRecord": record,
        "cudaEventDestroy": lambda event: state.live.pop(event) and None,
    }


def _graphs(state: FakeRuntime) -> dict[str, Callable[..., Any]]:
    def begin(stream: int, _mode: int) -> None:
        state.captures[stream] = len(state.queues[stream])

    def end(stream: int) -> int:
        start, graph = state.captures.pop(stream), state.new()
        state.graphs[graph], state.queues[stream][start:] = state.queues[stream][start:], []
        return graph

    def instantiate(graph: int, _flags: int) -> int:
        run = state.new()
        state.graphs[run] = list(state.graphs[graph])
        return run

    def destroy(graph: int) -> None:
        del state.live[graph], state.graphs[graph]

    return {
        "cudaStreamBeginCapture": begin,
        "cudaStreamEndCapture": end,
        "cudaGraphInstantiate": instantiate,
        "cudaGraphLaunch": lambda run, stream: state.queues[stream].extend(state.graphs[run]),
        "cudaGraphDestroy": destroy,
        "cudaGraphExecDestroy": destroy,
    }


def _device(_state: FakeRuntime) -> dict[str, Callable[..., Any]]:
    return {
        "cudaSetDevice": lambda _device: None,
        "cudaDeviceGetAttribute": lambda _attribute, _device: 0,
        "cudaRuntimeGetVersion": lambda: 13000,
    }
