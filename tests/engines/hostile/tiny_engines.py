"""Engines for the tiny pack that are right, wrong, slow, or do something else, by their name: ``run-abort``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import EngineFacts, Progress, TensorSpec
from edge.errors import OutputError
from edge.reasons import DISK_FULL
from edge.table import Entry

DEEDS: Any = Entry("hostile_engines:DEEDS").load()
"""It stands beside this file, on the path of whoever runs this."""


def open_tiny(name: str, model: bytes, *, precision: str, threads: int) -> TinyEngine:  # noqa: ARG001
    """As `edge.engines.open_engine`."""
    return TinyEngine(name, precision, threads)


def open_in_steps(
    name: str, model: bytes, *, precision: str, threads: int, progress: Progress | None = None
) -> TinyEngine:
    """As `edge.engines.open_prepared`, telling its steps; what it compiles for the engine ``full`` finds no room."""
    if progress is not None:
        for step in (1, 2):
            progress("Compiling", step, 2)
    if name == "full":
        raise OutputError("Keeping a prepared model: found 9 bytes, expected no more than 8.", DISK_FULL)
    return open_tiny(name, model, precision=precision, threads=threads)


def open_built(
    name: str, model: bytes, *, precision: str, threads: int, progress: Progress | None = None
) -> TinyEngine:
    """The same with TensorRT for RTX itself, whose plan no machine without a GPU can load."""
    Entry("edge.engines.tensorrt.build:build_plan").load()(
        Entry("edge.engines.tensorrt.library:load_library").load()("tensorrt-rtx"), model, progress=progress
    )
    return open_tiny(name, model, precision=precision, threads=threads)


class TinyEngine:
    """Computes what the tiny model does, with an oddity."""

    def __init__(self, name: str, precision: str, threads: int) -> None:
        self._stage, _, self._deed = name.partition("-")
        self._act("open")
        self.facts = EngineFacts(name=name, version="1", provider="made up", precision=precision, threads=threads)
        self.inputs = (TensorSpec(name="image", dtype="float32", shape=(-1, 1, 4, 4)),)
        self.outputs = (TensorSpec(name="scores", dtype="float32", shape=(-1, 1)),)

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self._act("run")
        if self._stage == "slow":
            time.sleep(0.05)
        mean = feeds["image"].mean(axis=(1, 2, 3))[:, np.newaxis]
        return {"scores": np.float32(20) * (mean - np.float32(0.9 if self._stage == "wrong" else 0.5))}

    def close(self) -> None:
        pass

    def _act(self, stage: str) -> None:
        if stage == self._stage and self._deed:
            DEEDS[self._deed]()
