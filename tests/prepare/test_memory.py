"""How much memory an examination may take, and what is planned within it."""

from __future__ import annotations

import pytest

from edge.errors import ReadError, UsageError
from edge.prepare.memory import budget_bytes, plan_windows
from edge.testing import tiny_segmentation
from edge.volume.tiles import Tiles

TILES = Tiles.of((40, 50, 60), (16, 16, 16), 0.5)
SOURCE = (80, 100, 120)


@pytest.fixture(autouse=True)
def machine_of_8_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**21}.__getitem__)
    monkeypatch.delenv("EDGERUN_SCAN_BYTES", raising=False)


def test_half_of_the_memory_may_be_used() -> None:
    assert budget_bytes() == 2**32


@pytest.mark.parametrize(("told", "expected"), [(12345, 2**32), (2**33, 2**33)])
def test_a_person_may_allow_more(told: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", str(told))
    assert budget_bytes() == expected


def test_a_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGERUN_SCAN_BYTES", "plenty")
    with pytest.raises(UsageError, match="'plenty'"):
        budget_bytes()


def test_a_machine_that_does_not_tell_its_memory_may_use_twice_what_a_scan_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(_name: str) -> int:
        raise ValueError("unrecognised configuration name")

    monkeypatch.setattr("os.sysconf", nothing)
    assert budget_bytes() == 2**32


@pytest.mark.parametrize(("activation", "classes", "label_bytes"), [("softmax", 10, 1), ("sigmoid", 9, 2)])
def test_the_background_is_a_class_and_labels_that_overlap_are_bits(
    activation: str, classes: int, label_bytes: int
) -> None:
    task = tiny_segmentation(activation=activation, names=[f"l{index}" for index in range(9)])
    found = plan_windows(TILES, SOURCE, task, channels=2, held_bytes=7, budget=10**9)
    assert found.sums_bytes == 4 * classes * 16 * 50 * 60
    assert found.labels_bytes == label_bytes * 80 * 100 * 120
    assert found.prepared_bytes == 4 * 2 * 40 * 50 * 60
    assert found.held_bytes == 7
    with pytest.raises(ReadError) as caught:
        plan_windows(TILES, SOURCE, task, channels=2, held_bytes=7, budget=10**6)
    assert caught.value.reason.code == "C728"
