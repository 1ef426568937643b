"""Several reading processes: as many as there is work for, and every scan as one process would read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.read import several
from edge.read.several import ScanReaders
from edge.scan import Series
from tests.conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.dcm"))


@pytest.fixture
def readers() -> Iterator[ScanReaders]:
    with ScanReaders(most=2, prefetch=("dicom",)) as opened:
        yield opened


def series_at(readers: ScanReaders, paths: list[Path]) -> list[Series]:
    found = readers.index([str(path) for path in paths]).result()
    return [series for study in found.studies for series in study.series]


def test_a_little_is_read_by_one_process(readers: ScanReaders) -> None:
    for pending in [readers.load(series) for series in series_at(readers, EXAMPLES)]:
        pending.result()
    assert len(readers.child_pids) == 1


def test_much_is_read_by_as_many_as_are_allowed(readers: ScanReaders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "WORTH_BYTES", 1)
    for pending in [readers.load(series) for series in series_at(readers, EXAMPLES)]:
        pending.result()
    assert len(set(readers.child_pids)) == 2


def test_each_scan_is_what_was_asked_for_whoever_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScanReaders(most=1) as one:
        alone = [one.load(series).result() for series in series_at(one, EXAMPLES)]
    monkeypatch.setattr(several, "WORTH_BYTES", 1)
    with ScanReaders(most=2) as two:
        asked = [two.load(series) for series in series_at(two, EXAMPLES)]
        together = [pending.result() for pending in asked]
    for first, second in zip(alone, together, strict=True):
        assert first.sources == second.sources
        np.testing.assert_array_equal(first.voxels, second.voxels)


def test_closing_ends_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "WORTH_BYTES", 1)
    with ScanReaders(most=2) as opened:
        for pending in [opened.load(series) for series in series_at(opened, EXAMPLES)]:
            pending.result()
    assert opened.child_pids == ()
