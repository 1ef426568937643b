"""What the bare engine would take: prepared feeds straight into it, in turn with the whole way of the same scan."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge.bench.measured import Limits, Tell
from edge.bench.paired import Ratio, paired_ratio
from edge.engines import Engine
from edge.pack.manifest import Manifest
from edge.prepare import prepare
from edge.scan import Scan

MOST_HELD_BYTES = 256 << 20
"""Of feeds that are kept ready; those of larger volumes are prepared anew each time, outside of what is timed."""

Feeds = Callable[[], Iterator[Mapping[str, NDArray[Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The bare engine beside the whole way, measured in turn.

    Parameters
    ----------
    pairs : int
    engine_ms, whole_ms : float
        Median for one question.
    beside_ms : float
        Median of what the whole way takes beside the engine.
    overhead_percent, low_percent, high_percent : float
        The same as a share of the engine's time: by the median of the paired ratios, and its 95% bootstrap interval.
    """

    pairs: int
    engine_ms: float
    whole_ms: float
    beside_ms: float
    overhead_percent: float
    low_percent: float
    high_percent: float


def feeds_of(scans: tuple[Mapping[str, Scan], ...], manifest: Manifest) -> Feeds:
    """Return what gives the feeds of some examinations, again and again."""
    kept, size = list[Mapping[str, NDArray[Any]]](), 0
    for tensors in _prepared(scans, manifest):
        kept.append(tensors)
        size += sum(value.nbytes for value in tensors.values())
        if size > MOST_HELD_BYTES:
            return lambda: _prepared(scans, manifest)
    return lambda: iter(kept)


def bare_seconds(feeds: Feeds, engine: Engine, now: Callable[[], float] = time.perf_counter) -> float:
    """Return the time that the engine takes for all feeds; getting them is not counted."""
    seconds = 0.0
    for tensors in feeds():
        started = now()
        engine.infer(tensors)
        seconds += now() - started
    return seconds


def in_turn(
    whole: Callable[[int], float], bare: Callable[[int], float], limits: Limits, tell: Tell
) -> list[tuple[float, float]]:
    """Return pairs of seconds, whole and bare, of one question after the other; every other time the bare one first."""
    started, pairs = time.perf_counter(), list[tuple[float, float]]()
    while len(pairs) < limits.most and (len(pairs) < limits.least or time.perf_counter() - started < limits.seconds):
        number = len(pairs)
        if number % 2:
            alone = bare(number)
            pairs.append((whole(number), alone))
        else:
            pairs.append((whole(number), bare(number)))
        tell(f"{len(pairs)} of at most {limits.most}")
    return pairs


def ceiling_of(pairs: list[tuple[float, float]]) -> Ceiling:
    """Return what pairs of seconds, whole and bare, come to.

    Examples
    --------
    >>> ceiling_of([(0.5, 0.25)] * 3).overhead_percent
    100.0
    """
    whole, bare = (list(values) for values in zip(*pairs, strict=True))
    ratio: Ratio = paired_ratio(whole, bare)
    return Ceiling(
        pairs=len(pairs),
        engine_ms=1e3 * statistics.median(bare),
        whole_ms=1e3 * statistics.median(whole),
        beside_ms=1e3 * statistics.median(a - b for a, b in pairs),
        overhead_percent=_percent(ratio.middle),
        low_percent=_percent(ratio.low),
        high_percent=_percent(ratio.high),
    )


def _percent(ratio: float) -> float:
    return 100.0 * (ratio - 1.0)


def _prepared(scans: tuple[Mapping[str, Scan], ...], manifest: Manifest) -> Iterator[Mapping[str, NDArray[Any]]]:
    for group in scans:
        for feed in prepare(group, manifest):
            yield feed.tensors
