"""Figures with their 95% intervals: shares by Clopper and Pearson, everything else by bootstrap of patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, binomtest, norm, t
from sklearn.metrics import brier_score_loss, cohen_kappa_score, f1_score, roc_auc_score

from edge.site.judged import Flags, Judged, Numbers, Values
from edge.site.resampled import DRAWS, Statistic, auc_of, f1_of, interval, kappa_of, mean_of, median_of

EXACT = "Clopper-Pearson"
CLUSTERED = "Clopper-Pearson on the effective number of scans, as patients have several (Korn and Graubard 1998)"
BOOTSTRAP = f"percentile bootstrap, {DRAWS} draws of patients, each class for itself"
DRAWN = f"percentile bootstrap, {DRAWS} draws of patients"
NONE_SEEN = "exact limit where none was seen, of as many as there are patients (Garwood 1936)"
FEW = "no interval: fewer than {} patients"
ALIKE = "no interval: every draw gives the same, and so knows no error"
LEAST = 5
"""Patients below which a bootstrap draws much the same again and again."""
SEPARATED = "score interval (Newcombe 2006, method 5): a bootstrap of scores without an error knows no error"
MISSING = "not defined: there is no such scan"
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure.

    Parameters
    ----------
    value, low, high : float, optional
        With its 95% interval; None where it is not defined.
    n : int
        Scans that it is of.
    hits : int, optional
        Of a share: how many of them.
    method : str
        Of the interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    hits: int | None = None
    method: str


def undefined(n: int = 0) -> Figure:
    """Return the figure of nothing."""
    return Figure(value=None, low=None, high=None, n=n, hits=None, method=MISSING)


def share(hits: Flags, patients: Numbers) -> Figure:
    """Return the share of hits with an exact interval; where patients have several scans, a wider one.

    Parameters
    ----------
    hits : ndarray of bool, shape (n,)
    patients : ndarray of integers, shape (n,)

    Notes
    -----
    Clopper and Pearson 1934. Scans of one patient are alike, so that n of them tell less than n patients would: Korn
    and Graubard (Survey Methodology 24, 1998) put the effective number in the place of n.
    """
    n, k = int(hits.size), int(hits.sum())
    if not n:
        return undefined()
    if np.unique(patients).size == n:
        found = binomtest(k, n).proportion_ci(LEVEL, method="exact")
        return Figure(value=k / n, low=float(found.low), high=float(found.high), n=n, hits=k, method=EXACT)
    size = effective_size(hits, patients)
    like, tail = k / n * size, (1 - LEVEL) / 2
    low = float(beta.ppf(tail, like, size - like + 1)) if k else 0.0
    high = float(beta.ppf(1 - tail, like + 1, size - like)) if k < n else 1.0
    return Figure(value=k / n, low=low, high=high, n=n, hits=k, method=CLUSTERED)


def effective_size(hits: Flags, patients: Numbers) -> float:
    """Return how many independent scans tell as much of a share as these scans of so many patients.

    Where all hits are alike no variance can be measured, and it is the number of patients.

    Examples
    --------
    >>> twice = np.repeat(np.array([True, False, True, True]), 2)
    >>> effective_size(twice, np.repeat(np.arange(4), 2)) < 4
    True
    """
    n, p = hits.size, float(hits.mean())
    sums = np.bincount(np.unique(patients, return_inverse=True)[1], weights=hits - p)
    m = sums.size
    if m < 2:
        return 1.0
    variance = m / (m - 1) * float((sums**2).sum()) / n**2
    if not 0.0 < p < 1.0 or variance == 0.0:
        return float(m)
    narrower = (t.ppf(0.5 + LEVEL / 2, n - 1) / t.ppf(0.5 + LEVEL / 2, m - 1)) ** 2
    return float(min(p * (1 - p) / variance * narrower, n))


def area(label: Judged) -> Figure:
    """Return the area under the receiver operating characteristic."""
    n, positives = int(label.truth.size), int(label.truth.sum())
    if not 0 < positives < n:
        return undefined(n)
    value = float(roc_auc_score(label.truth, label.scores))
    if value in (0.0, 1.0):
        low, high = separated(value, *_patients_of_each(label))
        return Figure(value=value, low=low, high=high, n=n, method=SEPARATED)
    return _drawn(value, interval(auc_of(label.truth, label.scores), label.truth, label.patients), n)


def separated(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """Return the 95% interval of an area of exactly 0 or 1 (Newcombe, Statistics in Medicine 25, 2006, method 5).

    Examples
    --------
    >>> low, high = separated(1.0, 20, 20)
    >>> 0.8 < low < 0.95, high
    (True, 1.0)
    """
    half = (positives + negatives) / 2 - 1

    def spread(area: float) -> float:
        terms = 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
        return math.sqrt(area * (1 - area) * terms / (positives * negatives))

    z = float(norm.ppf(0.5 + LEVEL / 2))
    edge = float(brentq(lambda area: abs(value - area) - z * spread(area), 1e-9, 1 - 1e-9))
    return (edge, 1.0) if value == 1.0 else (0.0, edge)


def mean(values: Values, patients: Numbers) -> Figure:
    """Return the mean of what was measured on each scan."""
    return drawn(float(values.mean()), mean_of(values), patients) if values.size else undefined()


def median(values: Values, patients: Numbers) -> Figure:
    """Return the median of what was measured on each scan; see `edge.site.resampled.median_of`."""
    if not values.size:
        return undefined()
    statistic = median_of(values)
    return drawn(float(statistic(np.ones((1, values.size)))[0]), statistic, patients)


def rate(counts: Values, patients: Numbers) -> Figure:
    """Return the mean number of things on a scan, which was counted on each.

    Where there is none at all no bootstrap knows how many there may be; then the limit is that of Poisson's
    distribution: -ln(0.025) over the number of patients.
    """
    if counts.size and not counts.any():
        high = -math.log((1 - LEVEL) / 2) / np.unique(patients).size
        return Figure(value=0.0, low=0.0, high=high, n=int(counts.size), method=NONE_SEEN)
    return mean(counts, patients)


def drawn(value: float, statistic: Statistic, patients: Numbers, truth: Flags | None = None) -> Figure:
    """Return a figure with the interval of its bootstrap.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,), optional
        The class of each scan, where every draw must have as many patients of each as there are.
    """
    n, units = int(patients.size), int(np.unique(patients).size)
    if not math.isfinite(value):
        return undefined(n)
    if units < LEAST:
        return Figure(value=value, low=None, high=None, n=n, method=FEW.format(LEAST))
    limits = interval(statistic, np.ones(n, np.bool_) if truth is None else truth, patients)
    if limits is None or limits[0] == limits[1]:
        return Figure(value=value, low=None, high=None, n=n, method=ALIKE)
    return Figure(value=value, low=limits[0], high=limits[1], n=n, method=DRAWN if truth is None else BOOTSTRAP)


def f1(label: Judged) -> Figure:
    """Return the harmonic mean of sensitivity and positive predictive value."""
    n = int(label.truth.size)
    if not (label.truth | label.said).any():
        return undefined(n)
    value = float(f1_score(label.truth, label.said))
    return _drawn(value, interval(f1_of(label.truth, label.said), label.truth, label.patients), n)


def brier(label: Judged, values: Values) -> Figure:
    """Return the mean squared distance of probabilities, or of what stands for them, from the truth (Brier 1950)."""
    far = (values - label.truth) ** 2
    value = float(brier_score_loss(label.truth, values, pos_label=True, labels=[False, True]))
    return _drawn(value, interval(mean_of(far), label.truth, label.patients), int(far.size))


def kappa(truth: Numbers, said: Numbers, count: int, patients: Numbers) -> Figure:
    """Return the quadratic weighted kappa of grades (Cohen 1968)."""
    if np.unique(np.concatenate([truth, said])).size < 2:
        return undefined(int(truth.size))
    value = float(cohen_kappa_score(truth, said, labels=list(range(count)), weights="quadratic"))
    return _drawn(value, interval(kappa_of(truth, said, count), truth > 0, patients), int(truth.size))


def _drawn(value: float, limits: tuple[float, float] | None, n: int) -> Figure:
    low, high = limits or (None, None)
    return Figure(value=value, low=low, high=high, n=n, method=BOOTSTRAP)


def _patients_of_each(label: Judged) -> tuple[int, int]:
    return tuple(np.unique(label.patients[label.truth == there]).size for there in (True, False))  # type: ignore[return-value]
