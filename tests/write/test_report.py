"""The report: sealed, read back exactly, and an answer only to the very same question."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.choose import Choice
from edge.detect.instances import paste_patch
from edge.errors import OutputError
from edge.findings import Detection, Notice
from edge.options import Options
from edge.reasons import NEEDS_WINDOWS, NO_PIXELS, NOT_ENOUGH_MEMORY, UNKNOWN_AGE, Reason
from edge.results import Asked, not_read, study_report
from edge.scan import LeftOut, StudyIndex
from edge.typed import dump, parse
from edge.wanted import Wanted
from edge.write import REPORT, WRITERS, Outcome, finished_report, write_pictures, write_report
from edge.write.report import StudyReport, TranslationReport, content_sha256, sealed, to_json
from tests.write.outcomes import (
    asked_of,
    classified,
    failed,
    not_decoded,
    outcome,
    pack_of,
    picture_scan,
    refusal,
    score,
    segmented,
)
from tests.write.planted import ball, detected, detection, registration, segmented_volume, translation, volume_scan

SCAN = picture_scan(np.arange(400, dtype=np.uint16).reshape(20, 20), spacing_mm=(0.5, 0.25))
VOLUME = volume_scan()
MASKS = np.zeros((2, 20, 20), np.bool_)
MASKS[0, 3:9, 4:7] = True
WARNING = Notice(reason=UNKNOWN_AGE, severity="warn", detail="Found no age.")


def instance() -> Detection:
    """A box with an outline."""
    edges = (2, 3, 9, 12)
    patch = np.ones((28, 28), np.float32)
    return detection(SCAN, edges, 0.9, mask=paste_patch(patch, edges, SCAN.grid, SCAN.grid))


OUTCOMES: dict[str, Callable[[], Outcome]] = {
    "finding": lambda: outcome(SCAN, classified(SCAN, score("Pneumonia", 0.93)), warnings=[WARNING]),
    "no-finding": lambda: outcome(SCAN, classified(SCAN, score("Pneumonia", 0.03), score("N", 0.9, threshold=None))),
    "segmentation": lambda: outcome(SCAN, segmented(SCAN, MASKS)),
    "volume": lambda: outcome(VOLUME, segmented_volume(VOLUME, [ball((12, 20, 24), 9)])),
    "overlapping": lambda: outcome(VOLUME, segmented_volume(VOLUME, [ball((9, 20, 24), 9)] * 2, exclusive=False)),
    "detection": lambda: outcome(SCAN, detected(SCAN, detection(SCAN, (2, 3, 9, 12), 0.9))),
    "instances": lambda: outcome(SCAN, detected(SCAN, instance())),
    "nodules": lambda: outcome(VOLUME, detected(VOLUME, detection(VOLUME, (2, 3, 9, 8, 9, 14), 0.9))),
    "no-box": lambda: outcome(SCAN, detected(SCAN)),
    "registration": lambda: outcome(VOLUME, registration(VOLUME)),
    "translation": lambda: outcome(VOLUME, translation(VOLUME.grid, VOLUME.voxels)),
    "refusal": lambda: outcome(SCAN, refusal()),
    "not-decoded": not_decoded,
    "failed": failed,
}
ANSWERS = [name for name in OUTCOMES if name != "failed"]


def report_of(
    *outcomes: Outcome, asked: Asked | None = None, seconds: float = 1.0, out: Path | None = None
) -> StudyReport:
    """The report of a study with these outcomes, written to `out`."""
    request = asked or asked_of()
    study = StudyIndex(key=request.study, series=(), left_out=(LeftOut(paths=("sr.dcm",), reason=NO_PIXELS),))
    results = [item.result for item in outcomes] if out is None else write_pictures(out, outcomes)
    report = study_report(study, Choice(pack=request.pack), results, request, {"infer": seconds})
    return sealed(report) if out is None else write_report(out, report)


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_report_is_read_back_exactly(name: str) -> None:
    report = report_of(OUTCOMES[name]())
    again = parse(StudyReport, json.loads(to_json(report)))
    assert again == report
    assert to_json(again) == to_json(report)
    assert "\n" not in to_json(report)


def test_the_report_names_neither_patient_nor_more_than_it_must() -> None:
    secret = replace(SCAN, identity=replace(SCAN.identity, patient_name="Ada^Lovelace", patient_id="1815"))
    text = to_json(report_of(outcome(secret, classified(secret, score("A", 0.9)))))
    assert "Lovelace" not in text
    assert '"1815"' not in text


def test_a_box_is_told_with_its_place_on_the_source_and_in_the_patient() -> None:
    found = outcome(VOLUME, detected(VOLUME, detection(VOLUME, (2, 3, 9, 8, 9, 14), 0.9), names=("nodule", "mass")))
    reported = json.loads(to_json(report_of(found)))["results"][0]["findings"]
    (box,) = reported["boxes"]
    assert box["edges"] == [2.0, 3.0, 9.0, 8.0, 9.0, 14.0]
    assert box["size_mm"] == [24.0, 15.0, 10.0]
    assert box["centre_mm"] == pytest.approx([-31 + 2 * 11.0, -57 + 2.5 * 5.5, 112 + 4 * 4.5])
    assert (box["name"], box["score"], box["threshold"], box["urgency"]) == ("nodule", 0.9, 0.3, "soon")
    assert (box["enclosing"], box["clipped"], box["mask_pixels"]) == (False, False, None)
    assert [label["name"] for label in reported["labels"]] == ["nodule", "mass"]


def test_a_volume_is_told_in_millilitres_with_its_longest_diameter() -> None:
    mask = np.zeros(VOLUME.grid.shape, np.bool_)
    mask[5:9, 10:14, 20:30] = True
    found = outcome(VOLUME, segmented_volume(VOLUME, [mask]))
    reported = json.loads(to_json(report_of(found)))["results"][0]["findings"]
    (region,) = reported["regions"]
    assert reported["exclusive"] is True
    assert region["volume_ml"] == pytest.approx(160 * 20 / 1000)
    assert region["slices"] == [5, 8]
    assert (region["components"], region["diameter_slice"]) == (1, 5)
    assert region["area_mm2"] is None


@pytest.mark.parametrize("name", ["registration", "translation"])
def test_what_was_made_is_done_and_never_no_finding(name: str) -> None:
    report = report_of(OUTCOMES[name]())
    document = json.loads(to_json(report))
    assert document["state"] == document["results"][0]["state"] == "done"
    assert document["results"][0]["findings"]["kind"] == name
    assert "no finding" not in report.summary.lower()
    assert report.summary.endswith("Nothing was looked for.")


def test_a_translation_calls_itself_synthetic() -> None:
    found = json.loads(to_json(report_of(OUTCOMES["translation"]())))["results"][0]["findings"]
    assert found["origin"] == "SYNTHETIC"
    with pytest.raises(ValueError, match="origin"):
        parse(TranslationReport, found | {"origin": "scanner"})


def test_a_registration_tells_its_displacements_in_millimetres() -> None:
    found = json.loads(to_json(report_of(OUTCOMES["registration"]())))["results"][0]["findings"]
    assert (found["mean_mm"], found["largest_mm"], found["folded_share"], found["unit"]) == (8.0, 8.0, 0.0, "mm")


# The seal ------------------------------------------------------------------------------------------------


def test_the_seal_ignores_the_run_and_itself() -> None:
    one, other = report_of(OUTCOMES["finding"](), seconds=1.0), report_of(OUTCOMES["finding"](), seconds=2.0)
    assert one.run != other.run
    assert one.content_sha256 == other.content_sha256
    assert sealed(sealed(one)) == one
    assert content_sha256(dump(replace(one, content_sha256=""))) == one.content_sha256


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value of a document."""
    if isinstance(document, dict):
        return [leaf for key, item in document.items() for leaf in leaves(item, (*path, key))]
    if isinstance(document, list):
        return [leaf for key, item in enumerate(document) for leaf in leaves(item, (*path, key))]
    return [path]


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_seal_changes_when_anything_else_changes(name: str) -> None:
    report = report_of(OUTCOMES[name]())
    whole = dump(report)
    for path in leaves(whole):
        if path[0] in ("run", "content_sha256"):
            continue
        changed = json.loads(json.dumps(whole))
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "changed"
        assert content_sha256(changed) != report.content_sha256, path


