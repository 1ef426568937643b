"""Thresholds: by the pack's own rule, from what a candidate said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.describe import ThresholdRule
from convert.labels import LabelledSet
from convert.measure import Measured
from convert.metrics import (
    Scores,
    sensitivity_at,
    specificity_at,
    threshold_for_sensitivity,
    threshold_for_specificity,
    threshold_of_youden,
)
from convert.tune import FIXED, LIMITS, UNTRAINED, Labelled, thresholds_of, undecided
from edge.errors import UsageError
from edge.pack.manifest import Threshold

N = 200
TRUTH = np.arange(N) % 4 == 0
SET = Labelled(
    scans=LabelledSet(paths=tuple(Path(f"{index}.dcm") for index in range(N)), truths={"x": TRUTH, "y": ~TRUTH}),
    words="films of a hospital, validation set",
)
MASKED = Labelled(scans=LabelledSet(paths=SET.scans.paths), words="slices, validation set")


def scores_of(seed: int = 0) -> Scores:
    return 1 / (1 + np.exp(-np.random.default_rng(seed).normal(size=N) - np.where(TRUTH, 1.0, -1.0)))


def chosen(rule: ThresholdRule, measured: Measured | None = None, tune: Labelled = SET) -> Threshold:
    said = Measured(scores={"x": scores_of()}) if measured is None else measured
    return thresholds_of({"x": rule}, tune, said, "int8 on onnxruntime")["x"]


# Scores ----------------------------------------------------------------------------------------------------


def test_a_sensitivity_is_reached_and_said() -> None:
    found = chosen(ThresholdRule(rule="sensitivity", at_least=0.9))
    assert found.value == threshold_for_sensitivity(TRUTH, scores_of(), 0.9)
    assert sensitivity_at(found.value)(TRUTH, scores_of()) >= 0.9
    assert found.rule == "sensitivity of at least 90%"
    assert (found.chosen_on, found.n) == ("films of a hospital, validation set", N)


def test_a_specificity_is_reached_and_said() -> None:
    found = chosen(ThresholdRule(rule="specificity", at_least=0.975))
    assert found.value == threshold_for_specificity(TRUTH, scores_of(), 0.975)
    assert specificity_at(found.value)(TRUTH, scores_of()) >= 0.975
    assert found.rule == "specificity of at least 97.5%"


@pytest.mark.parametrize(("share", "words"), [(0.29, "29%"), (0.07, "7%"), (1.0, "100%"), (0.985, "98.5%")])
def test_shares_are_said_with_no_more_digits_than_they_have(share: float, words: str) -> None:
    assert chosen(ThresholdRule(rule="sensitivity", at_least=share)).rule == f"sensitivity of at least {words}"


def test_youden_is_the_largest_sum_of_both() -> None:
    found = chosen(ThresholdRule(rule="youden"))
    assert found.value == threshold_of_youden(TRUTH, scores_of())
    assert found.rule == "the largest sum of sensitivity and specificity"


def test_a_threshold_of_the_author_is_kept_whatever_the_scores_are() -> None:
    measured = Measured(scores={"x": np.full(N, np.nan)})
    found = chosen(ThresholdRule(rule="fixed", value=0.31), measured)
    assert found == Threshold(value=0.31, rule=FIXED, chosen_on="no data", n=1)


def test_every_candidate_has_thresholds_of_its_own() -> None:
    """A precision that makes all scores smaller is given a smaller threshold, and decides as before."""
    rules = {"x": ThresholdRule(rule="sensitivity", at_least=0.9)}
    plain, smaller = (
        thresholds_of(rules, SET, Measured(scores={"x": scores}), "int8")["x"].value
        for scores in (scores_of(), scores_of() ** 3)
    )
    assert ((scores_of() >= plain) == (scores_of() ** 3 >= smaller)).all()


def test_each_label_is_tuned_by_its_own_rule_and_truth() -> None:
    measured = Measured(scores={"x": scores_of(), "y": 1 - scores_of()})
    rules = {"y": ThresholdRule(rule="youden"), "x": ThresholdRule(rule="fixed", value=0.5)}
    found = thresholds_of(rules, SET, measured, "int8")
    assert list(found) == ["y", "x"]
    assert found["y"].value == threshold_of_youden(~TRUTH, 1 - scores_of())
    assert found["x"].rule == FIXED


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rule", ["sensitivity", "specificity", "youden"])
def test_scores_that_are_no_numbers_are_refused_by_candidate(value: float, rule: str) -> None:
    broken = scores_of()
    broken[3] = value
    wanted = ThresholdRule(rule=rule, at_least=None if rule == "youden" else 0.9)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="threshold of 'x' for int8 on onnxruntime: it gave scores that are no numb"):
        chosen(wanted, Measured(scores={"x": broken}))


# Masks -----------------------------------------------------------------------------------------------------


def dice_at(best: float) -> Measured:
    """Dice that is largest at one limit in the mean, though not of every scan."""
    means = 0.9 - np.abs(np.array(LIMITS) - best)
    shaken = np.random.default_rng(0).normal(scale=0.3, size=(len(LIMITS), N))
    return Measured(dice_at={"x": means[:, None] + shaken - shaken.mean(axis=1, keepdims=True)})


def test_limits_are_every_twentieth_between_0_and_1() -> None:
    assert [round(20 * limit, 9) for limit in LIMITS] == list(range(1, 20))


@pytest.mark.parametrize("best", [0.05, 0.35, 0.95])
def test_a_mask_is_cut_where_its_mean_dice_is_largest(best: float) -> None:
    found = chosen(ThresholdRule(rule="dice"), dice_at(best), MASKED)
    words = "the largest mean Dice, in steps of 0.05"
    assert found == Threshold(value=best, rule=words, chosen_on="slices, validation set", n=N)


def test_the_dice_of_a_score_is_refused() -> None:
    with pytest.raises(UsageError, match="threshold of 'x': the rule 'dice' is for segmentations"):
        chosen(ThresholdRule(rule="dice"))


def test_the_sensitivity_of_a_mask_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match="found the rule 'sensitivity', expected 'dice' or 'fixed' for a mask"):
        chosen(ThresholdRule(rule="sensitivity", at_least=0.9), dice_at(0.5), MASKED)


# Nobody measured -------------------------------------------------------------------------------------------


def test_a_model_that_nobody_measured_has_the_authors_thresholds_else_one_half() -> None:
    rules = {"x": ThresholdRule(rule="fixed", value=0.2), "y": ThresholdRule(rule="sensitivity", at_least=0.9)}
    assert undecided(rules) == {
        "x": Threshold(value=0.2, rule=FIXED, chosen_on="no data", n=1),
        "y": Threshold(value=0.5, rule=UNTRAINED, chosen_on="no data", n=1),
    }
    assert undecided({"x": ThresholdRule(rule="fixed", value=0.0)})["x"].value == 0.0
