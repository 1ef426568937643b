"""Cases with boxes -> for each label, how much was found, at what price, and who is served worse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.pack.manifest import Label, Manifest
from edge.site.examine import Examined
from edge.site.figures import Figure, drawn, rate, share
from edge.site.judged import Flags, Numbers, Values, numbered
from edge.site.resampled import Statistic, Weights, ratio_of
from edge.site.subgroups import Measures, Subgroup, subgroups
from edge.truth.boxes import FLOOR, HALF, IN_VOLUMES, Matches, average_precision, free_response, froc, match

MOST_POINTS = 400
"""Of a curve; more would not be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrocPoint:
    """From a score on: the share of the true boxes that are found, and how many others are drawn on a scan."""

    threshold: float
    sensitivity: float
    false_positives: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxEvaluation:
    """One label on the scans that have an answer.

    Parameters
    ----------
    threshold : float, optional
        From which on a box is reported.
    curve_from : float, optional
        From which on boxes are in the curve and in its figures: below the threshold, where these were looked for.
    overlap : float
        Least intersection over union with which a box counts as a find.
    precision_overlaps : tuple of float
        Those of which average precision is the mean; `overlap` is the first.
    n, with_boxes : int
        Scans, and those that truly have such a thing.
    boxes, found, missed : int
        True ones.
    reported, false_alarms : int
        Boxes that are reported, and those of them that find nothing, or what a surer one found.
    figures : mapping
        By name.
    missed_rows, false_alarm_rows : tuple of int
        Lines of the table: the first of each scan.
    froc : tuple of FrocPoint
        Down to `curve_from`.
    """

    name: str
    title: str
    threshold: float | None
    curve_from: float | None
    overlap: float
    precision_overlaps: tuple[float, ...]
    n: int
    with_boxes: int
    boxes: int
    found: int
    missed: int
    reported: int
    false_alarms: int
    figures: Mapping[str, Figure]
    missed_rows: tuple[int, ...]
    false_alarm_rows: tuple[int, ...]
    froc: tuple[FrocPoint, ...]
    subgroups: tuple[Subgroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxed:
    """One label on its cases; see `edge.site.subgroups.Grouped`.

    Parameters
    ----------
    true, hits, false : ndarray of float64, shape (n,)
        True boxes, those found, and boxes that find nothing, on each scan.
    """

    cases: tuple[Examined, ...]
    true: Values
    hits: Values
    false: Values
    patients: Numbers

    @property
    def truth(self) -> Flags:
        """Whether there is such a thing."""
        return np.asarray(self.true > 0)


def finds(examined: Sequence[Examined], manifest: Manifest) -> tuple[BoxEvaluation, ...]:
    """Return every label of a detection on the cases that have an answer."""
    cases = tuple(each for each in examined if each.answered and each.drawn)
    if not cases:
        return ()
    flat = manifest.inputs[0].accepts.stack != "volume"
    patients = numbered([each.case.patient for each in cases])
    found = []
    for label in manifest.task.labels:
        drawn_here = [each.drawn[label.name] for each in cases]
        limits = HALF if flat else IN_VOLUMES
        matches = match([each.found for each in drawn_here], [each.true for each in drawn_here], limits)
        boxed = _boxed(cases, matches, patients)
        threshold = _threshold(manifest, cases, label.name)
        every = [each.all for each in drawn_here if each.all is not None]
        whole = match(every, [each.true for each in drawn_here], limits) if len(every) == len(cases) else None
        found.append(_evaluated(boxed, matches, whole, label, threshold))
    return tuple(found)


def _boxed(cases: tuple[Examined, ...], matches: Matches, patients: Numbers) -> Boxed:
    n, hit = len(cases), matches.hits[0]
    return Boxed(
        cases=cases,
        true=matches.truths.astype(np.float64),
        hits=np.bincount(matches.scan[hit], minlength=n).astype(np.float64),
        false=np.bincount(matches.scan[~hit], minlength=n).astype(np.float64),
        patients=patients,
    )


def _threshold(manifest: Manifest, cases: Sequence[Examined], label: str) -> float | None:
    """Of the model that ran."""
    precision = cases[0].engine.precision if cases[0].engine else ""
    model = next((model for model in manifest.models if model.precision == precision), None)
    return None if model is None or label not in model.thresholds else model.thresholds[label].value


def _evaluated(
    boxed: Boxed, matches: Matches, whole: Matches | None, label: Label, threshold: float | None
) -> BoxEvaluation:
    missed = boxed.true - boxed.hits
    return BoxEvaluation(
        name=label.name,
        title=label.title,
        threshold=threshold,
        curve_from=threshold if whole is None else min(FLOOR, threshold or FLOOR),
        overlap=matches.thresholds[0],
        precision_overlaps=matches.thresholds,
        n=len(boxed.cases),
        with_boxes=int(boxed.truth.sum()),
        boxes=int(boxed.true.sum()),
        found=int(boxed.hits.sum()),
        missed=int(missed.sum()),
        reported=int((boxed.hits + boxed.false).sum()),
        false_alarms=int(boxed.false.sum()),
        figures=_figures(boxed, matches if whole is None else whole),
        missed_rows=_rows(boxed, missed > 0),
        false_alarm_rows=_rows(boxed, boxed.false > 0),
        froc=froc_points(matches if whole is None else whole),
        subgroups=subgroups(boxed, BOXES),
    )


def _figures(boxed: Boxed, matches: Matches) -> dict[str, Figure]:
    truth, patients = boxed.truth, boxed.patients
    return {
        **_compared(boxed),
        "false_positives": rate(boxed.false, patients),
        "scan_sensitivity": share(boxed.hits[truth] > 0, patients[truth]),
        "scan_specificity": share(boxed.false[~truth] == 0, patients[~truth]),
        "average_precision": _of_curve(boxed, matches, lambda at: float(average_precision(matches, at).mean())),
        "froc": _of_curve(boxed, matches, lambda at: froc(matches, at)),
    }


def _of_curve(boxed: Boxed, matches: Matches, of: Callable[[Numbers], float]) -> Figure:
    """A figure of all reported boxes, drawn again and again with the scans that they are on."""
    each = np.arange(matches.truths.size)

    def statistic(weights: Weights) -> Values:
        return np.array([of(np.repeat(each, row.astype(np.intp))) for row in weights])

    return drawn(of(each), statistic, boxed.patients, boxed.truth)


def _compared(boxed: Boxed) -> dict[str, Figure]:
    return {
        "box_sensitivity": _share(boxed.hits, boxed.true, boxed.patients),
        "box_ppv": _share(boxed.hits, boxed.hits + boxed.false, boxed.patients),
    }


def _share(hits: Values, of: Values, patients: Numbers) -> Figure:
    """The share of boxes, each of which is a hit or not; those of one patient are alike."""
    flags = [np.arange(int(total)) < hit for hit, total in zip(hits, of, strict=True)]
    return share(np.concatenate([*flags, np.zeros(0, np.bool_)]), np.repeat(patients, of.astype(np.intp)))


def _statistics(boxed: Boxed) -> dict[str, Statistic]:
    return {
        "box_sensitivity": ratio_of(boxed.hits, boxed.true),
        "box_ppv": ratio_of(boxed.hits, boxed.hits + boxed.false),
    }


def _counted(boxed: Boxed) -> dict[str, tuple[Flags, ...]]:
    return {"box_sensitivity": (boxed.truth,), "box_ppv": (np.asarray(boxed.hits + boxed.false > 0),)}


def only(boxed: Boxed, inside: Flags) -> Boxed:
    """Return the label on some of its cases."""
    return replace(
        boxed,
        cases=tuple(each for each, kept in zip(boxed.cases, inside, strict=True) if kept),
        true=boxed.true[inside],
        hits=boxed.hits[inside],
        false=boxed.false[inside],
        patients=boxed.patients[inside],
    )


BOXES: Measures[Boxed] = Measures(only=only, figures=_compared, statistics=_statistics, counted=_counted)
"""Of a detection."""


def froc_points(matches: Matches) -> tuple[FrocPoint, ...]:
    """Return the free-response curve at the lowest threshold of overlap; nothing where there is no box to find."""
    if not matches.truths.any():
        return ()
    curve = free_response(matches, MOST_POINTS)
    return tuple(
        FrocPoint(threshold=float(score), sensitivity=float(share), false_positives=float(false))
        for score, false, share in zip(*curve, strict=True)
    )


def _rows(boxed: Boxed, which: Flags) -> tuple[int, ...]:
    return tuple(boxed.cases[index].case.row for index in np.flatnonzero(which))
