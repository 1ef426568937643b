"""What the gate asks of registration: that landmarks come as near, and that space is folded no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.displacement import Registrations
from convert.gate.judge import ALL, Indices, Margins, Question, Statistic
from edge.errors import UsageError

FINEST_MM = 0.1
"""A tenth of what two readers differ by when they place a landmark (about 1 mm, Castillo et al. 2009)."""


def questions(reference: Registrations, candidate: Registrations, margins: Margins) -> list[Question]:
    """Return the metrics to compare, both means over the pairs of scans, which are all of one class.

    The margin of the ``target-registration-error`` is relative: a share of the reference's own mean, or of `FINEST_MM`
    where that is larger, since nobody places a landmark more finely. The margin of ``folded`` is absolute.

    Raises
    ------
    UsageError
        There is no pair, the numbers of pairs differ, or a value is no finite number.
    """
    _check(reference, candidate)
    usual = max(float(reference.target_registration_error_mm.mean()), FINEST_MM)
    errors = [side.target_registration_error_mm for side in (reference, candidate)]
    folds = [side.folded for side in (reference, candidate)]
    return [
        _lower("target-registration-error", margins.target_registration_error * usual, *errors),
        _lower("folded", margins.folded, *folds),
    ]


def _lower(metric: str, margin: float, before: NDArray[np.float64], after: NDArray[np.float64]) -> Question:
    return Question(
        metric=metric,
        label=ALL,
        margin=margin,
        reference=_mean(before),
        candidate=_mean(after),
        counted=np.ones(before.size, dtype=np.bool_),
        strata=np.zeros(before.size, dtype=np.int64),
        higher_is_better=False,
    )


def _mean(values: NDArray[np.float64]) -> Statistic:
    def over(scans: Indices) -> float:
        return float(values[scans].mean())

    return over


def _check(reference: Registrations, candidate: Registrations) -> None:
    sides = {"reference": reference, "candidate": candidate}
    shapes = {values.shape for side in sides.values() for values in (side.target_registration_error_mm, side.folded)}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or next(iter(shapes)) == (0,):
        raise UsageError(f"Judging registration: found values of shapes {sorted(shapes)}, expected (n,) for all.")
    for name, side in sides.items():
        both = np.concatenate([side.target_registration_error_mm, side.folded])
        wrong = int((~np.isfinite(both)).sum())
        if wrong:
            raise UsageError(f"Judging registration: the {name} gave {wrong} values that are no finite numbers.")
