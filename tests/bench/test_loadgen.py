"""What LoadGen says, read back, and beside it our own reckoning of the same queries."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loadgen import drive, driven, line_of, measure
from edge.bench.quantiles import most_slower

SUMMARY = """\
Scenario : SingleStream
90.0th percentile latency (ns) : 8544183
Early Stopping Result:
 * Processed at least 64 queries (242).
 * Would discard 12 highest latency queries.
 * Early stopping 90.0th percentile estimate: 10454123

50.00 percentile latency (ns)   : 3350197
90.00 percentile latency (ns)   : 8544183
"""
"""Of LoadGen 6.0.17."""


def test_as_many_queries_are_discarded_as_by_loadgen() -> None:
    assert most_slower(242, 0.9) - 1 == 12


def test_a_summary_is_read_back() -> None:
    found = driven("whole way", SUMMARY, np.linspace(1.0, 10.0, 242).tolist())
    assert (found.loadgen_found_ms, found.loadgen_estimate_ms) == (8.544183, 10.454123)
    assert "LoadGen 8.54 ms, edgerun 9.1 ms" in line_of(found)


def test_too_few_queries_have_no_estimate() -> None:
    found = driven("x", SUMMARY.replace("Early stopping 90", "No 90"), [1.0] * 63)
    assert found.loadgen_estimate_ms is None
    assert line_of(found).endswith("early-stopping estimate: LoadGen none, edgerun none")


def test_a_summary_without_a_percentile_is_none() -> None:
    with pytest.raises(ValueError, match="found no 90th percentile"):
        driven("x", "Result is : INVALID", [1.0])


@pytest.mark.skipif(importlib.util.find_spec("mlperf_loadgen") is None, reason="needs mlcommons-loadgen")
def test_loadgen_asks_for_every_sample_and_comes_to_our_figures() -> None:
    asked: list[int] = []
    found = drive("x", asked.append, 4, queries=300, seconds=0.0)
    assert set(asked) == {0, 1, 2, 3}
    assert len(asked) >= 64
    assert found.loadgen_estimate_ms is not None
    assert found.own.loadgen_ms is not None


@pytest.mark.skipif(importlib.util.find_spec("mlperf_loadgen") is None, reason="needs mlcommons-loadgen")
def test_loadgen_drives_the_engine_and_the_whole_way_of_a_pack(tmp_path: Path) -> None:
    found = measure("chest-pneumonia", queries=64, seconds=0.0, scratch=tmp_path)
    assert [item.name for item in found] == ["bare engine", "whole way"]
    assert all(item.loadgen_estimate_ms is not None for item in found)
