"""The table is the standard's, and every row of it is obeyed."""

from __future__ import annotations

import csv

import pytest

from edge.deidentify.table import COLUMNS, TABLE, rows

BASICS = {"D", "U", "X", "X/D", "X/Z", "X/Z/D", "X/Z/U*", "Z", "Z/D"}


def test_the_table_has_the_rows_of_the_standard() -> None:
    with TABLE.open(encoding="ascii", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len({line["tag"] for line in lines}) == 656
    assert len(rows()) == 652
    assert {line["tag"] for line in lines if "x" in line["tag"]} == {"50xxxxxx", "60xx3000", "60xx4000"}
    assert sum(line["edition"] == "2024e" for line in lines) == 621


def test_every_row_asks_for_an_action_that_is_known() -> None:
    assert {row.basic for row in rows().values()} == BASICS
    assert all(row.kept_by <= set(COLUMNS) for row in rows().values())


@pytest.mark.parametrize(
    ("tag", "name", "basic", "kept_by", "dated"),
    [
        (0x00100010, "Patient's Name", "Z", set(), False),
        (0x00100030, "Patient's Birth Date", "Z", set(), False),
        (0x00101010, "Patient's Age", "X", {"patient-characteristics"}, False),
        (0x00080018, "SOP Instance UID", "U", {"uids"}, False),
        (0x00080020, "Study Date", "Z", {"dates"}, True),
        (0x00080080, "Institution Name", "X/Z/D", {"institution"}, False),
        (0x00181000, "Device Serial Number", "X/Z/D", {"device"}, False),
        (0x00181200, "Date of Last Calibration", "X", {"device", "dates"}, True),
        (0x00081140, "Referenced Image Sequence", "X/Z/U*", {"uids"}, False),
        (0x0040A730, "Content Sequence", "D", set(), False),
        (0x0040B020, "Waveform Annotation Sequence", "X/D", set(), False),
    ],
)
def test_a_row_says_what_the_standard_says(tag: int, name: str, basic: str, kept_by: set[str], dated: bool) -> None:
    row = rows()[tag]
    assert (row.name, row.basic, set(row.kept_by), row.dated) == (name, basic, kept_by, dated)
