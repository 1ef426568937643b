"""Trust in scores: planted lines are found again, promises of zones hold, and what too few scans tell is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from convert.calibration import (
    LEAST_TO_CALIBRATE,
    Trust,
    calibration_of,
    questions,
    scans_for,
    trust_of,
    zone_of,
)
from convert.describe import ThresholdRule
from convert.gate.judge import figures_of
from convert.labels import LabelledSet
from convert.metrics import Scores, Truth
from convert.report.tables import threshold_tables
from convert.tune import Labelled
from edge.pack.manifest import Calibration, Threshold, Zone
from edge.site.logistic import RULE as PLATT
from tests.convert.cards import binary

FIXED = ThresholdRule(rule="fixed", value=0.5)
DOUBTED = replace(FIXED, error=0.1)
HALF = Threshold(value=0.5, rule="fixed", chosen_on="nothing", n=1)


def planted(n: int, slope: float, intercept: float, *, seed: int = 0) -> tuple[Truth, Scores]:
    """Scans whose chance of being positive is the line through the log-odds of their scores."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(scale=2.0, size=n)
    return generator.random(n) < special.expit(slope * odds + intercept), special.expit(odds)


def told_apart(n: int, *, seed: int = 0, by: float = 2.0) -> tuple[Truth, Scores]:
    """As many positives as negatives, whose log-odds are normal around places `by` apart."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 2 == 0
    return truth, special.expit(generator.normal(size=n) + np.where(truth, by / 2, -by / 2))


def labelled(truth: Truth, *, patients: tuple[str, ...] | None = None, words: str = "films") -> Labelled:
    paths = tuple(Path(f"{index}.dcm") for index in range(truth.size))
    return Labelled(scans=LabelledSet(paths=paths, truths={"x": truth}, patients=patients), words=words)


def trusted(
    tuned: tuple[Truth, Scores], judged: tuple[Truth, Scores], rule: ThresholdRule = FIXED, threshold: float = 0.5
) -> Trust:
    limits = {"x": replace(HALF, value=threshold)}
    sets = [(labelled(truth), {"x": scores}) for truth, scores in (tuned, judged)]
    return trust_of({"x": rule}, limits, sets[0], sets[1], "int8 on onnxruntime")


# Calibration ---------------------------------------------------------------------------------------------


def test_a_calibration_tells_its_scans_and_how_many_were_positive() -> None:
    truth, scores = planted(2000, 0.5, 0.5)
    found = calibration_of(labelled(truth, words="films of a clinic"), "x", scores)
    assert isinstance(found, Calibration)
    assert (found.n, found.positives) == (2000, int(truth.sum()))
    assert (found.chosen_on, found.rule) == ("films of a clinic", PLATT)


def test_too_few_scans_of_the_rarer_class_give_no_calibration() -> None:
    truth = np.arange(4000) < LEAST_TO_CALIBRATE - 1
    found = calibration_of(labelled(truth), "x", planted(4000, 1.0, 0.0)[1])
    assert found == "found scans of 99 of the rarer class, expected 100 at least"


def test_many_scans_of_a_few_patients_give_no_calibration() -> None:
    truth, scores = told_apart(4000)
    few = tuple(f"{index % 40}" for index in range(4000))
    found = calibration_of(labelled(truth, patients=few), "x", scores)
    assert found == "found patients: 20 of the rarer class, expected 100 at least"


def test_scores_that_fall_with_the_truth_give_no_calibration() -> None:
    truth, scores = told_apart(1000)
    found = calibration_of(labelled(truth), "x", 1.0 - scores)
    assert isinstance(found, str)
    assert found.startswith("the line through its log-odds has the slope -")


def test_a_calibration_is_kept_where_the_scans_that_judge_are_told_better() -> None:
    found = trusted(planted(2000, 0.4, 1.0), planted(1000, 0.4, 1.0, seed=1))
    assert set(found.calibration) == {"x"}
    assert found.notes == ()


def test_a_calibration_is_dropped_where_the_scans_that_judge_speak_against_it() -> None:
    found = trusted(planted(2000, 0.4, 2.0), planted(1000, 1.0, -1.0, seed=1))
    assert found.calibration == {}
    (note,) = found.notes
    assert note.startswith("There is no calibration of 'x' for int8 on onnxruntime: on the scans that judge, its Brier")


# Zones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_outside_of_the_zone_each_class_errs_no_more_than_was_promised(error: float) -> None:
    """Over many samples to tune with: the promise is of the mean, and of either class alone."""
    missed, alarms = [], []
    for seed in range(200):
        truth, scores = told_apart(200, seed=seed, by=0.8)
        zone = zone_of(truth, scores, HALF, error, labelled(truth))
        assert isinstance(zone, Zone)
        new, later = told_apart(2000, seed=10_000 + seed, by=0.8)
        missed.append((later[new] < zone.low).mean())
        alarms.append((later[~new] >= zone.high).mean())
    spread = 4 * np.std(missed) / np.sqrt(len(missed))
    assert error - 0.02 < np.mean(missed) <= error + spread
    assert error - 0.02 < np.mean(alarms) <= error + spread


def test_the_ends_are_scores_of_the_scans_that_tune() -> None:
    scores = np.concatenate([np.linspace(0.3, 0.98, 35), np.linspace(0.02, 0.7, 35)])
    truth = np.arange(70) < 35
    zone = zone_of(truth, scores, HALF, 0.1, labelled(truth))  # the third of 36, as a tenth of 36 is 3.6
    assert isinstance(zone, Zone)
    assert np.float32(zone.low) == np.float32(scores[2])
    assert np.float32(zone.high) == np.nextafter(np.float32(scores[-3]), np.float32(1))
    assert zone.rule == "outside, each class errs in 10% at most: split conformal within each class"
    assert (zone.chosen_on, zone.n) == ("films", 70)


@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.75, 0.999])
def test_the_threshold_always_lies_in_the_zone_or_at_its_end(threshold: float) -> None:
    truth, scores = told_apart(400)
    zone = zone_of(truth, scores, replace(HALF, value=threshold), 0.1, labelled(truth))
    assert isinstance(zone, Zone)
    assert zone.low <= threshold <= zone.high
    assert zone.low < zone.high


def test_where_classes_are_far_apart_no_zone_is_needed() -> None:
    truth, scores = told_apart(400, by=12.0)
    found = zone_of(truth, scores, HALF, 0.1, labelled(truth))
    assert found == "at its threshold, each class errs in 10% at most"


def test_scores_that_end_at_1_cannot_be_left_to_a_reader() -> None:
    truth = np.arange(400) % 2 == 0
    found = zone_of(truth, np.ones(400), HALF, 0.1, labelled(truth))
    assert found == "more than 10% of the negatives have the highest score that there is"


@pytest.mark.parametrize(("error", "needed"), [(0.05, 61), (0.1, 30), (0.2, 10)])
def test_a_zone_needs_so_many_scans_of_either_class(error: float, needed: int) -> None:
    truth, scores = told_apart(2 * needed)
    assert scans_for(error) == needed
    assert isinstance(zone_of(truth, scores, HALF, error, labelled(truth)), Zone)
    found = zone_of(truth[:-1], scores[:-1], HALF, error, labelled(truth[:-1]))
    told = f"found scans of {needed - 1} of the rarer class, expected {needed} at least for an error of {error:.0%}"
    assert found == told


def test_only_a_rule_with_an_error_leaves_scores_to_a_reader() -> None:
    sets = told_apart(400), told_apart(400, seed=1)
    assert trusted(*sets).uncertain == {}
    assert set(trusted(*sets, DOUBTED).uncertain) == {"x"}


def test_a_promise_that_the_scans_that_judge_refute_is_told_and_the_zone_stays() -> None:
    found = trusted(told_apart(400, by=2.0), told_apart(400, seed=1, by=0.5), DOUBTED)
    assert set(found.uncertain) == {"x"}
    refuted = [note for note in found.notes if note.startswith("The zone of 'x' for int8 on onnxruntime does not hold")]
    assert len(refuted) == 2
    assert any("positives err outside of the zone, expected 10% at most." in note for note in refuted)


def test_a_label_without_truth_has_neither() -> None:
    truth, scores = told_apart(400)
    data = labelled(truth), {"x": scores, "y": scores}
    assert trust_of({"y": DOUBTED}, {"y": HALF}, data, data, "fp32") == Trust()


# In the report -------------------------------------------------------------------------------------------


def test_the_page_shows_both_beside_the_thresholds() -> None:
    conversion, manifest = binary()
    zone = Zone(low=0.3, high=0.62, rule="outside, few err", chosen_on="films", n=200)
    line = Calibration(
        method="logistic", slope=1.5, intercept=-0.25, rule=PLATT, chosen_on="films", n=200, positives=90
    )
    first, *others = conversion.candidates
    label = manifest.task.labels[0]
    trusted_one = replace(first, uncertain={label.name: zone}, calibration={label.name: line})
    told = replace(conversion, candidates=(trusted_one, *others))
    rows = {row.head: row.cells for table in threshold_tables(told, {}) for row in table.rows}
    found = {head[1]: cells[0] for head, cells in rows.items()}
    assert found["left to a reader; outside, few err"] == "0.3000 to 0.6200"
    assert found[f"calibration; {PLATT}"] == "slope 1.5000, intercept \u22120.2500"


# Figures -------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_scans_that_judge() -> None:
    truth, scores = told_apart(400, seed=1)
    trust = trusted(told_apart(400), (truth, scores), DOUBTED)
    found = {
        item.metric: item for item in figures_of(questions(trust, {"x": truth}, {"x": scores}), patients=None, seed=1)
    }
    zone, line = trust.uncertain["x"], trust.calibration["x"]
    inside = (scores >= zone.low) & (scores < zone.high)
    assert found["uncertain-share"].value == pytest.approx(inside.mean())
    assert found["coverage-of-positives"].value == pytest.approx((scores >= zone.low)[truth].mean())
    assert found["coverage-of-negatives"].value == pytest.approx((scores < zone.high)[~truth].mean())
    assert found["brier"].value == pytest.approx(((scores - truth) ** 2).mean())
    told = np.array([line.probability(float(score)) for score in scores])
    assert found["brier-calibrated"].value == pytest.approx(((told - truth) ** 2).mean())
    assert found["calibration-error-calibrated"].value < found["calibration-error"].value
    assert (found["uncertain-share"].n, found["coverage-of-positives"].n) == (400, 200)
    assert all(item.interval[0] <= item.value <= item.interval[1] for item in found.values() if "brier" in item.metric)


def test_without_trust_there_are_no_figures() -> None:
    truth, scores = told_apart(40)
    assert questions(Trust(), {"x": truth}, {"x": scores}) == []
