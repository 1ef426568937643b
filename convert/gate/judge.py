"""Verdicts: each metric's difference, candidate less reference, is bootstrapped in pairs over the same scans.

A candidate passes if the worse end of the one-sided 95% interval of the difference stays within the margin
(non-inferiority, ICH E9 3.3.2) and is rejected if the better end lies beyond it. There are three verdicts, since "we
cannot tell with so few scans" is neither of the other two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from convert.metrics import resamples
from edge.errors import UsageError

Verdict = Literal["passed", "rejected", "inconclusive"]
Indices = NDArray[np.intp]
Statistic = Callable[[Indices], float]

RESAMPLES = 2000
ONE_SIDED = 5.0
"""Percent: the lower end of the interval."""
LEAST_OF_A_CLASS = 20
"""With fewer scans of any class that a metric is over, nothing passes, and a subgroup is not judged, which is told."""
MOST_SCANS = 10**7
ALL = "all"
"""The group of all scans; as a label, all labels together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How much worse a candidate may be.

    Parameters
    ----------
    auc, sensitivity, specificity, flips, kappa, dice, worst_dice, volume, mean_average_precision, froc : float
        Shares, 0 to 1. ``flips``: of the decisions that change, either way. ``dice``: of the mean over the labels;
        ``worst_dice``: of any one label.
    hd95, false_positives, target_registration_error : float
        Relative to the reference's own figure.
    folded : float
        Share of the voxels.
    """

    auc: float = 0.005
    sensitivity: float = 0.01
    specificity: float = 0.01
    flips: float = 0.01
    kappa: float = 0.01
    dice: float = 0.005
    worst_dice: float = 0.02
    hd95: float = 0.05
    volume: float = 0.01
    mean_average_precision: float = 0.01
    froc: float = 0.01
    false_positives: float = 0.1
    target_registration_error: float = 0.05
    folded: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One metric of two models over the same n scans.

    Parameters
    ----------
    metric, label : str
    margin : float
        In the unit of the metric.
    reference, candidate : callable
        Return the metric over some of the scans, by their indices; an index may come more than once.
    counted : ndarray of bool, shape (n,)
        The scans that the metric is over: for sensitivity, the positives.
    strata : ndarray of int, shape (n,)
        The class of each scan: a resample has as many of each class as there are, and a subgroup needs enough of each.
    higher_is_better : bool
    """

    metric: str
    label: str
    margin: float
    reference: Statistic
    candidate: Statistic
    counted: NDArray[np.bool_]
    strata: NDArray[np.int64]
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flips:
    """The scans whose decision changed, either way: shape (n,). Judged over all scans, by an exact interval."""

    label: str
    margin: float
    flipped: NDArray[np.bool_]


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
    higher_is_better : bool
        Where not, `bound` is the upper end.
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
    higher_is_better: bool = True
    verdict: Verdict
    n_needed: int | None = None

    @property
    def room(self) -> float:
        """How far the difference itself, without its interval, is inside the margin; negative beyond it."""
        worse = self.reference - self.candidate if self.higher_is_better else self.candidate - self.reference
        return self.margin - worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on a candidate: the worst of its comparisons.

    Parameters
    ----------
    problems : tuple of str
        What rejects it whatever its figures are: it died, gave no numbers, or its influence map is none.
    skipped : tuple of str
        Subgroups with too few scans to judge, and questions that no resample of the scans answers.
    told : mapping
        By metric and label, ``metric label``: what is told of the candidate and not judged.
    """

    verdict: Verdict
    comparisons: tuple[Comparison, ...] = ()
    problems: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    told: Mapping[str, float] = field(default_factory=dict)


def judge(
    questions: Sequence[Question],
    flips: Sequence[Flips] = (),
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    patients: Sequence[str] | None = None,
    problems: Sequence[str] = (),
    told: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Judgement:
    """Return the verdict on a candidate.

    A question that no resample of the scans answers with a number is inconclusive.

    Parameters
    ----------
    questions, flips : sequences
        About the same n scans.
    groups : mapping, optional
        By column (sex, age band, site, device): each scan's value. Every value with enough scans is judged, too.
    patients : sequence of str, optional
        Each scan's patient: those of one patient are drawn together.
    problems : sequence of str
        Each rejects the candidate.
    told : mapping, optional
        See `Judgement`.

    Raises
    ------
    UsageError
        Lengths differ.
    """
    _check_sizes(questions, flips, patients)
    comparisons: list[Comparison] = []
    skipped: list[str] = []
    untold: list[str] = []
    sampler = _Sampler(patients, seed)
    for question in questions:
        for name, inside in _members(groups or {}, question.counted.size):
            if name != ALL and _least(question, inside) < LEAST_OF_A_CLASS:
                skipped.append(f"{question.label}: {name} ({int(inside.sum())} scans)")
            elif (found := _compare(question, name, inside, sampler)) is not None:
                comparisons.append(found)
            else:
                untold.append(f"{question.label} {question.metric}: {name} ({int(inside.sum())} scans)")
    # A subgroup is rarely large enough to count flips in; what they do there shows in the other metrics.
    comparisons += [_compare_flips(item) for item in flips]
    verdicts: list[Verdict] = ["rejected" for _ in problems] or [item.verdict for item in comparisons]
    verdicts += ["inconclusive" for _ in untold]
    return Judgement(
        verdict=_worst(verdicts),
        comparisons=tuple(comparisons),
        problems=tuple(problems),
        skipped=tuple(dict.fromkeys(skipped + untold)),
        told=dict(told or {}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric of one candidate over all scans, with its 95% interval."""

    metric: str
    label: str
    value: float
    interval: tuple[float, float]
    n: int


