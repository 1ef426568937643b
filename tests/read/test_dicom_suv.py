"""PET values become standardised uptake values by hand-made arithmetic, or stay as they are and say why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from edge.errors import ReadError
from edge.geometry import Array
from edge.read.dicom.suv import suv_factor
from edge.read.messages import loaded_of
from edge.reasons import NO_SUV
from edge.scan import Scan
from edge.typed import dump
from tests.read.dicom_files import canonical_grid, item, load, save_all, series

PET = "1.2.840.10008.5.1.4.1.1.128"
PHILIPS, GE = "Philips PET Private Group", "GEMS_PETD_01"

# 50 kg; 200 MBq given one half-life of 6000 s before the scan: 100 MBq are left, so 2000 Bq/ml are one gram in one.
AGENT: Mapping[str, Any] = {
    "RadionuclideTotalDose": "200000000",
    "RadionuclideHalfLife": "6000",
    "RadiopharmaceuticalStartTime": "100000",
}
HEADER: Mapping[str, Any] = {
    "SOPClassUID": PET,
    "Units": "BQML",
    "CorrectedImage": ["DECY", "ATTN", "SCAT"],
    "DecayCorrection": "START",
    "PatientWeight": "50",
    "SeriesDate": "20240301",
    "SeriesTime": "114000",
    "AcquisitionDate": "20240301",
    "AcquisitionTime": "114000",
    "RescaleSlope": "1",
    "RescaleIntercept": "0",
}
AFTERWARDS: dict[str, Any] = {"SeriesTime": "180000"}
"""A series that was made hours after its acquisition."""

VOXELS = np.full((3, 4, 5), 2000, np.int16)
VOXELS[1, 2, 3] = 500


def pet(agent: Mapping[str, Any] | None = None, **header: Any) -> list[Dataset]:
    """A series whose elements are changed, or left out where they are None."""
    told = {key: value for key, value in {**HEADER, **header}.items() if value is not None}
    drug = {key: value for key, value in {**AGENT, **(agent or {})}.items() if value is not None}
    slices = series(VOXELS, canonical_grid((3, 4, 5)), modality="PT", **told)
    for ds in slices:
        ds.RadiopharmaceuticalInformationSequence = [item(**drug)]
    return slices


def private(slices: list[Dataset], group: int, creator: str, block: int = 0x10, **elements: Any) -> list[Dataset]:
    """The series with elements of a vendor, such as ``x00=("DS", "0.002")``."""
    for ds in slices:
        ds.add_new((group, block), "LO", creator)
        for name, (vr, value) in elements.items():
            ds.add_new((group, block << 8 | int(name[1:], 16)), vr, value)
    return slices


def read(slices: list[Dataset], folder: Path) -> Scan:
    return load(*save_all(slices, folder))


def check_is(scan: Scan, factor: float) -> None:
    assert scan.unit == "SUVbw"
    assert scan.warnings == ()
    assert np.allclose(scan.voxels, VOXELS * factor, rtol=1e-6)


def check_is_not(scan: Scan, unit: str, why: str) -> None:
    assert scan.unit == unit
    assert np.array_equal(scan.voxels, VOXELS)
    (warning,) = scan.warnings
    assert warning.startswith("values are not in SUVbw: ")
    assert why in warning


def test_activity_corrected_to_the_start_of_the_scan_is_divided_by_what_is_left_of_the_dose(tmp_path: Path) -> None:
    scan = read(pet(), tmp_path)
    check_is(scan, 50_000 / 100e6)
    assert scan.voxels[0, 0, 0] == 1.0
    assert scan.voxels[1, 2, 3] == 0.25


def test_activity_corrected_to_the_injection_is_divided_by_the_whole_dose(tmp_path: Path) -> None:
    check_is(read(pet(DecayCorrection="ADMIN"), tmp_path), 50_000 / 200e6)


def test_a_dose_corrected_to_the_injection_needs_no_times(tmp_path: Path) -> None:
    slices = pet({"RadiopharmaceuticalStartTime": None}, DecayCorrection="ADMIN", AcquisitionTime=None, SeriesTime=None)
    check_is(read(slices, tmp_path), 50_000 / 200e6)


def test_the_slope_of_each_slice_counts(tmp_path: Path) -> None:
    slices = pet()
    for z, ds in enumerate(slices):
        ds.RescaleSlope = f"{0.5 * (z + 1)}"
    scan = read(slices, tmp_path)
    assert np.allclose(scan.voxels[:, 0, 0], [0.5, 1.0, 1.5])


@pytest.mark.parametrize("kind", [None, "BW"])
def test_values_that_are_uptake_already_keep_their_numbers_and_type(tmp_path: Path, kind: str | None) -> None:
    scan = read(pet(Units="GML", SUVType=kind), tmp_path)
    check_is(scan, 1.0)
    assert scan.voxels.dtype == np.int16


def test_uptake_by_lean_body_mass_is_not_uptake_by_weight(tmp_path: Path) -> None:
    check_is_not(read(pet(Units="GML", SUVType="LBM"), tmp_path), "GML", "(0054,1006) SUV Type is not BW")


@pytest.mark.parametrize("block", [0x10, 0x13])
def test_counts_of_philips_follow_its_factor_to_uptake(tmp_path: Path, block: int) -> None:
    slices = private(pet(Units="CNTS"), 0x7053, PHILIPS, block, x00=("DS", "0.002"), x09=("DS", "3"))
    check_is(read(slices, tmp_path), 0.002)


def test_a_factor_of_unknown_type_is_read_too(tmp_path: Path) -> None:
    check_is(read(private(pet(Units="CNTS"), 0x7053, PHILIPS, x00=("UN", b"0.002 ")), tmp_path), 0.002)


def test_counts_of_philips_follow_its_factor_to_activity_where_that_to_uptake_is_0(tmp_path: Path) -> None:
    slices = private(pet(Units="CNTS"), 0x7053, PHILIPS, x00=("DS", "0"), x09=("DS", "4"))
    check_is(read(slices, tmp_path), 4 * 50_000 / 100e6)


@pytest.mark.parametrize("creator", ["Somebody Else", PHILIPS])
def test_counts_without_a_factor_of_philips_are_none(tmp_path: Path, creator: str) -> None:
    value = "0.002" if creator != PHILIPS else "0"
    slices = private(pet(Units="CNTS"), 0x7053, creator, x00=("DS", value))
    check_is_not(read(slices, tmp_path), "CNTS", "counts")


@pytest.mark.parametrize("value", [b"two ", b"nan ", b"\xff\xfe"])
def test_a_factor_that_is_no_number_is_none(tmp_path: Path, value: bytes) -> None:
    slices = private(pet(Units="CNTS"), 0x7053, PHILIPS, x00=("UN", value))
    assert read(slices, tmp_path).unit == "CNTS"


def test_a_series_made_afterwards_takes_the_start_that_ge_writes(tmp_path: Path) -> None:
    slices = private(pet(**AFTERWARDS), 0x0009, GE, x0D=("DT", "20240301114000.00"))
    check_is(read(slices, tmp_path), 50_000 / 100e6)


def test_a_start_of_ge_after_the_acquisition_is_a_contradiction(tmp_path: Path) -> None:
    slices = private(pet(**AFTERWARDS), 0x0009, GE, x0D=("DT", "20240301120000"))
    check_is_not(read(slices, tmp_path), "BQML", "after its first acquisition")


def test_a_series_made_afterwards_is_dated_back_from_the_mean_count_rate_of_its_frames(tmp_path: Path) -> None:
    duration_s = 1200.0
    seconds = (np.arange(1_000_000) + 0.5) * duration_s / 1_000_000
    mean_s = -6000.0 * np.log2(np.exp2(-seconds / 6000.0).mean())  # when the rate is the mean one, by definition
    assert 590 < mean_s < 600
    slices = pet(
        **AFTERWARDS,
        AcquisitionTime="120000",
        ActualFrameDuration=f"{duration_s * 1000:.0f}",
        FrameReferenceTime=f"{(1200 + mean_s) * 1000:.3f}",  # 20 minutes after 11:40, and the mean of the frame
    )
    check_is(read(slices, tmp_path), 50_000 / 100e6)


def test_bed_positions_of_one_scan_agree_on_its_start(tmp_path: Path) -> None:
    slices = pet(SeriesTime="114000")
    for z, ds in enumerate(slices):
        ds.AcquisitionTime = f"11{40 + 3 * z}00"
    check_is(read(slices, tmp_path), 50_000 / 100e6)


def test_frames_that_refer_to_different_starts_contradict_each_other(tmp_path: Path) -> None:
    slices = pet(**AFTERWARDS, ActualFrameDuration="60000", FrameReferenceTime="30000")
    slices[2].AcquisitionTime = "120000"
    check_is_not(read(slices, tmp_path), "BQML", "contradict each other")


def test_a_scan_past_midnight_counts_from_the_day_before(tmp_path: Path) -> None:
    times: dict[str, Any] = {
        "SeriesDate": "20240301",
        "AcquisitionDate": "20240301",
        "SeriesTime": "010000",
        "AcquisitionTime": "0101",
    }
    slices = pet({"RadiopharmaceuticalStartTime": "232000"}, **times)
    check_is(read(slices, tmp_path), 50_000 / 100e6)


@pytest.mark.parametrize(
    ("start", "zone"),
    [("20240301100000", None), ("20240301100000.000000", "+0100"), ("20240301090000+0000", "+0100"),
     ("20240301143000+0530", "+0100"), ("20240229230000-1000", "+0100")],
)  # fmt: skip
def test_a_dated_injection_is_taken_in_the_time_zone_of_the_scan(tmp_path: Path, start: str, zone: str | None) -> None:
    slices = pet({"RadiopharmaceuticalStartDateTime": start}, TimezoneOffsetFromUTC=zone)
    check_is(read(slices, tmp_path), 50_000 / 100e6)


def test_a_long_lived_dose_is_followed_over_days_by_its_date(tmp_path: Path) -> None:
    agent = {"RadionuclideHalfLife": "282240", "RadiopharmaceuticalStartDateTime": "20240228114000"}
    days = 2  # to the first of March of a leap year
    slices = pet({**agent, "RadiopharmaceuticalStartTime": None})
    check_is(read(slices, tmp_path), 50_000 / (200e6 * 2 ** (-days * 86400 / 282240)))


AGENTS: list[tuple[dict[str, Any], str]] = [
    ({"RadionuclideTotalDose": None}, "(0018,1074) Radionuclide Total Dose is missing"),
    ({"RadionuclideTotalDose": "0"}, "(0018,1074) Radionuclide Total Dose is 0 or impossible"),
    ({"RadionuclideTotalDose": "200"}, "(0018,1074) Radionuclide Total Dose is 0 or impossible"),
    ({"RadionuclideTotalDose": "-2e8"}, "(0018,1074) Radionuclide Total Dose is 0 or impossible"),
    ({"RadionuclideHalfLife": None}, "(0018,1075) Radionuclide Half Life is missing"),
    ({"RadionuclideHalfLife": "0"}, "(0018,1075) Radionuclide Half Life is 0 or impossible"),
    ({"RadiopharmaceuticalStartTime": None}, "is missing or malformed"),
    ({"RadiopharmaceuticalStartTime": "250000"}, "is missing or malformed"),
    ({"RadiopharmaceuticalStartTime": "120000"}, "before the scan, or after it"),
    ({"RadiopharmaceuticalStartDateTime": "20240301120000", "RadiopharmaceuticalStartTime": None}, "after the start"),
    ({"RadiopharmaceuticalStartDateTime": "20240201100000"}, "half-lives before the scan"),
    ({"RadiopharmaceuticalStartDateTime": "20240301103000"}, "contradict each other"),
    ({"RadiopharmaceuticalStartDateTime": "20240301090000+0000"}, "has a time zone"),
    ({"RadionuclideHalfLife": "282240"}, "has no date"),
]
HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"PatientWeight": None}, "(0010,1030) Patient's Weight is missing"),
    ({"PatientWeight": "0"}, "(0010,1030) Patient's Weight is 0 or impossible"),
    ({"PatientWeight": "70000"}, "(0010,1030) Patient's Weight is 0 or impossible"),
    ({"CorrectedImage": None}, "(0028,0051) Corrected Image does not name ATTN"),
    ({"CorrectedImage": ["ATTN", "SCAT"]}, "(0028,0051) Corrected Image does not name DECY"),
    ({"CorrectedImage": "DECY"}, "(0028,0051) Corrected Image does not name ATTN"),
    ({"DecayCorrection": None}, "(0054,1102) Decay Correction is neither START nor ADMIN"),
    ({"DecayCorrection": "NONE"}, "(0054,1102) Decay Correction is neither START nor ADMIN"),
    ({"SeriesTime": None}, "(0008,0021) Series Date and Time"),
    ({"SeriesDate": "20240230"}, "(0008,0021) Series Date and Time"),
    ({"AcquisitionDate": None}, "(0008,0022) Acquisition Date and Time"),
    ({"SeriesTime": "180000"}, "(0054,1300) Frame Reference Time"),
    ({"SeriesTime": "180000", "FrameReferenceTime": "0", "ActualFrameDuration": "60000"}, "(0054,1300)"),
    ({"SeriesTime": "180000", "FrameReferenceTime": "60000", "ActualFrameDuration": "0"}, "is 0 or impossible"),
    ({"SeriesDate": "99991231", "SeriesTime": "180000"}, "(0008,0021) Series Date and Time"),
    ({"SeriesTime": "180000", "FrameReferenceTime": "1e99", "ActualFrameDuration": "60000"}, "is 0 or impossible"),
    ({"DecayCorrection": "START", "SeriesTime": "093000"}, "before the scan, or after it"),
]


@pytest.mark.filterwarnings("ignore:Invalid value for VR")  # pydicom, of what the test writes
@pytest.mark.parametrize(("agent", "why"), AGENTS)
def test_a_fault_in_the_dose_leaves_the_activity_and_says_why(tmp_path: Path, agent: dict[str, Any], why: str) -> None:
    check_is_not(read(pet(agent), tmp_path), "BQML", why)


@pytest.mark.parametrize(("header", "why"), HEADERS)
def test_a_fault_in_the_header_leaves_the_activity_and_says_why(
    tmp_path: Path, header: dict[str, Any], why: str
) -> None:
    check_is_not(read(pet(**header), tmp_path), "BQML", why)


def test_other_units_are_left_as_they_are(tmp_path: Path) -> None:
    check_is_not(read(pet(Units="PROPCNTS"), tmp_path), "PROPCNTS", "(0054,1001) Units is none of")


def _heavier(slices: list[Dataset]) -> None:
    slices[1].PatientWeight = "51"


def _later(slices: list[Dataset]) -> None:
    slices[1].RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "100100"


def _without_agent(slices: list[Dataset]) -> None:
    del slices[1].RadiopharmaceuticalInformationSequence


def _malformed(slices: list[Dataset]) -> None:
    slices[1].add_new((0x0010, 0x1030), "LO", "heavy")


@pytest.mark.parametrize("spoil", [_heavier, _later, _without_agent, _malformed])
def test_one_slice_that_differs_spoils_the_series(tmp_path: Path, spoil: Callable[[list[Dataset]], None]) -> None:
    slices = pet()
    spoil(slices)
    scan = read(slices, tmp_path)
    assert scan.unit == "BQML"
    assert len(scan.warnings) == 1


def test_a_scan_of_another_modality_is_never_touched(tmp_path: Path) -> None:
    slices = pet()
    for ds in slices:
        ds.Modality = "NM"
    scan = read(slices, tmp_path)
    assert (scan.unit, scan.warnings) == ("BQML", ())


def test_the_reason_is_a_stable_code() -> None:
    with pytest.raises(ReadError) as caught:
        suv_factor(pet(PatientWeight=None))
    assert caught.value.reason is NO_SUV


def test_the_window_and_the_range_are_those_of_the_new_values(tmp_path: Path) -> None:
    scan = read(pet(WindowCenter="4000", WindowWidth="8001"), tmp_path)
    assert scan.window is not None
    assert (scan.window.center, scan.window.width) == pytest.approx((3999.5 / 2000, 8000 / 2000))
    assert scan.window.function == "LINEAR_EXACT"
    assert scan.value_range == pytest.approx((-32768 / 2000, 32767 / 2000))


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_a_window_of_another_function_keeps_it(tmp_path: Path, function: str) -> None:
    scan = read(pet(WindowCenter="4000", WindowWidth="8000", VOILUTFunction=function), tmp_path)
    assert scan.window is not None
    assert (scan.window.center, scan.window.width, scan.window.function) == (2.0, 4.0, function)


def test_a_window_that_is_a_step_is_dropped(tmp_path: Path) -> None:
    assert read(pet(WindowCenter="4000", WindowWidth="1"), tmp_path).window is None


@pytest.mark.parametrize("dose", ["273456789", "0.273456789"])
def test_weight_and_dose_leave_the_reader_neither_in_words_nor_in_numbers(tmp_path: Path, dose: str) -> None:
    scan = read(pet({"RadionuclideTotalDose": dose}, PatientWeight="61.375"), tmp_path)
    said = json.dumps(dump(loaded_of(scan)))
    assert "61.375" not in said
    assert "273456789" not in said


def test_values_through_a_table_are_not_activity(tmp_path: Path) -> None:
    table: Array = np.arange(256, dtype=np.uint16)
    slices = pet(RescaleSlope=None, RescaleIntercept=None)
    for ds in slices:
        ds.ModalityLUTSequence = [item(LUTDescriptor=[256, 0, 16], ModalityLUTType="BQML", LUTData=table.tolist())]
        ds.ModalityLUTSequence[0]["LUTDescriptor"].VR = ds.ModalityLUTSequence[0]["LUTData"].VR = "US"
    scan = read(slices, tmp_path)
    assert scan.unit == "BQML"
    assert "lookup table" in scan.warnings[0]
