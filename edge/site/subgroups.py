"""Whether a pack does worse on some of a site's patients, and where there are too few to tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.site.case import AGE, BAND, DEVICE, SEX, SITE
from edge.site.examine import Examined
from edge.site.figures import Figure, area, share
from edge.site.judged import Flags, Judged, Numbers
from edge.site.resampled import Split, Statistic, auc_of, chance_of_less, share_of

Verdict = Literal["worse", "no worse", "too few to tell"]

ALPHA = 0.05
MARGIN = 0.10
LEAST = 5
"""Patients of a kind, in the group and in the rest, below which nothing is compared."""
NOT_TOLD = "not told"
BANDS = (
    (1, "under 1 year"),
    (5, "1 to 4 years"),
    (18, "5 to 17 years"),
    (40, "18 to 39 years"),
    (65, "40 to 64 years"),
)
OLDEST = "65 years and more"
RULE = (
    f"Each group is compared with all other scans. 'Worse': chance alone would make the group as much worse in fewer "
    f"than {ALPHA:.0%} of cases (one-sided permutation test, patients dealt anew within each class; Holm's correction "
    f"over all comparisons of the label). 'No worse': the 95% interval of the difference stays above -{MARGIN:.2f}. "
    f"Anything else, and every comparison with fewer than {LEAST} patients of a kind on either side, is 'too few to "
    f"tell': that is no proof that the group is served as well."
)
"""Dice has the same margin as shares have: both are from 0 to 1."""


class Grouped(Protocol):
    """A label on some cases."""

    @property
    def cases(self) -> tuple[Examined, ...]:
        """Each with what is told of it."""

    @property
    def truth(self) -> Flags:
        """Whether it is there; the classes within which patients are dealt anew."""

    @property
    def patients(self) -> Numbers:
        """The number of each case's patient."""


