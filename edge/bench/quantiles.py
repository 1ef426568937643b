"""Latencies -> percentiles, each with what it is at most with 99% confidence, or how many more queries that needs.

The bounds are MLPerf's early stopping (MLPerf Inference Rules, appendix "Early Stopping Criterion", tolerance d = 0,
confidence c = 0.99): of n queries, the number that are slower than the true percentile p is binomial with n and 1 - p.
Where t of them or fewer are so with a probability of 1 - c at most, the latency that t queries exceed is at least the
percentile with confidence c. That needs 44 queries for p90 and 459 for p99 (t = 0).

MLPerf's own program, LoadGen, asks for one slower query at least (t = 1: 64 and 662 queries) and gives the latency
that t - 1 queries exceed, one rank slower than what is proven; `Quantile.loadgen_ms` is that figure, for those who
compare with published ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.99
PERCENTS = (50.0, 90.0, 99.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """One percentile of the latencies of a scenario.

    Parameters
    ----------
    percent : float
        Of the queries that are not slower, 0 to 100.
    found_ms : float
        In this run.
    at_most_ms : float, optional
        What the true percentile is at most, with 99% confidence; null where there were fewer than `needs` queries.
    needs : int
        So many queries give a bound.
    loadgen_ms : float, optional
        MLPerf's early-stopping estimate, as LoadGen gives it; null where there were fewer than `loadgen_needs`.
    loadgen_needs : int
    """

    percent: float
    found_ms: float
    at_most_ms: float | None
    needs: int
    loadgen_ms: float | None
    loadgen_needs: int


def quantile_of(latencies_ms: Sequence[float], percent: float) -> Quantile:
    """Return a percentile of some latencies with its bound.

    Parameters
    ----------
    latencies_ms : sequence of float
        At least one, in any order.
    percent : float
        Above 0 and below 100.

    Raises
    ------
    ValueError
        There is no latency.

    Examples
    --------
    >>> quantile_of(range(1, 45), 90.0).at_most_ms, quantile_of(range(1, 44), 90.0).at_most_ms
    (44.0, None)
    """
    if not latencies_ms:
        raise ValueError("Taking a percentile: found no latency, expected at least one.")
    rising = sorted(map(float, latencies_ms))
    n, share = len(rising), percent / 100.0
    slower = most_slower(n, share)
    return Quantile(
        percent=percent,
        found_ms=rising[min(int(n * share), n - 1)],
        at_most_ms=None if slower < 0 else rising[n - 1 - slower],
        needs=needed(share, slower=0),
        loadgen_ms=None if slower < 1 else rising[n - slower],
        loadgen_needs=needed(share, slower=1),
    )


def most_slower(n: int, share: float, confidence: float = CONFIDENCE) -> int:
    """Return how many of `n` queries may be slower than a bound on the percentile `share`; -1 where `n` is too few.

    Examples
    --------
    >>> most_slower(43, 0.9), most_slower(44, 0.9), most_slower(64, 0.9), most_slower(24_576, 0.9)
    (-1, 0, 1, 2348)
    """
    allowed, total, slower = 1.0 - confidence, 0.0, -1
    for count in range(n + 1):
        total += _exactly(count, n, 1.0 - share)
        if total > allowed:
            break
        slower = count
    return slower


def needed(share: float, *, slower: int, confidence: float = CONFIDENCE) -> int:
    """Return the least number of queries of which `slower` may be slower than a bound on the percentile `share`.

    Examples
    --------
    >>> needed(0.9, slower=0), needed(0.99, slower=0), needed(0.9, slower=1), needed(0.99, slower=1)
    (44, 459, 64, 662)
    """
    n = slower + 1
    while most_slower(n, share, confidence) < slower:
        n += 1
    return n


def _exactly(count: int, n: int, share: float) -> float:
    """The binomial probability of `count` of `n`, by logarithms: the powers alone would be 0."""
    ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(ways + count * math.log(share) + (n - count) * math.log1p(-share))
