"""A machine with one fake GPU and one make of TensorRT on it, for the tests of what is prepared, opened and run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines import ENGINES, Progress
from edge.engines.tensorrt import TensorRtEngine, TensorRtRtxEngine, plans, prepare, prepared
from edge.engines.tensorrt import engine as engine_module
from edge.engines.tensorrt.library import Library, import_library
from edge.errors import EngineError
from edge.reasons import Reason
from tests.engines.fake_gpu import FakeMemory
from tests.engines.fake_tensorrt import State, fake_tensorrt

MODEL = b"the tiny model, with scores"
CLASSES = {"10.3": TensorRtEngine, "11.4": TensorRtEngine, "rtx": TensorRtRtxEngine}


def truth(image: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(20 * (image.mean(axis=(1, 2, 3), dtype=np.float64)[:, np.newaxis] - 0.5))


def image(batch: int = 1, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((batch, 1, 4, 4), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine: one GPU, one make of TensorRT, one folder for plans."""

    make: str
    memory: FakeMemory
    state: State
    library: Library
    folder: Path

    @property
    def name(self) -> str:
        return CLASSES[self.make].NAME

    def prepare(self, model: bytes = MODEL, progress: Progress | None = None) -> None:
        prepare(model, name=self.name, precision="fp32", threads=2, progress=progress)

    def prepared(self, model: bytes = MODEL, precision: str = "fp32") -> bool:
        return prepared(model, name=self.name, precision=precision)

    def open(self, model: bytes = MODEL) -> TensorRtEngine:
        return CLASSES[self.make](model, precision="fp32", threads=2)

    def refused(self, action: Callable[[], object], reason: Reason) -> str:
        with pytest.raises(EngineError) as caught:
            action()
        assert caught.value.reason is reason
        return caught.value.message


Made = Callable[..., Place]


def machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    """Return what makes a machine with one make of TensorRT, by its key in `CLASSES`, and options of `FakeMemory`."""

    def make(kind: str = "10.3", **options: bool) -> Place:
        memory = FakeMemory(**options)
        module = fake_tensorrt(memory, make=kind)
        monkeypatch.setitem(sys.modules, ENGINES[CLASSES[kind].NAME].needs[0], module)
        monkeypatch.setenv("EDGERUN_CACHE", str(tmp_path / "cache"))
        library = import_library(CLASSES[kind].NAME)
        for user in (plans, engine_module):
            monkeypatch.setattr(user, "open_memory", lambda: memory)
            monkeypatch.setattr(user, "load_library", lambda _: library)
        return Place(make=kind, memory=memory, state=module.state, library=library, folder=tmp_path / "cache")

    return make
