"""Examined cases -> for each label, what was said beside what is true, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import LabelScore
from edge.pack.manifest import ClassificationTask
from edge.site.examine import Examined

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """One label on every case that has an answer and of which its truth is known; arrays of shape (n,).

    Parameters
    ----------
    name, title : str
        Of an ordinal task: this grade or a worse one.
    threshold : float, optional
        In force.
    cases : tuple of Examined
    truth, said, uncertain : ndarray of bool
        Whether it is there, whether it was said to be, and whether a reader was asked to look.
    scores : ndarray of float64
        0 to 1.
    probabilities : ndarray of float64, optional
        Calibrated, where every case has one.
    patients : ndarray of integers
        The number of each case's patient, from 0.
    """

    name: str
    title: str
    threshold: float | None
    cases: tuple[Examined, ...]
    truth: Flags
    said: Flags
    uncertain: Flags
    scores: Values
    probabilities: Values | None
    patients: Numbers

    @property
    def rows(self) -> Numbers:
        """The line of each case in the table."""
        return np.array([each.case.row for each in self.cases], dtype=np.intp)


def judged(examined: Sequence[Examined], task: ClassificationTask) -> tuple[Judged, ...]:
    """Return every label that is a finding and of which the truth of at least one answered case is known."""
    patients = numbered([each.case.patient for each in examined])
    found = []
    for index, label in enumerate(task.labels):
        known = [i for i, each in enumerate(examined) if each.answered and label.name in each.case.truth]
        if label.finding and known:
            found.append(_one([examined[i] for i in known], patients[known], index, task))
    return tuple(found)


def numbered(names: Sequence[str]) -> Numbers:
    """Return a number for each name, from 0, the same for the same.

    Examples
    --------
    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.intp)


def grades_of(examined: Sequence[Examined], task: ClassificationTask) -> NDArray[Any]:
    """Return the true grade and the one that was said, of every case that has both: shape (n, 2), from 0."""
    names = [label.name for label in task.labels]
    pairs = [
        (each.case.grade, names.index(each.grade))
        for each in examined
        if each.grade is not None and each.case.grade is not None
    ]
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _one(cases: Sequence[Examined], patients: Numbers, index: int, task: ClassificationTask) -> Judged:
    label, names = task.labels[index], [item.name for item in task.labels]
    said: list[LabelScore] = [each.labels[index] for each in cases]
    graded = task.mode == "ordinal"
    there = [
        names.index(each.grade) >= index if graded and each.grade is not None else item.positive
        for each, item in zip(cases, said, strict=True)
    ]
    likely = [item.probability for item in said if item.probability is not None]
    return Judged(
        name=label.name,
        title=f"{label.title} or worse" if graded and index < len(names) - 1 else label.title,
        threshold=said[0].threshold,
        cases=tuple(cases),
        truth=np.array([each.case.truth[label.name] for each in cases], dtype=np.bool_),
        said=np.array(there, dtype=np.bool_),
        uncertain=np.array([item.uncertain for item in said], dtype=np.bool_),
        scores=np.array([item.score for item in said], dtype=np.float64),
        probabilities=np.array(likely, dtype=np.float64) if len(likely) == len(said) else None,
        patients=patients,
    )
