"""How far a preparation is, for a person: lines anywhere, a bar on a terminal alone."""

from __future__ import annotations

import io

import pytest

from edge.ready.progress import Progress, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


def test_each_thing_is_told_in_a_line_and_remembered() -> None:
    stream = io.StringIO()
    progress = Progress("chest", stream)
    assert progress.doing == "looking for engines"
    progress("fp32 on tensorrt: compiling")
    assert (stream.getvalue(), progress.doing) == (
        "chest: fp32 on tensorrt: compiling\n",
        "fp32 on tensorrt: compiling",
    )


def test_steps_draw_a_bar_over_the_one_before_on_a_terminal() -> None:
    stream = Terminal()
    progress = Progress("chest", stream)
    assert progress.step("Timing", 1, 2)
    assert progress.step("Timing", 2, 2)
    first, second = stream.getvalue().split("\r")[1:]
    assert first == "  [###############...............]  50% Timing"
    assert second == "  [##############################] 100% Timing"


def test_a_shorter_line_leaves_nothing_of_the_longer_one() -> None:
    stream = Terminal()
    progress = Progress("chest", stream)
    progress.step("a phase with a long name", 1, 2)
    progress.step("short", 1, 2)
    long, short = stream.getvalue().split("\r")[1:]
    assert len(short) == len(long)
    assert short.endswith("short" + " " * (len(long) - len(short.rstrip())))


def test_a_bar_is_never_wider_than_the_terminal() -> None:
    stream = Terminal()
    Progress("chest", stream).step("x" * 200, 1, 2)
    assert len(stream.getvalue()) <= 60


def test_the_next_line_begins_below_the_bar() -> None:
    stream = Terminal()
    progress = Progress("chest", stream)
    progress.step("Timing", 2, 2)
    progress("round 1 of 5")
    progress.end()
    assert stream.getvalue().endswith("Timing\nchest: round 1 of 5\n")


def test_no_bar_is_written_to_a_file() -> None:
    stream = io.StringIO()
    progress = Progress("chest", stream)
    assert progress.step("Timing", 1, 2)
    progress.end()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("step", "steps", "share"), [(1, 3, " 33%"), (3, 3, "100%"), (9, 3, "100%")])
def test_a_bar_is_as_full_as_the_share(step: int, steps: int, share: str) -> None:
    assert bar(step, steps).endswith(share)
    assert bar(step, steps).count("#") == int(30 * min(step / steps, 1))
