"""Urgency: by the pack's rules for what was measured, with the reason in words, in every task that finds something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.detect.planted import DETECTIONS, painted, yolov5_net
from edge.errors import PackError
from edge.findings import Detections
from edge.pack.manifest import DetectionTask, Label, Manifest, UrgencyRule, parse_manifest
from edge.pack.tasks import Quantity
from edge.pack.words import Urgency
from edge.scan import Scan
from edge.tasks.urgency import NAMES, urgency_of
from edge.testing import phantom_scan, tiny_manifest, tiny_segmentation
from edge.typed import dump
from tests.prepare.images import step
from tests.tasks.models import answered, classification, classified, label, said, segmented, volume_input, with_task
from tests.tasks.models import volume_of as volume
from tests.tasks.nets import findings


def rule(measure: Quantity, at: float, urgency: Any = "urgent") -> UrgencyRule:
    return UrgencyRule(measure=measure, at=at, urgency=urgency)


def ruled(*rules: UrgencyRule, urgency: Urgency = "routine", name: str = "bright") -> Label:
    return replace(label(name, urgency=urgency), urgency_from=rules)


# The rule itself -----------------------------------------------------------------------------------------

SCORES = ruled(rule("score", 0.8, "soon"), rule("score", 0.95))


@pytest.mark.parametrize(
    ("score", "urgency", "reason"),
    [
        (0.6, "routine", "score 0.6 is below 0.8, the pack's rule for soon"),
        (0.7999, "routine", "score 0.7999 is below 0.8, the pack's rule for soon"),
        (0.8, "soon", "score 0.8 reaches 0.8, the pack's rule for soon"),
        (0.949, "soon", "score 0.949 reaches 0.8, the pack's rule for soon"),
        (0.95, "urgent", "score 0.95 reaches 0.95, the pack's rule for urgent"),
        (0.97, "urgent", "score 0.97 reaches 0.95, the pack's rule for urgent"),
        (1.0, "urgent", "score 1 reaches 0.95, the pack's rule for urgent"),
    ],
)
def test_the_gravest_rule_that_is_reached_decides(score: float, urgency: str, reason: str) -> None:
    assert urgency_of(SCORES, {"score": score}) == (urgency, reason)


def test_a_score_is_compared_as_the_number_that_a_model_gives() -> None:
    urgency, reason = urgency_of(SCORES, {"score": float(np.float32(0.95))})
    assert urgency == "urgent"
    assert reason == "score 0.95 reaches 0.95, the pack's rule for urgent"


def test_a_label_without_rules_keeps_its_urgency_and_gives_no_reason() -> None:
    assert urgency_of(label("x", urgency="soon"), {}) == ("soon", None)


def test_of_two_measures_the_graver_decides_and_of_equals_the_first() -> None:
    both = ruled(rule("score", 0.9, "soon"), rule("size-mm", 20.0), rule("score", 0.99))
    assert urgency_of(both, {"score": 0.95, "size-mm": 25.0})[1] == (
        "longest side 25 mm reaches 20 mm, the pack's rule for urgent"
    )
    assert urgency_of(both, {"score": 0.995, "size-mm": 25.0})[1] == (
        "longest side 25 mm reaches 20 mm, the pack's rule for urgent"
    )
    assert urgency_of(both, {"score": 0.95, "size-mm": 5.0}) == (
        "soon",
        "score 0.95 reaches 0.9, the pack's rule for soon",
    )


@pytest.mark.parametrize("measure", NAMES)
def test_what_nobody_could_measure_is_not_taken_for_less(measure: Quantity) -> None:
    name, unit = NAMES[measure]
    urgency, reason = urgency_of(ruled(rule(measure, 3.0)), {measure: None})
    assert urgency == "urgent"
    assert reason == f"{name} unknown, counted as 3{unit} or more, the pack's rule for urgent"


def test_large_values_are_told_in_digits() -> None:
    (told,) = [urgency_of(ruled(rule("volume-ml", 1500.0)), {"volume-ml": 1824.3})[1]]
    assert told == "volume 1820 mL reaches 1500 mL, the pack's rule for urgent"


# Each task -----------------------------------------------------------------------------------------------


def test_a_classification_is_as_urgent_as_its_score_makes_it() -> None:
    manifest = classification("binary", [SCORES], {"bright": 0.5})
    assert said(classified(manifest, 0.97))["bright"].urgency == "urgent"
    assert said(classified(manifest, 0.6))["bright"].urgency == "routine"
    absent = said(classified(manifest, 0.4))["bright"]
    assert (absent.urgency, absent.urgency_reason) == (None, None)


def test_only_the_grade_that_a_scan_has_is_urgent() -> None:
    grades = [label("none", finding=False), ruled(rule("score", 0.9), name="mild"), label("severe")]
    manifest = classification("ordinal", grades, {"mild": 0.5, "severe": 0.5})
    mild = said(classified(manifest, 0.95, 0.1))
    assert (mild["mild"].urgency, mild["mild"].urgency_reason is None) == ("urgent", False)
    severe = said(classified(manifest, 0.95, 0.8))
    assert (severe["mild"].urgency, severe["mild"].urgency_reason) == (None, None)
    assert severe["severe"].urgency == "soon"


def half_white(spacing_mm: tuple[float, float] | None) -> Scan:
    scan = phantom_scan((1, 16, 16), spacing_mm=spacing_mm)
    return replace(scan, voxels=np.repeat([[[0, 255]]], 16, axis=1).repeat(8, axis=2).astype(np.uint8))


@pytest.mark.parametrize(
    ("spacing_mm", "urgency", "reason"),
    [
        ((1.0, 1.0), "urgent", "area 128 mm2 reaches 100 mm2, the pack's rule for urgent"),
        ((0.5, 0.5), "routine", "area 32 mm2 is below 100 mm2, the pack's rule for urgent"),
        (None, "urgent", "area unknown, counted as 100 mm2 or more, the pack's rule for urgent"),
    ],
)
def test_a_region_of_a_picture_is_as_urgent_as_its_area(
    spacing_mm: tuple[float, float] | None, urgency: str, reason: str
) -> None:
    task = replace(tiny_segmentation(), labels=(ruled(rule("area-mm2", 100.0)),))
    scan = half_white(spacing_mm)
    manifest = with_task(task, {"bright": 0.5}, steps=[step("voi_window")], size=16)
    (region,) = segmented(manifest, np.where(scan.voxels > 0, 9.0, -9.0), scan).regions
    assert (region.urgency, region.urgency_reason) == (urgency, reason)


def cube(*, lengths_told: bool, count: int) -> tuple[Any, ...]:
    voxels = np.zeros((4, 4, 4), np.float32)
    voxels.ravel()[:count] = 1.0
    task = replace(tiny_segmentation(), labels=(ruled(rule("volume-ml", 0.02)),))
    plain = tiny_manifest(task=task, inputs=(volume_input(),))
    scan = replace(volume(voxels), lengths_told=lengths_told)
    found = answered(plain, {"image": scan}, lambda fed: {"scores": 20.0 * (fed["image"] - 0.5)})
    return found.regions  # type: ignore[union-attr]


@pytest.mark.parametrize(("count", "urgency"), [(30, "urgent"), (20, "urgent"), (19, "routine")])
def test_a_region_of_a_volume_is_as_urgent_as_its_millilitres(count: int, urgency: str) -> None:
    (region,) = cube(lengths_told=True, count=count)
    assert region.urgency == urgency
    assert f"volume {count / 1000:g} mL" in region.urgency_reason


def test_a_volume_whose_unit_of_lengths_nobody_told_is_urgent_and_no_size_is_given_away() -> None:
    (region,) = cube(lengths_told=False, count=5)
    assert region.urgency == "urgent"
    assert region.urgency_reason == "volume unknown, counted as 0.02 mL or more, the pack's rule for urgent"


def test_a_region_that_is_not_there_is_not_urgent() -> None:
    (region,) = cube(lengths_told=True, count=0)
    assert (region.urgency, region.urgency_reason) == (None, None)


def boxes(*rules: UrgencyRule, spacing_mm: tuple[float, float] | None) -> Sequence[tuple[str | None, str | None]]:
    """Of a small and a large square, as one label each."""
    labels = tuple(ruled(*rules, name=name) for name in ("small", "large"))
    task = DetectionTask(kind="detection", layout="yolov5", output=DETECTIONS, activation="none", labels=labels)
    manifest = with_task(task, {"small": 0.5, "large": 0.5}, steps=[step("voi_window")], size=32)
    scan = phantom_scan((1, 32, 32), spacing_mm=spacing_mm)
    squares = painted((32, 32), [(3, 4, 6, 7), (20, 10, 25, 15)])
    scan = replace(scan, voxels=squares[np.newaxis], value_range=(0.0, 255.0))
    found = findings({"image": scan}, manifest, yolov5_net((32, 32), (3, 5)))
    assert isinstance(found, Detections)
    return [(box.urgency, box.urgency_reason) for box in sorted(found.boxes, key=lambda box: box.name, reverse=True)]


def test_a_box_is_as_urgent_as_its_longest_side() -> None:
    small, large = boxes(rule("size-mm", 8.0), spacing_mm=(2.0, 2.0))
    assert small == ("routine", "longest side 6 mm is below 8 mm, the pack's rule for urgent")
    assert large == ("urgent", "longest side 10 mm reaches 8 mm, the pack's rule for urgent")


def test_a_box_without_a_known_size_is_urgent() -> None:
    told = boxes(rule("size-mm", 8.0), spacing_mm=None)
    assert [urgency for urgency, _ in told] == ["urgent", "urgent"]


# In the manifest -----------------------------------------------------------------------------------------


def problem(manifest: Manifest) -> str:
    with pytest.raises(PackError) as caught:
        parse_manifest(json.dumps(dump(manifest)).encode(), "x")
    return caught.value.message


def scored(*rules: UrgencyRule, urgency: Urgency = "routine") -> Manifest:
    return classification("binary", [ruled(*rules, urgency=urgency)], {"bright": 0.5})


def test_rules_are_read_back_as_they_were() -> None:
    told = scored(rule("score", 0.8, "soon"), rule("score", 0.95))
    assert parse_manifest(json.dumps(dump(told)).encode(), "x") == told


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (scored(rule("score", 0.9), rule("score", 0.95)), "urgency_from[1]: expected a higher value"),
        (scored(rule("score", 0.9, "soon"), rule("score", 0.9)), "urgency_from[1]: expected a higher value"),
        (scored(rule("score", 0.9, "soon"), urgency="soon"), "urgency_from[0]: expected a higher value"),
        (scored(rule("score", 0.9), urgency="urgent"), "urgency_from[0]: expected a higher value"),
        (scored(rule("volume-ml", 3.0)), "urgency_from[0].measure: found 'volume-ml', expected 'score'"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(wrong: Manifest, place: str) -> None:
    assert f"$.task.labels[0].{place}" in problem(wrong)


def test_what_is_no_finding_has_no_urgency() -> None:
    normal = replace(label("normal", finding=False), urgency_from=(rule("score", 0.9),))
    wrong = classification("multi-class", [label("x"), normal], {"x": 0.5})
    assert "labels[1].urgency_from[0].measure: found 'score', expected none for this label" in problem(wrong)


@pytest.mark.parametrize(("measure", "flat"), [("volume-ml", True), ("area-mm2", False), ("score", True)])
def test_a_region_is_measured_in_what_its_scans_have(measure: Quantity, flat: bool) -> None:
    task = replace(tiny_segmentation(), labels=(ruled(rule(measure, 3.0)),))
    plain = tiny_manifest(task=task) if flat else tiny_manifest(task=task, inputs=(volume_input(),))
    assert f"urgency_from[0].measure: found {measure!r}" in problem(plain)
