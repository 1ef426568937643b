"""Whether a long run grows slower or larger, by samples that were made up."""

from __future__ import annotations

import pytest

from edge.bench.measured import Query
from edge.bench.soak import SLICES, sampled, soak_of
from tests.bench.reports import QUIET


def test_a_machine_that_warms_up_is_seen_to_slow_down() -> None:
    samples = [(float(second), 10.0 if second <= 200 else 15.0, None) for second in range(1, 401)]
    found = soak_of(samples, 6.7, QUIET)
    assert len(found.slices) == SLICES
    assert (found.first_ms, found.last_ms, found.ratio) == (10.0, 15.0, 1.5)
    assert (found.low, found.high) == (1.5, 1.5)


def test_memory_that_leaks_is_seen_to_grow_and_unknown_memory_is_no_zero() -> None:
    leaking = [(float(second), 10.0, 1_000_000 + 1000 * second) for second in range(1, 101)]
    assert soak_of(leaking, 1.0, QUIET).growth_bytes == 1000 * (100 - 4)
    assert soak_of([(time, ms, None) for time, ms, _ in leaking], 1.0, QUIET).growth_bytes is None


def test_percentiles_are_those_of_all_scans() -> None:
    samples = [(float(second), float(second), None) for second in range(1, 501)]
    found = {each.percent: each for each in soak_of(samples, 1.0, QUIET).quantiles}
    assert set(found) == {50.0, 90.0, 99.0}
    assert found[99.0].found_ms == pytest.approx(495, abs=1)
    assert found[99.0].at_most_ms == 500.0


def test_every_scan_is_in_one_slice() -> None:
    samples = [(0.37 * number, 5.0, 1) for number in range(1, 90)]
    found = soak_of(samples, 1.0, QUIET)
    assert sum(item.scans for item in found.slices) == 89
    starts = [item.from_seconds for item in found.slices]
    assert starts == sorted(starts)


def test_scans_slower_than_a_slice_leave_slices_out() -> None:
    found = soak_of([(10.0, 1e4, 1), (100.0, 9e4, 2)], 1.0, QUIET)
    assert [item.scans for item in found.slices] == [1, 1]


@pytest.mark.parametrize(("length", "asked"), [(3.5, 4), (0.0, 1)])
def test_scans_are_asked_for_until_the_time_is_over_and_once_anyway(length: float, asked: int) -> None:
    times = iter(range(100))
    samples = sampled(lambda _: Query(seconds=0.25), length, lambda: 7, lambda: float(next(times)))
    assert samples == [(float(number), 250.0, 7) for number in range(1, asked + 1)]
