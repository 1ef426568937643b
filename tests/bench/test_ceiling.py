"""The bare engine beside the whole way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bench import ceiling as module
from edge.bench.ceiling import bare_seconds, ceiling_of, feeds_of, in_turn
from edge.bench.measured import Limits
from edge.testing import phantom_scan, tiny_manifest


class Slow:
    """An engine whose clock moves by two seconds at every call."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fed: list[tuple[int, ...]] = []

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.now += 2.0
        self.fed += [value.shape for value in feeds.values()]
        return {}


def test_only_the_engine_is_timed_and_not_the_making_of_feeds() -> None:
    engine = Slow()

    def feeds() -> Iterator[dict[str, NDArray[Any]]]:
        for _ in range(3):
            engine.now += 100.0
            yield {"image": np.zeros((1, 2))}

    assert bare_seconds(feeds, engine, lambda: engine.now) == 6.0  # type: ignore[arg-type]
    assert engine.fed == [(1, 2)] * 3


def test_feeds_are_those_that_the_pipeline_would_prepare_and_come_again_and_again() -> None:
    feeds = feeds_of(({"image": phantom_scan((1, 8, 8))},), tiny_manifest())
    first, second = list(feeds()), list(feeds())
    assert [value["image"].shape for value in first] == [(1, 1, 4, 4)]
    assert first[0]["image"] is second[0]["image"]


def test_feeds_too_large_to_be_kept_are_prepared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HELD_BYTES", 10)
    feeds = feeds_of(({"image": phantom_scan((1, 8, 8))},), tiny_manifest())
    first, second = list(feeds()), list(feeds())
    assert first[0]["image"] is not second[0]["image"]
    np.testing.assert_array_equal(first[0]["image"], second[0]["image"])


def test_both_ways_go_first_in_turn() -> None:
    order: list[str] = []

    def whole(number: int) -> float:
        order.append(f"whole {number}")
        return 2.0

    def bare(number: int) -> float:
        order.append(f"bare {number}")
        return 1.0

    pairs = in_turn(whole, bare, Limits(most=3, seconds=60.0), lambda _: None)
    assert pairs == [(2.0, 1.0)] * 3
    assert order == ["whole 0", "bare 0", "bare 1", "whole 1", "whole 2", "bare 2"]


def test_the_overhead_is_the_median_of_paired_ratios() -> None:
    found = ceiling_of([(0.3, 0.1), (0.4, 0.2), (1.1, 1.0)])
    assert found.pairs == 3
    assert found.overhead_percent == pytest.approx(100.0)
    assert found.beside_ms == pytest.approx(200.0)
    assert (found.engine_ms, found.whole_ms) == (200.0, 400.0)
    assert found.low_percent <= found.overhead_percent <= found.high_percent
