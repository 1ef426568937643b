"""Engines that misbehave as their model says, as ``stage verb``: ``open abort``, ``run print``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import Engine, EngineFacts, TensorSpec
from edge.errors import EngineError
from edge.reasons import BAD_OUTPUT
from edge.table import Entry, lookup

ENGINES = {"hostile": Entry("hostile_engines:HostileEngine")}


def open_hostile(name: str, model: bytes, *, precision: str, threads: int) -> Engine:
    """As `edge.engines.open_engine`, with the table above."""
    engine: Engine = lookup(ENGINES, name, "engine").load()(model, precision=precision, threads=threads)
    return engine


class HostileEngine:
    """Gives back what it is fed, the axes in reverse order, the number of bytes of its model, and oddities."""

    def __init__(self, model: bytes, *, precision: str, threads: int) -> None:
        self._says = model.partition(b"\0")[0].decode()
        self._bytes = len(model)
        self._act("open")
        self.facts = EngineFacts(name="hostile", version="1", provider="none", precision=precision, threads=threads)
        self.inputs = (TensorSpec(name="x", dtype="float32", shape=(-1, 3)),)
        self.outputs = (TensorSpec(name="y", dtype="float32", shape=(3, -1)),)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        self._act("run")
        if self._says == "run lie":
            return {"y": np.array([object()])}
        return {
            "y": feeds["x"].T,
            "bytes": np.int64(self._bytes),
            "none": np.zeros((0, 3), dtype=np.bool_),
            "swapped": np.arange(3, dtype=np.dtype("int32").newbyteorder()),
        }

    def close(self) -> None:
        pass

    def _act(self, stage: str) -> None:
        said = self._says.split()
        if said and said[0] == stage:
            DEEDS[said[1]]()


def chatter() -> None:
    """What native libraries do, a lot of it: more than a pipe holds."""
    os.write(1, b"noise on stdout\n" * 20_000)
    os.write(2, b"noise on stderr\n" * 20_000)
    print("noise of Python")  # noqa: T201 -- what libraries do


def last_words() -> None:
    os.write(2, b"first line\nterminate called\x1b[31m " + b"long " * 400 + b"\n\n  \n")
    os.kill(os.getpid(), signal.SIGABRT)


def write_everywhere(said: bytes) -> None:
    """Write into every pipe that leads out."""
    for descriptor in range(3, 32):
        with contextlib.suppress(OSError):
            os.write(descriptor, said)


def garble() -> None:
    write_everywhere(b"\0\0\0\4\0\0\0\0\0\0\0\0null")


def answer_amiss() -> None:
    """Speak the language, but out of turn."""
    said = b'{"kind":"peak","bytes":1}'
    write_everywhere(len(said).to_bytes(4, "big") + bytes(8) + said)


def refuse() -> None:
    raise EngineError("Running hostile: found a number that is none.", BAD_OUTPUT)


def fault() -> None:
    raise KeyError("first line\nsecond line")


def take_all_memory() -> None:
    raise MemoryError("Unable to allocate 3.00 TiB")


def hold_everything() -> None:
    """Hang so that no other thread of the process runs, as native code that keeps Python's lock."""
    sys.setswitchinterval(3600)
    while True:
        pass


DEEDS: dict[str, Callable[[], object]] = {
    "abort": lambda: os.kill(os.getpid(), signal.SIGABRT),
    "exit": lambda: os._exit(3),
    "hang": lambda: threading.Event().wait(3600),
    "hold": hold_everything,
    "slow": lambda: time.sleep(0.2),
    "print": chatter,
    "last-words": last_words,
    "garble": garble,
    "amiss": answer_amiss,
    "refuse": refuse,
    "fault": fault,
    "memory": take_all_memory,
    "lie": lambda: None,
}
