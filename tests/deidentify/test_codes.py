"""Codes for everybody stay with the meaning that their scheme gives; local ones say nothing any more."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from edge.deidentify.codes import LOCAL, clean_code, is_code
from tests.deidentify.cleaning import SECRET
from tests.read.dicom_files import item


def code(scheme: str, value: str, meaning: str = "Jane Doe", **more: str) -> Dataset:
    entry = item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning, **more)
    clean_code(entry, SECRET, dummy=False)
    return entry


@pytest.mark.parametrize(
    ("scheme", "value", "meaning"),
    [
        ("SCT", "10200004", "Liver"),
        ("DCM", "113100", "Basic Application Confidentiality Profile"),
        ("SCT", "999999999999", "REMOVED"),
        ("SRT", "T-62000", "REMOVED"),
        ("UCUM", "mm", "mm"),
        ("UCUM", "mGy.cm", ""),
        ("LN", "18748-4", ""),
        ("ISO3166_1", "ZA", "REMOVED"),
    ],
)
def test_a_code_of_a_known_scheme_stays_without_what_was_typed(scheme: str, value: str, meaning: str) -> None:
    entry = code(scheme, value)
    assert (entry.CodeValue, entry.CodingSchemeDesignator) == (value, scheme)
    assert entry.CodeMeaning.startswith(meaning)


@pytest.mark.parametrize(
    ("scheme", "value"),
    [("99WARD", "7"), ("", "7"), ("L", "JANE"), ("SCT", "JANE"), ("DCM", "4711"), ("UCUM", "Smith"), ("LN", "DOE")],
)
def test_any_other_code_becomes_a_label_that_is_the_same_for_the_same_code(scheme: str, value: str) -> None:
    entry, again, other = code(scheme, value), code(scheme, value), code(scheme, f"{value}1")
    assert (entry.CodingSchemeDesignator, entry.CodeMeaning) == (LOCAL, "REMOVED")
    assert entry.CodeValue == again.CodeValue != other.CodeValue
    assert value not in entry.CodeValue or value == "7"


def test_where_a_code_was_chosen_from_is_not_told_for_its_date_is_known_to_all() -> None:
    assert list(code("SCT", "10200004", ContextGroupVersion="20040322", ContextIdentifier="29").dir()) == [
        "CodeMeaning",
        "CodeValue",
        "CodingSchemeDesignator",
    ]


def test_a_dummy_is_no_code_for_anything() -> None:
    entry = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    clean_code(entry, SECRET, dummy=True)
    assert (entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning) == ("REMOVED", LOCAL, "REMOVED")


@pytest.mark.parametrize("keyword", ["LongCodeValue", "URNCodeValue"])
def test_a_long_code_that_nobody_knows_becomes_a_short_one(keyword: str) -> None:
    entry = item(CodeMeaning="Jane", **{keyword: "urn:jane:doe"})
    assert is_code(entry)
    clean_code(entry, SECRET, dummy=False)
    assert keyword not in entry
    assert entry.CodeValue == SECRET.label("\0urn:jane:doe")


def test_an_item_without_a_code_is_none() -> None:
    assert not is_code(item(CodeMeaning="Liver"))
    assert not is_code(item(CodeValue="1"))


def test_a_code_without_a_value_becomes_one_without_a_meaning() -> None:
    entry = code("SCT", "")
    assert (entry.CodingSchemeDesignator, entry.CodeMeaning) == (LOCAL, "REMOVED")
    without = item(CodingSchemeDesignator="SCT", CodeMeaning="Jane")
    clean_code(without, SECRET, dummy=False)
    assert (without.CodingSchemeDesignator, without.CodeMeaning) == (LOCAL, "REMOVED")


UNITS = (
    "ml mL Gy.m2 dGy.cm2 mGy.cm cGy mAs mg/dl m/s mm3/s kg/m2 1/min /min {H.B.}/min ml/min/{1.73_m2} g/ml{SUVbw} "
    "{SUVbw}g/ml kBq/ml um2/s mm[Hg] [hnsf'U] {0:1} 10*-6.mm2/s %"
)


@pytest.mark.parametrize("unit", [*UNITS.split(), "{no units}"])
def test_a_number_keeps_its_unit(unit: str) -> None:
    entry = code("UCUM", unit)
    assert (entry.CodeValue, entry.CodingSchemeDesignator) == (unit, "UCUM")
    assert entry.CodeMeaning != "REMOVED"


@pytest.mark.parametrize("words", ["{Jane}", "mm{Doe}", "Jane", "g.Doe", "19600101", "4711/mm", "sam", "mad"])
def test_words_and_numbers_in_the_place_of_a_unit_go(words: str) -> None:
    assert code("UCUM", words).CodingSchemeDesignator == LOCAL
