"""The child that runs one engine: a model and feeds come in, outputs go out; and the messages of both sides.

A tensor travels as a frame of its own, so that each array owns its memory. The child ends when its stdin closes,
whatever the engine is doing, and an alarm ends an engine that lets nothing else run, even if the parent is gone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.engines import Engine, EngineFacts, Progress, TensorSpec
from edge.errors import CodedError, UsageError
from edge.frames import FrameError, read_frame, write_frame
from edge.reasons import ENGINE_OPEN, ENGINE_RUN, Reason
from edge.table import Entry
from edge.typed import Between, dump, parse

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

T = TypeVar("T")
Tensors = Mapping[str, NDArray[Any]]

NO_LIMIT_BYTES = 1 << 62
"""The child takes whatever its parent feeds it."""

_ALARM_FACTOR = 1.5
_STEP_SECONDS = 0.2
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the child is told when it is started; `model_bytes` of ONNX follow on stdin. `progress`: `Step` is sent."""

    name: str
    precision: str
    threads: int
    opener: str
    model_bytes: int
    opening_seconds: float
    seconds: float
    progress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Infer:
    """Run the model on as many tensors as follow."""

    kind: Literal["infer"] = "infer"
    tensors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPeak:
    """Say how much memory it took so far."""

    kind: Literal["ask-peak"] = "ask-peak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far opening is, as of `edge.engines.Progress`; any number of them come before the answer."""

    kind: Literal["step"] = "step"
    phase: str
    step: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The model is loaded."""

    kind: Literal["opened"] = "opened"
    facts: EngineFacts
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """The model ran for so long; as many tensors follow."""

    kind: Literal["inferred"] = "inferred"
    seconds: float
    tensors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory that the child held at any time, where the system tells."""

    kind: Literal["peak"] = "peak"
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The engine raised an error with this code, or, without one, was asked for what makes no sense."""

    kind: Literal["failed"] = "failed"
    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What is said of an array ahead of its values, which follow in C order and the machine's byte order."""

    name: str
    dtype: Literal[
        "bool",
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ]
    shape: tuple[Annotated[int, Between(0)], ...]


Request = Infer | AskPeak
Answer = Step | Opened | Inferred | Peak | Failed


def write_tensors(stream: BinaryIO, tensors: Tensors) -> None:
    """Write one frame for each array; only one that is not contiguous is copied."""
    for name, values in tensors.items():
        head = {"name": name, "dtype": values.dtype.name, "shape": list(values.shape)}
        native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        write_frame(stream, head, [native.reshape(-1).view(np.uint8).data], native.nbytes)


def read_tensors(stream: BinaryIO, count: int, limit_bytes: int) -> dict[str, NDArray[Any]]:
    """Return `count` arrays by name; each owns its memory and may be written to.

    Raises
    ------
    ValueError
        What came is no such frame.
    """
    return dict(_read_tensor(stream, limit_bytes) for _ in range(count))


def _read_tensor(stream: BinaryIO, limit_bytes: int) -> tuple[str, NDArray[Any]]:
    frame = read_frame(stream, limit_bytes)
    if frame is None:
        raise FrameError("The end, expected a tensor.")
    head, raw = parse(Tensor, frame[0]), frame[1]
    dtype = np.dtype(head.dtype)
    if math.prod(head.shape) * dtype.itemsize != len(raw):
        raise FrameError(f"A tensor of {len(raw)} bytes, expected {head.dtype} of shape {head.shape}.")
    return head.name, np.ndarray(head.shape, dtype, buffer=raw)


def main(settings: str) -> None:
    """Open the model that comes in on stdin and serve until stdin closes. `settings` is a `Settings` document."""
    requests, answers = _take_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_expendable()
    told = parse(Settings, json.loads(settings))
    inbox: queue.SimpleQueue[tuple[Request, Tensors] | bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, told.model_bytes, inbox), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        _serve(told, inbox, answers)
    os._exit(0)  # nothing to tidy, and no library's farewell to wait for


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of stdin and stdout; whoever prints from now on prints to stderr."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return requests, answers


