"""MLPerf's own LoadGen drives edgerun: the bare engine, and the whole way of a scan, in its SingleStream scenario.

``python -m benchmarks.loadgen [PACK] [--queries N] [--seconds S]``. Needs the package ``mlcommons-loadgen``. Beside
what LoadGen says stands what `edge.bench.quantiles` makes of the latencies that edgerun saw of the same queries: both
must come to the same. No result of MLPerf: runs are shorter than its rules ask for.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bench.cases import Case, of_pack
from edge.bench.ceiling import bare_seconds, feeds_of
from edge.bench.quantiles import Quantile, quantile_of
from edge.bench.warm import Target, Warm
from edge.bench.words import time_words
from edge.device import machine_name
from edge.pack.store import find_pack

PERCENT = 90.0
SUMMARY = "mlperf_log_summary.txt"
FOUND = re.compile(r"^90\.00 percentile latency \(ns\)\s*:\s*(\d+)", re.MULTILINE)
ESTIMATED = re.compile(r"Early stopping 90(?:\.0)?th percentile estimate: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What LoadGen said, in ms, and what edgerun saw of the same queries.

    Parameters
    ----------
    loadgen_found_ms : float
        The 90th percentile.
    loadgen_estimate_ms : float or None
        Its early-stopping estimate; None with fewer than 64 queries.
    """

    name: str
    loadgen_found_ms: float
    loadgen_estimate_ms: float | None
    own: Quantile


def drive(name: str, answer: Callable[[int], object], samples: int, *, queries: int, seconds: float) -> Driven:
    """Let LoadGen ask for sample after sample, each when the one before is answered.

    Parameters
    ----------
    answer : callable
        Takes the number of a sample, and returns when it is answered.
    samples : int
        How many there are.
    """
    loadgen: Any = importlib.import_module("mlperf_loadgen")
    taken: list[float] = []

    def issue(asked: Sequence[Any]) -> None:
        for query in asked:
            started = time.perf_counter()
            answer(query.index)
            taken.append(1e3 * (time.perf_counter() - started))
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, 0, 0)])

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.SingleStream
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_query_count = min(queries, 64)
    settings.max_query_count = queries
    settings.min_duration_ms = int(1e3 * seconds)
    system = loadgen.ConstructSUT(issue, _nothing)
    library = loadgen.ConstructQSL(samples, samples, _nothing, _nothing)
    with tempfile.TemporaryDirectory() as folder:
        log = loadgen.LogSettings()
        output = loadgen.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        log.log_output = output
        loadgen.StartTestWithLogSettings(system, library, settings, log, "")
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)
        summary = (Path(folder) / SUMMARY).read_text(encoding="utf-8")
    return driven(name, summary, taken)


def driven(name: str, summary: str, latencies_ms: Sequence[float]) -> Driven:
    """Return what a summary of LoadGen says beside what edgerun saw.

    Raises
    ------
    ValueError
        The summary holds no 90th percentile.
    """
    found, estimate = FOUND.search(summary), ESTIMATED.search(summary)
    if found is None:
        raise ValueError(f"Reading LoadGen's summary of {name}: found no 90th percentile, expected one.")
    return Driven(
        name=name,
        loadgen_found_ms=int(found[1]) / 1e6,
        loadgen_estimate_ms=int(estimate[1]) / 1e6 if estimate else None,
        own=quantile_of(latencies_ms, PERCENT),
    )


def line_of(item: Driven) -> str:
    """Return what both say, in a line."""
    pairs = ((item.loadgen_found_ms, item.own.found_ms), (item.loadgen_estimate_ms, item.own.loadgen_ms))
    said = [f"LoadGen {_or_none(theirs)}, edgerun {_or_none(ours)}" for theirs, ours in pairs]
    return f"{item.name:12} p90: {said[0]}; early-stopping estimate: {said[1]}"


def _or_none(milliseconds: float | None) -> str:
    return "none" if milliseconds is None else time_words(milliseconds)


def _nothing(*_: object) -> None:
    """Samples are files on the disk: nothing is loaded, and every query is answered at once."""


def measure(pack: str, *, queries: int, seconds: float, scratch: Path) -> list[Driven]:
    """Return the bare engine and the whole way, driven by LoadGen."""
    cases: tuple[Case, ...] = of_pack(find_pack(pack), scratch, {}).cases
    numbers = itertools.count()
    with Warm(Target(pack=pack)) as warm:
        _, engine = warm.loaded
        feeds = [feeds_of(warm.scans_of(case), warm.pack.manifest) for case in cases]

        def whole(index: int) -> None:
            warm.ask([cases[index]], scratch / f"out-{next(numbers)}")

        def bare(index: int) -> None:
            bare_seconds(feeds[index], engine)

        ways: dict[str, Callable[[int], None]] = {"bare engine": bare, "whole way": whole}
        for answer in ways.values():
            answer(0)
        return [drive(name, way, len(cases), queries=queries, seconds=seconds) for name, way in ways.items()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loadgen", description=__doc__)
    parser.add_argument("pack", nargs="?", default="chest-pneumonia")
    parser.add_argument("--queries", type=int, default=1000, help="most queries of each way")
    parser.add_argument("--seconds", type=float, default=10.0, help="least seconds of each way")
    asked = parser.parse_args(arguments)
    if importlib.util.find_spec("mlperf_loadgen") is None:
        sys.exit("benchmarks.loadgen needs LoadGen: pip install mlcommons-loadgen")
    print(machine_name())
    with tempfile.TemporaryDirectory() as folder:
        for item in measure(asked.pack, queries=asked.queries, seconds=asked.seconds, scratch=Path(folder)):
            print(line_of(item), flush=True)


if __name__ == "__main__":
    main()
