"""Questions about the mean of a value that each scan has: what the tests of the gate ask."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convert.gate.judge import Flips, Indices, Question, Statistic

Values = NDArray[np.float64]


def mean_of(values: Values) -> Statistic:
    def over(scans: Indices) -> float:
        return float(values[scans].mean())

    return over


def asked(
    reference: Values,
    candidate: Values,
    *,
    margin: float = 0.01,
    metric: str = "quality",
    strata: NDArray[np.int64] | None = None,
    higher_is_better: bool = True,
) -> Question:
    """The question after the mean of a value that each scan has."""
    return Question(
        metric=metric,
        label="x",
        margin=margin,
        reference=mean_of(reference),
        candidate=mean_of(candidate),
        counted=np.ones(reference.size, dtype=np.bool_),
        strata=np.zeros(reference.size, dtype=np.int64) if strata is None else strata,
        higher_is_better=higher_is_better,
    )


def flipped(count: int, n: int, margin: float = 0.01) -> Flips:
    return Flips(label="x", margin=margin, flipped=np.arange(n) < count)


def qualities(n: int = 400, seed: int = 0) -> Values:
    return np.random.default_rng(seed).uniform(0.6, 1.0, n)


def changes(n: int = 400, *, mean: float = 0.0, spread: float = 0.05, seed: int = 1) -> Values:
    """Changes of exactly this mean and standard deviation."""
    drawn = np.random.default_rng(seed).normal(size=n)
    return np.asarray(mean + spread * (drawn - drawn.mean()) / drawn.std())


def answering(value: float) -> Statistic:
    return lambda scans: value  # noqa: ARG005 - whatever the scans are


def unanswered(n: int = 40, *, reference: float = math.nan, candidate: float = math.nan) -> Question:
    return Question(
        metric="quality",
        label="x",
        margin=0.01,
        reference=answering(reference),
        candidate=answering(candidate),
        counted=np.ones(n, dtype=np.bool_),
        strata=np.zeros(n, dtype=np.int64),
    )
