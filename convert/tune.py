"""How thresholds are chosen: by the pack's own rule, anew for every candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from convert.box_thresholds import threshold_of_boxes
from convert.describe import ThresholdRule
from convert.labels import LabelledSet
from convert.measured import Measured
from convert.metrics import (
    Scores,
    Truth,
    threshold_for_sensitivity,
    threshold_for_specificity,
    threshold_of_youden,
)
from edge.errors import UsageError
from edge.pack.manifest import Threshold

LIMITS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Where the Dice of a segmentation is looked at."""

BOX_RULES = ("f1", "false-positives")
FIXED = "fixed by the pack's author"
UNTRAINED = "none: the model is untrained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A labelled set and what to call it in evidence."""

    scans: LabelledSet
    words: str


def thresholds_of(
    rules: Mapping[str, ThresholdRule], tune: Labelled, measured: Measured, name: str
) -> dict[str, Threshold]:
    """Return a threshold for each label that has a rule, from what one candidate said of the set to tune.

    Raises
    ------
    UsageError
        A rule asks for what the task has not: the Dice of a score, the sensitivity of a mask, the F1 of a class.
    """
    return {label: _threshold(label, rule, tune, measured, name) for label, rule in rules.items()}


def undecided(rules: Mapping[str, ThresholdRule]) -> dict[str, Threshold]:
    """Return the thresholds of a model that nobody measured: the author's own, else one half."""
    return {
        label: Threshold(
            value=0.5 if rule.value is None else rule.value,
            rule=UNTRAINED if rule.value is None else FIXED,
            chosen_on="no data",
            n=1,
        )
        for label, rule in rules.items()
    }


def _threshold(label: str, rule: ThresholdRule, tune: Labelled, measured: Measured, name: str) -> Threshold:
    if rule.rule == "fixed":
        return undecided({label: rule})[label]
    if label in measured.matches:
        words, value = threshold_of_boxes(label, rule, measured.matches[label])
    elif rule.rule == "dice":
        words, value = _dice(label, measured)
    else:
        words, value = _of_scores(label, rule, tune, measured, name)
    return Threshold(value=value, rule=words, chosen_on=tune.words, n=len(tune.scans.paths))


def _dice(label: str, measured: Measured) -> tuple[str, float]:
    if label not in measured.dice_at:
        raise UsageError(f"Choosing the threshold of {label!r}: the rule 'dice' is for segmentations.")
    mean = measured.dice_at[label].mean(axis=1)
    return "the largest mean Dice, in steps of 0.05", LIMITS[int(np.argmax(mean))]


def _of_scores(label: str, rule: ThresholdRule, tune: Labelled, measured: Measured, name: str) -> tuple[str, float]:
    if rule.rule in BOX_RULES:
        raise UsageError(f"Choosing the threshold of {label!r}: the rule {rule.rule!r} is for boxes.")
    if label not in tune.scans.truths:
        raise UsageError(
            f"Choosing the threshold of {label!r}: found the rule {rule.rule!r}, expected 'dice' or 'fixed' for a mask."
        )
    at_least = rule.at_least or 0.0
    choices: Mapping[str, tuple[str, Callable[[Truth, Scores], float]]] = {
        "sensitivity": (
            f"sensitivity of at least {at_least:.{_digits(at_least)}%}",
            partial(threshold_for_sensitivity, sensitivity=at_least),
        ),
        "specificity": (
            f"specificity of at least {at_least:.{_digits(at_least)}%}",
            partial(threshold_for_specificity, specificity=at_least),
        ),
        "youden": ("the largest sum of sensitivity and specificity", threshold_of_youden),
    }
    words, choose = choices[rule.rule]
    truth, scores = tune.scans.truths[label], measured.scores[label]
    if not np.isfinite(scores).all():
        raise UsageError(f"Choosing the threshold of {label!r} for {name}: it gave scores that are no numbers.")
    return words, choose(truth, scores)


def _digits(share: float) -> int:
    return 0 if round(share * 100, 6).is_integer() else 1
