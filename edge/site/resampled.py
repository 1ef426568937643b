"""Figures of many samples at once: each sample is a row of weights, one for each case.

A bootstrap draws patients, not scans, each class of patients for itself (Efron and Tibshirani 1993, chapter 13; Field
and Welsh 2007). A permutation deals the patients of each class anew to a group and its rest (Good 2005, chapter 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.site.judged import Flags, Numbers, Values

Weights = NDArray[np.float64]
Statistic = Callable[[Weights], Values]
"""From weights, shape (samples, n), to a figure for each sample; NaN where it has none."""

DRAWS = 2000
SHUFFLES = 4999
SEED = 20_240_601
CELLS = 2_000_000
"""Weights in memory at a time."""


def auc_of(truth: Flags, scores: Values) -> Statistic:
    """Return the statistic: area under the receiver operating characteristic, ties counted half.

    Examples
    --------
    >>> auc = auc_of(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8]))
    >>> auc(np.ones((1, 4))).tolist()
    [0.875]
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
    positive, negative = truth[order].astype(np.float64), (~truth[order]).astype(np.float64)

    def statistic(weights: Weights) -> Values:
        sorted_weights = weights[:, order]
        with_it = np.add.reduceat(sorted_weights * positive, starts, axis=1)
        without = np.add.reduceat(sorted_weights * negative, starts, axis=1)
        below = np.cumsum(without, axis=1) - 0.5 * without
        return _ratio((with_it * below).sum(axis=1), with_it.sum(axis=1) * without.sum(axis=1))

    return statistic


def share_of(hits: Flags, among: Flags) -> Statistic:
    """Return the statistic: the share of hits among some cases."""
    hit, of = (hits & among).astype(np.float64), among.astype(np.float64)
    return lambda weights: _ratio(weights @ hit, weights @ of)


def f1_of(truth: Flags, said: Flags) -> Statistic:
    """Return the statistic: harmonic mean of sensitivity and positive predictive value."""
    both = (truth & said).astype(np.float64)
    either = truth.astype(np.float64) + said.astype(np.float64)
    return lambda weights: _ratio(2.0 * (weights @ both), weights @ either)


def mean_of(values: Values) -> Statistic:
    """Return the statistic: the mean of values."""
    return lambda weights: _ratio(weights @ values, weights.sum(axis=1))


def ratio_of(above: Values, below: Values) -> Statistic:
    """Return the statistic: the sum of some numbers over that of others, such as boxes found over boxes that are there.

    Examples
    --------
    >>> ratio_of(np.array([1.0, 0.0]), np.array([2.0, 2.0]))(np.ones((1, 2))).tolist()
    [0.25]
    """
    return lambda weights: _ratio(weights @ above, weights @ below)


def median_of(values: Values) -> Statistic:
    """Return the statistic: the median; of an even number of values the mean of the two in the middle.

    Examples
    --------
    >>> median_of(np.array([3.0, 1.0, 9.0]))(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])).tolist()
    [3.0, 6.0]
    """
    order = np.argsort(values, kind="stable")
    rising = values[order]

    def statistic(weights: Weights) -> Values:
        up_to = np.cumsum(weights[:, order], axis=1)
        half = 0.5 * up_to[:, -1:]
        lower, upper = (np.argmax(reached, axis=1) for reached in (up_to >= half, up_to > half))
        return np.asarray((rising[lower] + rising[upper]) / 2)

    return statistic


def kappa_of(truth: Numbers, said: Numbers, count: int) -> Statistic:
    """Return the statistic: quadratic weighted kappa of `count` grades (Cohen 1968)."""
    table = np.zeros((truth.size, count, count))
    table[np.arange(truth.size), truth, said] = 1.0
    grade = np.arange(count)
    far = (grade[:, np.newaxis] - grade[np.newaxis, :]).astype(np.float64) ** 2

    def statistic(weights: Weights) -> Values:
        seen = np.tensordot(weights, table, axes=1)
        chance = seen.sum(axis=2)[:, :, np.newaxis] * seen.sum(axis=1)[:, np.newaxis, :]
        total = seen.sum(axis=(1, 2))
        return 1.0 - _ratio((seen * far).sum(axis=(1, 2)) * total, (chance * far).sum(axis=(1, 2)))

    return statistic


def interval(statistic: Statistic, truth: Flags, patients: Numbers) -> tuple[float, float] | None:
    """Return the 95% percentile interval of a statistic over bootstrap samples; None where no sample has one."""
    parts = [statistic(weights) for weights in _drawn(truth, patients)]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """A group of cases and the rest."""

    inside: Flags
    truth: Flags
    patients: Numbers


def chance_of_less(statistics: dict[str, Statistic], split: Split) -> dict[str, float]:
    """Return, for each statistic, how often chance alone makes the group as much worse than the rest as it is.

    One-sided p-values of permutation tests; 1 where the group or the rest has no such figure.
    """
    inside = split.inside[np.newaxis].astype(np.float64)
    found = {name: _difference(statistic, inside)[0] for name, statistic in statistics.items()}
    as_low, total = dict.fromkeys(statistics, 0), dict.fromkeys(statistics, 0)
    for dealt in _dealt(split):
        for name, statistic in statistics.items():
            values = _difference(statistic, dealt)
            told = values[np.isfinite(values)]
            as_low[name] += int((told <= found[name] + 1e-12).sum())
            total[name] += told.size
    return {name: (1 + as_low[name]) / (1 + total[name]) if np.isfinite(found[name]) else 1.0 for name in statistics}


def _difference(statistic: Statistic, inside: Weights) -> Values:
    return statistic(inside) - statistic(1.0 - inside)


def _ratio(above: Values, below: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0.0, above / below, np.nan))


def _units(patients: Numbers, truth: Flags) -> tuple[Numbers, list[Numbers]]:
    """The unit of each case, and the units of each class: a patient counts as positive with any positive scan."""
    _, unit = np.unique(patients, return_inverse=True)
    positive = np.zeros(unit.max() + 1, dtype=np.bool_)
    np.logical_or.at(positive, unit, truth)
    return unit, [np.flatnonzero(positive == value) for value in (False, True) if (positive == value).any()]


def _chunks(total: int, n: int) -> Iterator[int]:
    most = max(CELLS // max(n, 1), 1)
    for start in range(0, total, most):
        yield min(most, total - start)


def _drawn(truth: Flags, patients: Numbers) -> Iterator[Weights]:
    """Weights of bootstrap samples: how often each case's patient was drawn."""
    generator = np.random.default_rng(SEED)
    unit, strata = _units(patients, truth)
    for count in _chunks(DRAWS, truth.size):
        drawn = np.zeros((count, unit.max() + 1))
        for members in strata:
            drawn[:, members] = generator.multinomial(members.size, np.full(members.size, 1 / members.size), count)
        yield drawn[:, unit]


def _dealt(split: Split) -> Iterator[Weights]:
    """Weights of permutations: 1 for the cases that are dealt to the group. A patient in both is two units."""
    generator = np.random.default_rng(SEED)
    unit, strata = _units(2 * split.patients + split.inside, split.truth)
    member = np.zeros(unit.max() + 1)
    member[unit] = split.inside
    for count in _chunks(SHUFFLES, split.truth.size):
        dealt = np.empty((count, member.size))
        for members in strata:
            dealt[:, members] = generator.permuted(np.tile(member[members], (count, 1)), axis=1)
        yield dealt[:, unit]