def figures_of(questions: Sequence[Question], *, patients: Sequence[str] | None, seed: int) -> Iterator[Figure]:
    """Yield the candidate's own figures, each with a percentile bootstrap interval; none that no resample gives.

    Raises
    ------
    UsageError
        Lengths differ.
    """
    _check_sizes(questions, (), patients)
    sampler = _Sampler(patients, seed)
    for question in questions:
        everything = np.ones_like(question.counted)
        value = question.candidate(np.flatnonzero(everything))
        drawn = [question.candidate(sample) for sample in sampler(question.strata, everything)]
        low, high = _ends(drawn, 2.5)
        if np.isfinite([value, low, high]).all():
            yield Figure(
                metric=question.metric,
                label=question.label,
                value=value,
                interval=(low, high),
                n=int(question.counted.sum()),
            )


class _Sampler:
    """Bootstrap samples of scans, drawn once for all questions about the same classes and group."""

    def __init__(self, patients: Sequence[str] | None, seed: int) -> None:
        self._patients = None if patients is None else np.array(patients)
        self._seed = seed
        self._drawn: dict[tuple[bytes, bytes], list[Indices]] = {}

    def __call__(self, strata: NDArray[np.int64], inside: NDArray[np.bool_]) -> list[Indices]:
        key = (strata.tobytes(), inside.tobytes())
        if key not in self._drawn:
            where = np.flatnonzero(inside)
            patients = None if self._patients is None else self._patients[where]
            samples = resamples(strata[where], seed=self._seed, count=RESAMPLES, clusters=patients)
            self._drawn[key] = [where[sample] for sample in samples]
        return self._drawn[key]


def _check_sizes(questions: Sequence[Question], flips: Sequence[Flips], patients: Sequence[str] | None) -> None:
    sizes = {size for question in questions for size in (question.counted.size, question.strata.size)}
    sizes |= {item.flipped.size for item in flips}
    if len(sizes) > 1:
        raise UsageError(f"Judging: found questions about {sorted(sizes)} scans, expected the same scans for all.")
    if patients is not None and not sizes <= {len(patients)}:
        raise UsageError(f"Judging by patient: found {len(patients)} patients, expected one for each of {sizes.pop()}.")


