"""Boxes of many scans: what is found, at what price, and what of the curve there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.manifest import Accepts, DetectionTask, Label
from edge.reasons import BOX_BEYOND, NOT_COMPARED
from edge.scan import Acquisition
from edge.site import resampled
from edge.site.boxes import with_boxes
from edge.site.case import Case
from edge.site.evaluate import evaluation
from edge.site.examine import Examined
from edge.site.figures import NONE_SEEN
from edge.site.finds import BoxEvaluation, finds
from edge.site.meeting import Drawn
from edge.site.page import page
from edge.site.page_drawn import boxes_sections
from edge.site.words import boxes_words
from edge.testing import tiny_input, tiny_manifest, tiny_threshold
from edge.truth.boxes import Found
from edge.truth.true_boxes import TrueBox
from edge.write.report import BoxReport, DetectionReport, ResultReport, ScanReport, SliceReport
from tests.site.cases import ENGINE, table, tiny

LABELS = (Label(name="nodule", title="Nodule", finding=True),)
TASK = DetectionTask(kind="detection", layout="yolov5", output="scores", activation="none", labels=LABELS)
MODEL = replace(tiny_manifest().models[0], thresholds={"nodule": tiny_threshold(0.5)})
MANIFEST = tiny_manifest(task=TASK, models=(MODEL,))
HERE, THERE = (10.0, 10.0, 20.0, 20.0), (40.0, 40.0, 60.0, 60.0)
Flat = tuple[float, float, float, float]


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampled, "SHUFFLES", 499)
    monkeypatch.setattr(resampled, "DRAWS", 200)


def said(edges: Flat, score: float) -> BoxReport:
    y0, x0, y1, x1 = edges
    return BoxReport(
        name="nodule",
        title="Nodule",
        code=None,
        score=score,
        threshold=0.5,
        positive=True,
        finding=True,
        urgency=None,
        edges=(0.0, y0, x0, 1.0, y1, x1),
        size_mm=(None, None, None),
        centre_mm=None,
        enclosing=False,
        clipped=False,
        mask_pixels=None,
    )


def scan(row: int, true: Sequence[Flat], boxes: Sequence[BoxReport], **told: str) -> Examined:
    known = tuple(TrueBox(label="nodule", edges=edges, where=f"line {row}") for edges in true)
    case = Case(row=row, path=Path(f"/{row}"), boxes=known, patient=f"{row}", told=told)
    of = ScanReport(
        study_instance_uid=None,
        series_instance_uid=None,
        stack="picture",
        unit=None,
        grid=Grid.of_picture(100, 100),
        acquisition=Acquisition(),
        sources=(),
    )
    findings = DetectionReport(boxes=tuple(boxes), labels=())
    result = ResultReport(state="finding", summary="", scan=of, findings=findings, confirmed={})
    return Examined(case=case, key=f"{row}", engine=ENGINE, result=result)


def judged(*scans: Examined) -> BoxEvaluation:
    (found,) = finds(with_boxes(scans, MANIFEST), MANIFEST)
    return found


def test_what_is_found_missed_and_false_is_counted_once() -> None:
    found = judged(
        scan(2, [HERE, THERE], [said(HERE, 0.9), said((11.0, 11.0, 21.0, 21.0), 0.8)]),
        scan(5, [THERE], []),
        scan(7, [], [said(HERE, 0.6)]),
        scan(8, [], []),
    )
    assert (found.n, found.with_boxes, found.boxes, found.found, found.missed) == (4, 2, 3, 1, 2)
    assert (found.reported, found.false_alarms, found.threshold, found.overlap) == (3, 2, 0.5, 0.5)
    assert (found.missed_rows, found.false_alarm_rows) == ((2, 5), (2, 7))
    figures = {name: figure.value for name, figure in found.figures.items()}
    assert figures["box_sensitivity"] == figures["box_ppv"] == pytest.approx(1 / 3)
    assert (figures["false_positives"], figures["scan_sensitivity"], figures["scan_specificity"]) == (0.5, 0.5, 0.5)
    assert figures["average_precision"] == pytest.approx(34 / 101)  # of 101 sensitivities those up to a third, at 1
    assert [(point.threshold, point.false_positives) for point in found.froc] == [(0.9, 0.0), (0.8, 0.25), (0.6, 0.5)]
    assert boxes_words(found).startswith("Nodule. At the threshold 0.5: 1 of 3 were found (0.333, 95%")


def test_in_volumes_a_loose_box_is_a_find_and_counts_half_in_the_average_precision() -> None:
    item = replace(tiny_input(), axes="NCDHW", shape=(1, 4, 4, 4), accepts=Accepts(stack="volume", colour="grey"))
    loose = Found(boxes=np.array([[0.0, 0.0, 0.0, 10.0, 10.0, 10.0]]), scores=np.array([0.9]))
    pair = Drawn(found=loose, true=np.array([[0.0, 0.0, 0.0, 3.0, 10.0, 10.0]]))
    (found,) = finds([replace(scan(2, [], []), drawn={"nodule": pair})], replace(MANIFEST, inputs=(item,)))
    assert (found.found, found.overlap, found.figures["average_precision"].value) == (1, 0.1, 0.5)
    text = "".join(boxes_sections(found))
    assert "overlaps a true one by 0.1 at least" in text
    assert "Average precision is the mean of those with overlaps of 0.1 and 0.5." in text


def test_where_no_box_was_false_there_may_still_be_some() -> None:
    false = judged(*[scan(row, [HERE], [said(HERE, 0.9)]) for row in range(30)]).figures["false_positives"]
    assert (false.value, false.low, false.method) == (0.0, 0.0, NONE_SEEN)
    assert false.high == pytest.approx(-math.log(0.025) / 30)


def test_scans_without_any_box_are_judged_by_being_left_alone() -> None:
    found = judged(scan(2, [], []), scan(3, [], [said(HERE, 0.9)]))
    assert (found.figures["box_sensitivity"].value, found.figures["average_precision"].value) == (None, None)
    assert (found.figures["scan_specificity"].value, found.froc) == (0.5, ())


def test_the_interval_of_a_curve_holds_its_figure() -> None:
    generator = np.random.default_rng(0)
    scans = [scan(row, [HERE], [said(HERE if generator.random() < 0.7 else THERE, 0.9)]) for row in range(12)]
    figure = judged(*scans).figures["average_precision"]
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high


def test_a_true_box_beyond_its_scan_is_no_miss_but_a_row_that_cannot_be_used() -> None:
    beyond = scan(2, [(10.0, 10.0, 20.0, 130.0)], [])
    lost, kept = with_boxes([beyond, scan(3, [HERE], [])], MANIFEST)
    assert (lost.answered, lost.refused, lost.reason.code if lost.reason else "") == (False, True, BOX_BEYOND.code)
    assert kept.answered


def test_boxes_on_one_frame_of_several_are_not_compared_as_no_table_tells_of_frames() -> None:
    each = scan(2, [HERE], [said(HERE, 0.9)])
    assert each.result is not None
    seen = SliceReport(across="frame", index=3, count=9, source=0, frame=3)
    (lost,) = with_boxes([replace(each, result=replace(each.result, seen=seen))], MANIFEST)
    assert (lost.answered, lost.reason.code if lost.reason else "") == (False, NOT_COMPARED.code)


def test_a_group_that_is_served_worse_is_found() -> None:
    scans = [scan(n, [HERE], [said(HERE, 0.9)] if n % 2 or n % 8 == 0 else [], site="ab"[n % 2]) for n in range(48)]
    verdicts = {group.level: group.figures["box_sensitivity"].verdict for group in judged(*scans).subgroups}
    assert verdicts == {"a": "worse", "b": "no worse"}


def test_a_page_and_a_document_hold_it_all(tmp_path: Path) -> None:
    pack = replace(tiny(tmp_path / "tiny"), manifest=MANIFEST)
    examined = with_boxes([scan(2, [HERE], [said(HERE, 0.9)]), scan(3, [(0.0, 0.0, 1.0, 999.0)], [])], MANIFEST)
    found = evaluation(pack, table(examined), examined)
    assert (found.task, found.answered, found.refused, found.labels) == ("detection", 1, 1, ())
    assert "What is true of 1 of 2 scans could not be compared" in " ".join(found.cautions)
    assert [(each.label, each.true, each.reported) for each in found.cases[0].boxes] == [("nodule", 1, 1)]
    text = page(found)
    for words in (
        "1 of 1 were found",
        "false boxes on a scan",
        "C764",
        "The curve ends at the pack",
        "They are in no figure above.",
    ):
        assert words in text


def test_rows_that_all_cannot_be_used_are_no_evaluation(tmp_path: Path) -> None:
    pack = replace(tiny(tmp_path / "tiny"), manifest=MANIFEST)
    examined = with_boxes([scan(3, [(0.0, 0.0, 1.0, 999.0)], [])], MANIFEST)
    with pytest.raises(UsageError, match="C764: A true box"):
        evaluation(pack, table(examined), examined)
