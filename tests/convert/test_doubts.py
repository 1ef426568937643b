"""What is said of a reference that knows no better than nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.document import CandidateTold
from convert.doubts import doubts_of
from convert.labels import LabelledSet
from convert.landmarks import Landmarks
from edge.pack.manifest import Evidence
from tests.convert.conversions import SIDES, bare

NOTHING = LabelledSet(paths=())


def reference(metric: str, value: float, low: float = 0.0) -> CandidateTold:
    figure = Evidence(
        precision="fp32", engine="onnxruntime", label="x", data="films", metric=metric, value=value,
        interval=(low, 1.0), n=40,
    )  # fmt: skip
    return replace(bare(SIDES[0]), evidence=(figure,))


def pairs(apart_mm: float) -> LabelledSet:
    fixed = np.zeros((4, 3))
    marked = Landmarks(file=Path("marks.csv"), fixed=fixed, moving=fixed + np.array([0.0, 0.0, apart_mm]))
    return LabelledSet(paths=(Path("a"), Path("b")), landmarks=(marked, marked))


@pytest.mark.parametrize(("low", "count"), [(0.45, 1), (0.5, 1), (0.51, 0)])
def test_scores_that_may_be_a_coins_are_doubted(low: float, count: int) -> None:
    found = doubts_of(reference("auc", 0.6, low), NOTHING)
    assert len(found) == count
    assert all("tells x no better than chance: AUC 0.600, 95% interval from 0." in words for words in found)


@pytest.mark.parametrize(("low", "count"), [(0.0, 1), (0.01, 0)])
def test_boxes_of_which_none_may_be_right_are_doubted(low: float, count: int) -> None:
    found = doubts_of(reference("froc", 0.02, low), NOTHING)
    assert len(found) == count
    assert all("hardly finds x: FROC 0.020" in words for words in found)


@pytest.mark.parametrize(("apart_mm", "count"), [(5.0, 0), (2.0, 1), (1.0, 1)])
def test_landmarks_that_the_headers_bring_as_near_are_doubted(apart_mm: float, count: int) -> None:
    found = doubts_of(reference("target-registration-error", 2.0), pairs(apart_mm))
    assert len(found) == count
    assert all(f"2.00 mm, and {apart_mm:.2f} mm by the headers alone" in words for words in found)


def test_other_figures_are_not_doubted() -> None:
    assert doubts_of(reference("sensitivity", 0.0), pairs(9.0)) == []
