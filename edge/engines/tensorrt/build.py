"""From ONNX to a plan, the form in which TensorRT runs a model on one GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

from edge.engines import Progress
from edge.engines.tensorrt.library import (
    DTYPES,
    Library,
    configure,
    first_words,
    has_timing_cache,
    network_flags,
)
from edge.engines.tensorrt.memory import Room
from edge.errors import EngineError
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN

T = TypeVar("T")

LARGEST_BATCH = 8
"""How many scans a plan takes at once, at most: its memory grows with it."""
LARGEST_INPUT = 1 << 24
"""How many numbers the inputs may hold together in a batch larger than 1."""
SHARED_PART = 2
"""A board whose processor shares the memory keeps one part in so many of what is free for all else."""

_LISTEN_SECONDS = 0.1

_SIGNED = "It takes signed INT8, zero points of 0 and biases in floating point, as edgerun-convert writes them."
_UNKNOWN_SIZE = "How large its output is depends on the values: leave such nodes to edgerun's own code."
HINTS: Mapping[str, str] = {
    "DequantizeLinear": _SIGNED,
    "QuantizeLinear": _SIGNED,
    "GridSample": "It takes the 3-D one from 11.2.1 on: until then, cut the model before it.",
    "NonZero": _UNKNOWN_SIZE,
    "NonMaxSuppression": _UNKNOWN_SIZE,
}
"""What to do about a node that was refused, by its operator."""
OTHERWISE = "Run this model on another engine."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Built:
    """A plan, and what was learnt of kernels' speed on the way (empty where the library learns nothing)."""

    plan: bytes
    timing: bytes


def build_plan(
    library: Library,
    model: bytes,
    *,
    workspace_bytes: int | None = None,
    timing: bytes = b"",
    progress: Progress | None = None,
) -> Built:
    """Build a plan for the GPU of this machine; TensorRT for RTX also builds without one.

    The file's own types are kept (a model in FP16 is one whose file is; INT8 is what stands between Q and DQ); TF32 is
    off. The first axis of an input may be free, from 1 to `LARGEST_BATCH`; all others are fixed.

    Parameters
    ----------
    library : Library
    model : bytes
        ONNX, checked.
    workspace_bytes : int, optional
        How much memory a layer may take to compute; None: as TensorRT pleases.
    timing : bytes
        The timing cache of an earlier build.
    progress : callable, optional
        Called from another thread. Stopping, and an interrupt, take effect at the next step.

    Raises
    ------
    EngineError
        ``E501`` TensorRT does not take the model; ``E505`` `progress` stopped it.
    """
    stop = threading.Event()
    return _apart(lambda: _build(library, model, workspace_bytes, timing, _Watch(progress, stop)), stop)


def workspace_limit(room: Room, *, integrated: bool) -> int | None:
    """Return how much memory a layer may take where the processor shares it; None for a GPU with memory of its own.

    Examples
    --------
    >>> workspace_limit(Room(free_bytes=6_000, total_bytes=8_000), integrated=True)
    3000
    """
    return room.free_bytes // SHARED_PART if integrated else None


def largest_batch(shapes: Sequence[Sequence[int]]) -> int:
    """Return the largest batch for inputs of these shapes, a power of two.

    Examples
    --------
    >>> largest_batch([(-1, 3, 224, 224)]), largest_batch([(-1, 4, 128, 128, 128)]), largest_batch([(-1, 1, 999, 9999)])
    (8, 2, 1)
    """
    each = sum(prod(abs(size) for size in shape) for shape in shapes)
    batch = LARGEST_BATCH
    while batch > 1 and batch * each > LARGEST_INPUT:
        batch //= 2
    return batch


def _apart(work: Callable[[], T], stop: threading.Event) -> T:
    """Do it in another thread: an interrupt is raised in the first one, and never inside TensorRT, which would end."""
    done: list[T] = []
    failed: list[BaseException] = []
    go, ended = threading.Event(), threading.Event()

    def run() -> None:
        try:
            go.wait()
            if not stop.is_set():
                done.append(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where it was asked for
            failed.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, name="edgerun-build", daemon=True).start()
        go.set()  # not before: an interrupt while it starts finds nothing begun
        while not ended.wait(_LISTEN_SECONDS):  # not join(): interrupted, it takes a running thread for ended (3.11)
            pass
    except BaseException:
        stop.set()
        if go.is_set():
            ended.wait()
        go.set()
        raise
    if failed:
        raise failed[0]
    return done[0]