# Whether a finished report is the answer -----------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
def test_a_report_that_lies_there_whole_is_the_answer(name: str, tmp_path: Path) -> None:
    report = report_of(OUTCOMES[name](), out=tmp_path)
    assert finished_report(tmp_path, report.request_sha256) == report


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_file_in_the_folder_is_named_in_the_report_with_its_hash(name: str, tmp_path: Path) -> None:
    report = report_of(OUTCOMES[name](), out=tmp_path)
    files = report.results[0].files
    assert {path.name for path in tmp_path.iterdir()} == {REPORT, *(file.name for file in files)}
    assert {file.role for file in files} <= set(WRITERS)
    assert "overlay.png" in {file.name for file in files}


def test_of_several_results_each_has_its_own_files(tmp_path: Path) -> None:
    report = report_of(OUTCOMES["finding"](), OUTCOMES["segmentation"](), out=tmp_path)
    assert [file.name for file in report.results[0].files] == ["1-overlay.png"]
    assert [file.name for file in report.results[1].files] == [
        "2-overlay.png",
        "2-mask-region-1.png",
        "2-mask-region-2.png",
    ]
    assert finished_report(tmp_path, report.request_sha256) == report


FILES: dict[str, set[str]] = {
    "volume": {"labels.nii.gz", "labels.json"},
    "overlapping": {"mask-region-1.nii.gz", "mask-region-2.nii.gz"},
    "detection": set(),
    "instances": {"instances.png"},
    "registration": {"warped.nii.gz", "displacement.nii.gz"},
    "translation": {"synthetic.png", "synthetic.nii.gz"},
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_result_has_its_files(name: str, tmp_path: Path) -> None:
    report = report_of(OUTCOMES[name](), out=tmp_path)
    assert {file.name for file in report.results[0].files} == {"overlay.png", *FILES[name]}


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("name", OUTCOMES)
def test_no_file_of_an_earlier_result_stays(name: str, numbered: bool, tmp_path: Path) -> None:
    """Of any kind, alone or one of several; what others put there stays."""
    report_of(*([OUTCOMES[name](), failed()] if numbered else [OUTCOMES[name]()]), out=tmp_path)
    (tmp_path / "notes.nii.gz").write_bytes(b"")
    report_of(OUTCOMES["refusal"](), out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {REPORT, "overlay.png", "notes.nii.gz"}


@pytest.mark.parametrize("name", ["segmentation", *FILES])
def test_the_same_study_writes_the_same_bytes(name: str, tmp_path: Path) -> None:
    report_of(OUTCOMES[name](), out=tmp_path / "one")
    report_of(OUTCOMES[name](), out=tmp_path / "other")
    for path in (tmp_path / "one").iterdir():
        if path.name != REPORT:
            assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_failure_is_no_answer_and_is_tried_again(tmp_path: Path) -> None:
    report = report_of(failed(), out=tmp_path / "alone")
    assert finished_report(tmp_path / "alone", report.request_sha256) is None
    among = report_of(OUTCOMES["finding"](), failed(), out=tmp_path / "among")
    assert among.state == "finding"
    assert finished_report(tmp_path / "among", among.request_sha256) is None


@pytest.mark.parametrize("reason", [NOT_ENOUGH_MEMORY, NEEDS_WINDOWS])
def test_a_refusal_for_want_of_memory_is_no_answer_as_the_next_machine_may_have_it(
    reason: Reason, tmp_path: Path
) -> None:
    refused = not_read(LeftOut(paths=("a.dcm",), reason=reason, detail="Too large."), asked_of())
    assert refused.result.state == "not-analysed"
    report = report_of(refused, out=tmp_path)
    assert finished_report(tmp_path, report.request_sha256) is None


def test_a_report_without_its_file_is_no_answer(tmp_path: Path) -> None:
    report = report_of(OUTCOMES["segmentation"](), out=tmp_path)
    for name in ("overlay.png", "mask-region-2.png"):
        kept = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        assert finished_report(tmp_path, report.request_sha256) is None
        (tmp_path / name).write_bytes(kept[:-1] + b"x")
        assert finished_report(tmp_path, report.request_sha256) is None
        (tmp_path / name).write_bytes(kept)
    assert finished_report(tmp_path, report.request_sha256) == report


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": "edgerun-report"}', b'{"a": NaN}'],
    ids=["empty", "cut", "null", "array", "bytes", "deep", "short", "nan"],
)
def test_a_damaged_report_is_no_answer(data: bytes, tmp_path: Path) -> None:
    report = report_of(OUTCOMES["finding"](), out=tmp_path)
    (tmp_path / REPORT).write_bytes(data)
    assert finished_report(tmp_path, report.request_sha256) is None


def test_where_there_is_no_report_there_is_no_answer(tmp_path: Path) -> None:
    assert finished_report(tmp_path / "nothing", "0" * 64) is None
    (tmp_path / REPORT).mkdir()
    assert finished_report(tmp_path, "0" * 64) is None


def test_a_report_that_was_changed_by_hand_is_no_answer(tmp_path: Path) -> None:
    report = report_of(OUTCOMES["no-finding"](), out=tmp_path)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    for old, new in (("0.03", "0.93"), ('"no-finding"', '"finding"'), ("No finding.", "no finding.")):
        assert old in text
        (tmp_path / REPORT).write_text(text.replace(old, new), encoding="utf-8")
        assert finished_report(tmp_path, report.request_sha256) is None


def test_a_report_with_another_key_is_no_answer(tmp_path: Path) -> None:
    report = report_of(OUTCOMES["finding"](), out=tmp_path)
    document = json.loads((tmp_path / REPORT).read_bytes())
    (tmp_path / REPORT).write_text(json.dumps(document | {"more": 1}), encoding="utf-8")
    assert finished_report(tmp_path, report.request_sha256) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": {"a.dcm": "d" * 64, "phantom": "0" * 64}},
        {"sources": {"a.dcm": "c" * 64}},
        {"pack": pack_of(sha256="cd" * 32)},
        {"pack": None},
        {"options": Options(engine="onnxruntime")},
        {"options": Options(precision="int8")},
        {"options": Options(confirmed={"view": "AP"})},
        {"options": Options(wanted=Wanted(language="sw"))},
        {"options": Options(wanted=Wanted(views=("overlay",)))},
    ],
    ids=["contents", "files", "pack", "no pack", "engine", "precision", "confirmed", "language", "views"],
)
def test_another_question_is_not_answered(changes: dict[str, Any], tmp_path: Path) -> None:
    report_of(OUTCOMES["finding"](), out=tmp_path)
    other = replace(asked_of(), **changes)
    assert finished_report(tmp_path, other.sha256) is None


def test_another_version_of_the_software_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_of(OUTCOMES["finding"](), out=tmp_path)
    assert finished_report(tmp_path, asked_of().sha256) is not None
    monkeypatch.setattr("edge.results.versions", lambda: {"edgerun": "99"})
    assert finished_report(tmp_path, asked_of().sha256) is None


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / REPORT).mkdir()
    with pytest.raises(OutputError):
        report_of(OUTCOMES["finding"](), out=tmp_path)
