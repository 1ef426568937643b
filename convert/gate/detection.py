"""What the gate asks of detection: precision and FROC of all boxes; what is found at the threshold, at what price."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convert.document import FrocCurve, FrocPoint
from convert.gate.judge import ALL, LEAST_OF_A_CLASS, Margins, Question, Statistic
from edge.errors import UsageError
from edge.truth.boxes import Indices, Matches, average_precision, free_response, froc, mean_average_precision

Metric = Callable[[Sequence[Matches], Indices], float]
Values = NDArray[np.float64]

FEWEST = 0.5
"""False boxes per scan of a reference up to which the margin is a share of this, and above it of its own."""
MOST_POINTS = 400
"""Of a curve that is drawn; more would not be seen."""


def questions(
    labels: Sequence[str], reference: Mapping[str, Matches], candidate: Mapping[str, Matches], margins: Margins
) -> list[Question]:
    """Return the metrics to compare: that over the labels, then those of each label.

    ``mean-average-precision`` and ``average-precision`` are means over the thresholds of overlap, too; ``froc`` is at
    the lowest of them. All are over all scans, since a box on a scan that has none is a false one. The classes of the
    scans are those with and those without a true box, since precision depends on how many have one; where fewer have
    none than a subgroup would need, there is one class.

    Parameters
    ----------
    labels : sequence of str
    reference, candidate : mapping
        By label: of the same n scans, from `edge.truth.boxes.match`.

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


def reported(matches: Mapping[str, Matches], thresholds: Mapping[str, float]) -> dict[str, Matches]:
    """Return the boxes whose score reaches the threshold of their label: those that the runtime reports.

    Parameters
    ----------
    thresholds : mapping
        By label; all of `matches`.
    """
    found = {}
    for label, each in matches.items():
        # As float32, like the runtime.
        reach = each.scores.astype(np.float32) >= np.float32(thresholds[label])
        found[label] = replace(each, scan=each.scan[reach], scores=each.scores[reach], hits=each.hits[:, reach])
    return found


def at_thresholds(
    labels: Sequence[str], reference: Mapping[str, Matches], candidate: Mapping[str, Matches], margins: Margins
) -> list[Question]:
    """Return the metrics to compare of the boxes that are reported, each at the lowest threshold of overlap.

    ``sensitivity`` is the share of the true boxes that are found, over the scans that have one. ``false-positives`` is
    the number of boxes per scan that find nothing, over all scans; its margin is a share of the reference's own, or of
    `FEWEST` where that is larger.

    Parameters
    ----------
    reference, candidate : mapping
        By label, from `reported`; as for `questions`.
    """
    return [
        question for label in labels for question in _at_threshold(label, reference[label], candidate[label], margins)
    ]


def _at_threshold(label: str, reference: Matches, candidate: Matches, margins: Margins) -> list[Question]:
    truths, present = reference.truths, reference.truths > 0
    hits, false = ([of(side) for side in (reference, candidate)] for of in (_hits, _false))
    return [
        Question(
            metric="sensitivity",
            label=label,
            margin=margins.sensitivity,
            reference=_found_share(hits[0], truths),
            candidate=_found_share(hits[1], truths),
            counted=present,
            strata=present.astype(np.int64),
        ),
        Question(
            metric="false-positives",
            label=label,
            margin=margins.false_positives * max(float(false[0].mean()), FEWEST),
            reference=_mean(false[0]),
            candidate=_mean(false[1]),
            counted=np.ones_like(present),
            strata=_classes(present),
            higher_is_better=False,
        ),
    ]


def _hits(matches: Matches) -> Values:
    """True boxes found on each scan."""
    return _per_scan(matches, matches.hits[0])


def _false(matches: Matches) -> Values:
    """Boxes on each scan that find nothing."""
    return _per_scan(matches, ~matches.hits[0])


def _per_scan(matches: Matches, counted: NDArray[np.bool_]) -> Values:
    return np.bincount(matches.scan[counted], minlength=matches.truths.size).astype(np.float64)


def _found_share(hits: Values, truths: NDArray[np.int64]) -> Statistic:
    def over(scans: Indices) -> float:
        among = int(truths[scans].sum())
        return float(hits[scans].sum() / among) if among else float("nan")

    return over


def _mean(values: Values) -> Statistic:
    def over(scans: Indices) -> float:
        return float(values[scans].mean())

    return over


def curves(matches: Mapping[str, Matches]) -> tuple[FrocCurve, ...]:
    """Return what is drawn of each label's boxes: the free-response curve, at the lowest threshold of overlap."""
    found = []
    for label, each in matches.items():
        _, false_positives, found_share = free_response(each, MOST_POINTS)
        points = tuple(
            FrocPoint(false_positives=round(float(false), 6), sensitivity=round(float(share), 6))
            for false, share in zip(false_positives, found_share, strict=True)
        )
        found.append(FrocCurve(label=label, froc=round(froc(each), 6), points=points))
    return tuple(found)


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
