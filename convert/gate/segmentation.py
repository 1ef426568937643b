"""What the gate asks of segmentation: Dice, outlines and volumes of what is there, and that nothing else is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convert.gate.judge import ALL, LEAST_OF_A_CLASS, Indices, Margins, Question, Statistic
from edge.errors import UsageError
from edge.truth.overlap import Overlaps, Values

Truth = NDArray[np.bool_]
MEASURES = ("dice", "hd95", "volume_error", "pixel")
_UNITS = {"mm": "mm", "pixel": "pixels"}


def questions(
    labels: Sequence[str], reference: Mapping[str, Overlaps], candidate: Mapping[str, Overlaps], margins: Margins
) -> list[Question]:
    """Return the metrics to compare: the mean Dice over the labels, then those of each label.

    ``dice``, ``hd95-mm`` (or ``hd95-pixels``) and ``volume-error`` of a label are means over the scans that truly have
    it: with the others, a rare label would be near 1 whatever becomes of it. Over the others, ``specificity`` is the
    share of the scans where nothing is marked. The classes of the scans are those with and those without the label, so
    that every resample has as many scans with it as there are; where fewer lack it than a subgroup would need, there
    is one class.

    The margin of the distance is relative: a share of the reference's own mean over all scans, or of the mean side of a
    pixel where that is larger, since pixels resolve nothing finer and a share of 0 would leave no room at all. The
    margin of ``volume-error`` is absolute.

    Parameters
    ----------
    labels : sequence of str
    reference, candidate : mapping
        By label: of the same n scans.

    Raises
    ------
    UsageError
        No scan has a label; the scans, the truths or the units of the two differ; or a value is no finite number.
    """
    for label in labels:
        _check(label, reference[label], candidate[label])
    _check_sizes(labels, reference)
    found = [_mean_dice(labels, reference, candidate, margins)]
    for label in labels:
        found += _of_label(label, reference[label], candidate[label], margins)
    return found


def _mean_dice(
    labels: Sequence[str], reference: Mapping[str, Overlaps], candidate: Mapping[str, Overlaps], margins: Margins
) -> Question:
    present = np.array([reference[label].present for label in labels])
    anything = np.asarray(present.any(axis=0))
    before, after = (np.array([side[label].dice for label in labels]) for side in (reference, candidate))
    return Question(
        metric="dice",
        label=ALL,
        margin=margins.dice,
        reference=_mean_of_means(before, present),
        candidate=_mean_of_means(after, present),
        counted=anything,
        strata=_classes(anything),
    )


def _of_label(label: str, reference: Overlaps, candidate: Overlaps, margins: Margins) -> list[Question]:
    present = reference.present
    usual = max(float(reference.hd95[present].mean()), float(reference.pixel[present].mean()))
    sides = (reference, candidate)
    asked = [
        _mean(label, "dice", margins.worst_dice, [side.dice for side in sides], present),
        _mean(label, f"hd95-{_UNITS[reference.unit]}", margins.hd95 * usual, [side.hd95 for side in sides], present),
        _mean(label, "volume-error", margins.volume, [side.volume_error for side in sides], present),
    ]
    return asked if present.all() else [*asked, _specificity(label, reference, candidate, margins)]


def _mean(label: str, metric: str, margin: float, values: Sequence[Values], present: Truth) -> Question:
    before, after = values
    return Question(
        metric=metric,
        label=label,
        margin=margin,
        reference=_mean_of_means(before[np.newaxis], present[np.newaxis]),
        candidate=_mean_of_means(after[np.newaxis], present[np.newaxis]),
        counted=present,
        strata=_classes(present),
        higher_is_better=metric == "dice",
    )


def _specificity(label: str, reference: Overlaps, candidate: Overlaps, margins: Margins) -> Question:
    """Where there is no such label, Dice is 1 if nothing is marked and 0 if anything is."""
    absent = ~reference.present
    return Question(
        metric="specificity",
        label=label,
        margin=margins.specificity,
        reference=_mean_of_means(reference.dice[np.newaxis], absent[np.newaxis]),
        candidate=_mean_of_means(candidate.dice[np.newaxis], absent[np.newaxis]),
        counted=absent,
        strata=absent.astype(np.int64),
    )


def _mean_of_means(values: NDArray[np.float64], counted: Truth) -> Statistic:
    """The mean over labels of each one's mean over its counted scans; labels without any left are left out."""
    summed = np.where(counted, values, 0.0)

    def over(scans: Indices) -> float:
        counts = counted[:, scans].sum(axis=1)
        there = counts > 0
        return float((summed[:, scans].sum(axis=1)[there] / counts[there]).mean()) if there.any() else float("nan")

    return over


def _classes(present: Truth) -> NDArray[np.int64]:
    common = int((~present).sum()) < LEAST_OF_A_CLASS <= int(present.sum())
    return np.zeros(present.size, dtype=np.int64) if common else present.astype(np.int64)


def _check(label: str, reference: Overlaps, candidate: Overlaps) -> None:
    for name, side in (("reference", reference), ("candidate", candidate)):
        sizes = {getattr(side, field).shape for field in (*MEASURES, "present")}
        if len(sizes) != 1 or side.present.ndim != 1:
            raise UsageError(f"Judging {label}: the {name} has values of shapes {sorted(sizes)}, expected one of each.")
        wrong = sum(int((~np.isfinite(getattr(side, field))).sum()) for field in MEASURES)
        if wrong:
            raise UsageError(f"Judging {label}: the {name} gave {wrong} values that are no finite numbers.")
    if not np.array_equal(reference.present, candidate.present):
        sizes_found = f"{reference.present.size} and {candidate.present.size} scans"
        raise UsageError(
            f"Judging {label}: reference and candidate have other truths ({sizes_found}), expected the same."
        )
    if reference.unit != candidate.unit:
        raise UsageError(f"Judging {label}: found {reference.unit} against {candidate.unit}, expected one unit.")
    if not reference.present.any():
        raise UsageError(f"Judging {label}: none of {reference.present.size} scans has it; add scans that do.")


def _check_sizes(labels: Sequence[str], sides: Mapping[str, Overlaps]) -> None:
    sizes = sorted({sides[label].present.size for label in labels})
    if len(sizes) != 1:
        raise UsageError(f"Judging {len(labels)} labels: found {sizes} scans, expected as many for each label.")
