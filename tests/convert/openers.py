"""What stands in for `edge.engines.open_engine` in an engine's own process: INT8 models of these come to grief."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edge.engines import Engine, open_engine

LAST = 3
"""So many inferences go well."""


def open_deadly(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """Opening an INT8 model kills the process, as a bug in native code does."""
    if precision == "int8":
        os.kill(os.getpid(), signal.SIGKILL)
    return open_engine(name, model, precision=precision, threads=threads)


def open_mortal(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """An INT8 model kills the process after a few scans."""
    engine = open_engine(name, model, precision=precision, threads=threads)
    return Wrapped(engine, lambda: os.kill(os.getpid(), signal.SIGSEGV)) if precision == "int8" else engine


def open_endless(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """An INT8 model hangs after a few scans."""
    engine = open_engine(name, model, precision=precision, threads=threads)
    return Wrapped(engine, lambda: threading.Event().wait(3600)) if precision == "int8" else engine


class Wrapped:
    """An engine to which something happens after a few inferences; fulfils `edge.engines.Engine`."""

    def __init__(self, engine: Engine, happens: Any) -> None:
        self._engine, self._happens, self._done = engine, happens, 0
        self.facts, self.inputs, self.outputs = engine.facts, engine.inputs, engine.outputs

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self._done += 1
        if self._done > LAST:
            self._happens()
        return self._engine.infer(feeds)

    def close(self) -> None:
        self._engine.close()
