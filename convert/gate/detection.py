"""What the gate asks of detection: average precision over all classes and of each, and the FROC of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convert.boxes import Indices, Matches, average_precision, froc, mean_average_precision
from convert.gate.judge import ALL, LEAST_OF_A_CLASS, Margins, Question
from edge.errors import UsageError

Metric = Callable[[Sequence[Matches], Indices], float]


def questions(
    labels: Sequence[str], reference: Mapping[str, Matches], candidate: Mapping[str, Matches], margins: Margins
) -> list[Question]:
    """Return the metrics to compare: that over the labels, then those of each label.

    ``mean-average-precision`` and ``average-precision`` are means over the thresholds of overlap, too; ``froc`` is at
    the lowest of them. All are over all scans, since a box on a scan that has none is a false one. The classes of the
    scans are those with and those without a true box, since precision depends on how many have one; where fewer have
    none than a subgroup would need, there is one class.

    Plain arrays: no task of the runtime finds boxes yet.

    Parameters
    ----------
    labels : sequence of str
    reference, candidate : mapping
        By label: of the same n scans, from `convert.boxes.match`.

    Raises
    ------
    UsageError
        No scan has a box of a label; the scans, their truths or the thresholds of the two differ; or a score is no
        finite number.
    """
    for label in labels:
        _check(label, reference[label], candidate[label])
    sizes = sorted({reference[label].truths.size for label in labels})
    if len(sizes) != 1:
        raise UsageError(f"Judging {len(labels)} labels: found {sizes} scans, expected as many for each label.")
    sides = ([reference[label] for label in labels], [candidate[label] for label in labels])
    asked = [_question("mean-average-precision", ALL, margins.mean_average_precision, mean_average_precision, sides)]
    for label in labels:
        each = ([reference[label]], [candidate[label]])
        asked.append(_question("average-precision", label, margins.mean_average_precision, _precision, each))
        asked.append(_question("froc", label, margins.froc, _froc, each))
    return asked


def _precision(classes: Sequence[Matches], scans: Indices) -> float:
    (matches,) = classes
    return float(average_precision(matches, scans).mean())


def _froc(classes: Sequence[Matches], scans: Indices) -> float:
    (matches,) = classes
    return froc(matches, scans)


def _question(
    metric: str, label: str, margin: float, measure: Metric, sides: tuple[Sequence[Matches], Sequence[Matches]]
) -> Question:
    before, after = sides
    present = np.any([matches.truths > 0 for matches in before], axis=0)
    return Question(
        metric=metric,
        label=label,
        margin=margin,
        reference=lambda scans: measure(before, scans),
        candidate=lambda scans: measure(after, scans),
        counted=np.ones(present.size, dtype=np.bool_),
        strata=_classes(present),
    )


def _classes(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    common = int((~present).sum()) < LEAST_OF_A_CLASS <= int(present.sum())
    return np.zeros(present.size, dtype=np.int64) if common else present.astype(np.int64)


def _check(label: str, reference: Matches, candidate: Matches) -> None:
    for name, side in (("reference", reference), ("candidate", candidate)):
        wrong = int((~np.isfinite(side.scores)).sum())
        if wrong:
            raise UsageError(f"Judging {label}: the {name} gave {wrong} scores that are no finite numbers.")
    if not np.array_equal(reference.truths, candidate.truths):
        sizes = f"{reference.truths.size} and {candidate.truths.size} scans"
        raise UsageError(f"Judging {label}: reference and candidate have other truths ({sizes}), expected the same.")
    if reference.thresholds != candidate.thresholds:
        raise UsageError(
            f"Judging {label}: found overlaps of {reference.thresholds} against {candidate.thresholds}, expected the "
            "same thresholds."
        )
    if not reference.truths.any():
        raise UsageError(f"Judging {label}: none of {reference.truths.size} scans has it; add scans that do.")
