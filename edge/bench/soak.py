"""Scan after scan for minutes: whether it grows slower as the machine warms up, or larger as it goes on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from edge.bench.measured import Query
from edge.bench.paired import ratio_of_medians
from edge.bench.quantiles import PERCENTS, quantile_of
from edge.bench.report import Conditions, Soak, SoakSlice
from edge.bench.scenarios import Ground, asker, conditions_of
from edge.bench.warm import Warm

SLICES = 20
SECONDS = 1.0
"""Between two looks."""

Sample = tuple[float, float, int | None]
"""When a scan was answered, in seconds since the start; how long it took, in milliseconds; what was held then."""


def soak(ground: Ground, warm: Warm, minutes: float) -> Soak:
    """Ask for one scan after the other for some minutes, and return how it went."""
    ask = asker(ground, warm, [[case] for case in ground.cases.cases])
    with ground.watch(seconds=SECONDS) as watch:
        samples = sampled(ask, 60 * minutes, lambda: watch.resident_bytes, time.perf_counter)
    return soak_of(samples, minutes, conditions_of(watch.result()))


def sampled(
    ask: Callable[[int], Query], seconds: float, held: Callable[[], int | None], now: Callable[[], float]
) -> list[Sample]:
    """Return a sample of each query that was asked within some time, at least one."""
    started, samples = now(), list[Sample]()
    while not samples or samples[-1][0] < seconds:
        query = ask(len(samples))
        samples.append((now() - started, 1e3 * query.seconds, held()))
    return samples


def soak_of(samples: Sequence[Sample], minutes: float, conditions: Conditions) -> Soak:
    """Return what the samples come to, slice by slice; a slice in which no scan was answered is none."""
    length = max(samples[-1][0], 1e-9) / SLICES
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(min(int(sample[0] / length), SLICES - 1), []).append(sample)
    slices = tuple(_slice(index * length, group) for index, group in sorted(groups.items()))
    first, last = ([ms for _, ms, _ in groups[index]] for index in (min(groups), max(groups)))
    found = ratio_of_medians(last, first)
    held = [item.held_bytes for item in (slices[0], slices[-1])]
    return Soak(
        minutes=minutes,
        slices=slices,
        first_ms=slices[0].median_ms,
        last_ms=slices[-1].median_ms,
        ratio=found.middle,
        low=found.low,
        high=found.high,
        growth_bytes=None if held[0] is None or held[1] is None else held[1] - held[0],
        conditions=conditions,
        quantiles=tuple(quantile_of([ms for _, ms, _ in samples], percent) for percent in PERCENTS),
    )


def _slice(since: float, group: Sequence[Sample]) -> SoakSlice:
    return SoakSlice(
        from_seconds=since,
        scans=len(group),
        median_ms=statistics.median(ms for _, ms, _ in group),
        held_bytes=group[-1][2],
    )
