"""The gate: whether a smaller model is no worse than its reference, in what a clinic cares about, where it will run.

Both models have examined the same labelled scans through the whole runtime. Each metric's difference, candidate less
reference, is bootstrapped in pairs; the candidate passes if the lower end of the one-sided 95% interval stays above
minus the margin (non-inferiority, ICH E9 3.3.2) and is rejected if the upper end lies below it. There are three
verdicts, since "we cannot tell with so few scans" is neither of the other two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from convert.metrics import (
    Metric,
    Scores,
    Truth,
    area_under_roc,
    calibration_error,
    resamples,
    sensitivity_at,
    specificity_at,
)
from edge.errors import UsageError

Verdict = Literal["passed", "rejected", "inconclusive"]

RESAMPLES = 2000
ONE_SIDED = 5.0
"""Percent: the lower end of the interval."""
LEAST_OF_A_CLASS = 20
"""A subgroup with fewer scans of either class is not judged, and the report says so."""
MOST_SCANS = 10**7
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How much worse a candidate may be."""

    auc: float = 0.005
    sensitivity: float = 0.01
    specificity: float = 0.01
    flips: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one model said of one label, over all scans.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,)
    threshold : float
        Its own: a threshold belongs to a precision.
    """

    scores: Scores
    threshold: float

    def among(self, inside: Truth) -> Answers:
        """Return the answers for some of the scans."""
        return Answers(scores=self.scores[inside], threshold=self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of the candidate against the reference.

    Parameters
    ----------
    group : str
        ``all``, or ``column=value`` of a subgroup.
    n : int
        Scans that the metric is over: those of one class for sensitivity and specificity.
    bound : float
        End of the one-sided 95% interval of the difference that must stay within the margin; for flips, of their share.
    n_needed : int, optional
        Where the verdict is inconclusive: about how many scans would tell, if the difference stayed what it is.
    """

    metric: str
    label: str
    group: str
    n: int
    reference: float
    candidate: float
    bound: float
    margin: float
    verdict: Verdict
    n_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on a candidate: the worst of its comparisons.

    Parameters
    ----------
    skipped : tuple of str
        Subgroups with too few scans to judge.
    calibration_error : mapping
        By label, of the candidate; told, not judged.
    """

    verdict: Verdict
    comparisons: tuple[Comparison, ...]
    skipped: tuple[str, ...]
    calibration_error: Mapping[str, float]


def judge(
    truths: Mapping[str, Truth],
    reference: Mapping[str, Answers],
    candidate: Mapping[str, Answers],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    margins: Margins | None = None,
    seed: int = 0,
) -> Judgement:
    """Return the verdict on a candidate.

    Parameters
    ----------
    truths : mapping
        By label: ndarray of bool, shape (n,).
    reference, candidate : mapping
        By label.
    groups : mapping, optional
        By column (sex, age band, site, device): each scan's value. Every value with enough scans is judged, too.
    margins : Margins, optional

    Raises
    ------
    UsageError
        A label has scans of one class only, the lengths differ, or a score is no number.
    """
    allowed = margins or Margins()
    comparisons: list[Comparison] = []
    skipped: list[str] = []
    for label, truth in truths.items():
        _check(label, truth, reference[label], candidate[label])
        comparisons += _compare_all(label, ALL, truth, reference[label], candidate[label], allowed, seed)
        for name, inside in _members(groups or {}, truth.size):
            part = truth[inside]
            if min(int(part.sum()), int((~part).sum())) < LEAST_OF_A_CLASS:
                skipped.append(f"{label}: {name} ({part.size} scans)")
                continue
            sides = [
                Answers(scores=a[label].scores[inside], threshold=a[label].threshold) for a in (reference, candidate)
            ]
            comparisons += _compare_all(label, name, part, sides[0], sides[1], allowed, seed)
    errors = {label: calibration_error(truth, candidate[label].scores) for label, truth in truths.items()}
    return Judgement(
        verdict=_worst([item.verdict for item in comparisons]),
        comparisons=tuple(comparisons),
        skipped=tuple(skipped),
        calibration_error=errors,
    )


def _check(label: str, truth: Truth, reference: Answers, candidate: Answers) -> None:
    sizes = {truth.size, reference.scores.size, candidate.scores.size}
    if len(sizes) != 1:
        raise UsageError(f"Judging {label}: found {sorted(sizes)} values, expected as many truths as scores.")
    if truth.all() or not truth.any():
        found = "positive" if truth.all() else "negative"
        raise UsageError(f"Judging {label}: all {truth.size} scans are {found}; expected scans of both kinds.")
    for name, side in (("reference", reference), ("candidate", candidate)):
        wrong = int((~np.isfinite(side.scores)).sum())
        if wrong:
            raise UsageError(f"Judging {label}: the {name} gave {wrong} scores that are no numbers.")


def _members(groups: Mapping[str, Sequence[str]], size: int) -> list[tuple[str, np.ndarray]]:
    found = []
    for column, values in groups.items():
        if len(values) != size:
            raise UsageError(f"Judging by {column}: found {len(values)} values, expected {size}.")
        each = np.array(values)
        found += [(f"{column}={value}", each == value) for value in sorted(set(values)) if value]
    return found


def _compare_all(
    label: str, group: str, truth: Truth, reference: Answers, candidate: Answers, margins: Margins, seed: int
) -> list[Comparison]:
    samples = resamples(truth, seed=seed, count=RESAMPLES)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    pairs: list[tuple[str, int, Callable[[Answers], Metric], float]] = [
        ("auc", truth.size, lambda _: area_under_roc, margins.auc),
        ("sensitivity", positives, lambda side: sensitivity_at(side.threshold), margins.sensitivity),
        ("specificity", negatives, lambda side: specificity_at(side.threshold), margins.specificity),
    ]
    found = []
    for name, n, metric_of, margin in pairs:
        before, after = metric_of(reference), metric_of(candidate)
        drawn = [after(truth[s], candidate.scores[s]) - before(truth[s], reference.scores[s]) for s in samples]
        was, became = before(truth, reference.scores), after(truth, candidate.scores)
        low, high = (float(value) for value in np.percentile(drawn, [ONE_SIDED, 100 - ONE_SIDED]))
        verdict, needed = _non_inferior(became - was, (low, high), margin, n)
        found.append(
            Comparison(
                metric=name,
                label=label,
                group=group,
                n=n,
                reference=was,
                candidate=became,
                bound=low,
                margin=margin,
                verdict=verdict,
                n_needed=needed,
            )
        )
    # A subgroup is rarely large enough to count flips in; what they do there shows in the other metrics.
    flips = [_flips(label, group, reference, candidate, margins.flips)] if group == ALL else []
    return [*found, *flips]


def _non_inferior(
    difference: float, interval: tuple[float, float], margin: float, n: int
) -> tuple[Verdict, int | None]:
    """The verdict, and how many scans would tell: the interval's width falls with the root of their number."""
    low, high = interval
    if low >= -margin:
        return "passed", None
    if high < -margin:
        return "rejected", None
    room = difference + margin
    if room <= 0:
        return "inconclusive", None
    return "inconclusive", math.ceil(n * ((difference - low) / room) ** 2)