T = TypeVar("T", bound=Grouped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures(Generic[T]):
    """What is compared of a label between groups; the higher each figure, the better.

    Parameters
    ----------
    only : callable
        Returns the label on some of its cases.
    figures, statistics : callable
        By name: the figures with their intervals, and the same as statistics of weights.
    counted : callable
        By name: the kinds of cases that the figure is of; each needs `LEAST` patients on either side.
    """

    only: Callable[[T, Flags], T]
    figures: Callable[[T], dict[str, Figure]]
    statistics: Callable[[T], dict[str, Statistic]]
    counted: Callable[[T], dict[str, tuple[Flags, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A figure of a group beside that of the rest.

    Parameters
    ----------
    group, rest : Figure
    difference, low, high : float, optional
        Group less rest, with its 95% interval by the square-and-add rule (Zou and Donner 2008; Newcombe 1998).
    p : float, optional
        Corrected; None where nothing was compared.
    verdict : {"worse", "no worse", "too few to tell"}
    """

    group: Figure
    rest: Figure
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: Verdict = "too few to tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """Some of the scans: of which kind, what they have in common, how many, and their figures by name."""

    kind: str
    level: str
    n: int
    positives: int
    figures: Mapping[str, Comparison]


def age_band(years: float) -> str:
    """Return the band of an age.

    Examples
    --------
    >>> age_band(0.5), age_band(5.0), age_band(90.0)
    ('under 1 year', '5 to 17 years', '65 years and more')
    """
    return next((name for end, name in BANDS if years < end), OLDEST)


def levels_of(kind: str, cases: Sequence[Examined]) -> list[str]:
    """Return what the table tells of each case, else what its own header does."""
    return [_level(kind, each) for each in cases]


def _level(kind: str, each: Examined) -> str:
    told = each.case.told
    if kind == BAND:
        if BAND in told:
            return told[BAND]
        years = float(told[AGE]) if AGE in told else each.age_years
        return NOT_TOLD if years is None else age_band(years)
    if kind == SEX:
        return told.get(SEX) or each.sex or NOT_TOLD
    if kind == DEVICE:
        return told.get(DEVICE) or each.device or NOT_TOLD
    return told.get(kind, NOT_TOLD)


def subgroups(label: T, measures: Measures[T]) -> tuple[Subgroup, ...]:
    """Return every group of the scans of a label, each compared with the rest."""
    found: list[Subgroup] = []
    for kind in (SEX, BAND, DEVICE, SITE):
        levels = np.array(levels_of(kind, label.cases))
        names = sorted(set(levels.tolist()) - {NOT_TOLD})
        found += [_compared(label, measures, kind, name, levels) for name in names]
        missing = levels == NOT_TOLD
        if names and missing.any():
            found.append(_listed(label, kind, missing))
    return _corrected(found)


def _listed(label: Grouped, kind: str, inside: Flags) -> Subgroup:
    return Subgroup(
        kind=kind, level=NOT_TOLD, n=int(inside.sum()), positives=int(label.truth[inside].sum()), figures={}
    )


def _compared(label: T, measures: Measures[T], kind: str, name: str, levels: NDArray[np.str_]) -> Subgroup:
    """One group; scans of which the kind is not told belong neither to it nor to the rest."""
    told = measures.only(label, levels != NOT_TOLD)
    inside = np.asarray(levels[levels != NOT_TOLD] == name)
    group, rest = (measures.figures(measures.only(told, side)) for side in (inside, ~inside))
    kinds = measures.counted(told)
    enough = [each for each in group if _enough(kinds[each], told.patients, inside)]
    split = Split(inside=inside, truth=told.truth, patients=told.patients)
    statistics = measures.statistics(told)
    chances = chance_of_less({each: statistics[each] for each in sorted(enough)}, split) if enough else {}
    return Subgroup(
        kind=kind,
        level=name,
        n=int(inside.sum()),
        positives=int(told.truth[inside].sum()),
        figures={each: _comparison(group[each], rest[each], chances.get(each)) for each in group},
    )


def only(label: Judged, inside: Flags) -> Judged:
    """Return the label on some of its cases."""
    return replace(
        label,
        cases=tuple(each for each, kept in zip(label.cases, inside, strict=True) if kept),
        truth=label.truth[inside],
        said=label.said[inside],
        uncertain=label.uncertain[inside],
        scores=label.scores[inside],
        probabilities=None if label.probabilities is None else label.probabilities[inside],
        patients=label.patients[inside],
    )


def _figures(label: Judged) -> dict[str, Figure]:
    there = label.truth
    return {
        "sensitivity": share(label.said[there], label.patients[there]),
        "specificity": share(~label.said[~there], label.patients[~there]),
        "auc": area(label),
    }


def _statistics(label: Judged) -> dict[str, Statistic]:
    return {
        "sensitivity": share_of(label.said, label.truth),
        "specificity": share_of(~label.said, ~label.truth),
        "auc": auc_of(label.truth, label.scores),
    }


def _counted(label: Judged) -> dict[str, tuple[Flags, ...]]:
    there = label.truth
    return {"sensitivity": (there,), "specificity": (~there,), "auc": (there, ~there)}


SCORES: Measures[Judged] = Measures(only=only, figures=_figures, statistics=_statistics, counted=_counted)
"""Of a classification."""


def _enough(kinds: Sequence[Flags], patients: Numbers, inside: Flags) -> bool:
    sides = [side & kind for side in (inside, ~inside) for kind in kinds]
    return min(np.unique(patients[side]).size for side in sides) >= LEAST


def _comparison(group: Figure, rest: Figure, p: float | None) -> Comparison:
    """The comparison with a p-value that is not corrected yet."""
    limits = difference(group, rest)
    if limits is None:
        return Comparison(group=group, rest=rest)
    value, low, high = limits
    return Comparison(group=group, rest=rest, difference=value, low=low, high=high, p=p)


def difference(group: Figure, rest: Figure) -> tuple[float, float, float] | None:
    """Return the difference of two figures and its 95% interval (Zou and Donner 2008); None where one is missing.

    Examples
    --------
    >>> one = Figure(value=0.5, low=0.4, high=0.6, n=9, method="")
    >>> [round(value, 3) for value in difference(one, one)]
    [0.0, -0.141, 0.141]
    """
    if group.value is None or rest.value is None:
        return None
    value = group.value - rest.value
    if group.low is None or group.high is None or rest.low is None or rest.high is None:
        return None
    low = value - math.hypot(group.value - group.low, rest.high - rest.value)
    high = value + math.hypot(group.high - group.value, rest.value - rest.low)
    return value, low, high


def _corrected(found: Sequence[Subgroup]) -> tuple[Subgroup, ...]:
    keys = [(i, name) for i, group in enumerate(found) for name, each in group.figures.items() if each.p is not None]
    raw = [found[i].figures[name].p or 0.0 for i, name in keys]
    corrected = dict(zip(keys, holm(raw), strict=True))
    return tuple(
        replace(
            group,
            figures={name: _judged(each, corrected.get((index, name))) for name, each in group.figures.items()},
        )
        for index, group in enumerate(found)
    )


def _judged(each: Comparison, p: float | None) -> Comparison:
    if p is None or each.low is None:
        return replace(each, p=None)
    if p < ALPHA:
        return replace(each, p=p, verdict="worse")
    return replace(each, p=p, verdict="no worse" if each.low > -MARGIN else "too few to tell")


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, worst = [1.0] * len(values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min((len(values) - rank) * values[index], 1.0))
        corrected[index] = worst
    return corrected
