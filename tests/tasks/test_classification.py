"""Classification: what the scores mean, in each of the four modes, and where the influence map lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.errors import EngineError
from edge.findings import state_of
from edge.geometry import resample
from edge.testing import phantom_scan
from tests.tasks.models import classification, classified, label, positives, said

Array = NDArray[Any]
PNEUMONIA = label("pneumonia", urgency="urgent")
NORMAL = label("normal", finding=False)
EFFUSION = label("effusion")


def below(value: float) -> float:
    """The next smaller number that a model can give."""
    return float(np.nextafter(np.float32(value), np.float32(0)))


# Binary and multi-label ----------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.7, 0.3, 0.5, 0.1, 1.0])
def test_a_score_that_reaches_its_threshold_exactly_is_a_finding(threshold: float) -> None:
    manifest = classification("binary", [PNEUMONIA], {"pneumonia": threshold})
    found = classified(manifest, threshold)
    assert positives(found) == ["pneumonia"]
    assert said(found)["pneumonia"].urgency == "urgent"
    assert state_of(found) == "finding"


@pytest.mark.parametrize("threshold", [0.7, 0.3, 0.5, 0.1, 1.0])
def test_a_score_just_below_its_threshold_is_no_finding(threshold: float) -> None:
    manifest = classification("binary", [PNEUMONIA], {"pneumonia": threshold})
    found = classified(manifest, below(threshold))
    assert positives(found) == []
    assert said(found)["pneumonia"].urgency is None
    assert state_of(found) == "no-finding"


def test_a_threshold_of_0_is_always_reached() -> None:
    assert positives(classified(classification("binary", [PNEUMONIA], {"pneumonia": 0.0}), 0.0)) == ["pneumonia"]


def test_a_logit_is_compared_after_its_sigmoid() -> None:
    manifest = classification("binary", [PNEUMONIA], {"pneumonia": 0.5}, activation="sigmoid")
    assert positives(classified(manifest, 0.0)) == ["pneumonia"]
    assert positives(classified(manifest, -0.001)) == []
    assert said(classified(manifest, 1e30))["pneumonia"].score == 1.0


def test_each_of_several_labels_has_its_own_threshold() -> None:
    manifest = classification("multi-label", [PNEUMONIA, EFFUSION], {"pneumonia": 0.8, "effusion": 0.2})
    assert positives(classified(manifest, 0.79, 0.2)) == ["effusion"]
    assert positives(classified(manifest, 0.8, 0.9)) == ["pneumonia", "effusion"]
    assert positives(classified(manifest, 0.79, 0.19)) == []


def test_a_label_that_is_no_finding_has_neither_threshold_nor_urgency() -> None:
    manifest = classification("multi-label", [NORMAL, PNEUMONIA], {"pneumonia": 0.5})
    normal = said(classified(manifest, 1.0, 0.0))["normal"]
    assert (normal.threshold, normal.positive, normal.urgency) == (None, False, None)


def test_what_a_label_says_comes_from_the_manifest() -> None:
    item = said(classified(classification("binary", [PNEUMONIA], {"pneumonia": 0.5}), 0.25))["pneumonia"]
    assert (item.title, item.finding, item.threshold, item.score) == ("Pneumonia", True, 0.5, 0.25)


# Multi-class ---------------------------------------------------------------------------------------------

CLASSES = classification("multi-class", [NORMAL, PNEUMONIA, EFFUSION], {"pneumonia": 0.6, "effusion": 0.6})


def test_the_highest_class_is_a_finding_though_below_its_threshold() -> None:
    found = classified(CLASSES, 0.3, 0.45, 0.25)
    assert positives(found) == ["pneumonia"]
    assert said(found)["pneumonia"].urgency == "urgent"
    assert state_of(found) == "finding"


def test_a_class_that_reaches_its_threshold_is_a_finding_though_not_the_highest() -> None:
    manifest = classification("multi-class", [NORMAL, PNEUMONIA], {"pneumonia": 0.3})
    assert positives(classified(manifest, 0.7, 0.3)) == ["normal", "pneumonia"]
    assert state_of(classified(manifest, 0.7, 0.3)) == "finding"


def test_the_highest_class_may_be_no_finding() -> None:
    found = classified(CLASSES, 0.5, 0.3, 0.2)
    assert positives(found) == ["normal"]
    assert said(found)["normal"].urgency is None
    assert state_of(found) == "no-finding"


def test_a_tie_between_normal_and_a_finding_is_a_finding() -> None:
    assert state_of(classified(CLASSES, 0.4, 0.4, 0.2)) == "finding"


def test_softmax_scores_of_the_classes_add_up_to_1() -> None:
    manifest = classification("multi-class", [NORMAL, PNEUMONIA], {"pneumonia": 0.5}, activation="softmax")
    found = classified(manifest, 1.0, 3.0)
    assert sum(item.score for item in found.labels) == pytest.approx(1.0)
    assert said(found)["pneumonia"].score == pytest.approx(1 / (1 + np.exp(-2.0)))


# Ordinal -------------------------------------------------------------------------------------------------

GRADES = [label("none", finding=False), label("mild", urgency="routine"), label("severe", urgency="urgent")]
LIMITS = {"mild": 0.5, "severe": 0.3}
AT_LEAST = classification("ordinal", GRADES, LIMITS, activation="none")
EACH = classification("ordinal", GRADES, LIMITS, activation="softmax")


def test_cumulative_scores_are_those_of_a_grade_or_worse() -> None:
    found = classified(AT_LEAST, 0.8, 0.2)
    assert [item.score for item in found.labels] == pytest.approx([1.0, 0.8, 0.2])
    assert found.grade == "mild"


def test_the_scores_of_single_grades_are_added_up_from_the_worst() -> None:
    found = classified(EACH, *np.log([0.2, 0.5, 0.3]))
    assert [item.score for item in found.labels] == pytest.approx([1.0, 0.8, 0.3])


def test_the_grade_is_the_worst_whose_score_reaches_its_threshold() -> None:
    assert classified(AT_LEAST, 0.49, 0.1).grade == "none"
    assert classified(AT_LEAST, 0.5, 0.1).grade == "mild"
    assert classified(AT_LEAST, 0.5, 0.3).grade == "severe"
    assert classified(AT_LEAST, 0.4, 0.3).grade == "severe"


def test_only_the_grade_itself_is_positive_and_urgent() -> None:
    found = classified(AT_LEAST, 0.9, 0.5)
    assert positives(found) == ["severe"]
    assert [item.urgency for item in found.labels] == [None, None, "urgent"]
    assert state_of(found) == "finding"
    healthy = classified(AT_LEAST, 0.1, 0.1)
    assert positives(healthy) == ["none"]
    assert state_of(healthy) == "no-finding"
    assert [item.urgency for item in healthy.labels] == [None, None, None]


def test_a_worse_grade_with_a_higher_score_than_a_milder_one_is_made_consistent() -> None:
    found = classified(AT_LEAST, 0.2, 0.9)
    scores = [item.score for item in found.labels]
    assert scores == sorted(scores, reverse=True)


@given(scores=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2))
def test_scores_never_rise_from_one_grade_to_the_next(scores: list[float]) -> None:
    for found in (classified(AT_LEAST, *scores), classified(EACH, 0.0, *scores)):
        given_scores = [item.score for item in found.labels]
        assert given_scores == sorted(given_scores, reverse=True)
        assert given_scores[0] == pytest.approx(1.0)
        assert len(positives(found)) == 1


def test_a_grade_with_a_threshold_of_0_is_always_reached() -> None:
    manifest = classification("ordinal", GRADES, {"mild": 0.9, "severe": 0.0})
    assert classified(manifest, 0.1, 0.0).grade == "severe"


def test_other_modes_have_no_grade() -> None:
    assert classified(CLASSES, 0.5, 0.3, 0.2).grade is None


# Influence maps ------------------------------------------------------------------------------------------


def step(name: str, **options: object) -> dict[str, object]:
    return {"step": name, **options}


@pytest.mark.parametrize("cell", [(0, 0), (3, 1), (6, 6), (0, 6)])
@pytest.mark.parametrize(
    ("steps", "to_source"),
    [
        # Where a point of the 28 x 28 picture, in pixels from its top left corner, lies on the 112 x 56 source.
        ([step("resize", height=28, width=28, interpolation="area")], lambda y, x: (4 * y, 2 * x)),
        (
            [step("center_square"), step("resize", height=28, width=28, interpolation="area")],
            lambda y, x: (28 + 2 * y, 2 * x),
        ),
        ([step("letterbox", height=28, width=28, interpolation="linear")], lambda y, x: (4 * y, 4 * x - 28)),
        ([step("center_crop_or_pad", height=28, width=28)], lambda y, x: (42 + y, 14 + x)),
        (
            [
                step("center_crop_or_pad", height=120, width=120),
                step("resize", height=28, width=28, interpolation="cubic"),
            ],
            lambda y, x: (y * 120 / 28 - 4, x * 120 / 28 - 32),
        ),
    ],
    ids=["resize", "center_square", "letterbox", "crop", "pad"],
)
def test_a_hot_cell_of_the_map_lies_on_the_pixels_that_it_stands_for(
    steps: Sequence[Mapping[str, object]], to_source: Any, cell: tuple[int, int]
) -> None:
    manifest = classification("binary", [PNEUMONIA], {"pneumonia": 0.5}, map_output="map", steps=steps, size=28)
    scan = phantom_scan((1, 112, 56))
    hot = np.zeros((1, 1, 7, 7), np.float32)
    hot[0, 0, cell[0], cell[1]] = 1.0
    (shown,) = classified(manifest, 0.9, scan=scan, map=hot).maps
    on_source = resample(shown.values, shown.grid, scan.grid, interpolation="nearest", fill=-1.0)[0]
    rows, columns = np.nonzero(on_source == 1.0)
    top, left = to_source(cell[0] * 4, cell[1] * 4)
    bottom, right = to_source(cell[0] * 4 + 4, cell[1] * 4 + 4)
    y, x = np.indices((112, 56)) + 0.5
    wanted = (y > top) & (y < bottom) & (x > left) & (x < right)
    assert set(zip(rows, columns, strict=True)) == set(zip(*np.nonzero(wanted), strict=True))
    smooth = resample(shown.values, shown.grid, scan.grid, interpolation="linear", fill=-1.0)[0]
    if wanted.any():
        assert wanted[np.unravel_index(np.argmax(smooth), smooth.shape)]


def test_every_label_has_its_own_map_and_a_constant_one_is_left_out() -> None:
    labels = [PNEUMONIA, EFFUSION, label("mass")]
    manifest = classification("multi-label", labels, {item.name: 0.5 for item in labels}, map_output="map")
    values = np.zeros((1, 3, 2, 2), np.float32)
    values[0, 0, 0, 1], values[0, 1], values[0, 2, 1, 0] = 5.0, 7.0, 9.0
    maps = classified(manifest, 0.1, 0.2, 0.3, map=values).maps
    assert [(shown.label, float(shown.values.max())) for shown in maps] == [("pneumonia", 5.0), ("mass", 9.0)]


def test_the_maps_of_cumulative_grades_begin_with_the_second() -> None:
    manifest = classification("ordinal", GRADES, LIMITS, map_output="map")
    values = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    maps = classified(manifest, 0.1, 0.1, map=values).maps
    assert [(shown.label, float(shown.values.min())) for shown in maps] == [("mild", 0.0), ("severe", 4.0)]


@pytest.mark.parametrize("values", [np.full((1, 1, 2, 2), np.nan), np.zeros((1, 2, 2, 2)), np.zeros((1, 1, 0, 2))])
def test_a_map_that_is_none_is_no_answer(values: Array) -> None:
    manifest = classification("binary", [PNEUMONIA], {"pneumonia": 0.5}, map_output="map")
    with pytest.raises(EngineError) as caught:
        classified(manifest, 0.9, map=values)
    assert caught.value.reason.code == "E503"


def test_a_model_without_a_map_gives_none() -> None:
    assert classified(classification("binary", [PNEUMONIA], {"pneumonia": 0.5}), 0.9).maps == ()