def _flips(label: str, group: str, reference: Answers, candidate: Answers, margin: float) -> Comparison:
    """Scans whose decision changed, either way, with the upper end of Clopper and Pearson's interval (1934)."""
    decided = [side.scores >= side.threshold for side in (reference, candidate)]
    n, flipped = decided[0].size, int((decided[0] != decided[1]).sum())
    share, high = flipped / n, _upper(flipped, n)
    low = 1.0 - _upper(n - flipped, n)
    verdict: Verdict = "passed" if high <= margin else "rejected" if low > margin else "inconclusive"
    needed = _scans_for(share, margin, n) if verdict == "inconclusive" and share < margin else None
    return Comparison(
        metric="flips",
        label=label,
        group=group,
        n=n,
        reference=0.0,
        candidate=share,
        bound=high,
        margin=margin,
        verdict=verdict,
        n_needed=needed,
    )


def _upper(count: int, n: int) -> float:
    """Upper end of the one-sided 95% interval of a share (Clopper and Pearson 1934)."""
    return 1.0 if count == n else float(stats.beta.ppf(1 - ONE_SIDED / 100, count + 1, n - count))


def _scans_for(share: float, margin: float, n: int) -> int | None:
    """The least number of scans, in steps of a tenth, at which the same share would pass."""
    wanted = n
    while wanted < MOST_SCANS:
        if _upper(math.ceil(share * wanted), wanted) <= margin:
            return wanted
        wanted = math.ceil(wanted * 1.1)
    return None


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("rejected", "inconclusive", "passed")
    return next(verdict for verdict in order if verdict in verdicts)
