"""How well boxes were found: each scan is matched with its truth once, then precision and sensitivity of any resample.

Plain arrays of one class at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detect.suppress import overlaps
from edge.errors import UsageError

Values = NDArray[np.float64]
Counts = NDArray[np.int64]
Indices = NDArray[np.intp]

HALF: tuple[float, ...] = (0.5,)
IN_VOLUMES: tuple[float, ...] = (0.1, 0.5)
"""A third axis makes overlaps smaller: 0.1 is where nnDetection counts a find (Baumgartner et al. 2021)."""
COCO: tuple[float, ...] = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The ten thresholds of COCO's own mean: 0.5 to 0.95."""
FLOOR = 0.05
"""Boxes are collected from this score on, whatever a threshold is: curves and thresholds need them.

torchvision's detectors begin there, too."""
RECALLS = np.linspace(0.0, 1.0, 101)
FALSE_POSITIVES_PER_SCAN: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Where the LUNA16 challenge reads the FROC (Setio et al. 2017)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The boxes that a model drew on one scan.

    Parameters
    ----------
    boxes : ndarray of float, shape (k, 4) or (k, 6)
        y0, x0, y1, x1, or z0, y0, x0, z1, y1, x1: edges, so that the height is y1 - y0.
    scores : ndarray of float, shape (k,)
        The higher, the surer.
    """

    boxes: NDArray[Any]
    scores: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """The d boxes drawn on n scans, surest first, and which of them found something.

    Parameters
    ----------
    thresholds : tuple of float
        The t least overlaps (intersection over union), rising.
    scan : ndarray of int, shape (d,)
        The index of the scan that the box is on.
    scores : ndarray of float64, shape (d,)
        Falling.
    hits : ndarray of bool, shape (t, d)
        Whether the box found a true one that no surer box had found.
    truths : ndarray of int64, shape (n,)
        The number of true boxes on each scan.
    """

    thresholds: tuple[float, ...]
    scan: Indices
    scores: Values
    hits: NDArray[np.bool_]
    truths: Counts


def match(found: Sequence[Found], truth: Sequence[NDArray[Any]], thresholds: Sequence[float] = HALF) -> Matches:
    """Return which boxes of one class found something, on each scan by itself.

    From the surest box on, each takes the true box that it overlaps most among those that no surer one took, if it
    overlaps it by the threshold at least (Everingham et al. 2010; ties as in COCO: boxes of one score in the order
    given, of two true boxes the later). There is no limit to the number of boxes on a scan.

    Parameters
    ----------
    found : sequence of Found
        One for each of n scans.
    truth : sequence of ndarray of float, shape (m, 4) or (m, 6)
        The true boxes of each scan, m from 0 on; as many columns as those found.
    thresholds : sequence of float
        Rising, each above 0 and up to 1.

    Raises
    ------
    UsageError
        The numbers of scans or the shapes differ, a box ends before it begins, a value is no finite number, or the
        thresholds are no rising shares.
    """
    limits = tuple(float(value) for value in thresholds)
    if not limits or not all(a < b for a, b in zip((0.0, *limits), (*limits, 1.0 + 1e-9), strict=True)):
        raise UsageError(f"Matching boxes: found thresholds {limits}, expected rising shares above 0 and up to 1.")
    if len(found) != len(truth) or not found:
        raise UsageError(
            f"Matching boxes: found those of {len(found)} scans and the truth of {len(truth)}, expected as many, and "
            "one at least."
        )
    columns = truth[0].shape[-1]
    for index, (drawn, true) in enumerate(zip(found, truth, strict=True)):
        _check(index, drawn, true, columns)
    scan = np.concatenate([np.full(len(drawn.scores), index) for index, drawn in enumerate(found)]).astype(np.intp)
    scores = np.concatenate([drawn.scores for drawn in found]).astype(np.float64)
    hits = np.concatenate([_hits(drawn, true, limits) for drawn, true in zip(found, truth, strict=True)], axis=1)
    order = np.argsort(-scores, kind="stable")
    return Matches(
        thresholds=limits,
        scan=scan[order],
        scores=scores[order],
        hits=hits[:, order],
        truths=np.array([len(true) for true in truth], dtype=np.int64),
    )


def _hits(found: Found, truth: NDArray[Any], limits: tuple[float, ...]) -> NDArray[np.bool_]:
    """Which boxes of one scan found something: (thresholds, k), in the order given."""
    shared = overlaps(found.boxes, truth)
    hits = np.zeros((len(limits), len(shared)), dtype=np.bool_)
    if len(truth) == 0:
        return hits
    surest_first = np.argsort(-found.scores.astype(np.float64), kind="stable")
    for row, limit in enumerate(limits):
        free = np.ones(len(truth), dtype=np.bool_)
        for box in surest_first:
            left = np.where(free, shared[box], -1.0)
            best = len(left) - 1 - int(np.argmax(left[::-1]))
            # COCO lets a threshold of 1 be reached by boxes that are equal but for their rounding.
            if left[best] >= min(limit, 1.0 - 1e-10):
                hits[row, box], free[best] = True, False
    return hits


def average_precision(matches: Matches, scans: Indices | None = None) -> Values:
    """Return the average precision at each threshold, interpolated at 101 points as in COCO (Lin et al. 2014).

    The mean, over the sensitivities 0, 0.01, ... 1, of the highest precision at that sensitivity or a higher one. Boxes
    of one score come in together, so that their order decides nothing; COCO takes them one by one. With scores that all
    differ the two are the same.

    Parameters
    ----------
    matches : Matches
    scans : ndarray of int, optional
        Indices of the scans, as often as they count; all once where it is not given.

    Returns
    -------
    ndarray of float64, shape (t,)
        0 to 1; NaN where these scans have no true box.
    """
    total, hits, drawn = _counts(matches, scans)
    if total == 0:
        return np.full(len(matches.thresholds), np.nan)
    precision = np.pad(hits / np.maximum(drawn, 1), ((0, 0), (0, 1)))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = hits / total
    means = [row[np.searchsorted(at, RECALLS)].mean() for row, at in zip(best, reached, strict=True)]
    return np.array(means)


def mean_average_precision(classes: Iterable[Matches], scans: Indices | None = None) -> float:
    """Return the mean of the average precision over thresholds and classes; those without a true box are left out.

    Parameters
    ----------
    classes : iterable of Matches
        Of the same scans.
    scans : ndarray of int, optional
        See `average_precision`.

    Returns
    -------
    float
        0 to 1; NaN where no class has a true box.
    """
    each = [float(average_precision(matches, scans).mean()) for matches in classes]
    there = [value for value in each if not np.isnan(value)]
    return float(np.mean(there)) if there else float("nan")


def sensitivities(matches: Matches, scans: Indices | None = None) -> Values:
    """Return the sensitivity at 1/8 to 8 false positives per scan: the free-response curve (Bunch et al. 1978).

    At the lowest threshold of overlap: the question is what was found at all. At each number it is that of the lowest
    score with no more false positives on average: a point at which a clinic could run, where LUNA16 draws a line
    between two of them.

    Parameters
    ----------
    matches, scans
        See `average_precision`.

    Returns
    -------
    ndarray of float64, shape (7,)
        0 to 1; NaN where these scans have no true box.
    """
    total, hits, drawn = _counts(matches, scans)
    if total == 0:
        return np.full(len(FALSE_POSITIVES_PER_SCAN), np.nan)
    n = len(matches.truths) if scans is None else len(scans)
    false = drawn - hits[0]
    last = np.searchsorted(false, np.array(FALSE_POSITIVES_PER_SCAN) * n, side="right")
    return np.asarray(np.concatenate([[0], hits[0]])[last] / total)


def froc(matches: Matches, scans: Indices | None = None) -> float:
    """Return the mean of `sensitivities`: the score of the LUNA16 challenge (Niemeijer et al. 2011)."""
    return float(sensitivities(matches, scans).mean())


def free_response(matches: Matches, most: int) -> tuple[Values, Values, Values]:
    """Return the free-response curve, of `most` points at most: at the lowest threshold of overlap, surest first.

    Returns
    -------
    tuple of ndarray of float64, shape (p,)
        Lowest score, false positives on a scan, and sensitivity; NaN where there is no true box.
    """
    last = np.flatnonzero(np.diff(matches.scores, append=-np.inf))
    some = np.unique(np.linspace(0, last.size - 1, min(last.size, most)).round().astype(np.intp))
    at = last[some]
    hits = np.cumsum(matches.hits[0])[at]
    total = matches.truths.sum() or np.nan
    return matches.scores[at], (at + 1 - hits) / matches.truths.size, hits / total


def _counts(matches: Matches, scans: Indices | None) -> tuple[int, Counts, Counts]:
    """True boxes; hits (t, p) and boxes (p,) down to each of p scores. A scan that comes k times counts k times."""
    n = len(matches.truths)
    times = np.ones(n, dtype=np.int64) if scans is None else np.bincount(scans, minlength=n).astype(np.int64)
    weights = times[matches.scan]
    lowest = np.flatnonzero(np.diff(matches.scores, append=-np.inf))
    drawn = np.cumsum(weights)[lowest]
    hits = np.cumsum(np.where(matches.hits, weights, 0), axis=1)[:, lowest]
    return int(times @ matches.truths), hits, drawn


def _check(index: int, found: Found, truth: NDArray[Any], columns: int) -> None:
    if columns not in (4, 6) or truth.ndim != 2 or truth.shape[1] != columns:
        raise UsageError(f"Matching boxes of scan {index}: found truth of shape {truth.shape}, expected (m, 4 or 6).")
    if found.boxes.shape != (len(found.scores), columns) or found.scores.ndim != 1:
        raise UsageError(
            f"Matching boxes of scan {index}: found boxes {found.boxes.shape} and scores {found.scores.shape}, "
            f"expected (k, {columns}) and (k,). A scan without any has k = 0."
        )
    for name, boxes in (("found", found.boxes), ("true", truth)):
        if not np.isfinite(boxes).all() or bool((boxes[:, : columns // 2] > boxes[:, columns // 2 :]).any()):
            raise UsageError(
                f"Matching boxes of scan {index}: a {name} box is no finite numbers or ends before it begins; expected "
                "lower edges, then upper edges."
            )
    if not np.isfinite(found.scores).all():
        raise UsageError(f"Matching boxes of scan {index}: a score is no finite number.")