class _Watch:
    """Counts the steps for whoever watches, from any of TensorRT's threads; raises nothing."""

    def __init__(self, progress: Progress | None, stop: threading.Event) -> None:
        self._progress, self.stop = progress, stop
        self._steps: dict[str, int] = {}
        self._lock = threading.Lock()
        self.failed: BaseException | None = None

    def start(self, phase: str, steps: int) -> None:
        with self._lock:
            self._steps[phase] = steps

    def step(self, phase: str, step: int) -> bool:
        """Whether to go on."""
        with self._lock:
            if self.stop.is_set():
                return False
            try:
                going = self._progress is None or self._progress(phase, step + 1, self._steps.get(phase, 0))
            except BaseException as error:  # noqa: BLE001 -- raised again when TensorRT has come to its end
                self.failed, going = error, False
            if not going:
                self.stop.set()
            return going


def _build(library: Library, model: bytes, workspace_bytes: int | None, timing: bytes, watch: _Watch) -> Built:
    trt = library.trt
    library.lines.clear()
    builder = trt.Builder(library.logger)
    network = builder.create_network(network_flags(trt))
    _parse(library, network, model)
    _check_network(library, network)
    config = builder.create_builder_config()
    configure(trt, config, workspace_bytes)
    _add_profile(builder, config, network)
    cache = _timing_cache(library, config, timing)
    monitor = _monitor(trt, watch)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if watch.failed is not None:
        raise watch.failed
    if watch.stop.is_set():
        raise EngineError(
            f"Preparing {library.name}: it was stopped before the end and left nothing.", ENGINE_NOT_PREPARED
        )
    if plan is None:
        raise EngineError(f"Preparing {library.name}: {library.words()}. {OTHERWISE}", ENGINE_OPEN)
    return Built(plan=bytes(memoryview(plan)), timing=b"" if cache is None else bytes(memoryview(cache.serialize())))


def _parse(library: Library, network: Any, model: bytes) -> None:
    parser = library.trt.OnnxParser(network, library.logger)
    if parser.parse(model):
        return
    if not parser.num_errors:
        raise EngineError(f"Preparing {library.name}: {library.words()}.", ENGINE_OPEN)
    error = parser.get_error(0)
    operator, node = _told(error, "node_operator"), _told(error, "node_name")
    where = f" at the node {node!r} ({operator})" if operator else ""
    said = first_words(error.desc()).removeprefix("Assertion failed: ")
    raise EngineError(f"Preparing {library.name}: {said}{where}. {HINTS.get(operator, OTHERWISE)}", ENGINE_OPEN)


def _told(error: Any, what: str) -> str:
    """A part of a parser's error; these two are there from 10.0 on."""
    return str(getattr(error, what)()) if hasattr(error, what) else ""


def _check_network(library: Library, network: Any) -> None:
    """Refuse what edgerun could not run: before minutes of building, not after them."""
    for role, tensor in _tensors(network):
        shape = tuple(tensor.shape)
        what = f"the {role} {tensor.name!r}"
        if tensor.dtype.name not in DTYPES:
            _refuse(library, f"{what} is {tensor.dtype.name}, expected one of {', '.join(DTYPES)}")
        if -1 in shape[1:]:
            _refuse(library, f"{what} has the shape {shape}, expected -1 (any size) nowhere but in front")
        if role == "input" and tensor.is_shape_tensor:
            _refuse(library, f"{what} holds the shape of another tensor, expected values only")


def _refuse(library: Library, found: str) -> None:
    raise EngineError(f"Preparing {library.name}: {found}. {OTHERWISE}", ENGINE_OPEN)


def _tensors(network: Any) -> list[tuple[str, Any]]:
    return [("input", network.get_input(index)) for index in range(network.num_inputs)] + [
        ("output", network.get_output(index)) for index in range(network.num_outputs)
    ]


def _add_profile(builder: Any, config: Any, network: Any) -> None:
    """The one range of shapes: batches from 1 up, tuned for 1."""
    inputs = [tensor for role, tensor in _tensors(network) if role == "input"]
    free = [tensor for tensor in inputs if -1 in tuple(tensor.shape)]
    if not free:
        return
    batch = largest_batch([tuple(tensor.shape) for tensor in inputs])
    profile = builder.create_optimization_profile()
    for tensor in free:
        rest = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, (1, *rest), (1, *rest), (batch, *rest))
    config.add_optimization_profile(profile)


def _timing_cache(library: Library, config: Any, timing: bytes) -> Any:
    if not has_timing_cache(library):
        return None
    cache = config.create_timing_cache(timing)
    if not config.set_timing_cache(cache, ignore_mismatch=False):  # of another GPU or version: begin a new one
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _monitor(trt: Any, watch: _Watch) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # known only when it runs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, _parent: str | None, steps: int) -> None:
            watch.start(phase, steps)

        def phase_finish(self, phase: str) -> None:
            pass

        def step_complete(self, phase: str, step: int) -> bool:
            return watch.step(phase, step)

    return Monitor()
