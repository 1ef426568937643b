"""An evaluation counts everything once, and keeps apart what has no answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from edge.errors import UsageError
from edge.findings import LabelScore
from edge.pack.manifest import ClassificationTask, Label
from edge.site.case import Case
from edge.site.evaluate import evaluation
from edge.site.evaluation import Evaluation, to_json
from edge.site.examine import Engine, Examined
from edge.site.named import SiteLabelReport, SiteReport
from edge.testing import tiny_manifest, tiny_threshold
from edge.typed import parse
from tests.site.cases import ENGINE, FAILED, case, cases, drawn, said, table, tiny

SCORES, TRUTH = drawn(90, seed=1, apart=0.8)


def evaluated(folder: Path, examined: list[Examined], *, names_patients: bool = True) -> Evaluation:
    return evaluation(tiny(folder / "tiny"), table(examined, names_patients=names_patients), examined)


@pytest.fixture
def whole(tmp_path: Path) -> Evaluation:
    """Ninety answers, three refused scans of which two have it, a failed one, and one of which nothing is known."""
    lost = [case(200, None, truth=True), case(201, None, truth=True), case(202, None, truth=False)]
    failed = [case(203, None, truth=False, reason=FAILED), case(204, 0.9, truth=None)]
    return evaluated(tmp_path, [*cases(SCORES, TRUTH), *lost, *failed])


def test_rows_are_counted_once(whole: Evaluation) -> None:
    assert (whole.rows, whole.answered, whole.refused, whole.failed) == (95, 91, 3, 1)
    assert [(each.code, each.refused, each.rows) for each in whole.lost] == [
        ("C704", True, (200, 201, 202)),
        ("E502", False, (203,)),
    ]
    assert [each.state for each in whole.cases].count("refused") == 3
    (label,) = whole.labels
    assert (label.n, label.lost_positives, label.lost_negatives) == (90, 2, 2)


def test_figures_are_those_of_scikit_learn(whole: Evaluation) -> None:
    (label,) = whole.labels
    spared, alarms, missed, found = confusion_matrix(TRUTH, SCORES >= 0.5).ravel().tolist()
    assert (label.spared, label.false_alarms, label.missed, label.found) == (spared, alarms, missed, found)
    values = {name: figure.value for name, figure in label.figures.items()}
    assert values["auc"] == pytest.approx(roc_auc_score(TRUTH, SCORES))
    assert values["sensitivity"] == found / (found + missed)
    assert values["specificity"] == spared / (spared + alarms)
    assert values["ppv"] == found / (found + alarms)
    assert values["npv"] == spared / (spared + missed)
    assert values["sensitivity_lost_as_missed"] == found / (found + missed + 2)


def test_missed_and_false_alarms_are_told_by_their_line(whole: Evaluation) -> None:
    (label,) = whole.labels
    missed = [index + 2 for index in np.flatnonzero(TRUTH & (SCORES < 0.5))]
    assert list(label.missed_rows) == missed
    assert list(label.false_alarm_rows) == [index + 2 for index in np.flatnonzero(~TRUTH & (SCORES >= 0.5))]


def test_curves_hold_every_scan(whole: Evaluation) -> None:
    (label,) = whole.labels
    assert sum(each.observed.n for each in label.reliability) == label.n
    assert sum(each.positives + each.negatives for each in label.scores) == label.n
    assert sum(each.positives for each in label.scores) == label.positives
    assert (label.roc[0].sensitivity, label.roc[0].threshold) == (0.0, None)
    assert (label.roc[-1].sensitivity, label.roc[-1].false_alarms) == (1.0, 1.0)
    assert len(label.reliability) == 10


def test_bins_compare_what_was_said_with_what_was_seen(tmp_path: Path) -> None:
    (label,) = evaluated(tmp_path, cases([0.05, 0.95, 0.95, 1.0], [False, True, False, True])).labels
    assert [(each.observed.n, each.mean, each.observed.value) for each in label.reliability if each.observed.n] == [
        (1, 0.05, 0.0),
        (3, pytest.approx(2.9 / 3), pytest.approx(2 / 3)),
    ]
    assert label.calibration_error == pytest.approx((1 * 0.05 + 3 * (2.9 / 3 - 2 / 3)) / 4)
    assert (label.judged, label.calibrated_on) == ("score", None)


def test_where_probabilities_were_told_these_are_judged(tmp_path: Path) -> None:
    told = [
        replace(each, labels=(said(each.labels[0].score, probability=0.25),))
        for each in cases([0.9, 0.1, 0.1, 0.1], [True, False, False, False])
    ]
    (label,) = evaluated(tmp_path, told).labels
    assert (label.judged, label.calibrated_on) == ("probability", "films")
    assert label.calibration_error == 0.0
    assert label.figures["brier"].value == pytest.approx(0.1875)
    assert label.figures["auc"].value == 1.0


def test_its_document_is_read_again_and_is_the_same_each_time(whole: Evaluation, tmp_path: Path) -> None:
    document = json.loads(to_json(whole))
    assert (document["format"], document["format_version"]) == ("edgerun-evaluation", 1)
    assert parse(Evaluation, document) == whole
    again = evaluated(tmp_path, cases(SCORES, TRUTH))
    assert again.labels == evaluated(tmp_path, cases(SCORES, TRUTH)).labels


def test_what_a_reader_must_know_first_is_said(tmp_path: Path) -> None:
    few = cases(SCORES[:40], TRUTH[:40])
    assert any("10 with it" in words or "with it and" in words for words in evaluated(tmp_path, few).cautions)
    assert evaluated(tmp_path, cases(SCORES, TRUTH)).cautions == ()
    assert "every row was taken for another" in evaluated(tmp_path, few, names_patients=False).cautions[0]
    mixed = [*few[1:], replace(few[0], engine=Engine(name="openvino", version="1", precision="fp32"))]
    assert any("another engine" in words for words in evaluated(tmp_path, mixed).cautions)


def test_a_threshold_that_was_set_on_the_same_table_flatters_itself(tmp_path: Path) -> None:
    limit = SiteLabelReport(threshold=0.3, rule="r", positives=40, negatives=40)
    for table_sha256, expected in (("a" * 64, 1), ("b" * 64, 0)):
        site = SiteReport(
            file_sha256="d" * 64, table_sha256=table_sha256, decided_utc="2026-05-04", labels={"bright": limit}
        )
        told = [replace(each, site=site) for each in cases(SCORES, TRUTH)]
        found = evaluated(tmp_path, told)
        assert sum("this very table" in words for words in found.cautions) == expected
        assert (found.site, found.labels[0].threshold_of) == (site, "site")


def test_answers_without_any_truth_are_not_judged(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of none of the scans that have an answer"):
        evaluated(tmp_path, [case(2, 0.5, truth=None), case(3, None, truth=True)])


def test_grades_are_judged_by_each_limit_and_by_their_agreement(tmp_path: Path) -> None:
    names = ("none", "mild", "severe")
    task = ClassificationTask(
        kind="classification",
        mode="ordinal",
        output="scores",
        activation="sigmoid",
        labels=tuple(Label(name=name, title=name.title(), finding=name != "none") for name in names),
    )
    limits = {name: tiny_threshold(0.5) for name in names[1:]}
    manifest = tiny_manifest(task=task, models=(replace(tiny_manifest().models[0], thresholds=limits),))
    pack = tiny(tmp_path / "graded", manifest)

    def graded(row: int, truth: int, given: int) -> Examined:
        labels: tuple[LabelScore, ...] = tuple(
            said(0.9 if given >= grade else 0.1, name=name) for grade, name in enumerate(names)
        )
        known = {name: truth >= grade for grade, name in enumerate(names) if grade}
        of = Case(row=row, path=Path(f"/{row}"), truth=known, grade=truth, patient=str(row))
        return Examined(case=of, labels=labels, grade=names[given], engine=ENGINE)

    pairs = [(0, 0), (0, 0), (1, 1), (1, 2), (2, 2), (2, 2), (2, 0)]
    examined = [graded(row, *pair) for row, pair in enumerate(pairs)]
    found = evaluation(pack, table(examined), examined)
    assert found.grades is not None
    assert found.grades.counts == ((2, 0, 0), (0, 1, 1), (1, 0, 2))
    assert found.grades.kappa.n == 7
    mild, severe = found.labels
    assert (mild.title, severe.title) == ("Mild or worse", "Severe")
    assert (mild.found, mild.missed, mild.false_alarms, mild.spared) == (4, 1, 0, 2)
    assert (severe.found, severe.missed, severe.false_alarms, severe.spared) == (2, 1, 1, 3)
