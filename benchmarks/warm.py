"""Scan after scan through a process that has everything loaded: what edgerun adds to the engine, and how evenly.

``python -m benchmarks.warm [--nets NAME ...] [--minutes M] [--out FILE]``. It is `edgerun bench` (single-stream,
ceiling and soak) of the embedded pack, and of the packs of recipes, which need ``edgerun[convert]``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import figures
from benchmarks.figures import SLOWER, Figure
from edge.bench.bench import Asked, measure
from edge.bench.measured import Limits, Stage
from edge.bench.report import BenchReport
from edge.bench.warm import Target
from edge.device import machine_name

EMBEDDED = "chest-pneumonia"
NETS = ("chest-densenet121",)
MINUTES = 2.0
OVERHEAD_PERCENT, SLOWER_PERCENT = 2.0, 3.0
TAIL = 1.1
"""p99 over p50."""
GROWTH_MB = 20.0
DRAWS = 2000


def measured(pack: str, minutes: float) -> BenchReport:
    """Return the bench of a pack, with its own scans."""
    limits = Limits(most=700, seconds=30 * minutes)
    asked = Asked(target=Target(pack=pack), names=("single-stream", "ceiling"), limits=limits, soak_minutes=minutes)
    return measure(asked, lambda _: None)


def figures_of(report: BenchReport) -> Iterator[Figure]:
    """Yield overhead, tail, drift and growth of memory."""
    pack, (stream,) = report.pack.name, report.scenarios
    ceiling, soak = report.ceiling, report.soak
    if ceiling is not None:
        yield Figure(
            what=f"{pack}: a warm scan, from file to report, beside the bare engine",
            unit=SLOWER,
            n=ceiling.pairs,
            found=ceiling.overhead_percent,
            low=ceiling.low_percent,
            high=ceiling.high_percent,
            at_most=OVERHEAD_PERCENT,
            why=f"engine {ceiling.engine_ms:.3g} ms of {ceiling.whole_ms:.3g} ms, {_most(stream.stages)}",
        )
    tail, low, high = tail_of(stream.latencies_ms)
    yield Figure(
        what=f"{pack}: p99 over p50 of warm scans",
        unit="times", n=stream.queries, found=tail, low=low, high=high, at_most=TAIL,
        why="the aim is for a quiet machine",
    )  # fmt: skip
    if soak is None:
        return
    n = sum(each.scans for each in soak.slices)
    middle, low, high = (100 * (value - 1) for value in (soak.ratio, soak.low, soak.high))
    yield Figure(
        what=f"{pack}: last twentieth of {n} warm scans beside the first",
        unit=SLOWER, n=n, found=middle, low=low, high=high, at_most=SLOWER_PERCENT,
    )  # fmt: skip
    if soak.growth_bytes is not None:
        grown = soak.growth_bytes / 1e6
        yield Figure(what=f"{pack}: growth of memory over {n} scans", unit="MB", n=n, found=grown, at_most=GROWTH_MB)


def tail_of(latencies_ms: Sequence[float]) -> tuple[float, float, float]:
    """Return p99 / p50 with its 95% bootstrap interval.

    Examples
    --------
    >>> tail_of([2.0] * 50)
    (1.0, 1.0, 1.0)
    """
    drawn = np.random.default_rng(0).choice(np.array(latencies_ms), (DRAWS, len(latencies_ms)))
    upper, middle = np.percentile(drawn, 99, axis=1), np.percentile(drawn, 50, axis=1)
    low, high = np.percentile(upper / middle, [2.5, 97.5])
    return float(np.percentile(latencies_ms, 99) / np.percentile(latencies_ms, 50)), float(low), float(high)


def _most(stages: Sequence[Stage]) -> str:
    """The three stages beside the engine that take the most."""
    beside = sorted((each for each in stages if each.name != "infer"), key=lambda each: -each.ms)[:3]
    return ", ".join(f"{each.name} {each.ms:.3g} ms" for each in beside)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm", description=__doc__)
    parser.add_argument("--nets", nargs="*", default=list(NETS), help="recipes beside the embedded pack")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of scan after scan, for each pack")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    before, found = figures.load(), list[Figure]()
    print(machine_name())
    with tempfile.TemporaryDirectory() as folder:
        for pack in (EMBEDDED, *asked.nets):
            report = measured(pack if pack == EMBEDDED else _written(pack, Path(folder)), asked.minutes)
            found += (
                replace(each, detail=pack != EMBEDDED and "bare engine" not in each.what) for each in figures_of(report)
            )
            print("\n".join(map(figures.line_of, found[-4:])), flush=True)
    figures.keep(asked.out, found, before=before)


def _written(name: str, folder: Path) -> str:
    from benchmarks.nets import convert  # noqa: PLC0415 - the embedded pack is measured without torch
    from benchmarks.packs import recipe_pack  # noqa: PLC0415 - the same

    return recipe_pack(convert(name), folder).path


if __name__ == "__main__":
    main()
