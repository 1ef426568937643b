"""What stays of a data set, and what takes the place of the rest."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from edge.deidentify.secret import Secret
from tests.deidentify.cleaning import SECRET, cleaned, cleaned_bytes, film
from tests.read.dicom_files import item, picture

LIVER = {"CodeValue": "10200004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Jane's liver"}


def test_the_picture_is_untouched(tmp_path: Path) -> None:
    source = film()
    new = cleaned(source, tmp_path)
    assert new.PixelData == source.PixelData
    assert (new.Rows, new.Modality, new.ImageType) == (4, "DX", ["ORIGINAL", "PRIMARY"])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_words_and_pixels_survive_every_way_of_writing(tmp_path: Path, syntax: UID) -> None:
    source = picture(np.arange(20, dtype=np.uint16).reshape(4, 5), SmallestImagePixelValue=0, BodyPartExamined="CHEST")
    source.file_meta.TransferSyntaxUID = syntax
    new = cleaned(source, tmp_path)
    assert new.file_meta.TransferSyntaxUID == syntax
    assert (new.SmallestImagePixelValue, new.BodyPartExamined) == (0, "CHEST")
    np.testing.assert_array_equal(new.pixel_array, source.pixel_array)


def test_the_patient_has_one_new_name_in_every_study_and_run(tmp_path: Path) -> None:
    one = cleaned(film(), tmp_path)
    two = cleaned(film(StudyInstanceUID="1.2.3", PatientName="Doe^J."), tmp_path)
    assert one.PatientID == two.PatientID == SECRET.patient("number\x004711\x00")
    assert one.PatientName == one.PatientID.replace("-", "^")
    assert cleaned(film(), tmp_path, secret=Secret(b"2" * 32)).PatientID != one.PatientID


def test_the_same_number_from_another_hospital_is_another_patient(tmp_path: Path) -> None:
    assert cleaned(film(IssuerOfPatientID="B"), tmp_path).PatientID != cleaned(film(), tmp_path).PatientID


def test_patients_without_a_number_are_told_apart_by_name_and_birth_date(tmp_path: Path) -> None:
    born = [
        cleaned(film(PatientID="", PatientName="Doe^Jane", PatientBirthDate=date), tmp_path).PatientID
        for date in ("19600101", "19600102", "19600101")
    ]
    assert born[0] == born[2] != born[1]


def test_references_resolve_after_it(tmp_path: Path) -> None:
    image = film()
    report = film(
        SOPInstanceUID="1.2.3.4",
        ReferencedImageSequence=[
            item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
        ],
        ReferencedFrameOfReferenceUID="1.2.3.9",
    )
    new, other = cleaned(image, tmp_path), cleaned(report, tmp_path)
    assert new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID != image.SOPInstanceUID
    assert other.ReferencedImageSequence[0].ReferencedSOPInstanceUID == new.SOPInstanceUID
    assert other.ReferencedImageSequence[0].ReferencedSOPClassUID == image.SOPClassUID == new.SOPClassUID
    assert new.StudyInstanceUID == other.StudyInstanceUID


def test_uids_of_the_standard_are_never_others(tmp_path: Path) -> None:
    talairach, sct = "1.2.840.10008.1.4.1.1", "2.16.840.1.113883.6.96"
    new = cleaned(film(FrameOfReferenceUID=talairach, CodingSchemeUID=sct, ContextUID="1.2.840.10008.6.1.1"), tmp_path)
    assert (new.FrameOfReferenceUID, new.CodingSchemeUID, new.ContextUID) == (talairach, sct, "1.2.840.10008.6.1.1")


def test_a_uid_that_only_looks_like_the_standard_s_is_replaced(tmp_path: Path) -> None:
    assert cleaned(film(FrameOfReferenceUID="1.2.840.10008.4711"), tmp_path).FrameOfReferenceUID.startswith("2.25.")


def test_uids_stay_on_request(tmp_path: Path) -> None:
    source = film()
    assert cleaned(source, tmp_path, "uids").SOPInstanceUID == source.SOPInstanceUID
    assert cleaned(source, tmp_path, "uids").PatientID != "4711"


def test_the_head_of_the_file_is_ours_and_says_nothing_more(tmp_path: Path) -> None:
    source = film()
    source.preamble = b"Jane Doe".ljust(128, b"\0")
    source.file_meta.SourceApplicationEntityTitle = "WARD-7"
    _, data = cleaned_bytes(source, tmp_path)
    meta = dcmread(io.BytesIO(data)).file_meta
    assert data[:132] == b"\0" * 128 + b"DICM"
    assert "SourceApplicationEntityTitle" not in meta
    assert meta.ImplementationVersionName == "EDGERUN"


def test_it_says_what_was_done(tmp_path: Path) -> None:
    new = cleaned(film(BurnedInAnnotation="YES"), tmp_path, "device")
    assert new.PatientIdentityRemoved == "YES"
    assert list(new.DeidentificationMethod) == ["edgerun 1.2.3", "DICOM PS3.15 2026c Table E.1-1"]
    codes = [code.CodeValue for code in new.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113104", "113107", "113109"]
    assert new.BurnedInAnnotation == "YES"
    assert new.SpecificCharacterSet == "ISO_IR 192"


def test_the_text_of_a_report_goes_and_its_codes_and_numbers_stay(tmp_path: Path) -> None:
    finding = item(**LIVER)
    local = item(CodeValue="ROOM 7", CodingSchemeDesignator="99HOSP", CodeMeaning="Jane's room")
    value = item(NumericValue="12.5", MeasurementUnitsCodeSequence=[
        item(CodeValue="mm", CodingSchemeDesignator="UCUM", CodeMeaning="mm")
    ])  # fmt: skip
    content = [
        item(ValueType="TEXT", TextValue="Jane is ill", ConceptNameCodeSequence=[finding]),
        item(ValueType="PNAME", PersonName="Doe^John", ConceptNameCodeSequence=[local]),
        item(ValueType="NUM", MeasuredValueSequence=[value]),
        item(ValueType="UIDREF", UID="1.2.3.4"),
        item(ValueType="CODE", ConceptCodeSequence=[local]),
    ]
    text, person, number, reference, coded = cleaned(film(ContentSequence=content), tmp_path).ContentSequence
    assert text.TextValue == person.PersonName == "REMOVED"
    name = text.ConceptNameCodeSequence[0]
    assert (name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning) == ("10200004", "SCT", "Liver")
    assert number.MeasuredValueSequence[0].NumericValue == 12.5
    assert number.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    assert SECRET.uid("1.2.3.4") == reference.UID
    hidden = coded.ConceptCodeSequence[0]
    assert (hidden.CodingSchemeDesignator, hidden.CodeMeaning) == ("99REMOVED", "REMOVED")
    assert hidden.CodeValue == person.ConceptNameCodeSequence[0].CodeValue != "ROOM 7"


def test_codes_that_stand_for_a_person_are_dummies_whatever_their_scheme(tmp_path: Path) -> None:
    observer = item(VerifyingObserverName="Doe^John", VerifyingOrganization="St. Mary", VerificationDateTime="20240101")
    observer.VerifyingObserverIdentificationCodeSequence = [item(**LIVER)]
    new = cleaned(film(VerifyingObserverSequence=[observer]), tmp_path).VerifyingObserverSequence[0]
    assert (new.VerifyingObserverName, new.VerifyingOrganization) == ("REMOVED", "REMOVED")
    assert list(new.VerifyingObserverIdentificationCodeSequence) == []
    person = item(PersonIdentificationCodeSequence=[item(**LIVER)], InstitutionName="St. Mary")
    new = cleaned(film(ContentSequence=[person]), tmp_path).ContentSequence[0]
    assert new.PersonIdentificationCodeSequence[0].CodeValue == "REMOVED"


def test_a_word_that_names_the_patient_goes_wherever_it_turns_up(tmp_path: Path) -> None:
    source = film(PatientName="Mbeki^Thandiwe", BodyPartExamined="MBEKI KNEE", ConvolutionKernel="B30 4711")
    source.Manufacturer, source.ImageType = "ACME", ["ORIGINAL", "PRIMARY"]
    new = cleaned(source, tmp_path, "technique")
    assert (new.BodyPartExamined, new.ConvolutionKernel, new.Manufacturer) == ("REMOVED", "REMOVED", "ACME")
    patient_called_primary = cleaned(film(PatientName="Primary^Original"), tmp_path)
    assert patient_called_primary.ImageType == ["ORIGINAL", "PRIMARY"]


def test_terms_and_small_labels_stay_and_others_become_other_labels(tmp_path: Path) -> None:
    terms = {"RescaleType": "HU", "PositionReferenceIndicator": "XY", "StackID": "12"}
    new = cleaned(film(**terms, OpticalPathIdentifier="JANE"), tmp_path)
    assert {keyword: new[keyword].value for keyword in terms} == terms
    assert new.OpticalPathIdentifier == SECRET.label("JANE")


def test_malformed_values_do_not_stay(tmp_path: Path) -> None:
    source = film()
    for keyword, vr, text in (
        ("KVP", "DS", "Jane"),
        ("SeriesNumber", "IS", "J4"),
        ("PatientPosition", "CS", "Jane, 3 Hill Road"),
    ):
        source.add_new(keyword, vr, "")
        source[keyword]._value = text
    new = cleaned(source, tmp_path)
    assert [new[keyword].value for keyword in ("KVP", "SeriesNumber", "PatientPosition")] == [None, None, ""]


def test_terms_as_people_spell_them_stay(tmp_path: Path) -> None:
    new = cleaned(film(BodyPartExamined="c-Spine", PatientOrientation=["L", "P"]), tmp_path)
    assert (new.BodyPartExamined, new.PatientOrientation) == ("C-SPINE", ["L", "P"])


def test_a_text_in_another_alphabet_is_read_and_written_in_unicode(tmp_path: Path) -> None:
    source = film(SpecificCharacterSet="ISO_IR 144", InstitutionName="Больница", StationName="Больница")
    new = cleaned(source, tmp_path, "institution")
    assert (new.InstitutionName, new.StationName) == ("Больница", "REMOVED")


def test_the_same_file_gives_the_same_bytes_again(tmp_path: Path) -> None:
    assert cleaned_bytes(film(), tmp_path) == cleaned_bytes(film(), tmp_path)


def test_a_number_with_signs_in_it_goes_wherever_else_it_turns_up(tmp_path: Path) -> None:
    source = film(PatientID="AB-0012", BodyPartExamined="AB-0012 KNEE", SoftwareVersions="V1 ab-0012")
    new = cleaned(source, tmp_path, "technique")
    assert (new.BodyPartExamined, new.SoftwareVersions) == ("REMOVED", "REMOVED")


def test_uids_that_stay_on_request_and_are_none_become_others(tmp_path: Path) -> None:
    new = cleaned(film(StudyInstanceUID="1.2.JANE", SeriesInstanceUID="1.2.3"), tmp_path, "uids")
    assert (new.StudyInstanceUID, new.SeriesInstanceUID) == (SECRET.uid("1.2.JANE"), "1.2.3")


def test_a_picture_within_a_sequence_goes_for_nobody_looks_for_text_in_it(tmp_path: Path) -> None:
    source = film(ReferencedImageSequence=[item(BitsAllocated=8, Rows=2)])
    source.ReferencedImageSequence[0].add_new("PixelData", "OB", b"Jane")
    new = cleaned(source, tmp_path)
    assert "PixelData" not in new.ReferencedImageSequence[0]
    assert (new.ReferencedImageSequence[0].Rows, new.PixelData) == (2, source.PixelData)


def test_a_code_that_lacks_its_value_does_not_keep_the_file(tmp_path: Path) -> None:
    empty = item(CodeValue="", CodingSchemeDesignator="SCT", CodeMeaning="Jane")
    assert cleaned(film(ProcedureCodeSequence=[empty]), tmp_path).ProcedureCodeSequence[0].CodeMeaning == "REMOVED"


def test_a_name_goes_where_it_was_typed_without_its_accents(tmp_path: Path) -> None:
    source = film(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Zoë", BodyPartExamined="MULLER KNEE")
    assert cleaned(source, tmp_path).BodyPartExamined == "REMOVED"
