"""Calibration and zones in the manifest: what contradicts itself is refused with the path of the key."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from edge.errors import PackError
from edge.pack.describe import describe
from edge.pack.manifest import Calibration, Manifest, Threshold, Zone, parse_manifest
from edge.pack.tasks import Task
from edge.pack.trust import SUREST, logit
from edge.reasons import BAD_MANIFEST
from edge.testing import tiny_manifest, tiny_segmentation, tiny_threshold
from edge.typed import dump
from tests.write.outcomes import pack_of

TOLD = Calibration(
    method="logistic", slope=2.0, intercept=-1.0, rule="maximum likelihood", chosen_on="films", n=200, positives=80
)
ZONE = Zone(low=0.3, high=0.7, rule="at most 10% of each class beyond", chosen_on="films", n=200)


def manifest(
    calibration: dict[str, Calibration], uncertain: dict[str, Zone], *, threshold: float = 0.5, task: Task | None = None
) -> Manifest:
    plain = tiny_manifest() if task is None else tiny_manifest(task=task)
    thresholds: dict[str, Threshold] = {"bright": tiny_threshold(threshold)}
    model = replace(plain.models[0], thresholds=thresholds, calibration=calibration, uncertain=uncertain)
    return replace(plain, models=(model,))


def problem(wrong: Manifest) -> str:
    with pytest.raises(PackError) as caught:
        parse_manifest(json.dumps(dump(wrong)).encode(), "x")
    assert caught.value.reason is BAD_MANIFEST
    return caught.value.message


def test_a_manifest_with_both_is_read_back_as_it_was() -> None:
    told = manifest({"bright": TOLD}, {"bright": ZONE})
    assert parse_manifest(json.dumps(dump(told)).encode(), "x") == told


def test_a_manifest_of_before_has_neither() -> None:
    document = dump(tiny_manifest())
    for key in ("calibration", "uncertain"):
        document["models"][0].pop(key, None)
    (model,) = parse_manifest(json.dumps(document).encode(), "x").models
    assert dict(model.calibration) == {}
    assert dict(model.uncertain) == {}


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.7), (0.3, 0.5), (0.0, 1.0)])
def test_a_zone_may_begin_or_end_at_the_threshold(low: float, high: float) -> None:
    told = manifest({}, {"bright": replace(ZONE, low=low, high=high)})
    assert parse_manifest(json.dumps(dump(told)).encode(), "x") == told


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.7), (0.2, 0.4), (0.5, 0.5), (0.7, 0.3)])
def test_a_zone_beside_the_threshold_is_refused(low: float, high: float) -> None:
    said = problem(manifest({}, {"bright": replace(ZONE, low=low, high=high)}))
    wanted = f"$.models[0].uncertain.bright: found {low:g} to {high:g}, expected to rise around the threshold 0.5"
    assert wanted in said


@pytest.mark.parametrize("name", ["calibration", "uncertain"])
def test_a_label_that_the_task_has_not_is_refused(name: str) -> None:
    wrong = manifest({"dark": TOLD}, {}) if name == "calibration" else manifest({}, {"dark": ZONE})
    assert f"$.models[0].{name}: found dark" in problem(wrong)


def test_outlines_have_neither() -> None:
    task = tiny_segmentation()
    assert "$.models[0].calibration: found bright" in problem(manifest({"bright": TOLD}, {}, task=task))
    assert "$.models[0].uncertain: found bright" in problem(manifest({}, {"bright": ZONE}, task=task))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"slope": 0.0}, "slope"),
        ({"slope": -1.0}, "slope"),
        ({"intercept": 1e9}, "intercept"),
        ({"positives": 200}, "positives"),
        ({"positives": 0}, "positives"),
        ({"method": "guess"}, "method"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(change: dict[str, object], key: str) -> None:
    wrong = replace(TOLD, **change)  # type: ignore[arg-type]
    assert f"$.models[0].calibration.bright.{key}" in problem(manifest({"bright": wrong}, {}))


# Numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [0.0, 1e-9, 0.01, 0.3, 0.5, 0.7, 0.999, 1.0])
def test_a_probability_is_the_sigmoid_of_the_line(score: float) -> None:
    line = 2.0 * logit(score) - 1.0
    assert TOLD.probability(score) == pytest.approx(1.0 / (1.0 + math.exp(-line)), abs=1e-15)
    assert 0.0 <= TOLD.probability(score) <= 1.0


def test_scores_that_a_float_cannot_tell_from_0_or_1_have_a_logit() -> None:
    assert logit(0.0) == logit(SUREST)
    assert logit(1.0) == logit(1.0 - SUREST)
    assert logit(1.0) == pytest.approx(math.log(1e6), abs=1e-5)


def test_the_order_of_scores_stays() -> None:
    scores = [index / 200 for index in range(1, 200)]
    told = [TOLD.probability(score) for score in scores]
    assert told == sorted(told)
    assert len(set(told)) == len(told)


# In words ------------------------------------------------------------------------------------------------


def test_a_pack_tells_what_it_leaves_to_a_reader_and_what_its_probabilities_rest_on() -> None:
    told = describe(pack_of(manifest({"bright": TOLD}, {"bright": ZONE})))
    where = "on films, n = 200"
    assert f"  for a reader bright 0.3000 up to 0.7000 (at most 10% of each class beyond, {where})" in told
    line = f"  calibration  bright slope 2.0000, intercept -1.0000 (maximum likelihood, {where}, 80 positive)"
    assert line in told
