"""Engines for the tiny pack that are right, wrong, slow, or do something else, by their name: ``run-abort``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines import EngineFacts, TensorSpec
from edge.table import Entry

DEEDS: Any = Entry("hostile_engines:DEEDS").load()
"""It stands beside this file, on the path of whoever runs this."""


def open_tiny(name: str, model: bytes, *, precision: str, threads: int) -> TinyEngine:  # noqa: ARG001
    """As `edge.engines.open_engine`."""
    return TinyEngine(name, precision, threads)


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
