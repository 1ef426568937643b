"""Every check lets a fit scan pass and refuses or warns of an unfit one, with its stable code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edge.check import (
    CONFIRMABLE,
    HEADER_CHECKS,
    SCAN_CHECKS,
    check_header,
    check_scan,
    confirm,
    confirm_scan,
    relied_on,
)
from edge.errors import UsageError
from edge.geometry import Grid
from edge.pack.look import Technique
from edge.pack.manifest import Accepts
from edge.scan import Acquisition, Scan
from edge.testing import phantom_scan

FIT = Acquisition(
    modality="DX",
    body_part="CHEST",
    view="AP",
    laterality="U",
    age_years=3.0,
    photometric="MONOCHROME2",
    image_type=("ORIGINAL",),
    lossy=False,
    burned_in=False,
    presentation="FOR PRESENTATION",
    contrast=False,
    bits_stored=12,
    kvp=70.0,
    slice_thickness_mm=2.0,
    field_strength_tesla=1.5,
)
TECHNIQUE = Technique(
    kvp=(50.0, 90.0),
    slice_thickness_mm=(1.0, 3.0),
    field_strength_tesla=(1.5, 3.0),
    spacing_mm=(0.5, 2.0),
    contrast=False,
    presentation="FOR PRESENTATION",
)
ACCEPTS = Accepts(
    modality=("CR", "DX"),
    body_part=("CHEST",),
    view=("AP",),
    stack="picture",
    colour="grey",
    age_years=(1.0, 5.0),
    least_size=8,
    laterality=("U",),
    technique=TECHNIQUE,
    compression="lossless",
    burned_in="none",
    least_bits=12,
)


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """One thing that is wrong with an otherwise fit header."""

    check: str
    changes: dict[str, Any]
    code: str
    severity: str = "refuse"


HEADERS = [
    Unfit(check="modality", changes={"modality": "MR"}, code="C702"),
    Unfit(check="modality", changes={"modality": None}, code="C703"),
    Unfit(check="body-part", changes={"body_part": "HAND"}, code="C704"),
    Unfit(check="body-part", changes={"body_part": None}, code="C705"),
    Unfit(check="view", changes={"view": "LL"}, code="C706"),
    Unfit(check="view", changes={"view": None}, code="C707"),
    Unfit(check="laterality", changes={"laterality": "L"}, code="C735"),
    Unfit(check="laterality", changes={"laterality": None}, code="C736"),
    Unfit(check="technique", changes={"kvp": 49.9}, code="C737"),
    Unfit(check="technique", changes={"kvp": None}, code="C738"),
    Unfit(check="technique", changes={"slice_thickness_mm": 3.1}, code="C737"),
    Unfit(check="technique", changes={"slice_thickness_mm": None}, code="C738"),
    Unfit(check="technique", changes={"field_strength_tesla": 0.5}, code="C737"),
    Unfit(check="technique", changes={"field_strength_tesla": None}, code="C738"),
    Unfit(check="technique", changes={"contrast": True}, code="C737"),
    Unfit(check="technique", changes={"contrast": None}, code="C738"),
    Unfit(check="technique", changes={"presentation": "FOR PROCESSING"}, code="C737"),
    Unfit(check="technique", changes={"presentation": None}, code="C738"),
    Unfit(check="compression", changes={"lossy": True}, code="C739"),
    Unfit(check="compression", changes={"lossy": None}, code="C739"),
    Unfit(check="burned-in", changes={"burned_in": True}, code="C740"),
    Unfit(check="burned-in", changes={"burned_in": None}, code="C740"),
    Unfit(check="derived", changes={"captured": True}, code="C714"),
    Unfit(check="age", changes={"age_years": 0.99}, code="C708"),
    Unfit(check="age", changes={"age_years": 61.37}, code="C708"),
    Unfit(check="age", changes={"age_years": None}, code="C709", severity="warn"),
    Unfit(check="colour", changes={"photometric": "RGB"}, code="C710"),
    Unfit(check="derived", changes={"image_type": ("DERIVED", "SECONDARY", "SECONDARY CAPTURE")}, code="C714"),
]


def scan_with(acquisition: Acquisition = FIT, shape: tuple[int, int, int] = (1, 8, 8)) -> Scan:
    return phantom_scan(shape, acquisition=acquisition, spacing_mm=(1.0, 1.0))


def codes(acquisition: Acquisition, accepts: Accepts = ACCEPTS) -> list[str]:
    return [notice.reason.code for notice in check_header(acquisition, accepts)]


def scan_codes(scan: Scan, accepts: Accepts = ACCEPTS) -> list[str]:
    return [notice.reason.code for notice in check_scan(scan, accepts)]


def test_a_fit_scan_passes_every_check() -> None:
    assert check_scan(scan_with(), ACCEPTS) == ()


def test_every_row_of_the_table_of_header_checks_is_tested() -> None:
    assert {case.check for case in HEADERS} == set(HEADER_CHECKS)


@pytest.mark.parametrize("case", HEADERS, ids=lambda case: f"{case.check}-{case.code}-{case.changes}")
def test_an_unfit_header_is_named_by_its_own_check_alone(case: Unfit) -> None:
    unfit = replace(FIT, **case.changes)
    for name, entry in HEADER_CHECKS.items():
        notice = entry.load()(unfit, ACCEPTS)
        assert (notice is not None) == (name == case.check)
        if notice is not None:
            assert (notice.reason.code, notice.severity) == (case.code, case.severity)


def test_what_a_pack_does_not_ask_for_is_not_checked() -> None:
    anything = Accepts(stack="picture", colour="grey")
    assert codes(Acquisition(photometric="MONOCHROME2"), anything) == []
    assert codes(replace(FIT, age_years=99.0, view="LL", modality="MR"), anything) == []


@pytest.mark.parametrize("age", [1.0, 5.0])
def test_the_youngest_and_the_oldest_patient_are_included(age: float) -> None:
    assert codes(replace(FIT, age_years=age)) == []


@pytest.mark.parametrize("age", [0.37, 61.37])
def test_a_refusal_for_the_age_does_not_tell_the_age(age: float) -> None:
    (notice,) = check_header(replace(FIT, age_years=age), ACCEPTS)
    assert "0.37" not in notice.detail
    assert "61" not in notice.detail
    assert notice.detail == f"Found a patient who is {'younger' if age < 1 else 'older'}, expected 1 to 5 years."


def test_a_refusal_tells_what_was_found_and_what_was_expected() -> None:
    (notice,) = check_header(replace(FIT, modality="MR"), ACCEPTS)
    assert notice.detail == "Found 'MR', expected CR or DX."


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_both_kinds_of_grey_are_grey(photometric: str) -> None:
    assert codes(replace(FIT, photometric=photometric)) == []
    assert codes(replace(FIT, photometric=photometric), replace(ACCEPTS, colour="rgb")) == ["C710"]


def test_a_colour_model_takes_colour() -> None:
    assert codes(replace(FIT, photometric="RGB"), replace(ACCEPTS, colour="rgb")) == []


@pytest.mark.parametrize("modality", ["OT", "SC"])
def test_a_secondary_capture_is_refused_unless_the_pack_is_made_for_it(modality: str) -> None:
    anything = Accepts(stack="picture", colour="grey")
    assert codes(replace(FIT, modality=modality), anything) == ["C714"]
    assert codes(replace(FIT, modality=modality), replace(anything, modality=(modality,))) == []


@pytest.mark.parametrize("modality", ["CR", "CT", "DX", "MR"])
def test_what_was_compressed_lossily_is_warned_of_where_the_pack_does_not_say(modality: str) -> None:
    (notice,) = check_header(replace(FIT, modality=modality, lossy=True), Accepts(stack="picture", colour="grey"))
    assert (notice.reason.code, notice.severity) == ("C739", "warn")


@pytest.mark.parametrize("modality", ["OP", "SM", "US", None])
def test_photographs_slides_and_ultrasound_come_compressed(modality: str | None) -> None:
    compressed = replace(FIT, modality=modality, lossy=True)
    assert codes(compressed, Accepts(stack="picture", colour="grey")) == []
    assert codes(compressed, Accepts(stack="picture", colour="grey", compression="lossless")) == ["C739"]


def test_text_in_the_picture_is_warned_of_where_the_pack_does_not_say_and_its_absence_need_not_be_told() -> None:
    anything = Accepts(stack="picture", colour="grey")
    (notice,) = check_header(replace(FIT, burned_in=True), anything)
    assert (notice.reason.code, notice.severity) == ("C740", "warn")
    assert codes(replace(FIT, burned_in=None), anything) == []


def test_a_pack_made_for_compressed_and_marked_pictures_takes_them_without_a_word() -> None:
    made_for = Accepts(stack="picture", colour="grey", compression="any", burned_in="any")
    assert codes(replace(FIT, lossy=True, burned_in=True), made_for) == []


@pytest.mark.parametrize("kvp", [50.0, 90.0])
def test_the_ends_of_a_range_are_included(kvp: float) -> None:
    assert codes(replace(FIT, kvp=kvp)) == []


def test_a_technique_that_does_not_fit_is_told_with_what_was_expected() -> None:
    (notice,) = check_header(replace(FIT, kvp=120.0, contrast=True), ACCEPTS)
    assert notice.detail == (
        "(0018,0060) KVP: found 120, expected 50 to 90. (0018,0010) Contrast/Bolus Agent: found one, expected none."
    )


def test_what_is_wrong_is_told_before_what_is_missing() -> None:
    assert codes(replace(FIT, kvp=120.0, contrast=None)) == ["C737"]


def test_a_secondary_capture_by_its_class_is_refused_unless_the_pack_is_made_for_such() -> None:
    captured = replace(FIT, modality="OT", captured=True)
    assert codes(captured, Accepts(stack="picture", colour="grey")) == ["C714"]
    assert codes(captured, Accepts(stack="picture", colour="grey", modality=("OT",))) == []


def test_a_screenshot_that_calls_itself_a_radiograph_is_still_refused() -> None:
    captured = replace(FIT, modality="DX", image_type=("DERIVED", "SECONDARY", "SECONDARY CAPTURE"))
    assert codes(captured) == ["C714"]


def test_a_processed_radiograph_is_no_secondary_capture() -> None:
    assert codes(replace(FIT, image_type=("DERIVED", "PRIMARY", "POST_PROCESSED"))) == []
    assert codes(replace(FIT, image_type=("DERIVED", "SECONDARY"))) == []


def test_everything_that_is_wrong_is_said_in_the_order_of_the_table() -> None:
    wrong = Acquisition(modality="MR", photometric="RGB")
    assert codes(wrong) == ["C702", "C705", "C707", "C736", "C709", "C738", "C710", "C739", "C740"]


# Scans ---------------------------------------------------------------------------------------------------

FINE = Grid.of_picture(8, 8, (0.4, 1.0))
SCANS = {
    "spacing": (replace(scan_with(), grid=FINE), "C737"),
    "bits": (scan_with(replace(FIT, bits_stored=8)), "C741"),
    "stack": (scan_with(shape=(3, 8, 8)), "C711"),
    "size": (scan_with(shape=(1, 8, 7)), "C715"),
    "blank": (replace(scan_with(), voxels=np.full((1, 8, 8), 7, np.uint16)), "C712"),
}


def test_every_row_of_the_table_of_scan_checks_is_tested() -> None:
    elsewhere = {"lengths", "film", "position"}
    assert {*SCANS, *elsewhere} == set(SCAN_CHECKS)


def test_lengths_in_no_known_unit_are_warned_of_and_refuse_nothing() -> None:
    (notice,) = check_scan(replace(scan_with(), lengths_told=False), replace(ACCEPTS, technique=None))
    assert (notice.reason.code, notice.severity) == ("C733", "warn")


def test_a_scan_whose_lengths_nobody_tells_has_no_spacing_that_could_fit() -> None:
    assert scan_codes(replace(scan_with(), lengths_told=False)) == ["C727", "C733"]
    assert scan_codes(replace(scan_with(), grid=Grid.of_picture(8, 8))) == ["C727"]


def test_thick_slices_are_refused_and_the_order_of_frames_is_no_distance() -> None:
    accepts = Accepts(stack="volume", colour="grey", technique=Technique(spacing_mm=(0.5, 2.0)))
    grid = Grid.of((3, 8, 8), np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], "patient")
    volume = replace(scan_with(shape=(3, 8, 8)), stack="volume", grid=grid)
    (notice,) = check_scan(volume, accepts)
    assert notice.detail == "Points lie 5 x 1 x 1 mm apart, expected 0.5 to 2 mm."
    assert scan_codes(replace(volume, stack="frames"), replace(accepts, stack="frames")) == []


def test_the_bits_of_a_file_without_a_header_are_those_of_its_values() -> None:
    plain = scan_with(replace(FIT, bits_stored=None))
    assert scan_codes(plain) == []
    assert scan_codes(replace(plain, voxels=plain.voxels.astype(np.uint8))) == ["C741"]


@pytest.mark.parametrize("name", SCANS)
def test_an_unfit_scan_is_refused_by_its_own_check_alone(name: str) -> None:
    scan, code = SCANS[name]
    (notice,) = check_scan(scan, ACCEPTS)
    assert (notice.reason.code, notice.severity) == (code, "refuse")
    assert SCAN_CHECKS[name].load()(scan, ACCEPTS) == notice


def test_a_volume_model_refuses_a_picture() -> None:
    assert scan_codes(scan_with(), replace(ACCEPTS, stack="volume")) == ["C711"]


def test_the_shorter_side_counts() -> None:
    assert scan_codes(scan_with(shape=(1, 7, 900))) == ["C715"]
    assert scan_codes(scan_with(shape=(1, 8, 900))) == []


def test_one_pixel_that_differs_is_not_blank() -> None:
    voxels = np.zeros((1, 8, 8), np.uint8)
    voxels[0, 7, 7] = 1
    assert scan_codes(replace(scan_with(), voxels=voxels)) == []


def test_a_blank_colour_picture_is_blank() -> None:
    colour = replace(ACCEPTS, colour="rgb")
    colour = replace(colour, least_bits=8)
    red = np.broadcast_to(np.array([200, 0, 7], np.uint8), (1, 8, 8, 3)).copy()
    scan = replace(scan_with(replace(FIT, photometric="RGB")), voxels=red)
    assert scan_codes(scan, colour) == ["C712"]
    red[0, 3, 3, 1] = 1
    assert scan_codes(scan, colour) == []


def test_the_header_speaks_before_the_voxels() -> None:
    assert scan_codes(scan_with(replace(FIT, view="LL"), (1, 4, 4))) == ["C706", "C715"]


# What a person confirms ----------------------------------------------------------------------------------


def test_only_what_the_files_do_not_tell_is_taken_from_a_person() -> None:
    told = {"modality": "MR", "view": "AP"}
    assert relied_on(Acquisition(modality="CR"), told) == {"view": "AP"}
    assert confirm(Acquisition(modality="CR"), told) == Acquisition(modality="CR", view="AP")


SAID = {
    "modality": "dx",
    "body-part": "chest",
    "view": "ap",
    "age-years": "3",
    "unit": "hu",
    "spacing": "MM",
    "laterality": " u ",
    "presentation": "for presentation",
    "kvp": "70",
    "slice-thickness-mm": "2",
    "field-strength-tesla": "1.5",
    "contrast": "No",
    "lossy": "no",
    "burned-in": "NO",
}


def test_a_person_can_confirm_everything_that_the_files_do_not_tell() -> None:
    assert set(SAID) == set(CONFIRMABLE)
    empty = Acquisition(photometric="MONOCHROME2")
    assert confirm(empty, SAID) == replace(FIT, image_type=(), bits_stored=None)
    assert codes(confirm(empty, SAID)) == []


def test_a_person_never_overrules_what_the_files_tell() -> None:
    other = replace(FIT, modality="MR", body_part="HAND", view="LL", laterality="R", age_years=60.0, kvp=1.0)
    other = replace(other, lossy=True, burned_in=True, contrast=True)
    assert confirm(other, SAID) == other


def test_a_unit_is_taken_from_a_person_only_where_the_file_tells_none() -> None:
    untold = replace(scan_with(), unit="unknown")
    known, vouched = confirm_scan(untold, {"unit": " hu ", "view": "ap"})
    assert (known.unit, vouched["unit"]) == ("HU", "HU")
    told, vouched = confirm_scan(replace(untold, unit="BQML"), {"unit": "HU"})
    assert (told.unit, vouched) == ("BQML", {})


def test_millimetres_are_taken_from_a_person_only_where_the_file_tells_no_unit_of_lengths() -> None:
    known, vouched = confirm_scan(replace(scan_with(), lengths_told=False), {"spacing": " MM ", "view": "ap"})
    assert (known.lengths_told, vouched["spacing"]) == (True, "mm")
    assert confirm_scan(scan_with(), {"spacing": "mm"})[1] == {}


def test_lengths_in_another_unit_than_millimetres_cannot_be_confirmed() -> None:
    with pytest.raises(UsageError, match="expected one of mm"):
        confirm(Acquisition(), {"spacing": "cm"})


def test_a_unit_that_is_none_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(UsageError, match="expected one of HU, SUVbw"):
        confirm(Acquisition(), {"unit": "grey"})


def test_confirming_nothing_changes_nothing() -> None:
    assert confirm(FIT, {}) == FIT


@pytest.mark.parametrize("name", ["photometric", "sex", "body_part", "colour", ""])
def test_what_cannot_be_confirmed_is_a_mistake_of_the_caller(name: str) -> None:
    with pytest.raises(UsageError, match="modality, body-part, view, age-years"):
        confirm(Acquisition(), {name: "x"})


@pytest.mark.parametrize("text", ["three", "-1", "150.5", "nan", "inf", ""])
def test_an_impossible_age_is_a_mistake_of_the_caller(text: str) -> None:
    with pytest.raises(UsageError, match="0 to 150"):
        confirm(Acquisition(), {"age-years": text})


@pytest.mark.parametrize("name", ["contrast", "lossy", "burned-in"])
@pytest.mark.parametrize("text", ["maybe", "", "1"])
def test_what_is_asked_with_yes_or_no_takes_no_other_answer(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="expected yes or no"):
        confirm(Acquisition(), {name: text})


@pytest.mark.parametrize("name", ["kvp", "slice-thickness-mm", "field-strength-tesla"])
def test_an_impossible_number_is_a_mistake_of_the_caller(name: str) -> None:
    with pytest.raises(UsageError, match=f"Confirming {name}='much': expected a number from 0"):
        confirm(Acquisition(), {name: "much"})


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_word_confirms_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="Confirming modality"):
        confirm(Acquisition(), {"modality": text})


def test_spaces_around_a_confirmed_word_do_not_matter() -> None:
    assert confirm(Acquisition(), {"view": " ap "}).view == "AP"
