"""A candidate at work in a process of its own, which may crash, hang or take all memory and ends nothing but itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

from edge.device import usable_cores
from edge.engines import Progress
from edge.engines.apart import OPENER, OPENING_SECONDS, SECONDS, EngineApart
from edge.models import check_names
from edge.pack.golden import GoldenResult, run_golden
from edge.pack.store import Pack
from edge.ready.candidates import Candidate
from edge.ready.sample import Sample, sample_of

PREPARER = "edge.engines:open_prepared"
COMPILING_SECONDS = 3600.0
"""TensorRT has been seen to build for ten minutes on a large machine, and small boards take longer."""
WARM_SECONDS = 1.0
LEAST_RUNS, MOST_RUNS = 3, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a candidate took in one process; see `edge.ready.record.Measured`."""

    provider: str
    open_seconds: float
    first_seconds: float
    scan_seconds: float
    peak_bytes: int | None


class Trial(Protocol):
    """Tries candidates of one pack. Everything raises `edge.errors.CodedError` where a candidate fails."""

    def compile(self, candidate: Candidate) -> float:
        """Compile the model where the engine can, unless it is compiled, and return how many seconds that took."""

    def visit(self, candidate: Candidate) -> Visit:
        """Open the candidate anew, run it, and close it."""

    def prove(self, candidate: Candidate) -> tuple[GoldenResult, ...]:
        """Return how far it is from the pack's known answers."""


class TrialApart:
    """Fulfils `Trial` with `edge.engines.apart.EngineApart`.

    Parameters
    ----------
    pack : Pack
    opener, preparer : str
        ``module:name`` of what stands in for `edge.engines.open_engine` and `edge.engines.open_prepared`; for tests.
    compiling_seconds, opening_seconds, seconds : float
        How long compiling, opening and one run may take.
    progress : callable, optional
        Hears how far compiling is, of engines that tell; see `edge.engines.Progress`.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        opener: str = OPENER,
        preparer: str = PREPARER,
        compiling_seconds: float = COMPILING_SECONDS,
        opening_seconds: float = OPENING_SECONDS,
        seconds: float = SECONDS,
        progress: Progress | None = None,
    ) -> None:
        self._pack = pack
        self._progress = progress
        self._sample = sample_of(pack)
        self._opener, self._preparer = opener, preparer
        self._compiling_seconds, self._opening_seconds, self._seconds = compiling_seconds, opening_seconds, seconds

    def compile(self, candidate: Candidate) -> float:
        """See `Trial.compile`."""
        started = time.perf_counter()
        with self._opened(candidate, self._preparer, self._compiling_seconds, self._progress):
            return time.perf_counter() - started

    def visit(self, candidate: Candidate) -> Visit:
        """See `Trial.visit`."""
        started = time.perf_counter()
        with self._opened(candidate, self._opener, self._opening_seconds) as engine:
            opened = time.perf_counter() - started
            first, later = _times(engine, self._sample)
            return Visit(
                provider=engine.facts.provider,
                open_seconds=opened,
                first_seconds=first + (self._sample.runs - 1) * later,
                scan_seconds=self._sample.runs * later,
                peak_bytes=engine.peak_bytes(),
            )

    def prove(self, candidate: Candidate) -> tuple[GoldenResult, ...]:
        """See `Trial.prove`."""
        with self._opened(candidate, self._opener, self._opening_seconds) as engine:
            return run_golden(self._pack, candidate.model, engine)

    @contextmanager
    def _opened(
        self, candidate: Candidate, opener: str, opening_seconds: float, progress: Progress | None = None
    ) -> Iterator[EngineApart]:
        data, _ = self._pack.read_model(candidate.model)
        engine = EngineApart(
            candidate.engine,
            data,
            precision=candidate.model.precision,
            threads=usable_cores(),
            opening_seconds=opening_seconds,
            seconds=self._seconds,
            opener=opener,
            progress=progress,
        )
        with closing(engine):
            check_names(self._pack, engine)
            yield engine


def _times(engine: EngineApart, sample: Sample) -> tuple[float, float]:
    """Seconds of the first run, and the median of those after it."""
    feeds = cycle(sample.feeds)
    engine.infer(next(feeds))
    first = engine.last_seconds
    later: list[float] = []
    while len(later) < LEAST_RUNS or (sum(later) < WARM_SECONDS and len(later) < MOST_RUNS):
        engine.infer(next(feeds))
        later.append(engine.last_seconds)
    return first, statistics.median(later)
