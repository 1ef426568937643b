"""Judged cases of a classification -> for each label, its figures, curves and groups; of grades, their agreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.pack.manifest import ClassificationTask
from edge.site.curves import calibration_error, columns, reliability, roc
from edge.site.evaluation import Grades, LabelEvaluation
from edge.site.examine import Examined
from edge.site.figures import Figure, area, brier, f1, kappa, share
from edge.site.judged import Flags, Judged, grades_of, numbered
from edge.site.subgroups import SCORES, subgroups


def label_evaluation(label: Judged, examined: Sequence[Examined]) -> LabelEvaluation:
    """Return the evaluation of one label; `examined` are all cases, those without an answer, too."""
    there, said = label.truth, label.said
    lost = [each.case.truth[label.name] for each in examined if not each.answered and label.name in each.case.truth]
    values = label.scores if label.probabilities is None else label.probabilities
    bins, first = reliability(label, values), label.cases[0]
    site = first.site is not None and label.name in first.site.labels
    told = next((item.calibrated_on for item in first.labels if item.name == label.name), None)
    return LabelEvaluation(
        name=label.name,
        title=label.title,
        threshold=label.threshold,
        threshold_of="site" if site else "pack",
        n=int(there.size),
        positives=int(there.sum()),
        found=int((there & said).sum()),
        missed=int((there & ~said).sum()),
        false_alarms=int((~there & said).sum()),
        spared=int((~there & ~said).sum()),
        uncertain=int(label.uncertain.sum()),
        missed_rows=_rows(label, there & ~said),
        false_alarm_rows=_rows(label, ~there & said),
        lost_positives=sum(lost),
        lost_negatives=len(lost) - sum(lost),
        figures=_figures(label, examined),
        roc=roc(label),
        judged="score" if label.probabilities is None else "probability",
        calibrated_on=told,
        reliability=bins,
        calibration_error=calibration_error(bins),
        scores=columns(label),
        subgroups=subgroups(label, SCORES),
    )


def _figures(label: Judged, examined: Sequence[Examined]) -> dict[str, Figure]:
    there, said, patients = label.truth, label.said, label.patients
    values = label.scores if label.probabilities is None else label.probabilities
    return {
        "auc": area(label),
        "sensitivity": share(said[there], patients[there]),
        "sensitivity_lost_as_missed": _with_lost(label, examined),
        "specificity": share(~said[~there], patients[~there]),
        "ppv": share(there[said], patients[said]),
        "npv": share(~there[~said], patients[~said]),
        "f1": f1(label),
        "brier": brier(label, values),
    }


def _with_lost(label: Judged, examined: Sequence[Examined]) -> Figure:
    """Sensitivity where every scan with the label that has no answer counts as missed."""
    known = [each for each in examined if each.case.truth.get(label.name, False)]
    said = {each.case.row: bool(there) for each, there in zip(label.cases, label.said, strict=True)}
    hits = np.array([said.get(each.case.row, False) for each in known], dtype=np.bool_)
    return share(hits, numbered([each.case.patient for each in known]))


def _rows(label: Judged, which: Flags) -> tuple[int, ...]:
    return tuple(int(row) for row in label.rows[which])


def grades_evaluation(examined: Sequence[Examined], task: ClassificationTask) -> Grades:
    """Return how the grades that were said agree with the true ones."""
    names = tuple(label.name for label in task.labels)
    pairs = grades_of(examined, task)
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    known = [each.case.patient for each in examined if each.grade is not None and each.case.grade is not None]
    return Grades(
        names=names,
        kappa=kappa(pairs[:, 0], pairs[:, 1], len(names), numbered(known)),
        counts=tuple(tuple(int(value) for value in row) for row in counts),
    )
