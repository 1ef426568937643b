"""What is made of a bench of warm scans; nothing here is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.warm import figures_of, tail_of
from tests.bench.reports import report, scenario


def test_overhead_tail_drift_and_growth_each_stand_beside_their_aim() -> None:
    overhead, tail, drift, growth = figures_of(report())
    assert (overhead.found, overhead.unit, overhead.at_most, overhead.outcome()) == (100.0, "% slower", 2.0, "missed")
    assert (tail.found, tail.n, tail.outcome()) == (1.0, 50, "met")
    assert (drift.found, drift.n, drift.outcome()) == (0.0, 40, "met")
    assert growth.found == pytest.approx(0.039)
    assert (growth.unit, growth.outcome()) == ("MB", "met")


def test_the_overhead_says_which_stages_make_it() -> None:
    overhead = next(figures_of(report()))
    assert overhead.why.startswith("engine 10 ms of 20 ms, read 5 ms, rest 2 ms")
    assert "infer" not in overhead.why


def test_what_was_not_measured_has_no_figure() -> None:
    made = report(ceiling=None, soak=None)
    assert [figure.unit for figure in figures_of(made)] == ["times"]
    soak = report().soak
    assert soak is not None
    assert len(list(figures_of(replace(report(), soak=replace(soak, growth_bytes=None))))) == 3


def test_a_tail_has_an_interval() -> None:
    found, low, high = tail_of([10.0] * 97 + [30.0] * 3)
    assert found == pytest.approx(3.0)
    assert 1.0 <= low <= found <= high == pytest.approx(3.0)


def test_a_slow_scan_in_a_hundred_is_a_tail() -> None:
    (_, tail, *_) = figures_of(report(scenario(latencies=[10.0] * 90 + [40.0] * 10)))
    assert tail.outcome() == "missed"
