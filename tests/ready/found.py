"""Records, candidates and measured times, made up; and a GPU that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.engines import EngineFacts
from edge.errors import EngineError
from edge.gpu import Gpu
from edge.pack.golden import GoldenResult
from edge.pack.manifest import Manifest, Model
from edge.pack.store import Pack, open_pack
from edge.ready.candidates import Candidate
from edge.ready.machine import engine_versions, this_machine
from edge.ready.record import Chosen, KnownAnswer, Measured, Record, Tried
from edge.ready.trial import Visit
from edge.reasons import ENGINE_RUN
from edge.table import Entry
from edge.testing import FakeEngine, golden_case, tiny_manifest
from tests.pack.test_check import FILE, SCORE, built, picture

LOAD = Entry.load
GPU = Gpu(name="NVIDIA H100", uuid="GPU-1", capability="9.0", driver="580.1, CUDA 13.0")
CUDA = "onnxruntime-cuda"


def pack_with(folder: Path, *models: Model, **changes: Any) -> Pack:
    """A tiny pack with a golden case, and with these models; by default one for both engines of the CPU."""
    given = models or (model("fp32", "onnxruntime", "openvino"),)
    case = golden_case(FILE, picture(), score=SCORE)
    case = replace(case, expect={item.precision: case.expect["fp32"] for item in given})
    return open_pack(built(folder, tiny_manifest(models=given, golden=(case,), **changes)))


def model(precision: str, *engines: str, verdict: str = "passed") -> Model:
    (base,) = tiny_manifest().models
    return replace(base, precision=precision, engines=engines, verdict=verdict)  # type: ignore[arg-type]


def candidate(manifest: Manifest, engine: str, precision: str = "fp32", *, judged: bool = True) -> Candidate:
    of_precision = next(item for item in manifest.models if item.precision == precision)
    return Candidate(engine=engine, model=of_precision, judged=judged)


def took(start: float, scan: float, first: float | None = None) -> Measured:
    """What a candidate took: to start, and for a scan."""
    opened = scan if first is None else first
    return Measured(rounds=3, open_seconds=start, first_seconds=opened, scan_seconds=scan, compile_seconds=0.0)


def visit(start: float, scan: float, peak_bytes: int | None = 1000) -> Visit:
    return Visit(provider="made up", open_seconds=start, first_seconds=scan, scan_seconds=scan, peak_bytes=peak_bytes)


def right(difference: float = 0.0, tolerance: float = 0.01) -> tuple[GoldenResult, ...]:
    return (GoldenResult(name="case", largest_difference=difference, tolerance=tolerance),)


@dataclass
class MadeUpTrial:
    """Gives the seconds that it was told, by name of the candidate; fulfils `edge.ready.trial.Trial`.

    Where something is no number but words, the candidate dies with them.
    """

    visits: Mapping[str, Visit | str]
    golden: Mapping[str, tuple[GoldenResult, ...] | str] = field(default_factory=dict)
    compiling: Mapping[str, float | str] = field(default_factory=dict)
    done: list[tuple[str, str]] = field(default_factory=list)

    def _give(self, what: str, found: Any, item: Candidate) -> Any:
        self.done.append((what, item.name))
        if isinstance(found, str):
            raise EngineError(f"Running {item.engine}: {found}", ENGINE_RUN)
        return found

    def compile(self, candidate: Candidate) -> float:
        return float(self._give("compile", self.compiling.get(candidate.name, 0.5), candidate))

    def visit(self, candidate: Candidate) -> Visit:
        found: Visit = self._give("visit", self.visits[candidate.name], candidate)
        return found

    def prove(self, candidate: Candidate) -> tuple[GoldenResult, ...]:
        found: tuple[GoldenResult, ...] = self._give("prove", self.golden.get(candidate.name, right()), candidate)
        return found


def chosen(engine: str, precision: str = "fp32", *, judged: bool = True) -> Chosen:
    return Chosen(engine=engine, precision=precision, file="model.onnx", judged=judged, why="made up")  # type: ignore[arg-type]


def record_of(pack: Pack, one: Chosen, many: Chosen | None = None, **changes: Any) -> Record:
    """A record that holds here and now."""
    record = Record(
        pack=pack.manifest.name,
        pack_sha256=pack.sha256,
        prepared_utc="2026-11-23T06:00:00+00:00",
        machine=this_machine(),
        versions=engine_versions(),
        one=one,
        many=many or one,
        many_from=1 if many is None else 10,
        tried=tuple(tried(item) for item in ([one] if many is None else [one, many])),
    )
    return replace(record, **changes)


def tried(item: Chosen, problem: str = "") -> Tried:
    golden = (KnownAnswer(name="case", largest_difference=0.0, allowed=0.005),)
    return Tried(
        engine=item.engine,
        precision=item.precision,
        file=item.file,
        judged=item.judged,
        measured=took(0.5, 0.1),
        golden=golden,
        problem=problem,
    )


def heard() -> tuple[list[str], Callable[[str], None]]:
    """A list, and what adds to it."""
    words: list[str] = []
    return words, words.append


def no_gpu(patch: pytest.MonkeyPatch) -> None:
    """The GPU is pulled out."""
    patch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: False, "Intel GPU": lambda: False})
    patch.setattr("edge.gpu.find_gpu", lambda: None)
    patch.setattr("edge.ready.machine.find_gpu", lambda: None)


def with_gpu(patch: pytest.MonkeyPatch, engines: Sequence[str] = ("onnxruntime", CUDA)) -> list[FakeEngine]:
    """A machine with a GPU and the build of ONNX Runtime for it; returns the engines that are opened there."""
    opened: list[FakeEngine] = []

    def cuda(_: bytes, *, precision: str, threads: int) -> FakeEngine:
        engine = FakeEngine(lambda feeds: {"scores": 20 * (feeds["image"].mean(axis=(1, 2, 3))[:, np.newaxis] - 0.5)})
        engine.facts = EngineFacts(name=CUDA, version="1", provider="CUDA", precision=precision, threads=threads)
        engine.inputs = (replace(engine.inputs[0], shape=(-1, 1, 4, 4)),)
        opened.append(engine)
        return engine

    patch.setattr("edge.table.DEVICES", {"NVIDIA GPU": lambda: True, "Intel GPU": lambda: False})
    patch.setattr("edge.table._is_installed", lambda *_: True)
    patch.setattr("edge.gpu.find_gpu", lambda: GPU)
    patch.setattr("edge.ready.machine.find_gpu", lambda: GPU)
    patch.setattr("edge.ready.rule.available_engines", lambda: tuple(engines))
    patch.setattr(Entry, "load", lambda self: cuda if "OnnxRuntimeCudaEngine" in self.target else LOAD(self))
    return opened
