"""Scores of a site's labelled scans -> a calibration."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from edge.pack.trust import Calibration, logit
from edge.site.judged import Flags, Values

SLOPES = (1e-3, 1e3)
INTERCEPT = 1e3
RULE = "logistic regression on the logit of the score, with Platt's targets (1999)"


def calibration_of(truth: Flags, scores: Values, chosen_on: str) -> Calibration | None:
    """Return the logistic calibration of scores by maximum likelihood; None where they do not rise with the truth.

    Platt's targets, (k + 1) / (k + 2) and 1 / (k + 2) for k scans of a kind, keep it finite where scores separate
    both kinds without an error.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Of both kinds.
    scores : ndarray of float64, shape (n,)
    chosen_on : str
        In words, on what scans.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    x = np.array([[logit(float(score))] for score in scores])
    kinds = np.repeat([1, 0], truth.size)
    weights = np.concatenate([target, 1.0 - target])
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(np.vstack([x, x]), kinds, weights)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if not SLOPES[0] <= slope <= SLOPES[1] or abs(intercept) > INTERCEPT:
        return None
    return Calibration(
        method="logistic",
        slope=slope,
        intercept=intercept,
        rule=RULE,
        chosen_on=chosen_on,
        n=int(truth.size),
        positives=positives,
    )
