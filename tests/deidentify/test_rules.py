"""What becomes of an attribute, row by row and for what has no row."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR, keyword_dict

from edge.deidentify.rules import DATES, Rules
from edge.deidentify.table import Keep, rows
from edge.deidentify.wishes import KEEPS, Wishes


def rules(*keep: Keep) -> Rules:
    return Rules(Wishes(keep=keep, burned_in="keep", looks=False))


def known() -> list[tuple[int, str]]:
    """The rows' tags that pydicom knows, with their representations."""
    values = set(keyword_dict.values())
    return [(tag, dictionary_VR(tag).split(" ")[0]) for tag in sorted(rows()) if tag in values and tag >> 16 >= 8]


def action(keyword: str, *keep: Keep, vr: str = "") -> str:
    tag = keyword_dict[keyword]
    return rules(*keep).action(tag, vr or dictionary_VR(tag))


def test_nothing_that_the_table_names_stays_as_it_is() -> None:
    held = rules()
    stays = {held.action(tag, vr) for tag, vr in known()} & {"keep", "check"}
    assert stays == set()


def test_every_option_keeps_what_its_column_says_and_nothing_more() -> None:
    usual = rules()
    for keep in KEEPS:
        held = rules(keep)
        for tag, vr in known():
            kept = held.action(tag, vr) in ("keep", "items") and usual.action(tag, vr) != "items"
            asked = keep in rows()[tag].kept_by and (vr not in DATES or keep == "dates")
            asked &= usual.action(tag, vr) != "items"
            left_out = held.action(tag, vr) == "remove" and tag in (0x00080106, 0x00080107)
            assert kept == (asked and not left_out), (keep, rows()[tag].name)


@pytest.mark.parametrize(
    ("keyword", "done"),
    [
        ("PatientName", "empty"),
        ("InstitutionName", "dummy"),
        ("StudyDate", "date"),
        ("StudyTime", "date"),
        ("PatientBirthDate", "empty"),
        ("SOPInstanceUID", "uid"),
        ("SOPClassUID", "uid"),
        ("ReferencedImageSequence", "items"),
        ("ContentSequence", "items"),
        ("PersonIdentificationCodeSequence", "dummy-items"),
        ("RequestAttributesSequence", "remove"),
        ("GraphicAnnotationSequence", "remove"),
        ("IconImageSequence", "remove"),
        ("EncryptedAttributesSequence", "remove"),
        ("TextValue", "check"),
        ("Manufacturer", "check"),
        ("Modality", "keep"),
        ("Rows", "keep"),
        ("ICCProfile", "keep"),
        ("BadPixelImage", "remove"),
        ("ExpiryDate", "empty"),
    ],
)
def test_an_attribute_is_treated_as_its_row_or_its_representation_says(keyword: str, done: str) -> None:
    assert action(keyword) == done


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00091001, "LO"),
        (0x00090010, "LO"),
        (0x50000005, "US"),
        (0x501E3000, "OW"),
        (0x60000010, "US"),
        (0x60023000, "OW"),
        (0x00089FFC, "LO"),
        (0x00080000, "UL"),
        (0x00020016, "AE"),
        (0x00041130, "CS"),
    ],
)
def test_private_unknown_curve_and_overlay_elements_go(tag: int, vr: str) -> None:
    assert rules(*KEEPS).action(tag, vr) == "remove"


def test_an_element_of_another_representation_than_the_standard_s_goes() -> None:
    assert action("Rows", vr="LO") == "remove"
    assert action("Rows", vr="UN") == "remove"
    assert action("SmallestImagePixelValue", vr="SS") == "keep"


def test_the_date_of_a_device_is_not_moved_for_it_would_betray_by_how_much() -> None:
    assert action("DateOfLastCalibration") == "remove"
    assert action("DateOfLastCalibration", "device") == "remove"
    assert action("DateOfLastCalibration", "dates") == "keep"
    assert action("TemplateVersion") == action("EthicsCommitteeApprovalEffectivenessStartDate") == "remove"
    assert action("InformationIssueDateTime") == "dummy"
    assert action("TemplateVersion", "dates") == "keep"
    assert action("ContextGroupVersion") == action("ContextGroupVersion", "dates") == "remove"
