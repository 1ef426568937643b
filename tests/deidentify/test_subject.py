"""What a report tells of the patient's own person goes from its content as from the header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from edge.deidentify.subject import hide_subject
from tests.deidentify.cleaning import cleaned, film
from tests.read.dicom_files import item


def named(value: str, scheme: str = "DCM", **elements: Any) -> Dataset:
    """A content item with a concept name."""
    name = item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="any")
    return item(ConceptNameCodeSequence=[name], **elements)


def measured(number: str) -> list[Dataset]:
    unit = item(CodeValue="mm", CodingSchemeDesignator="UCUM", CodeMeaning="mm")
    return [item(NumericValue=number, MeasurementUnitsCodeSequence=[unit])]


BIRTH_DATE = named("121031", ValueType="DATE", Date="19340102")
AGE = named("121033", ValueType="NUM", MeasuredValueSequence=measured("93"))
SEX = named("121032", ValueType="CODE", ConceptCodeSequence=[
    item(CodeValue="F", CodingSchemeDesignator="DCM", CodeMeaning="Female")
])  # fmt: skip
WEIGHT = named("27113001", "SCT", ValueType="NUM", MeasuredValueSequence=measured("80"))
SIZE = named("410668003", "SCT", ValueType="NUM", MeasuredValueSequence=measured("12"))


def content(folder: Path, *keep: Any) -> list[Dataset]:
    return list(cleaned(film(ContentSequence=[BIRTH_DATE, AGE, SEX, WEIGHT, SIZE]), folder, *keep).ContentSequence)


def test_birth_date_age_sex_and_weight_go_and_findings_stay_in_their_places(tmp_path: Path) -> None:
    birth, age, sex, weight, size = content(tmp_path)
    assert birth.Date == "19000101"
    assert list(age.MeasuredValueSequence) == list(weight.MeasuredValueSequence) == []
    assert [code.CodeValue for code in sex.ConceptCodeSequence] == ["REMOVED"]
    assert size.MeasuredValueSequence[0].NumericValue == 12
    assert age.ConceptNameCodeSequence[0].CodeMeaning == "Subject Age"


def test_sex_and_weight_stay_on_request_and_no_birth_date_or_age(tmp_path: Path) -> None:
    birth, age, sex, weight, _ = content(tmp_path, "patient-characteristics", "dates")
    assert (birth.Date, list(age.MeasuredValueSequence)) == ("19000101", [])
    assert sex.ConceptCodeSequence[0].CodeValue != "REMOVED"
    assert weight.MeasuredValueSequence[0].NumericValue == 80


@pytest.mark.parametrize("keyword", ["NumericValue", "FloatingPointValue", "DateTime"])
def test_values_that_stand_in_the_item_itself_go_too(keyword: str) -> None:
    value: Any = "19340102" if keyword == "DateTime" else 93
    entry = named("121033", **{keyword: value})
    assert hide_subject(entry, keeps=False) == [keyword]
    assert entry[keyword].value != value


def test_an_item_without_a_name_stays() -> None:
    assert hide_subject(item(ConceptNameCodeSequence=[], NumericValue="93"), keeps=False) == []
