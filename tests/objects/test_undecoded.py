"""What was refused by its headers alone: its objects say so, belong to its patient, and name nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from edge.hashes import sha256_of
from edge.objects import OBJECTS, sources
from edge.objects.build import Builder
from edge.objects.contract import Make, parts_as_arrays
from edge.objects.copied import PATIENT, STUDY
from edge.objects.unfit import UnfitError
from edge.reasons import WRONG_MODALITY
from edge.results import Asked, not_examined, not_read
from edge.scan import LeftOut
from edge.write.objects import sr
from edge.write.overlay import overlay
from edge.write.report import ResultReport
from tests.conftest import Edgerun
from tests.objects.cases import complete
from tests.objects.planted import errors_of, ran, read
from tests.read.dicom_files import canonical_grid, phantom, picture, save, save_all, series
from tests.write.outcomes import SERIES, asked_of, not_decoded, refusal

PAGE = b"%PDF-1.4\n%%EOF\n"


def asked_about(paths: Sequence[str]) -> Asked:
    """A request for these files."""
    return asked_of(sources={path: sha256_of(Path(path)) for path in paths})


def refused(*paths: str) -> ResultReport:
    """The result of files that were refused by their headers."""
    return not_examined(replace(SERIES, paths=paths), refusal(WRONG_MODALITY).notices, asked_about(paths)).result


def files(view: str, result: ResultReport) -> dict[str, bytes]:
    """The files of a view, as the child process makes them."""
    parts = {"sc": overlay(result, None, None), "pdf": {"page.pdf": PAGE}}.get(view, {})
    arrays = parts_as_arrays(parts)
    request = Make(view=view, result=result, scan=None, found=None, language="en", arrays=len(arrays))
    return Builder(OBJECTS).files(request, arrays)


def one(view: str, result: ResultReport) -> Dataset:
    """The one object of a view."""
    (data,) = files(view, result).values()
    return read(data)


def film(folder: Path, name: str = "film.dcm", **elements: Any) -> str:
    """A film on the disk."""
    return save(complete([picture(np.zeros((8, 8), np.uint8))], **elements)[0], folder / name)


def codes_in(said: Dataset) -> set[tuple[str, str]]:
    """Every question and its answer, in codes."""
    return {
        (item.ConceptNameCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodeValue)
        for holder in said.iterall()
        if holder.keyword == "ContentSequence"
        for item in holder.value
        if item.ValueType == "CODE" and "CodeValue" in item.ConceptNameCodeSequence[0]
    }


def test_a_report_says_not_analysed_with_its_code(tmp_path: Path) -> None:
    said = one("sr", refused(film(tmp_path)))
    assert (said.CompletionFlag, said.CompletionFlagDescription) == ("PARTIAL", "NOT ANALYSED")
    answers = codes_in(said)
    assert {("state", "not-analysed"), ("reason", WRONG_MODALITY.code), ("111017", "111245")} <= answers
    assert ("121071", "not-analysed") in answers


def test_a_report_of_what_failed_says_so(tmp_path: Path) -> None:
    path = film(tmp_path)
    left_out = LeftOut(paths=(path,), reason=replace(WRONG_MODALITY, code="R110"), detail="Found nothing.")
    result = replace(not_read(left_out, asked_about([path])).result, state="failed")
    assert one("sr", result).CompletionFlagDescription == "FAILED: not analysed"


@pytest.mark.parametrize("view", ["pdf", "sc", "sr"])
def test_patient_and_study_are_copied_exactly(view: str, tmp_path: Path) -> None:
    path = film(
        tmp_path,
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        PatientSex="M",
        PatientComments="A canary",
        StudyDescription="Thorax",
    )
    made, source = one(view, refused(path)), dcmread(path)
    told = [keyword for keyword in (*PATIENT, *STUDY) if keyword in source]
    assert {keyword: made[keyword].value for keyword in told} == {keyword: source[keyword].value for keyword in told}
    assert len(told) > 10
    assert made.SeriesInstanceUID != source.SeriesInstanceUID


def test_every_file_is_evidence_and_in_the_library(tmp_path: Path) -> None:
    paths = save_all(complete(series(phantom((4, 5, 6)), canonical_grid((4, 5, 6)))), tmp_path)
    said = one("sr", refused(*paths))
    (study,) = said.CurrentRequestedProcedureEvidenceSequence
    named = {item.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence[0].ReferencedSOPSequence}
    assert named == {dcmread(path).SOPInstanceUID for path in paths}


def test_the_picture_names_what_it_is_of(tmp_path: Path) -> None:
    path = film(tmp_path)
    said = one("sc", refused(path))
    assert [item.ReferencedSOPInstanceUID for item in said.SourceImageSequence] == [dcmread(path).SOPInstanceUID]
    assert (said.Rows, said.Columns) == (768, 1024)


@pytest.mark.parametrize("view", ["pdf", "sc", "sr"])
def test_dciodvfy_finds_no_error(view: str, tmp_path: Path) -> None:
    path = tmp_path / f"{view}.dcm"
    path.write_bytes(files(view, refused(film(tmp_path)))[f"{view}.dcm"])
    assert errors_of(path) == []


def test_dcmtk_reads_the_tree_without_a_complaint(tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(files("sr", refused(film(tmp_path)))["sr.dcm"])
    said = ran("dsrdump", "-Ph", path)
    assert "NOT ANALYSED" in said
    assert [line for line in said.splitlines() if line.startswith(("E:", "F:"))] == []


def test_a_dose_is_told_as_the_object_that_it_is_and_no_image(tmp_path: Path) -> None:
    """DCMTK and others refuse a whole report that calls it an image."""
    path = tmp_path / "sr.dcm"
    path.write_bytes(files("sr", refused(str(get_testdata_file("rtdose_1frame.dcm"))))["sr.dcm"])
    assert "COMPOSITE" in str(read(path.read_bytes()))
    assert "NOT ANALYSED" in ran("dsrdump", "-Ph", path)


@pytest.mark.parametrize("view", ["gsps", "seg"])
def test_nothing_is_drawn_on_what_was_not_decoded(view: str, tmp_path: Path) -> None:
    with pytest.raises(UnfitError):
        files(view, refused(film(tmp_path)))


@pytest.mark.parametrize(
    "other",
    [{"PatientID": "another"}, {"StudyInstanceUID": "2.25.99"}],
    ids=["patients", "studies"],
)
def test_each_of_two_patients_or_studies_has_a_report_with_nothing_of_the_other(
    other: dict[str, str], tmp_path: Path
) -> None:
    paths = [
        film(tmp_path, "a.dcm", SOPInstanceUID="2.25.1"),
        film(tmp_path, "b.dcm", SOPInstanceUID="2.25.2", ContentDate="20260405", **other),
    ]
    made = files("sr", refused(*paths))
    assert sorted(made) == ["sr-1.dcm", "sr-2.dcm"]
    for data, path in zip(made.values(), paths, strict=True):
        said, source = read(data), dcmread(path)
        for keyword in ("PatientID", "StudyInstanceUID", "ContentDate"):
            assert said[keyword].value == source[keyword].value
        (study,) = said.CurrentRequestedProcedureEvidenceSequence
        (series_told,) = study.ReferencedSeriesSequence
        named = [item.ReferencedSOPInstanceUID for item in series_told.ReferencedSOPSequence]
        assert named == [source.SOPInstanceUID]
    one_report, another = (read(data) for data in made.values())
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert one_report[keyword].value != another[keyword].value


def test_files_of_too_many_patients_make_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_PATIENTS", 1)
    with pytest.raises(UnfitError, match="more than 1 patients"):
        files("sr", refused(film(tmp_path, "a.dcm"), film(tmp_path, "b.dcm", PatientID="another")))


def test_what_is_no_dicom_file_makes_no_object(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("A canary", encoding="utf-8")
    with pytest.raises(UnfitError, match="no SOPClassUID"):
        files("sr", refused(str(tmp_path / "notes.txt")))


def test_a_file_that_was_changed_meanwhile_makes_no_object(tmp_path: Path) -> None:
    path = film(tmp_path)
    result = refused(path)
    with Path(path).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(UnfitError, match="no scan was read"):
        files("sr", result)


def test_a_file_that_could_not_be_read_at_all_is_told_of_without_one() -> None:
    told = not_decoded().result
    unread = replace(told, scan=replace(told.scan, sources=(replace(told.scan.sources[0], sha256=""),)))
    with pytest.raises(UnfitError, match="no scan was read"):
        sr(unread, None, None)


def test_a_run_writes_what_a_pacs_needs_and_names_nobody_elsewhere(edgerun: Edgerun, tmp_path: Path) -> None:
    """A CT slice, for which no installed pack is made."""
    source = get_testdata_file("CT_small.dcm")
    ran_well = edgerun("infer", source, "--write", "sr,sc,seg", "--out", tmp_path, "--json")
    (told,) = ran_well.reports
    assert [file["name"] for file in told["results"][0]["files"]] == ["sr.dcm", "sc.dcm"]
    folder = tmp_path / told["folder"]
    assert dcmread(folder / "sr.dcm").PatientName == "CompressedSamples^CT1"
    assert "CompressedSamples" not in (folder / "report.json").read_text(encoding="utf-8")
