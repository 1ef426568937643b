"""A plan at work: TensorRT and TensorRT for RTX, on the first GPU that the process may see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edge.engines import EngineFacts, TensorSpec, check_feeds
from edge.engines.cache import open_store
from edge.engines.tensorrt.lane import Lane
from edge.engines.tensorrt.library import DTYPES, Library, load_library
from edge.engines.tensorrt.memory import Memory, Reached, open_memory
from edge.engines.tensorrt.plans import conditions_of, plan_of
from edge.errors import EngineError
from edge.reasons import ENGINE_NOT_PREPARED, ENGINE_OPEN, ENGINE_RUN

LANES = 2
"""How many threads may be served at once: while the GPU computes for one, another's tensors are copied."""


class TensorRtEngine:
    """A plan of TensorRT; fulfils `edge.engines.Engine` for any number of threads.

    Opening never builds: the plan was built by `edge.engines.tensorrt.prepare` on this very machine, and comes from the
    folder that only this user can write to. It runs twice on zeros, so that the first scan waits for nothing and the
    facts can tell whether runs are captured as CUDA graphs.

    Raises
    ------
    EngineError
        ``E500`` a package is not there, ``E501`` the plan cannot be run, ``E504`` no GPU answers, ``E505`` the model is
        not prepared, ``E506`` the folder for plans is not safe.
    """

    NAME: ClassVar[str] = "tensorrt"

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        _ = threads  # of the processor, which computes nothing here
        self._library, store = load_library(self.NAME), open_store()
        self._idle: list[Lane] = []
        self._changed = threading.Condition()
        self._closed = False
        self._lanes = 0
        self._most = LANES
        with _as_opening(self._library), ExitStack() as stack:
            memory = stack.enter_context(closing(open_memory()))
            conditions = conditions_of(self._library, memory.reached, model, precision)
            plan = plan_of(self._library, store, conditions)
            self._memory: Memory = memory
            self._runtime = self._library.trt.Runtime(self._library.logger)
            self._engine = _deserialised(self._library, self._runtime, plan, lambda: store.drop(conditions))
            stack.callback(self._forget)
            self.inputs, self.outputs = _specs(self._library, self._engine)
            self._largest = _largest_batch(self._engine, self.inputs)
            self._add_lane()
            stack.callback(self._close_lanes)
            self.facts = _facts(self._library, memory.reached, precision)
            self._warm_up()
            self._held = stack.pop_all()

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model once; see `edge.engines.Engine.infer`.

        Raises
        ------
        EngineError
            ``E502``; its message says so if the GPU was lost.
        """
        check_feeds(feeds, self.inputs, self._library.name)
        self._check_batch(feeds)
        with self._lane() as lane:
            outputs = lane.run(feeds)
            self._tell_of_graphs(lane)
        return outputs

    def close(self) -> None:
        """Wait for the runs in progress, then free everything; a second call does nothing."""
        with self._changed:
            closed, self._closed = self._closed, True
            self._changed.notify_all()
        if not closed:
            self._held.close()

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        """A lane that nobody uses: one that is idle, a new one while there may be more, or the next that is left."""
        with self._changed:
            if not self._idle and self._lanes < self._most and not self._closed:
                try:
                    self._add_lane()
                except EngineError:  # no memory for a second one: threads wait for the first
                    self._most = self._lanes
            self._changed.wait_for(lambda: self._idle or self._closed)
            if self._closed:
                raise EngineError(f"Running {self._library.name}: it is closed.", ENGINE_RUN)
            lane = self._idle.pop()
        try:
            yield lane
        finally:
            with self._changed:
                self._idle.append(lane)
                self._changed.notify_all()

    def _add_lane(self) -> None:
        self._idle.append(
            Lane(self._library, self._memory, self._engine, self.inputs, self.outputs, self._largest),
        )
        self._lanes += 1

    def _close_lanes(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == self._lanes)
            for lane in self._idle:
                lane.close()

    def _forget(self) -> None:
        self._engine = self._runtime = None

    def _check_batch(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        free = {feeds[item.name].shape[0] for item in self.inputs if item.shape[:1] == (-1,)}
        if len(free) > 1 or not all(1 <= size <= self._largest for size in free):
            found = f"a batch of {' and '.join(map(str, sorted(free)))}, expected one from 1 to {self._largest}"
            raise EngineError(f"Running {self._library.name}: {found}.", ENGINE_RUN)

    def _warm_up(self) -> None:
        zeros = {
            item.name: np.zeros([1 if size == -1 else size for size in item.shape], item.dtype) for item in self.inputs
        }
        for _ in range(2):
            self.infer(zeros)

    def _tell_of_graphs(self, lane: Lane) -> None:
        words = f"no CUDA graphs: {lane.no_graph}" if lane.no_graph else "CUDA graphs"
        head = self.facts.provider.rpartition("; ")[0]
        if self.facts.provider != f"{head}; {words}":
            self.facts = replace(self.facts, provider=f"{head}; {words}")


class TensorRtRtxEngine(TensorRtEngine):
    """A plan of TensorRT for RTX, which compiles its kernels when it is opened; all else as `TensorRtEngine`."""

    NAME: ClassVar[str] = "tensorrt-rtx"


@contextmanager
def _as_opening(library: Library) -> Iterator[None]:
    """What fails in the runs that belong to the opening is a failure to open."""
    try:
        yield
    except EngineError as error:
        if error.reason is not ENGINE_RUN:
            raise
        raise EngineError(f"Opening {library.name}: {error.message}", ENGINE_OPEN) from error


def _deserialised(library: Library, runtime: Any, plan: bytes, drop: Callable[[], None]) -> Any:
    """The engine in a plan; one that does not load here although it was built here is dropped, to be built anew."""
    library.lines.clear()
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is not None:
        return engine
    words = library.words()
    if "memory" in words.lower():  # another time there may be enough
        raise EngineError(f"Opening {library.name}: {words}.", ENGINE_OPEN)
    drop()
    raise EngineError(f"Opening {library.name}: the plan does not load ({words}) and is removed.", ENGINE_NOT_PREPARED)


def _specs(library: Library, engine: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == library.trt.TensorIOMode.INPUT]
    return (
        tuple(_spec(library, engine, name) for name in inputs),
        tuple(_spec(library, engine, name) for name in names if name not in inputs),
    )


def _spec(library: Library, engine: Any, name: str) -> TensorSpec:
    kind = engine.get_tensor_dtype(name).name
    if kind not in DTYPES or engine.get_tensor_location(name) != library.trt.TensorLocation.DEVICE:
        found = f"the input or output {name!r} is {kind}, expected a tensor of numbers on the GPU"
        raise EngineError(f"Opening {library.name}: {found}.", ENGINE_OPEN)
    return TensorSpec(name=name, dtype=DTYPES[kind], shape=tuple(engine.get_tensor_shape(name)))


def _largest_batch(engine: Any, inputs: tuple[TensorSpec, ...]) -> int:
    """The end of the plan's range; 1 where nothing is free."""
    ranges = [engine.get_tensor_profile_shape(item.name, 0) for item in inputs if item.shape[:1] == (-1,)]
    return min((int(largest[0]) for _, _, largest in ranges), default=1)


def _facts(library: Library, reached: Reached, precision: str) -> EngineFacts:
    gpu = reached.gpu
    where = f"{gpu.name} (SM {gpu.capability}), driver {gpu.driver}, by way of {reached.adapter}"
    return EngineFacts(
        name=library.engine, version=library.version, provider=f"{where}; ", precision=precision, threads=1
    )
