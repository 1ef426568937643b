"""What `benchmarks.gpu_check` does inside the child that holds an engine: prepare it, and wear it out.

Both are openers for `edge.engines.apart.EngineApart`: an engine that dies ends its child and not the report.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import Engine, EngineFacts, open_engine
from edge.engines.tensorrt.memory import Memory, open_memory
from edge.errors import EngineError
from edge.reasons import ENGINE_NOT_PREPARED

RUNS = 200
OPENINGS = 20
THREAD_RUNS = 10

Tensors = Mapping[str, NDArray[Any]]


def open_prepared(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """Open an engine, after having prepared it where it asks for that."""
    try:
        return open_engine(name, model, precision=precision, threads=threads)
    except EngineError as error:
        if error.reason is not ENGINE_NOT_PREPARED:
            raise
    from edge.engines.tensorrt import prepare  # noqa: PLC0415 -- only engines that ask for it have it

    prepare(model, name=name, precision=precision, threads=threads)
    return open_engine(name, model, precision=precision, threads=threads)


def open_worn(name: str, model: bytes, *, precision: str, threads: int) -> Worn:
    """Open an engine whose one inference is a long trial of it."""
    return Worn(name, model, precision, threads)


class Worn:
    """Fulfils `edge.engines.Engine`; its outputs are what was found, not what the model says.

    Outputs of `infer`
    ------------------
    free_bytes : int64, shape (3,)
        Free memory of the GPU when the engine had run for the first time, after `RUNS` more runs, and when it was
        closed and `OPENINGS` others had been opened, run once and closed; then one is open again.
    reopened_free_bytes : int64, shape (2,)
        The same with no engine open, after the first and after the last of the openings.
    wrong_runs : int64, shape ()
        How many of the runs in two threads, of `THREAD_RUNS` each, gave anything else than one thread gave.
    """

    def __init__(self, name: str, model: bytes, precision: str, threads: int) -> None:
        self._arguments = (name, model, precision, threads)
        self._memory: Memory = open_memory()
        self._engine = self._open()
        self.facts: EngineFacts = self._engine.facts
        self.inputs, self.outputs = self._engine.inputs, self._engine.outputs

    def infer(self, feeds: Tensors) -> dict[str, NDArray[Any]]:
        """Try it, and return what was found."""
        first = self._engine.infer(feeds)
        free = [self._free()]
        for _ in range(RUNS):
            self._engine.infer(feeds)
        free.append(self._free())
        wrong = _wrong_runs(self._engine, feeds, first)
        self._engine.close()
        reopened = self._reopen(feeds)
        self._engine = self._open()
        return {
            "free_bytes": np.array(free, np.int64),
            "reopened_free_bytes": np.array(reopened, np.int64),
            "wrong_runs": np.array(wrong, np.int64),
        }

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def _reopen(self, feeds: Tensors) -> list[int]:
        free = []
        for index in range(OPENINGS):
            engine = self._open()
            engine.infer(feeds)
            engine.close()
            del engine
            if index in (0, OPENINGS - 1):
                free.append(self._free())
        return free

    def _open(self) -> Engine:
        name, model, precision, threads = self._arguments
        return open_prepared(name, model, precision=precision, threads=threads)

    def _free(self) -> int:
        return self._memory.room().free_bytes


def _wrong_runs(engine: Engine, feeds: Tensors, expected: Tensors) -> int:
    """Both threads feed the same, so any mixture of their tensors is seen only if one is unlike: each has its own."""
    turned = {name: np.ascontiguousarray(values[..., ::-1]) for name, values in feeds.items()}
    answers = ((feeds, expected), (turned, engine.infer(turned)))
    wrong: list[str] = []

    def work(fed: Tensors, wanted: Tensors) -> None:
        for _ in range(THREAD_RUNS):
            try:
                found = engine.infer(fed)
            except EngineError as error:
                wrong.append(error.message)
                continue
            if any(not np.array_equal(found[name], wanted[name], equal_nan=True) for name in wanted):
                wrong.append("another answer")

    threads = [threading.Thread(target=work, args=answer) for answer in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)
