"""Thresholds of boxes: what is found and what is false, score by score, and where a rule says to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.describe import ThresholdRule
from edge.errors import UsageError
from edge.truth.boxes import FLOOR, Matches

Counts = NDArray[np.int64]
Chosen = tuple[str, int, bool]
"""The rule in words, the index of the last score that is reported (-1: none), whether that is what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Boxes from the surest on, those of one score together.

    Parameters
    ----------
    scores : ndarray of float64, shape (s,)
        Falling.
    found, false : ndarray of int64, shape (s,)
        Boxes down to that score that find something, and that do not.
    true, scans : int
    """

    scores: NDArray[np.float64]
    found: Counts
    false: Counts
    true: int
    scans: int

    @classmethod
    def of(cls, matches: Matches) -> Steps:
        """Return the steps at the lowest threshold of overlap."""
        last = np.flatnonzero(np.diff(matches.scores, append=-np.inf))
        found = np.cumsum(matches.hits[0], dtype=np.int64)[last]
        return cls(
            scores=matches.scores[last],
            found=found,
            false=last + 1 - found,
            true=int(matches.truths.sum()),
            scans=matches.truths.size,
        )

    def threshold(self, last: int) -> float:
        """Return the threshold halfway from one score to the next, so that no box stands on it."""
        above = float(self.scores[last]) if last >= 0 else 1.0
        below = float(self.scores[last + 1]) if last + 1 < self.scores.size else min(FLOOR, above)
        return (above + below) / 2


def threshold_of_boxes(label: str, rule: ThresholdRule, matches: Matches) -> tuple[str, float]:
    """Return what a rule comes to, in words, and the threshold.

    What no threshold reaches is said in the words, and the nearest one is taken: a candidate that lost its boxes is
    judged by what it finds, and does not end the conversion.

    Raises
    ------
    UsageError
        The rule is none for boxes.
    """
    rules: Mapping[str, Callable[[ThresholdRule, Steps], Chosen]] = {
        "sensitivity": _sensitivity,
        "f1": _largest_f1,
        "false-positives": _false_positives,
    }
    if rule.rule not in rules:
        raise UsageError(
            f"Choosing the threshold of {label!r}: found the rule {rule.rule!r}, expected one of"
            f" {', '.join(map(repr, rules))} and 'fixed' for boxes."
        )
    steps = Steps.of(matches)
    words, last, reached = rules[rule.rule](rule, steps) if steps.scores.size else ("it drew no box", -1, False)
    return words + ("" if reached else ": not reached"), steps.threshold(last)


def _sensitivity(rule: ThresholdRule, steps: Steps) -> Chosen:
    share = rule.at_least or 0.0
    enough = np.flatnonzero(steps.found >= np.ceil(share * steps.true - 1e-9))
    words = f"sensitivity of at least {share:.{0 if round(share * 100, 6).is_integer() else 1}%} of the true boxes"
    return words, int(enough[0]) if enough.size else steps.scores.size - 1, enough.size > 0


def _largest_f1(rule: ThresholdRule, steps: Steps) -> Chosen:  # noqa: ARG001 - as its neighbours
    f1 = 2 * steps.found / (steps.found + steps.false + steps.true)
    return "the largest F1 of the boxes", int(np.argmax(f1)), True


def _false_positives(rule: ThresholdRule, steps: Steps) -> Chosen:
    most = rule.at_most or 0.0
    few = np.flatnonzero(steps.false <= most * steps.scans)
    return f"at most {most:g} false positives per scan", int(few[-1]) if few.size else -1, few.size > 0
