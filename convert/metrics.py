"""Clinical metrics of a score against the truth, and the thresholds that they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]
Metric = Callable[[Truth, Scores], float]

CALIBRATION_BINS = 10


def area_under_roc(truth: Truth, scores: Scores) -> float:
    """Return the area under the receiver operating characteristic; NaN unless both classes are there.

    Examples
    --------
    >>> area_under_roc(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    1.0
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(scores)  # Mann and Whitney's U, ties counted half
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def sensitivity_at(threshold: float) -> Metric:
    """Return the metric: share of the positives whose score reaches `threshold`."""
    return lambda truth, scores: float((scores[truth] >= threshold).mean())


def specificity_at(threshold: float) -> Metric:
    """Return the metric: share of the negatives whose score stays below `threshold`."""
    return lambda truth, scores: float((scores[~truth] < threshold).mean())


def calibration_error(truth: Truth, scores: Scores) -> float:
    """Return the expected calibration error over ten bins of equal width (Naeini et al. 2015).

    Examples
    --------
    >>> round(calibration_error(np.array([True, False]), np.array([0.9, 0.2])), 3)
    0.15
    """
    bins = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [abs(float(truth[bins == b].mean() - scores[bins == b].mean())) * (bins == b).sum() for b in np.unique(bins)]
    return float(sum(gaps) / truth.size)


def threshold_for_sensitivity(truth: Truth, scores: Scores, sensitivity: float) -> float:
    """Return the largest threshold that finds at least this share of the positives.

    It lies halfway to the next lower score, so that no scan stands on the threshold itself.

    Examples
    --------
    >>> threshold_for_sensitivity(np.array([True, True, False]), np.array([0.9, 0.5, 0.1]), 0.9)
    0.3
    """
    positives = np.sort(scores[truth])[::-1]
    last = positives[max(int(np.ceil(sensitivity * positives.size)), 1) - 1]
    lower = scores[scores < last]
    return float((last + (lower.max() if lower.size else 0.0)) / 2)


def threshold_for_specificity(truth: Truth, scores: Scores, specificity: float) -> float:
    """Return the smallest threshold that clears at least this share of the negatives.

    Examples
    --------
    >>> threshold_for_specificity(np.array([True, False, False]), np.array([0.9, 0.5, 0.1]), 0.9)
    0.7
    """
    negatives = np.sort(scores[~truth])
    last = negatives[max(int(np.ceil(specificity * negatives.size)), 1) - 1]
    higher = scores[scores > last]
    return float((last + (higher.min() if higher.size else 1.0)) / 2)


def threshold_of_youden(truth: Truth, scores: Scores) -> float:
    """Return the threshold with the largest sum of sensitivity and specificity (Youden 1950).

    Examples
    --------
    >>> threshold_of_youden(np.array([True, True, False]), np.array([0.9, 0.5, 0.1]))
    0.3
    """
    candidates = np.unique(scores)
    sums = [sensitivity_at(c)(truth, scores) + specificity_at(c)(truth, scores) for c in candidates]
    best = candidates[int(np.argmax(sums))]
    lower = candidates[candidates < best]
    return float((best + (lower.max() if lower.size else 0.0)) / 2)


def resamples(
    strata: NDArray[Any], *, seed: int, count: int, clusters: NDArray[Any] | None = None
) -> list[NDArray[np.intp]]:
    """Return bootstrap samples of indices, each with as many scans of every class as there are.

    (Efron and Tibshirani 1993, chapter 13.)

    Parameters
    ----------
    strata : ndarray, shape (n,)
        The class of each scan.
    clusters : ndarray, shape (n,), optional
        The patient of each scan: all scans of a patient are drawn together, and a patient belongs to the highest
        class of his scans (Field and Welsh 2007).
    """
    generator = np.random.default_rng(seed)
    if clusters is None:
        groups = [np.flatnonzero(strata == value) for value in np.unique(strata)]
        return [np.concatenate([generator.choice(group, group.size) for group in groups]) for _ in range(count)]
    members = [np.flatnonzero(clusters == value) for value in np.unique(clusters)]
    highest = np.array([strata[inside].max() for inside in members])
    groups = [np.flatnonzero(highest == value) for value in np.unique(highest)]
    drawn = (np.concatenate([generator.choice(group, group.size) for group in groups]) for _ in range(count))
    return [np.concatenate([members[index] for index in each]) for each in drawn]


def quadratic_weighted_kappa(truth: NDArray[np.int64], grades: NDArray[np.int64], count: int) -> float:
    """Return the agreement of grades beyond chance, far misses weighing more (Cohen 1968); `count` grades there are.

    NaN where both are one grade throughout: then chance agrees as well.

    Examples
    --------
    >>> round(quadratic_weighted_kappa(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]), 3), 3)
    0.8
    """
    if np.unique(np.concatenate([truth, grades])).size < 2:
        return float("nan")
    return float(cohen_kappa_score(truth, grades, labels=range(count), weights="quadratic"))
