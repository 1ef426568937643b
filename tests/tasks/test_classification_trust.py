"""Probabilities and the zone that a reader must settle, in each mode of classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edge.findings import state_of
from edge.pack.manifest import Calibration, Manifest, Zone
from edge.tasks.classification import on_what
from edge.testing import phantom_scan
from tests.tasks.models import classification, classified, label, positives, said

PNEUMONIA, NORMAL = label("pneumonia"), label("normal", finding=False)
TOLD = Calibration(method="logistic", slope=0.5, intercept=1.0, rule="fit", chosen_on="films", n=200, positives=50)


def doubted(manifest: Manifest, zones: Mapping[str, tuple[float, float]]) -> Manifest:
    """The manifest with these zones, and a calibration of the same labels."""
    uncertain = {n: Zone(low=low, high=high, rule="r", chosen_on="films", n=200) for n, (low, high) in zones.items()}
    (model,) = manifest.models
    return replace(manifest, models=(replace(model, uncertain=uncertain, calibration=dict.fromkeys(zones, TOLD)),))


BINARY = doubted(classification("binary", [PNEUMONIA], {"pneumonia": 0.5}), {"pneumonia": (0.3, 0.7)})


@pytest.mark.parametrize(
    ("score", "state", "uncertain"),
    [
        (0.0, "no-finding", False),
        (0.29, "no-finding", False),
        (0.3, "uncertain", True),
        (0.49, "uncertain", True),
        (0.5, "finding", True),
        (0.69, "finding", True),
        (0.7, "finding", False),
        (1.0, "finding", False),
    ],
)
def test_the_zone_holds_its_lower_end_and_not_its_upper_one(score: float, state: str, uncertain: bool) -> None:
    found = classified(BINARY, score)
    assert state_of(found) == state
    assert said(found)["pneumonia"].uncertain is uncertain
    assert said(found)["pneumonia"].zone == (0.3, 0.7)


@pytest.mark.parametrize("score", [0.0, 0.4, 0.6, 1.0])
def test_without_a_zone_nothing_is_uncertain_and_no_zone_is_told(score: float) -> None:
    found = said(classified(classification("binary", [PNEUMONIA], {"pneumonia": 0.5}), score))["pneumonia"]
    assert (found.uncertain, found.zone, found.probability, found.calibrated_on) == (False, None, None, None)


def test_the_probability_is_that_of_the_calibration_and_tells_its_scans() -> None:
    found = said(classified(BINARY, 0.5))["pneumonia"]
    assert found.probability == pytest.approx(1.0 / (1.0 + np.exp(-1.0)))
    assert found.calibrated_on == on_what(TOLD) == "films (200 scans, 25% positive)"
    assert found.score == 0.5


def test_a_zone_decides_nothing_about_positive() -> None:
    assert positives(classified(BINARY, 0.45)) == []
    assert positives(classified(BINARY, 0.55)) == ["pneumonia"]


CLASSES = doubted(classification("multi-class", [PNEUMONIA, NORMAL], {"pneumonia": 0.6}), {"pneumonia": (0.55, 0.7)})


@pytest.mark.parametrize(
    ("score", "state", "uncertain"),
    [(0.4, "no-finding", False), (0.52, "finding", True), (0.58, "finding", True), (0.8, "finding", False)],
)
def test_a_class_that_is_the_highest_below_its_threshold_is_uncertain(
    score: float, state: str, uncertain: bool
) -> None:
    found = classified(CLASSES, score, 1.0 - score)
    assert state_of(found) == state
    assert said(found)["pneumonia"].uncertain is uncertain


def test_one_label_in_doubt_beside_others_that_are_not_there_makes_the_scan_uncertain() -> None:
    several = classification("multi-label", [PNEUMONIA, label("effusion")], {"pneumonia": 0.5, "effusion": 0.5})
    several = doubted(several, {"effusion": (0.4, 0.6)})
    assert state_of(classified(several, 0.1, 0.45)) == "uncertain"
    assert state_of(classified(several, 0.9, 0.45)) == "finding"
    assert state_of(classified(several, 0.45, 0.1)) == "no-finding"


GRADES = doubted(
    classification(
        "ordinal", [label("none", finding=False), label("mild"), label("severe")], {"mild": 0.5, "severe": 0.5}
    ),
    {"mild": (0.3, 0.7), "severe": (0.3, 0.7)},
)


@pytest.mark.parametrize(
    ("scores", "state", "uncertain"),
    [
        ((0.1, 0.0), "no-finding", []),
        ((0.4, 0.0), "uncertain", ["mild"]),
        ((0.9, 0.1), "finding", []),
        ((0.9, 0.4), "finding", ["severe"]),
        ((0.6, 0.4), "finding", ["mild", "severe"]),
        ((0.9, 0.9), "finding", []),
    ],
)
def test_of_grades_each_limit_may_be_in_doubt(scores: tuple[float, float], state: str, uncertain: list[str]) -> None:
    found = classified(GRADES, *scores)
    assert state_of(found) == state
    assert [item.name for item in found.labels if item.uncertain] == uncertain
    assert all(item.probability is not None for item in found.labels[1:])


def test_scores_are_compared_as_the_numbers_that_a_model_gives() -> None:
    manifest = doubted(classification("binary", [PNEUMONIA], {"pneumonia": 0.5}), {"pneumonia": (0.1, 0.7)})
    found = classified(manifest, float(np.float32(0.1)), scan=phantom_scan((1, 8, 8)))
    assert said(found)["pneumonia"].uncertain
