"""Scores of a site's labelled scans -> a calibration."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from edge.pack.trust import Calibration, logit
from edge.site.judged import Flags, Values

SLOPES = (1e-3, 1e3)
INTERCEPT = 1e3
RULE = "logistic line through the log-odds, Platt's targets, maximum likelihood"


def platt(truth: Flags, scores: Values) -> tuple[float, float]:
    """Return slope and intercept of the likeliest logistic line through the log-odds of some scores (Platt 1999).

    Platt's targets, (k + 1) / (k + 2) and 1 / (k + 2) for k scans of a kind, keep it finite where scores separate
    both kinds without an error.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Of both kinds.
    scores : ndarray of float64, shape (n,)
        0 to 1.

    Examples
    --------
    >>> scores = np.repeat([0.25, 0.75], 1000)  # of which one in ten and nine in ten are positive
    >>> slope, intercept = platt(np.arange(2000) % 10 < np.repeat([1, 9], 1000), scores)
    >>> round(slope * logit(0.75) + intercept, 1) == round(logit(0.9), 1)
    True
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = np.array([[logit(float(score))] for score in scores])
    kinds = np.repeat([1, 0], truth.size)
    weights = np.concatenate([target, 1.0 - target])
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(np.vstack([x, x]), kinds, weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibration_of(truth: Flags, scores: Values, chosen_on: str) -> Calibration | str:
    """Return the logistic calibration of scores, or why there is none: they do not rise with the truth.

    Parameters
    ----------
    truth, scores
        See `platt`.
    chosen_on : str
        In words, on what scans.
    """
    slope, intercept = platt(truth, scores)
    if not (SLOPES[0] <= slope <= SLOPES[1] and abs(intercept) <= INTERCEPT):
        return f"the line through its log-odds has the slope {slope:.3g}, expected a rising one"
    return Calibration(
        method="logistic",
        slope=slope,
        intercept=intercept,
        rule=RULE,
        chosen_on=chosen_on,
        n=int(truth.size),
        positives=int(truth.sum()),
    )
