"""What is begun before its turn: how far, how heavy, and in which order it comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ahead import ahead
from edge.errors import UsageError


class Begun:
    """Items that remember which of them were begun."""

    def __init__(self, weights: list[int], fails_after: int | None = None) -> None:
        self.weights = weights
        self.fails_after = fails_after
        self.count = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(len(self.weights)):
            if number == self.fails_after:
                raise UsageError("It cannot be begun.")
            self.count = number + 1
            yield number

    def weigh(self, number: int) -> int:
        return self.weights[number]


@given(
    weights=st.lists(st.integers(0, 20), max_size=30),
    most=st.integers(0, 5),
    limit=st.integers(0, 40),
)
def test_every_item_comes_once_and_in_order(weights: list[int], most: int, limit: int) -> None:
    begun = Begun(weights)
    assert list(ahead(begun, begun.weigh, most=most, limit=limit)) == list(range(len(weights)))


@given(weights=st.lists(st.integers(1, 20), max_size=30), most=st.integers(0, 5), limit=st.integers(0, 40))
def test_no_more_is_under_way_than_there_is_room_for(weights: list[int], most: int, limit: int) -> None:
    begun = Begun(weights)
    for number in ahead(begun, begun.weigh, most=most, limit=limit):
        beside = weights[number + 1 : begun.count]
        assert len(beside) <= most
        assert sum(beside[:-1]) <= limit, "only the last one begun may have gone over the limit"


def test_as_many_as_there_is_room_for_are_under_way() -> None:
    begun = Begun([1] * 10)
    under_way = [begun.count - number - 1 for number in ahead(begun, begun.weigh, most=3, limit=100)]
    assert under_way == [3] * 7 + [2, 1, 0]


def test_beside_a_heavy_one_nothing_is_begun() -> None:
    begun = Begun([100] * 4)
    assert [begun.count - number for number in ahead(begun, begun.weigh, most=3, limit=50)] == [1] * 4


def test_what_was_begun_still_comes_before_the_error_does() -> None:
    begun = Begun([1] * 5, fails_after=3)
    coming = ahead(begun, begun.weigh, most=5, limit=100)
    assert [next(coming), next(coming), next(coming)] == [0, 1, 2]
    with pytest.raises(UsageError):
        next(coming)
