"""The structured report: what it says, in codes and words, and that other programs take it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from edge.errors import OutputError
from edge.findings import Classification, LabelScore, Registration, Translation
from edge.objects import sr_regions
from edge.objects.build import Builder
from edge.objects.contract import Make, scan_told, told
from edge.objects.regions import rectangle
from edge.objects.sr_codes import scheme_of
from edge.reasons import WRONG_MODALITY
from edge.scan import Scan
from edge.write.report import SliceReport
from edge.write.words import label_lines
from tests.conftest import Edgerun
from tests.objects.cases import complete, scan_of
from tests.objects.planted import (
    LIVER,
    NODULE,
    TABLE,
    box,
    coded,
    detected,
    errors_of,
    made,
    ran,
    read,
    segmented,
)
from tests.read.dicom_files import canonical_grid, phantom, picture, series
from tests.write.outcomes import outcome, refusal, score


@pytest.fixture
def film(tmp_path: Path) -> Scan:
    """A film without a place in the patient."""
    pixels = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
    return scan_of(complete([picture(pixels, PixelSpacing=[0.5, 0.25])]), tmp_path / "film")


@pytest.fixture
def volume(tmp_path: Path) -> Scan:
    """A volume in patient space."""
    return scan_of(complete(series(phantom((6, 7, 8)), canonical_grid((6, 7, 8)))), tmp_path / "volume")


def scored(scan: Scan, *labels: LabelScore) -> Classification:
    """A classification without maps."""
    return Classification(labels=labels, grid=scan.grid)


def report(scan: Scan, findings: Any, **options: Any) -> Dataset:
    """The report of findings, read again."""
    return read(made("sr", scan, findings, **options)["sr.dcm"])


def items(dataset: Dataset, meaning: str) -> list[Dataset]:
    """Every content item whose concept is called so."""
    return [item for item in _all(dataset) if item.ConceptNameCodeSequence[0].CodeMeaning == meaning]


def _all(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence") or []:
        if "ConceptNameCodeSequence" in item:
            yield item
        yield from _all(item)


def codes_of(dataset: Dataset, meaning: str) -> list[tuple[str, str]]:
    """Scheme and value of the coded answers to a question."""
    answers = [item.ConceptCodeSequence[0] for item in items(dataset, meaning) if item.ValueType == "CODE"]
    return [(str(code.CodingSchemeDesignator), str(code.CodeValue)) for code in answers]


def numbers_of(dataset: Dataset, meaning: str) -> list[tuple[float, str]]:
    """Values and units of a measurement."""
    values = [item.MeasuredValueSequence[0] for item in items(dataset, meaning)]
    return [(float(one.NumericValue), str(one.MeasurementUnitsCodeSequence[0].CodeValue)) for one in values]


def test_a_finding_has_the_code_of_its_pack_its_score_and_its_threshold(film: Scan) -> None:
    said = report(film, scored(film, coded(score("Nodule", 0.93))))
    assert codes_of(said, "Finding") == [("SCT", NODULE.value)]
    assert codes_of(said, NODULE.meaning) == [("99EDGERUN", "there")]
    assert numbers_of(said, "Score of the model, 0 to 1") == [(0.93, "1")]
    assert numbers_of(said, "Threshold of the score") == [(0.5, "1")]
    assert codes_of(said, "Urgency by the rules of the pack") == [("99EDGERUN", "soon")]


def test_a_label_without_a_code_is_told_in_a_scheme_that_the_report_explains(film: Scan) -> None:
    said = report(film, scored(film, score("A title that is rather long", 0.93)))
    (finding,) = items(said, "Finding")[:1]
    code, scheme = finding.ConceptCodeSequence[0], scheme_of("tiny")
    assert (code.CodingSchemeDesignator, code.LongCodeValue) == (scheme, "a-title-that-is-rather-long")
    explained = said.CodingSchemeIdentificationSequence
    assert [item.CodingSchemeDesignator for item in explained] == ["99EDGERUN", scheme]
    assert (explained[1].CodingSchemeName, explained[1].CodingSchemeVersion) == (
        "Labels of the edgerun pack tiny",
        "1.0.0",
    )


def test_a_scheme_that_no_label_needs_is_not_explained(film: Scan) -> None:
    said = report(film, scored(film, coded(score("Nodule", 0.93))))
    assert [item.CodingSchemeDesignator for item in said.CodingSchemeIdentificationSequence] == ["99EDGERUN"]


@pytest.mark.parametrize("name", ["There", "Not there", "Urgent", "Not analysed", "State"])
def test_no_label_can_be_taken_for_a_word_of_edgerun(name: str, film: Scan) -> None:
    said = report(film, scored(film, score(name, 0.93)))
    label = (scheme_of("tiny"), name.lower().replace(" ", "-"))
    assert codes_of(said, "Finding") == [label]
    assert codes_of(said, "State of the analysis") == [("99EDGERUN", "finding")]
    assert [code for code in codes_of(said, name) if code[0] == "99EDGERUN"] == [("99EDGERUN", "there")]


def test_the_schemes_of_packs_differ_and_fit() -> None:
    schemes = [scheme_of(name) for name in ("tiny", "tiny-2", "", "a name that is longer than a designator")]
    assert len({*schemes, "99EDGERUN"}) == 5
    assert all(len(scheme) == 16 and scheme.startswith("99") for scheme in schemes)


def test_what_is_not_there_is_no_finding_of_its_group(film: Scan) -> None:
    said = report(film, scored(film, coded(score("Nodule", 0.1))))
    assert [item for item in items(said, "Finding") if item.ValueType == "CODE"] == []
    assert codes_of(said, NODULE.meaning) == [("99EDGERUN", "not-there")]


def test_a_calibrated_probability_is_told_beside_the_score(film: Scan) -> None:
    label = replace(coded(score("Nodule", 0.93)), probability=0.71, calibrated_on="200 films")
    said = report(film, scored(film, label))
    assert numbers_of(said, "Probability") == [(0.71, "1")]
    assert "Calibrated on 200 films." in [item.TextValue for item in items(said, "Comment")]


def test_without_a_calibration_no_probability_is_told(film: Scan) -> None:
    assert items(report(film, scored(film, coded(score("Nodule", 0.93)))), "Probability") == []


def states(film: Scan) -> dict[str, Any]:
    """Findings that end in each state."""
    unsure = replace(score("Nodule", 0.4), zone=(0.3, 0.6), uncertain=True)
    return {
        "finding": scored(film, score("Nodule", 0.9)),
        "uncertain": scored(film, unsure),
        "no-finding": scored(film, score("Nodule", 0.1)),
        "done": scored(film, score("Left", 0.9, threshold=None)),
        "not-analysed": refusal(),
    }


def test_every_state_is_told_by_a_code_of_its_own(film: Scan) -> None:
    told = {
        state: codes_of(report(film, findings), "State of the analysis")[0] for state, findings in states(film).items()
    }
    assert told == {state: ("99EDGERUN", state) for state in told}


def test_not_analysed_is_a_report_that_says_so_with_its_code(film: Scan) -> None:
    said = report(film, refusal(WRONG_MODALITY))
    assert codes_of(said, "Code of the reason") == [("99EDGERUN", WRONG_MODALITY.code)]
    assert (said.CompletionFlag, said.CompletionFlagDescription) == ("PARTIAL", "NOT ANALYSED")
    assert codes_of(said, "CAD Processing and Findings Summary") == [("DCM", "111245")]
    assert any(WRONG_MODALITY.words in item.TextValue for item in items(said, "Comment"))
    assert items(said, "Finding")[0].ConceptCodeSequence[0].CodeValue == "not-analysed"


def test_no_finding_and_not_analysed_share_no_summary(film: Scan) -> None:
    none, refused = (report(film, states(film)[state]) for state in ("no-finding", "not-analysed"))
    summary = "CAD Processing and Findings Summary"
    assert codes_of(none, summary) == [("DCM", "111241")]
    assert codes_of(none, summary) != codes_of(refused, summary)


def test_a_report_says_where_one_slice_alone_was_seen(volume: Scan) -> None:
    told = outcome(volume, scored(volume, score("Nodule", 0.1)))
    seen = SliceReport(across="slice", index=2, count=6, source=2, frame=0)
    said = report(volume, told.findings, told_of=replace(told, result=replace(told.result, seen=seen)))
    assert "Seen: slice 3 of 6, and nothing else of the scan." in [item.TextValue for item in items(said, "Comment")]


def test_a_report_is_not_verified_and_not_for_diagnosis(film: Scan) -> None:
    said = report(film, states(film)["finding"])
    assert (said.VerificationFlag, said.PreliminaryFlag, said.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    assert items(said, "Not for diagnosis")[0].TextValue.startswith("Not for diagnosis.")


def test_the_algorithm_is_named_with_its_hash(film: Scan) -> None:
    said = report(film, states(film)["finding"])
    assert items(said, "Algorithm Name")[0].TextValue == "tiny"
    assert items(said, "Algorithm Version")[0].TextValue == "1.0.0"
    assert f"Pack SHA-256 {'ab' * 32}" in [item.TextValue for item in items(said, "Algorithm Parameters")]


def test_the_uid_of_the_result_is_that_of_its_page(film: Scan) -> None:
    findings = states(film)["finding"]
    (uid,) = items(report(film, findings), "UID of the result, as its page has it")
    assert outcome(film, findings).result.uid == uid.UID


def test_people_read_the_lines_of_the_picture(film: Scan) -> None:
    findings = states(film)["finding"]
    said = report(film, findings)
    lines, _ = label_lines(outcome(film, findings).result)
    assert [item.TextValue for item in items(said, "Finding") if item.ValueType == "TEXT"] == [
        line.text for line in lines
    ]


def test_every_source_is_in_the_library_and_among_the_evidence(volume: Scan) -> None:
    said = report(volume, detected(volume, box(volume, (1, 2, 3, 4, 5, 6))))
    uids = {source.sop_instance_uid for source in volume.sources}
    assert {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items(said, "Source")} == uids
    (study,) = said.CurrentRequestedProcedureEvidenceSequence
    (one,) = study.ReferencedSeriesSequence
    assert {item.ReferencedSOPInstanceUID for item in one.ReferencedSOPSequence} == uids


def test_a_box_on_a_film_is_a_closed_line_on_that_film(film: Scan) -> None:
    said = report(film, detected(film, box(film, (0, 10.5, 20, 1, 30, 40))))
    (region,) = items(said, "Image Region")
    assert said.SOPClassUID.name == "Comprehensive SR Storage"
    assert (region.ValueType, region.GraphicType) == ("SCOORD", "POLYLINE")
    assert region.GraphicData == [20, 10.5, 40, 10.5, 40, 30, 20, 30, 20, 10.5]
    assert codes_of(said, "Geometric purpose of region") == [("SCT", "75958009")]


def test_a_box_in_a_volume_is_a_surface_in_the_patient(volume: Scan) -> None:
    found = box(volume, (1, 2, 3, 4, 5, 6))
    said = report(volume, detected(volume, found))
    assert said.SOPClassUID.name == "Comprehensive 3D SR Storage"
    faces = items(said, "Volume Surface")
    assert {face.ReferencedFrameOfReferenceUID for face in faces} == {volume.identity.frame_of_reference_uid}
    points = np.array([face.GraphicData for face in faces]).reshape(-1, 3)
    assert {tuple(point.round(3)) for point in points} == {
        tuple(np.round(corner, 3)) for corner in found.place.corners_mm or ()
    }


def test_a_label_for_which_no_box_was_drawn_is_told(volume: Scan) -> None:
    said = report(volume, detected(volume))
    assert codes_of(said, "Nodule") == [("99EDGERUN", "not-there")]
    assert codes_of(said, "Effusion") == [("99EDGERUN", "not-there")]
    assert said.SOPClassUID.name == "Comprehensive SR Storage"


def test_a_region_of_a_volume_has_volume_and_diameter(volume: Scan) -> None:
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[1:3, 2:5, 3:6] = True
    findings = segmented(volume, mask)
    said = report(volume, findings)
    (region,) = findings.regions
    assert codes_of(said, "Finding")[0] == ("SCT", LIVER.value)
    ((volume_ml, of_volume),) = numbers_of(said, "Volume")
    ((diameter_mm, of_diameter),) = numbers_of(said, "Long Axis")
    assert volume_ml == pytest.approx(region.volume_ml)
    assert diameter_mm == pytest.approx(region.diameter_mm)
    assert (of_volume, of_diameter) == ("mL", "mm")


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_region_refers_to_its_segment_where_one_is_written(exclusive: bool, language: Any, volume: Scan) -> None:
    masks = np.zeros((3, 6, 7, 8), dtype=bool)
    masks[0, 1:3, 2:5, 3:6], masks[2, 4, 1:3, 1:3] = True, True
    findings = segmented(volume, *masks, exclusive=exclusive)
    written = read(made("seg", volume, findings, language=language)["seg.dcm"])
    said = report(volume, findings, parts={"beside": b"overlay,seg"}, language=language)
    named = [item.ReferencedSOPSequence[0] for item in items(said, "Referenced Segment")]
    assert {item.ReferencedSOPInstanceUID for item in named} == {written.SOPInstanceUID}
    labels = {one.SegmentNumber: one.SegmentLabel for one in written.SegmentSequence}
    assert [
        "Region 1" in labels[named[0].ReferencedSegmentNumber],
        "Region 3" in labels[named[1].ReferencedSegmentNumber],
    ] == [True, True]
    evidence = said.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert written.SeriesInstanceUID in {one.SeriesInstanceUID for one in evidence}


def test_a_region_refers_to_no_segment_that_is_not_written(volume: Scan) -> None:
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[1:3, 2:5, 3:6] = True
    for beside in ({}, {"beside": b"overlay"}):
        said = report(volume, segmented(volume, mask), parts=beside)
        assert items(said, "Referenced Segment") == []
        assert len(items(said, "Volume Surface")) == 2


def test_a_region_of_a_film_has_an_area(film: Scan) -> None:
    mask = np.zeros((1, 60, 80), dtype=bool)
    mask[0, 10:20, 30:50] = True
    said = report(film, segmented(film, mask))
    assert numbers_of(said, "Area") == [(25.0, "mm2")]
    assert items(said, "Image Region")[0].GraphicData == [30, 10, 50, 10, 50, 20, 30, 20, 30, 10]


def test_a_region_without_pixels_has_no_place(film: Scan) -> None:
    said = report(film, segmented(film, np.zeros((1, 60, 80), dtype=bool)))
    assert items(said, "Image Region") == []
    assert codes_of(said, LIVER.meaning) == [("99EDGERUN", "not-there")]


def test_a_registration_tells_how_far_it_moved(volume: Scan) -> None:
    field = np.zeros((3, 6, 7, 8), np.float32)
    blank = np.zeros((6, 7, 8), np.float32)
    findings = Registration(
        displacement_mm=field, warped=blank, fixed=blank, before=blank, mean_mm=1.5, largest_mm=4.0, folded_share=0.25,
        grid=volume.grid,
    )  # fmt: skip
    said = report(volume, findings)
    assert numbers_of(said, "Mean length of the displacements") == [(1.5, "mm")]
    assert numbers_of(said, "Largest length of the displacements") == [(4.0, "mm")]
    assert numbers_of(said, "Share of voxels in which space is folded") == [(0.25, "1")]


def test_a_made_image_is_called_synthetic(film: Scan) -> None:
    values = np.zeros((1, 60, 80), np.float32)
    findings = Translation(values=values, range=(0.0, 1.0), unit="none", makes="T2-weighted MR", grid=film.grid)
    said = report(film, findings)
    assert items(said, "Finding")[0].ConceptCodeSequence[0].CodeMeaning == "Synthetic image"


def of_slide(film: Scan, findings: Any) -> dict[str, bytes]:
    """The report of a film that is said to be a slide."""
    said = outcome(film, findings)
    found, arrays = told(said.findings)
    slide = replace(scan_told(film), is_slide=True)
    request = Make(view="sr", result=said.result, scan=slide, found=found, language="en", arrays=len(arrays))
    return Builder(TABLE).files(request, arrays)


def test_a_region_that_was_seen_in_windows_is_told_by_its_box(film: Scan) -> None:
    fed = film.grid.cropped((0, 10, 20), (1, 50, 40)).resized((1, 25, 20))
    mask = np.zeros((1, 25, 20), dtype=bool)
    mask[0, 5:10, 3:11] = True
    outlined = segmented(replace(film, grid=fed), mask)
    said = report(film, replace(outlined, in_windows=True))
    (region,) = items(said, "Image Region")
    assert region.GraphicData == [26, 20, 42, 20, 42, 30, 26, 30, 26, 20]
    assert "PixelOriginInterpretation" not in region


@pytest.mark.parametrize("state", ["finding", "no-finding", "not-analysed"])
def test_a_slide_without_boxes_has_a_report_that_names_no_tile(state: str, film: Scan) -> None:
    said = read(of_slide(film, states(film)[state])["sr.dcm"])
    assert codes_of(said, "State of the analysis")[0] == ("99EDGERUN", state)
    for image in items(said, "Source of Measurement"):
        assert "ReferencedFrameNumber" not in image.ReferencedSOPSequence[0]


def test_the_language_of_the_words_is_coded(film: Scan) -> None:
    findings = states(film)["no-finding"]
    said = report(film, findings, language="fr")
    assert codes_of(said, "Language of Content Item and Descendants")[0] == ("RFC5646", "fr")
    (limits,) = items(said, "Limits of the model")
    assert codes_of(limits, "Language of Content Item and Descendants") == [("RFC5646", "en")]


def test_the_same_result_gives_the_same_bytes(film: Scan) -> None:
    findings = detected(film, box(film, (0, 10.5, 20, 1, 30, 40)))
    assert made("sr", film, findings) == made("sr", film, findings)


def test_tracking_follows_a_box_through_its_objects(film: Scan) -> None:
    findings = detected(film, box(film, (0, 1, 2, 1, 3, 4)), box(film, (0, 5, 6, 1, 7, 8)))
    uids = [item.UID for item in items(report(film, findings), "Tracking Unique Identifier")]
    assert len(set(uids)) == len(uids) == 3


def test_a_run_writes_a_report_and_draws_nothing_where_nothing_was_found(
    edgerun: Edgerun, examples: Path, tmp_path: Path
) -> None:
    film = examples / "chest-normal-0235.dcm"
    ran_well = edgerun("infer", film, "--write", "sr,gsps", "--out", tmp_path, "--json")
    (told,) = ran_well.reports
    assert [file["name"] for file in told["results"][0]["files"]] == ["sr.dcm"]
    said = read((tmp_path / told["folder"] / "sr.dcm").read_bytes())
    assert codes_of(said, "State of the analysis") == [("99EDGERUN", "no-finding")]


CASES = ("finding", "uncertain", "no-finding", "done", "not-analysed", "boxes", "surface", "outline")


def case(name: str, film: Scan, volume: Scan) -> tuple[Scan, Any]:
    """One of each kind of report."""
    if name == "boxes":
        return film, detected(film, box(film, (0, 10.5, 20, 1, 30, 40)), box(film, (0, 1, 2, 1, 30, 40), code=None))
    if name == "surface":
        return volume, detected(volume, box(volume, (1, 2, 3, 4, 5, 6)))
    if name == "outline":
        mask = np.zeros((6, 7, 8), dtype=bool)
        mask[1:3, 2:5, 3:6] = True
        return volume, segmented(volume, mask)
    return film, states(film)[name]


@pytest.mark.parametrize("name", CASES)
def test_dciodvfy_finds_no_error(name: str, film: Scan, volume: Scan, tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(made("sr", *case(name, film, volume))["sr.dcm"])
    assert errors_of(path) == []


def test_dcmtk_reads_the_tree_without_a_complaint(film: Scan, volume: Scan, tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(made("sr", *case("surface", film, volume))["sr.dcm"])
    said = ran("dsrdump", "-Ph", path)
    assert "Solitary nodule of lung" in said
    assert [line for line in said.splitlines() if line.startswith(("E:", "F:"))] == []
    assert "<html" in ran("dsr2html", path).lower()


def test_study_and_patient_are_those_of_the_source(film: Scan, volume: Scan, tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(made("sr", *case("surface", film, volume))["sr.dcm"])
    said = ran("dcentvfy", *(source.path for source in volume.sources), path)
    assert "Error" not in said


def test_a_report_that_lies_elsewhere_is_never_written(film: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = rectangle
    monkeypatch.setattr(sr_regions, "rectangle", lambda edges: np.array([[80.0, 0.0]]) - straight(edges) * [1, -1])
    with pytest.raises(OutputError, match="lies elsewhere") as raised:
        made("sr", film, detected(film, box(film, (0, 10.5, 20, 1, 30, 40))))
    assert raised.value.reason.code == "W803"
