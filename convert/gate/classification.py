"""What the gate asks of classification: AUC, sensitivity, specificity and flips of each label; kappa of grades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.document import Curves, ReliabilityBin, RocPoint
from convert.gate.judge import ALL, Flips, Indices, Margins, Question
from convert.metrics import (
    CALIBRATION_BINS,
    Scores,
    Truth,
    area_under_roc,
    calibration_error,
    quadratic_weighted_kappa,
)
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask

MOST_POINTS = 400
"""Of a curve that is drawn; more would not be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one model said of one label, over all scans.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,)
    decided : ndarray of bool, shape (n,)
        Whether the runtime says that the label is there; of a grade, that or a worse one.
    """

    scores: Scores
    decided: Truth


def answers(
    task: ClassificationTask, scores: Mapping[str, Scores], thresholds: Mapping[str, float]
) -> dict[str, Answers]:
    """Return the decisions that `edge.tasks.classification` takes at these scores, for each label with a threshold.

    Parameters
    ----------
    scores : mapping
        By name of every label of the task: float64 (n,), as the runtime reports them.
    """
    reached = {label: _reaches(scores[label], limit) for label, limit in thresholds.items()}
    if task.mode == "multi-class":
        highest = np.max([scores[label.name] for label in task.labels], axis=0)
        reached = {label: hit | (scores[label] == highest) for label, hit in reached.items()}
    if task.mode == "ordinal":
        reached = _of_grades(task, scores, reached)
    return {label: Answers(scores=scores[label], decided=hit) for label, hit in reached.items()}


def _reaches(scores: Scores, threshold: float) -> Truth:
    """As float32, like the runtime."""
    return np.asarray(scores.astype(np.float32) >= np.float32(threshold))


def _of_grades(
    task: ClassificationTask, scores: Mapping[str, Scores], reached: Mapping[str, Truth]
) -> dict[str, Truth]:
    """A grade is reached where it or a worse one is: the runtime gives the worst grade whose score suffices."""
    below = np.zeros(next(iter(reached.values())).size, dtype=np.bool_)
    found = {}
    for label in reversed(task.labels):
        below = below | reached.get(label.name, _reaches(scores[label.name], 0.5))
        found[label.name] = below
    return {name: found[name] for name in reached}


def questions(
    truths: Mapping[str, Truth],
    reference: Mapping[str, Answers],
    candidate: Mapping[str, Answers],
    margins: Margins,
    *,
    ordinal: bool = False,
) -> list[Question]:
    """Return the metrics to compare, in the order of the labels.

    Parameters
    ----------
    truths, reference, candidate : mapping
        By label; of grades, the truth is that of this grade or a worse one.
    ordinal : bool
        Whether the labels are all grades but the first, in rising severity.

    Raises
    ------
    UsageError
        A label has scans of one class only, the lengths differ, or a score is no number.
    """
    found: list[Question] = []
    for label, truth in truths.items():
        _check(label, truth, {"reference": reference[label], "candidate": candidate[label]})
        found += _of_label(label, truth, reference[label], candidate[label], margins)
    return found + ([_kappa(truths, reference, candidate, margins)] if ordinal else [])


def flips(reference: Mapping[str, Answers], candidate: Mapping[str, Answers], margins: Margins) -> list[Flips]:
    """Return the decisions that changed, for each label."""
    return [
        Flips(label=label, margin=margins.flips, flipped=reference[label].decided != candidate[label].decided)
        for label in reference
    ]


def _of_label(label: str, truth: Truth, reference: Answers, candidate: Answers, margins: Margins) -> list[Question]:
    everything = np.ones_like(truth)
    asked: list[tuple[str, Callable[[Answers], Callable[[Indices], float]], Truth, float]] = [
        ("auc", lambda side: lambda at: area_under_roc(truth[at], side.scores[at]), everything, margins.auc),
        ("sensitivity", lambda side: lambda at: _share(side.decided[at], truth[at]), truth, margins.sensitivity),
        ("specificity", lambda side: lambda at: _share(~side.decided[at], ~truth[at]), ~truth, margins.specificity),
    ]
    return [
        Question(
            metric=metric,
            label=label,
            margin=margin,
            reference=of(reference),
            candidate=of(candidate),
            counted=counted,
            strata=truth.astype(np.int64),
        )
        for metric, of, counted, margin in asked
    ]


def _share(said: Truth, among: Truth) -> float:
    return float(said[among].mean()) if among.any() else float("nan")


def _kappa(
    truths: Mapping[str, Truth], reference: Mapping[str, Answers], candidate: Mapping[str, Answers], margins: Margins
) -> Question:
    truth = _grades(list(truths.values()))
    sides = [_grades([side[label].decided for label in truths]) for side in (reference, candidate)]
    before, after = (
        (lambda at, said=said: quadratic_weighted_kappa(truth[at], said[at], len(truths) + 1)) for said in sides
    )
    return Question(
        metric="kappa",
        label=ALL,
        margin=margins.kappa,
        reference=before,
        candidate=after,
        counted=np.ones(truth.size, dtype=np.bool_),
        strata=truth,
    )


def _grades(reached: list[Truth]) -> NDArray[np.int64]:
    """The number of grades above the first that are reached."""
    return np.asarray(np.sum(reached, axis=0), dtype=np.int64)


def _check(label: str, truth: Truth, sides: Mapping[str, Answers]) -> None:
    sizes = {truth.size, *(side.scores.size for side in sides.values())}
    if len(sizes) != 1:
        raise UsageError(f"Judging {label}: found {sorted(sizes)} values, expected as many truths as scores.")
    if truth.all() or not truth.any():
        found = "positive" if truth.all() else "negative"
        raise UsageError(f"Judging {label}: all {truth.size} scans are {found}; expected scans of both kinds.")
    for name, side in sides.items():
        wrong = int((~np.isfinite(side.scores)).sum())
        if wrong:
            raise UsageError(f"Judging {label}: the {name} gave {wrong} scores that are no numbers.")


def told(truths: Mapping[str, Truth], candidate: Mapping[str, Answers]) -> dict[str, float]:
    """Return the calibration error of each label: told, not judged."""
    return {
        f"calibration-error {label}": calibration_error(truth, candidate[label].scores)
        for label, truth in truths.items()
    }


def curves(truths: Mapping[str, Truth], scores: Mapping[str, Scores]) -> tuple[Curves, ...]:
    """Return what is drawn of each label's scores: the receiver operating characteristic and the reliability."""
    return tuple(
        Curves(
            label=label,
            auc=round(area_under_roc(truth, scores[label]), 6),
            roc=_roc(truth, scores[label]),
            reliability=_reliability(truth, scores[label]),
        )
        for label, truth in truths.items()
    )


def _roc(truth: Truth, scores: Scores) -> tuple[RocPoint, ...]:
    from sklearn.metrics import roc_curve  # noqa: PLC0415 - takes half a second, and no other command draws

    rates, sensitivities, _ = roc_curve(truth, scores)
    chosen = np.unique(np.linspace(0, rates.size - 1, min(rates.size, MOST_POINTS)).round().astype(int))
    return tuple(
        RocPoint(false_positive_rate=round(float(rates[at]), 6), sensitivity=round(float(sensitivities[at]), 6))
        for at in chosen
    )


def _reliability(truth: Truth, scores: Scores) -> tuple[ReliabilityBin, ...]:
    bins = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return tuple(
        ReliabilityBin(
            mean_score=round(float(scores[inside].mean()), 6),
            positive_share=round(float(truth[inside].mean()), 6),
            n=int(inside.sum()),
        )
        for inside in (bins == value for value in np.unique(bins))
    )
