"""Thresholds of boxes, by every rule that there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.box_thresholds import Steps, threshold_of_boxes
from convert.describe import ThresholdRule, parse_description
from convert.gate.detection import reported
from convert.labels import LabelledSet
from convert.measured import Measured
from convert.tune import FIXED, Labelled, thresholds_of
from edge.errors import UsageError
from edge.pack.manifest import Threshold
from edge.truth.boxes import FLOOR, Matches
from tests.convert.planted_sets import SQUARES
from tests.convert.scans import describe

SCORES = (0.95, 0.9, 0.8, 0.8, 0.6, 0.4, 0.2)
HITS = (1, 1, 0, 1, 1, 0, 0)
"""Of 5 true boxes on 4 scans, 4 are found; 3 boxes find nothing."""


def matches(scores: tuple[float, ...] = SCORES, hits: tuple[int, ...] = HITS) -> Matches:
    return Matches(
        thresholds=(0.5,),
        scan=np.arange(len(scores)) % 4,
        scores=np.array(scores, dtype=np.float64),
        hits=np.array([hits], dtype=np.bool_),
        truths=np.array([2, 1, 2, 0]),
    )


def chosen(rule: str, found: Matches | None = None, **values: float) -> tuple[str, float]:
    asked = ThresholdRule(rule=rule, **values)  # type: ignore[arg-type]
    return threshold_of_boxes("nodule", asked, matches() if found is None else found)


def test_boxes_of_one_score_come_in_together() -> None:
    steps = Steps.of(matches())
    assert steps.scores.tolist() == [0.95, 0.9, 0.8, 0.6, 0.4, 0.2]
    assert steps.found.tolist() == [1, 2, 3, 4, 4, 4]
    assert steps.false.tolist() == [0, 0, 1, 1, 2, 3]
    assert (steps.true, steps.scans) == (5, 4)


@pytest.mark.parametrize(
    ("share", "value"), [(0.2, 0.925), (0.4, 0.85), (0.41, 0.7), (0.6, 0.7), (0.8, 0.5), (0.0, 0.925)]
)
def test_a_sensitivity_is_reached_with_as_few_boxes_as_can_be(share: float, value: float) -> None:
    words, threshold = chosen("sensitivity", at_least=share)
    assert threshold == pytest.approx(value)
    assert words == f"sensitivity of at least {share:.0%} of the true boxes"
    kept = reported({"nodule": matches()}, {"nodule": threshold})["nodule"]
    assert kept.hits[0].sum() >= share * 5


def test_a_sensitivity_that_no_threshold_reaches_is_said_and_all_boxes_are_taken() -> None:
    words, threshold = chosen("sensitivity", at_least=0.9)
    assert words == "sensitivity of at least 90% of the true boxes: not reached"
    assert threshold == pytest.approx((0.2 + FLOOR) / 2)


def test_the_largest_f1_counts_boxes_that_are_missed_and_that_are_false() -> None:
    words, threshold = chosen("f1")
    assert words == "the largest F1 of the boxes"
    kept = reported({"nodule": matches()}, {"nodule": threshold})["nodule"]
    by_hand = [2 * found / (found + false + 5) for found, false in ((1, 0), (2, 0), (3, 1), (4, 1), (4, 2), (4, 3))]
    assert 2 * kept.hits[0].sum() / (kept.scores.size + 5) == max(by_hand)


@pytest.mark.parametrize(
    ("most", "value"), [(0.0, 0.85), (0.25, 0.5), (0.49, 0.5), (0.5, 0.3), (8.0, (0.2 + FLOOR) / 2)]
)
def test_false_positives_are_counted_per_scan(most: float, value: float) -> None:
    words, threshold = chosen("false-positives", at_most=most)
    assert threshold == pytest.approx(value)
    assert words == f"at most {most:g} false positives per scan"
    kept = reported({"nodule": matches()}, {"nodule": threshold})["nodule"]
    assert (~kept.hits[0]).sum() <= most * 4


def test_where_the_surest_box_is_false_already_no_box_is_reported() -> None:
    words, threshold = chosen("false-positives", matches((0.9, 0.5), (0, 1)), at_most=0.0)
    assert words == "at most 0 false positives per scan: not reached"
    assert threshold == pytest.approx(0.95)


def test_a_model_that_draws_no_box_ends_nothing() -> None:
    words, threshold = chosen("sensitivity", matches((), ()), at_least=0.9)
    assert words == "it drew no box: not reached"
    assert FLOOR <= threshold <= 1.0


@pytest.mark.parametrize("rule", ["youden", "specificity", "dice"])
def test_a_rule_for_scores_or_masks_is_refused_with_what_to_write(rule: str) -> None:
    with pytest.raises(
        UsageError, match="expected one of 'sensitivity', 'f1', 'false-positives' and 'fixed' for boxes"
    ):
        chosen(rule)


# In the workshop -----------------------------------------------------------------------------------------

SET = Labelled(scans=LabelledSet(paths=tuple(Path(f"{index}.png") for index in range(4))), words="films")


def test_each_label_is_tuned_on_its_own_boxes() -> None:
    rules = {"nodule": ThresholdRule(rule="f1"), "mass": ThresholdRule(rule="fixed", value=0.3)}
    found = thresholds_of(rules, SET, Measured(matches={"nodule": matches(), "mass": matches()}), "int8")
    assert found["nodule"] == Threshold(value=0.5, rule="the largest F1 of the boxes", chosen_on="films", n=4)
    assert found["mass"].rule == FIXED


@pytest.mark.parametrize("rule", ["f1", "false-positives"])
def test_a_rule_for_boxes_is_refused_for_scores(rule: str) -> None:
    asked = {"x": ThresholdRule(rule=rule, at_most=1.0)}  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"threshold of 'x': the rule '{rule}' is for boxes"):
        thresholds_of(asked, SET, Measured(scores={"x": np.zeros(4)}), "int8")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule": "false-positives"}, r"\$\.thresholds\.square\.at_most: missing: the rule 'false-positives' needs it"),
        ({"rule": "false-positives", "at_most": -1.0}, r"\$\.thresholds\.square\.at_most: found -1"),
        ({"rule": "f1", "at_most": 1.0}, r"found 1, expected none for the rule 'f1'"),
        ({"rule": "false-positives", "at_most": 1.0, "at_least": 0.9}, "expected none for the rule 'false-positives'"),
    ],
)
def test_a_rule_that_is_not_whole_is_refused_in_a_description(
    tmp_path: Path, rule: dict[str, object], words: str
) -> None:
    written = describe(tmp_path / "pack.json", SQUARES, {"square": rule})
    with pytest.raises(UsageError, match=words):
        parse_description(written.read_bytes(), "pack.json")


def test_a_rule_for_boxes_is_read_from_a_description(tmp_path: Path) -> None:
    written = describe(tmp_path / "pack.json", SQUARES, {"square": {"rule": "false-positives", "at_most": 2.0}})
    rule = parse_description(written.read_bytes(), "pack.json").thresholds["square"]
    assert (rule.rule, rule.at_most) == ("false-positives", 2.0)
