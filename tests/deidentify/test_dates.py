"""Dates are moved by whole days; what is no date does not stay."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from edge.deidentify.dates import age, moved_date, moved_datetime, time_of_day
from tests.deidentify.cleaning import SECRET, cleaned, film
from tests.read.dicom_files import canonical_grid, enhanced, item, phantom

DAYS = SECRET.days("number\x004711\x00")


def gone_back(text: str) -> str:
    return (dt.datetime.strptime(text, "%Y%m%d") - dt.timedelta(days=DAYS)).strftime("%Y%m%d")  # noqa: DTZ007


@pytest.mark.parametrize("text", ["2024", "20241301", "20240230", "2024-01-01", "20240101-20240201", "J2024010"])
def test_what_is_no_date_is_not_moved(text: str) -> None:
    assert moved_date(text, 1) is None


@pytest.mark.parametrize("text", ["2024", "202401", "20240101250000", "20240101-", "20240101120000.1234567", "JANE"])
def test_what_is_no_point_in_time_is_not_moved(text: str) -> None:
    assert moved_datetime(text, 1) is None


@pytest.mark.parametrize("text", ["24", "1261", "120000-130000", "12:5", "JANE", "120000."])
def test_what_is_no_time_is_not_one(text: str) -> None:
    assert time_of_day(text) is None


def test_a_date_before_all_dates_is_not_moved() -> None:
    assert moved_date("00010101", 1) is None
    assert moved_date("00020101", 1) == "00011231"


@pytest.mark.parametrize(("text", "told"), [("089Y", "089Y"), ("090Y", "090Y"), ("104Y", "090Y"), ("999W", "999W")])
def test_those_who_are_ninety_or_older_are_one_class(text: str, told: str) -> None:
    assert age(text) == told


def test_intervals_stay_in_sequences_and_between_files_and_the_time_of_day_too(tmp_path: Path) -> None:
    first = cleaned(
        film(
            StudyDate="20240229",
            StudyTime="101112.5",
            AcquisitionDateTime="20240301235959.5+0200",
            ReferencedImageSequence=[item(ContentDate="20240310", ContentTime="0900")],
        ),
        tmp_path,
    )
    second = cleaned(film(StudyDate="20250228", SeriesDate=["20250228", "20250301"]), tmp_path)
    assert (first.StudyDate, first.StudyTime) == (gone_back("20240229"), "101112.5")
    assert first.AcquisitionDateTime == f"{gone_back('20240301')}235959.5+0200"
    assert first.ReferencedImageSequence[0].ContentDate == gone_back("20240310")
    assert first.ReferencedImageSequence[0].ContentTime == "0900"
    assert second.StudyDate == gone_back("20250228")
    assert list(second.SeriesDate) == [gone_back("20250228"), gone_back("20250301")]
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"


def test_another_patient_s_dates_go_back_by_another_number_of_days(tmp_path: Path) -> None:
    one, other = (cleaned(film(PatientID=number, StudyDate="20240229"), tmp_path) for number in ("1", "2"))
    assert one.StudyDate != other.StudyDate


def test_the_dates_of_the_frames_of_an_enhanced_object_are_moved(tmp_path: Path) -> None:
    source = enhanced(phantom(), canonical_grid())
    source.PatientID = "4711"
    for frame in source.PerFrameFunctionalGroupsSequence:
        frame.FrameContentSequence = [
            item(FrameAcquisitionDateTime="20240301101500", StackID="1", InStackPositionNumber=1)
        ]
    frames = cleaned(source, tmp_path).PerFrameFunctionalGroupsSequence
    told = {
        (frame.FrameContentSequence[0].FrameAcquisitionDateTime, frame.FrameContentSequence[0].StackID)
        for frame in frames
    }
    assert told == {(f"{gone_back('20240301')}101500", "1")}
    assert [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames] == [
        frame.PlanePositionSequence[0].ImagePositionPatient for frame in source.PerFrameFunctionalGroupsSequence
    ]


def test_a_malformed_date_is_removed_or_a_dummy_where_one_must_be(tmp_path: Path) -> None:
    new = cleaned(film(StudyDate="JANE DOE", StudyTime="NOON", ContentDate="2024"), tmp_path)
    assert (new.StudyDate, new.StudyTime, new.ContentDate) == ("", "", "19000101")


def test_full_dates_stay_on_request_but_no_birth_date_and_nothing_malformed(tmp_path: Path) -> None:
    source = film(StudyDate="20240229", SeriesDate="JANE", PatientBirthDate="19330102")
    source.DateOfLastCalibration = "20230101"
    new = cleaned(source, tmp_path, "dates")
    assert (new.StudyDate, new.SeriesDate, new.PatientBirthDate) == ("20240229", "", "")
    assert new.DateOfLastCalibration == "20230101"
    assert new.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_ages_stay_on_request_above_89_as_one(tmp_path: Path) -> None:
    assert "PatientAge" not in cleaned(film(PatientAge="045Y"), tmp_path)
    assert cleaned(film(PatientAge="045Y"), tmp_path, "patient-characteristics").PatientAge == "045Y"
    assert cleaned(film(PatientAge="097Y"), tmp_path, "patient-characteristics").PatientAge == "090Y"
    assert cleaned(film(PatientAge="DOE"), tmp_path, "patient-characteristics").PatientAge == ""


def test_a_day_that_stands_for_none_is_not_moved_for_it_would_betray_by_how_much(tmp_path: Path) -> None:
    source = film(StudyDate="19000101", SeriesDate="19700101", AcquisitionDate="20000101", ContentDate="99991231")
    source.AcquisitionDateTime = "19800101000000"
    new = cleaned(source, tmp_path)
    assert (new.StudyDate, new.AcquisitionDate) == ("", "")
    assert (new.SeriesDate, new.ContentDate, new.AcquisitionDateTime) == ("19000101", "19000101", "19000101000000")
    again = cleaned(film(ContentDate=new.ContentDate), tmp_path)
    assert again.ContentDate == new.ContentDate
