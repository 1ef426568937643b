"""From examined cases to an evaluation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from edge.device import versions
from edge.errors import UsageError
from edge.options import Options
from edge.pack.manifest import ClassificationTask
from edge.pack.store import Pack, find_pack
from edge.pipeline import Request
from edge.site.curves import calibration_error, columns, reliability, roc
from edge.site.evaluation import CaseReport, Evaluation, Grades, LabelEvaluation, Lost
from edge.site.examine import RESULTS, Examined, check_answers, examine_cases
from edge.site.figures import Figure, area, brier, f1, kappa, share
from edge.site.judged import Judged, grades_of, judged, numbered
from edge.site.packages import NEEDED
from edge.site.subgroups import subgroups
from edge.site.table import Table, read_table
from edge.write.report import PackReport

FEW = 30
"""Scans of a kind below which a share is known to no better than about 0.2 either way."""


def evaluated(pack_name: str, labels: Path, out: Path, options: Options) -> Evaluation:
    """Examine the scans of a table with a pack and return what they tell of it.

    Parameters
    ----------
    labels : Path
        See `edge.site.table.read_table`.
    out : Path
        The results go to a folder in it.

    Raises
    ------
    edge.errors.EdgerunError
        As `edge.site.table.read_table`, `edge.site.examine.examine_cases` and `evaluation`.
    """
    pack = find_pack(pack_name)
    table = read_table(labels, pack.manifest)
    request = Request(paths=(), out=out / RESULTS, pack=pack_name, options=options)
    return evaluation(pack, table, examine_cases(table.cases, request))


def evaluation(pack: Pack, table: Table, examined: Sequence[Examined]) -> Evaluation:
    """Return what the cases of a table tell of a pack.

    Raises
    ------
    UsageError
        Of no case with an answer is it known what is true.
    """
    task = pack.manifest.task
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"evaluating a task of kind {task.kind}")
    check_answers(examined, pack.manifest.name)
    labels = judged(examined, task)
    if not labels:
        raise UsageError("Evaluating: of none of the scans that have an answer is it known what is true.")
    answered = [each for each in examined if each.answered]
    site = next((each.site for each in answered if each.site is not None), None)
    found = tuple(_label(label, examined) for label in labels)
    return Evaluation(
        finished_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        pack=_pack_report(pack),
        engines=tuple(dict.fromkeys(each.engine for each in answered if each.engine is not None)),
        site=site,
        table_sha256=table.sha256,
        rows=len(examined),
        patients=len({each.case.patient for each in examined}) if table.names_patients else None,
        answered=len(answered),
        refused=sum(each.refused for each in examined),
        failed=sum(not (each.answered or each.refused) for each in examined),
        lost=_lost(examined),
        labels=found,
        grades=_grades(examined, task) if task.mode == "ordinal" else None,
        cautions=tuple(_cautions(table, found, answered)),
        cases=tuple(_case(each) for each in examined),
        software={**versions(), **{name: metadata.version(name) for name in NEEDED.values()}},
    )


def _pack_report(pack: Pack) -> PackReport:
    told = pack.manifest
    return PackReport(
        name=told.name,
        version=told.version,
        title=told.title,
        sha256=pack.sha256,
        status=told.status,
        intended_use=told.intended_use,
        limits=told.limits,
        licence=told.licence,
    )


def _label(label: Judged, examined: Sequence[Examined]) -> LabelEvaluation:
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
        subgroups=subgroups(label),
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


def _rows(label: Judged, which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(row) for row in label.rows[which])


def _grades(examined: Sequence[Examined], task: ClassificationTask) -> Grades:
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


def _lost(examined: Sequence[Examined]) -> tuple[Lost, ...]:
    rows: dict[tuple[str, str, bool], list[int]] = {}
    for each in examined:
        if not each.answered and each.reason is not None:
            rows.setdefault((each.reason.code, each.reason.words, each.refused), []).append(each.case.row)
    ranked = sorted(rows.items(), key=lambda item: -len(item[1]))
    return tuple(
        Lost(code=code, words=words, refused=refused, rows=tuple(found)) for (code, words, refused), found in ranked
    )


def _case(each: Examined) -> CaseReport:
    return CaseReport(
        row=each.case.row,
        key=each.key,
        state="answered" if each.answered else "refused" if each.refused else "failed",
        code=each.reason.code if each.reason else "",
        truth=each.case.truth,
        scores={item.name: item.score for item in each.labels},
        said=tuple(item.name for item in each.labels if item.positive),
    )


def _cautions(table: Table, labels: Sequence[LabelEvaluation], answered: Sequence[Examined]) -> list[str]:
    """What a reader of the page must know before its numbers."""
    said = []
    if not table.names_patients:
        said.append(
            "The table does not tell whose scans these are (no column 'patient'): every row was taken for another "
            "patient. If some patients have several scans, all intervals here are too narrow."
        )
    if any(each.site is not None and each.site.table_sha256 == table.sha256 for each in answered):
        said.append(
            "The threshold of this site was set on this very table: its figures flatter it. Evaluate it on other scans."
        )
    if len({each.engine for each in answered}) > 1:
        said.append("Some results come from another engine or precision than others: they were finished earlier.")
    for label in labels:
        few = [
            f"{count} {words}"
            for count, words in ((label.positives, "with it"), (label.n - label.positives, "without"))
            if count < FEW
        ]
        if few:
            said.append(f"{label.title}: {' and '.join(few)} only: these figures may be far from the truth.")
    return said
