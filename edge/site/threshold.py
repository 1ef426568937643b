"""The threshold that finds a wanted share of a site's patients, and how surely it does."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import beta, binomtest

from edge.site.judged import Judged, Values
from edge.site.kept import Share95

CONFIDENCE = 0.95
LEAST_NEGATIVES = 30
"""Below, the 95% interval of a share may be wider than 0.2 either way, and nobody would know what a threshold costs."""


def rule_words(target: float) -> str:
    """Return the rule in words.

    Examples
    --------
    >>> rule_words(0.9)
    'the highest from which, with 95% confidence, at least 90% of patients with it are found'
    """
    share = f"{100 * target:.3g}%"
    return f"the highest from which, with {CONFIDENCE:.0%} confidence, at least {share} of patients with it are found"


def least_positives(target: float) -> int:
    """Return how many patients with the label it takes to show a sensitivity, even if all of them are found.

    Of n patients, all found, the lower bound of the sensitivity is the n-th root of 0.05 (Clopper and Pearson 1934).

    Examples
    --------
    >>> least_positives(0.9), least_positives(0.95)
    (29, 59)
    """
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(target))


def each_patient(label: Judged) -> tuple[Values, Values]:
    """Return one score for each patient: of those with the label the lowest with it, of those without the highest.

    So a patient is found only if every scan with the label is, and spared only if every scan without it is; and each
    counts once. A patient with scans of both kinds stands in both.
    """
    there = label.truth
    positives = _of_patients(label.scores[there], label.patients[there], np.minimum)
    return positives, _of_patients(label.scores[~there], label.patients[~there], np.maximum)


def _of_patients(scores: Values, patients: np.ndarray[tuple[int, ...], np.dtype[np.intp]], pick: np.ufunc) -> Values:
    names, unit = np.unique(patients, return_inverse=True)
    found = np.full(names.size, np.inf if pick is np.minimum else -np.inf)
    pick.at(found, unit, scores)
    return found


def threshold_for(positives: Values, negatives: Values, target: float) -> float | None:
    """Return the highest threshold that shows a sensitivity, or None where there are too few patients with the label.

    The bound holds although the threshold is chosen on the same scans. Of n scores in rising order, the share of all
    patients whose score reaches the r-th one follows a beta distribution with n - r + 1 and r, whatever the scores are
    (Wilks 1941); its 5% quantile is just the lower bound of Clopper and Pearson for n - r + 1 of n.

    The threshold lies halfway to the next lower score of any patient, so that none stands on the threshold itself.
    """
    ordered = np.sort(positives)
    n = ordered.size
    rank = np.arange(1, n + 1)
    enough = np.flatnonzero(beta.ppf(1 - CONFIDENCE, n - rank + 1, rank) >= target)
    if not enough.size:
        return None
    lowest_found = float(ordered[enough[-1]])
    everything = np.concatenate([positives, negatives])
    below = everything[everything < lowest_found]
    lower = float(below.max()) if below.size else 0.0
    middle = (lowest_found + lower) / 2
    return middle if np.float32(lower) < np.float32(middle) else lowest_found


def found_share(positives: Values, threshold: float) -> Share95:
    """Return the share of the scores that reach a threshold, compared in float32 as by the runtime."""
    return _share(int((positives.astype(np.float32) >= np.float32(threshold)).sum()), positives.size)


def spared_share(negatives: Values, threshold: float) -> Share95:
    """Return the share of the scores that do not."""
    return _share(int((negatives.astype(np.float32) < np.float32(threshold)).sum()), negatives.size)


def _share(hits: int, n: int) -> Share95:
    limits = binomtest(hits, n).proportion_ci(0.95, method="exact")
    return Share95(value=hits / n, low=float(limits.low), high=float(limits.high), hits=hits, n=n)
