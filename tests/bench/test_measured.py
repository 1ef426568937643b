"""How queries are asked, and the table of stages."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from edge.bench.measured import REST, STAGES, Limits, Query, repeat, stages_of


def clock_of(*times: float) -> Callable[[], float]:
    """A clock that is read at these times."""
    read = iter(times)
    return lambda: next(read)


def test_queries_are_asked_until_there_are_enough() -> None:
    told: list[str] = []
    asked: list[int] = []

    def ask(number: int) -> Query:
        asked.append(number)
        return Query(seconds=0.1)

    found = repeat(ask, Limits(most=5, seconds=1e9), told.append, now=lambda: 0.0)
    assert len(found) == 5
    assert asked == [0, 1, 2, 3, 4]
    assert told[-1] == "5 of at most 5"


def test_queries_end_with_the_time() -> None:
    now, limits = clock_of(0.0, 1.0, 2.0, 3.0), Limits(most=100, seconds=2.5, least=1)
    assert len(repeat(lambda _: Query(seconds=1.0), limits, lambda _: None, now)) == 3


def test_slow_queries_are_asked_a_few_times_all_the_same() -> None:
    found = repeat(lambda _: Query(seconds=99.0), Limits(most=100, seconds=0.1), lambda _: None, clock_of(0.0, 99.0))
    assert len(found) == 3


def test_the_stages_and_the_rest_add_up_to_the_wall_time() -> None:
    generator = np.random.default_rng(0)
    queries = [
        Query(
            seconds=float(parts.sum()) + 0.01,
            stages=dict(zip(("read", "infer", "write"), parts.tolist(), strict=True)),
            scans=2,
        )
        for parts in generator.random((7, 3))
    ]
    rows = stages_of(queries)
    wall = 1e3 * sum(query.seconds for query in queries) / 14
    assert math.fsum(row.ms for row in rows) == pytest.approx(wall)
    assert math.fsum(row.share for row in rows) == pytest.approx(1.0)
    assert rows[-1].name == REST
    assert rows[-1].ms == pytest.approx(5.0)


def test_stages_that_ran_at_the_same_time_leave_a_rest_below_nothing() -> None:
    rows = stages_of([Query(seconds=1.0, stages={"read": 0.75, "write": 0.75})])
    assert [(row.name, row.ms) for row in rows] == [("read", 750.0), ("write", 750.0), (REST, -500.0)]


def test_stages_come_in_the_order_of_the_work_and_unknown_ones_behind_them() -> None:
    rows = stages_of([Query(seconds=1.0, stages={"write": 0.1, "polish": 0.1, "index": 0.1, "infer": 0.1})])
    assert [row.name for row in rows] == ["index", "infer", "write", "polish", REST]


def test_a_query_without_stages_is_all_rest() -> None:
    (row,) = stages_of([Query(seconds=0.5)])
    assert (row.name, row.ms, row.share) == (REST, 500.0, 1.0)


def test_every_stage_is_told_in_words() -> None:
    assert all(STAGES.values())
    assert list(STAGES)[-1] == REST
