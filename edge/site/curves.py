"""What is drawn of a label: the receiver operating characteristic, reliability by bins, and how scores are spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_curve

from edge.site.figures import Figure, share
from edge.site.judged import Judged, Values

BINS = 10
COLUMNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RocPoint:
    """From a threshold on: the share of scans with the label that are found, and of those without that are not spared.

    ``threshold`` is null for the first point, where nothing is found.
    """

    threshold: float | None
    sensitivity: float
    false_alarms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Scans whose probability, or score, lies from `low` up to `high`.

    Parameters
    ----------
    low, high : float
    mean : float, optional
        Of these probabilities or scores; None where there is no scan.
    observed : Figure
        The share of them that have the label.
    """

    low: float
    high: float
    mean: float | None
    observed: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How many scans with and without the label have a score from `low` up to `high`."""

    low: float
    high: float
    positives: int
    negatives: int


def roc(label: Judged) -> tuple[RocPoint, ...]:
    """Return the curve, from the highest threshold to the lowest; nothing unless there are scans of both kinds."""
    if label.truth.all() or not label.truth.any():
        return ()
    false_alarms, sensitivity, thresholds = roc_curve(label.truth, label.scores)
    return tuple(
        RocPoint(
            threshold=float(limit) if np.isfinite(limit) else None, sensitivity=float(up), false_alarms=float(across)
        )
        for across, up, limit in zip(false_alarms, sensitivity, thresholds, strict=True)
    )


def reliability(label: Judged, values: Values) -> tuple[Bin, ...]:
    """Return ten bins of equal width, those without a scan, too (Murphy and Winkler 1977)."""
    of = np.minimum((values * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            mean=float(values[of == index].mean()) if (of == index).any() else None,
            observed=share(label.truth[of == index], label.patients[of == index]),
        )
        for index in range(BINS)
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean distance of bins from the diagonal, weighed by their scans (Naeini et al. 2015)."""
    told = [
        (each.observed.n, abs(each.observed.value - each.mean))
        for each in bins
        if each.observed.value is not None and each.mean is not None
    ]
    return sum(n * far for n, far in told) / sum(n for n, _ in told)


def columns(label: Judged) -> tuple[Column, ...]:
    """Return how many scans have which score."""
    of = np.minimum((label.scores * COLUMNS).astype(int), COLUMNS - 1)
    return tuple(
        Column(
            low=index / COLUMNS,
            high=(index + 1) / COLUMNS,
            positives=int((label.truth & (of == index)).sum()),
            negatives=int((~label.truth & (of == index)).sum()),
        )
        for index in range(COLUMNS)
    )
