"""The clock: every second is charged once, to the innermost stage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge import clock as module
from edge.clock import Clock


class FakeTime:
    """A clock on the wall that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(module, "time", fake)
    return fake


def test_an_inner_stage_is_not_charged_to_the_outer_one(wall: FakeTime) -> None:
    clock = Clock()
    with clock("outer"):
        wall.now += 1.0
        with clock("inner"):
            wall.now += 4.0
        wall.now += 2.0
    assert clock.seconds == {"outer": 3.0, "inner": 4.0}


def test_time_outside_every_stage_is_charged_to_none(wall: FakeTime) -> None:
    clock = Clock()
    wall.now += 5.0
    with clock("work"):
        wall.now += 1.0
    wall.now += 5.0
    with clock("work"):
        wall.now += 2.0
    assert clock.seconds == {"work": 3.0}


def test_a_stage_that_fails_is_charged_and_left(wall: FakeTime) -> None:
    clock = Clock()

    def fail() -> None:
        with clock("inner"):
            wall.now += 1.0
            raise ValueError("broken")

    with clock("outer"):
        with pytest.raises(ValueError, match="broken"):
            fail()
        wall.now += 2.0
    assert clock.seconds == {"outer": 2.0, "inner": 1.0}


def test_each_charges_the_making_of_items_and_not_their_use(wall: FakeTime) -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            wall.now += 1.0
            yield number
        wall.now += 0.5

    clock = Clock()
    seen = []
    for item in clock.each("make", slow()):
        with clock("use"):
            wall.now += 10.0
        seen.append(item)
    assert seen == [0, 1, 2]
    assert clock.seconds == {"make": 3.5, "use": 30.0}