def _members(groups: Mapping[str, Sequence[str]], size: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield ALL, np.ones(size, dtype=np.bool_)
    for column, values in groups.items():
        if len(values) != size:
            raise UsageError(f"Judging by {column}: found {len(values)} values, expected {size}.")
        each = np.array(values)
        yield from ((f"{column}={value}", each == value) for value in sorted(set(values)) if value)


def _least(question: Question, inside: NDArray[np.bool_]) -> int:
    """How many scans there are inside of the rarest class that the metric is over."""
    there = question.strata[inside & question.counted]
    return min(int((there == value).sum()) for value in np.unique(question.strata[question.counted]))


def _compare(question: Question, group: str, inside: NDArray[np.bool_], sampler: _Sampler) -> Comparison | None:
    """None where the figures are no finite numbers."""
    where = np.flatnonzero(inside)
    was, became = question.reference(where), question.candidate(where)
    sign = 1.0 if question.higher_is_better else -1.0
    samples = sampler(question.strata, inside)
    drawn = [sign * (question.candidate(sample) - question.reference(sample)) for sample in samples]
    low, high = _ends(drawn, ONE_SIDED)
    if not np.isfinite([was, became, low, high]).all():
        return None
    n = int((question.counted & inside).sum())
    verdict, needed = _non_inferior(sign * (became - was), (low, high), question.margin, n)
    least = _least(question, inside)
    if verdict == "passed" and least < LEAST_OF_A_CLASS:  # where no scan changed, the interval has no width at any n
        verdict, needed = "inconclusive", math.ceil(n * LEAST_OF_A_CLASS / max(least, 1))
    return Comparison(
        metric=question.metric,
        label=question.label,
        group=group,
        n=n,
        reference=was,
        candidate=became,
        bound=sign * low,
        margin=question.margin,
        higher_is_better=question.higher_is_better,
        verdict=verdict,
        n_needed=needed,
    )


def _ends(drawn: Sequence[float], percent: float) -> tuple[float, float]:
    """The interval that leaves out as many percent on either side; NaN where there is none."""
    # A patient with several scans can leave a resample without a class: it says nothing of the metric.
    told = [value for value in drawn if not math.isnan(value)]
    if not told or not np.isfinite(told).all():
        return math.nan, math.nan
    low, high = np.percentile(told, [percent, 100 - percent])
    return float(low), float(high)


def _non_inferior(
    difference: float, interval: tuple[float, float], margin: float, n: int
) -> tuple[Verdict, int | None]:
    """The verdict, and how many scans, if so many there are, would tell: the interval narrows with their root."""
    low, high = interval
    if low >= -margin:
        return "passed", None
    if high < -margin:
        return "rejected", None
    room = difference + margin
    if room * math.sqrt(MOST_SCANS) <= (difference - low) * math.sqrt(n):
        return "inconclusive", None
    return "inconclusive", math.ceil(n * ((difference - low) / room) ** 2)


def _compare_flips(item: Flips) -> Comparison:
    """The share of the scans, with the upper end of Clopper and Pearson's interval (1934)."""
    n, flipped = item.flipped.size, int(item.flipped.sum())
    share, high = flipped / n, _upper(flipped, n)
    low = 1.0 - _upper(n - flipped, n)
    verdict: Verdict = "passed" if high <= item.margin else "rejected" if low > item.margin else "inconclusive"
    needed = _scans_for(share, item.margin, n) if verdict == "inconclusive" and share < item.margin else None
    return Comparison(
        metric="flips",
        label=item.label,
        group=ALL,
        n=n,
        reference=0.0,
        candidate=share,
        bound=high,
        margin=item.margin,
        higher_is_better=False,
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
    return next((verdict for verdict in order if verdict in verdicts), "inconclusive")