def _be_expendable() -> None:
    """If the machine runs out of memory, this process is the one to end; its end leaves no core behind."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may have no /proc to write to
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _listen(stream: BinaryIO, model_bytes: int, inbox: queue.SimpleQueue[Any]) -> None:
    """Take the model, then every request, and end the process with the stream."""
    code = 1
    try:
        model = stream.read(model_bytes)  # as bytes at once, which engines ask for: a frame would hold it twice
        if len(model) == model_bytes:
            inbox.put(model)
            del model
            while (frame := read_frame(stream)) is not None:
                request: Request = parse(Request, frame[0])  # type: ignore[arg-type]
                count = request.tensors if isinstance(request, Infer) else 0
                inbox.put((request, read_tensors(stream, count, NO_LIMIT_BYTES)))
        code = 0
    except MemoryError:
        os.write(2, b"There was not enough memory to take what the parent sent.\n")
    except FrameError:  # the parent ended in the middle of one
        code = 0
    finally:
        os._exit(code)


def _serve(told: Settings, inbox: queue.SimpleQueue[Any], answers: BinaryIO) -> None:
    """Open the engine and answer requests as long as there are any."""

    def opened() -> Engine:
        heard = {"progress": _teller(answers)} if told.progress else {}
        engine: Engine = Entry(told.opener).load()(
            told.name, inbox.get(), precision=told.precision, threads=told.threads, **heard
        )
        return engine

    engine = _attempt(opened, told.opening_seconds, ENGINE_OPEN, f"Opening {told.name}")
    if isinstance(engine, Failed):
        write_frame(answers, dump(engine))
        return
    write_frame(answers, dump(Opened(facts=engine.facts, inputs=engine.inputs, outputs=engine.outputs)))
    while True:
        request, feeds = inbox.get()
        if isinstance(request, AskPeak):
            write_frame(answers, dump(Peak(bytes=_peak_bytes())))
        else:
            _infer(engine, feeds, told, answers)


def _teller(answers: BinaryIO) -> Progress:
    """What an engine tells its steps to while it opens; nothing else is written meanwhile."""
    last: list[float] = []

    def tell(phase: str, step: int, steps: int) -> bool:
        now = time.monotonic()
        if not last or step == steps or now - last[0] >= _STEP_SECONDS:
            last[:] = [now]
            write_frame(answers, dump(Step(phase=phase, step=step, steps=steps)))
        return True

    return tell


def _infer(engine: Engine, feeds: Tensors, told: Settings, answers: BinaryIO) -> None:
    def timed() -> tuple[float, Tensors]:
        started = time.perf_counter()
        outputs = engine.infer(feeds)
        return time.perf_counter() - started, outputs

    ran = _attempt(timed, told.seconds, ENGINE_RUN, f"Running {told.name}")
    if isinstance(ran, Failed):
        write_frame(answers, dump(ran))
        return
    seconds, outputs = ran
    write_frame(answers, dump(Inferred(seconds=seconds, tensors=len(outputs))))
    write_tensors(answers, outputs)


def _attempt(action: Callable[[], T], seconds: float, reason: Reason, doing: str) -> T | Failed:
    """The one boundary: whatever an engine does short of dying becomes an answer."""
    _set_alarm(seconds * _ALARM_FACTOR)
    try:
        return action()
    except UsageError as error:
        return Failed(code=None, message=error.message)
    except CodedError as error:
        return Failed(code=error.reason.code, message=error.message)
    except Exception as error:  # noqa: BLE001 -- no engine should, but its package may be broken, or memory scarce
        words = textwrap.shorten(f"{type(error).__name__}: {error}", _LONGEST_MESSAGE)
        return Failed(code=reason.code, message=f"{doing}: {words}")
    finally:
        _set_alarm(0)


def _set_alarm(seconds: float) -> None:
    """End this process in a while unless called again. The parent's own clock is quicker, if there still is one."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _peak_bytes() -> int | None:
    """The most memory that this process held; on Linux not by getrusage, which counts what the parent held (exec)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
