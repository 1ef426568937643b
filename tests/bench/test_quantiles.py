"""Percentiles and their bounds, against the numbers of MLPerf and another way to compute them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from edge.bench.quantiles import CONFIDENCE, PERCENTS, most_slower, needed, quantile_of


@pytest.mark.parametrize(("percent", "least"), [(50.0, 7), (90.0, 44), (99.0, 459)])
def test_a_bound_needs_as_many_queries_as_the_binomial_says(percent: float, least: int) -> None:
    """With the probability p ** n all of n queries are faster than the percentile p."""
    share = percent / 100
    assert share**least <= 1 - CONFIDENCE < share ** (least - 1)
    assert needed(share, slower=0) == least == math.ceil(math.log(1 - CONFIDENCE) / math.log(share))


@pytest.mark.parametrize(("share", "least"), [(0.9, 64), (0.99, 662)])
def test_mlperfs_estimate_needs_as_many_as_loadgen_says(share: float, least: int) -> None:
    assert needed(share, slower=1) == least


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 43, 44, 45, 459, 662, 1000, 24_576])
def test_the_allowed_slower_queries_are_those_of_scipys_binomial(share: float, n: int) -> None:
    counts = np.arange(n + 1)
    allowed = counts[binom.cdf(counts, n, 1 - share) <= 1 - CONFIDENCE]
    assert most_slower(n, share) == (allowed.max() if allowed.size else -1)


def test_the_bound_holds_in_all_but_one_of_a_hundred_runs() -> None:
    """Of runs of 44 exponential latencies, the bound on p90 is below the true p90 in 0.9 ** 44 = 0.97%."""
    runs = np.random.default_rng(0).exponential(size=(20_000, 44))
    bounds = [quantile_of(latencies.tolist(), 90.0).at_most_ms or 0.0 for latencies in runs[:2000]]
    assert np.mean(np.array(bounds) < math.log(10)) == pytest.approx(0.9**44, abs=0.005)


def test_too_few_queries_give_no_bound_and_say_how_many_do() -> None:
    found = quantile_of(range(43), 90.0)
    assert (found.at_most_ms, found.needs) == (None, 44)
    assert (found.loadgen_ms, found.loadgen_needs) == (None, 64)


def test_the_slowest_of_44_bounds_p90_and_mlperf_still_says_nothing() -> None:
    found = quantile_of(range(44), 90.0)
    assert (found.at_most_ms, found.loadgen_ms) == (43.0, None)


def test_of_64_the_second_slowest_bounds_p90_and_mlperf_reports_the_slowest() -> None:
    found = quantile_of(range(64), 90.0)
    assert (found.at_most_ms, found.loadgen_ms) == (62.0, 63.0)


@pytest.mark.parametrize("n", [100, 700, 5000])
def test_the_order_of_latencies_does_not_matter_and_the_bound_is_above_what_was_found(n: int) -> None:
    latencies = np.random.default_rng(n).gamma(2.0, size=n)
    for percent in PERCENTS:
        found = quantile_of(latencies.tolist(), percent)
        assert found == quantile_of(sorted(latencies.tolist(), reverse=True), percent)
        if found.at_most_ms is not None:
            assert found.at_most_ms >= found.found_ms


def test_more_queries_bring_the_bound_closer() -> None:
    gaps = []
    for n in (50, 500, 5000):
        found = quantile_of(np.linspace(0.0, 1.0, n).tolist(), 90.0)
        assert found.at_most_ms is not None
        gaps.append(found.at_most_ms - 0.9)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.02


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="found no latency"):
        quantile_of([], 50.0)


def test_a_single_latency_is_every_percentile() -> None:
    assert {quantile_of([3.0], percent).found_ms for percent in PERCENTS} == {3.0}
