"""What every table of scans has, whatever is asked of them: which file, whose it is, and to which group it belongs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import UsageError
from edge.site.case import AGE, BAND, DEVICE, PATIENT, SEX, SITE
from edge.site.cells import Cells
from edge.site.sexes import check_sexes, sex_of

FILES = ("file", "path")
TOLD = (SEX, AGE, BAND, DEVICE, SITE)


class Rows:
    """Reads the columns that all tables have.

    Raises
    ------
    UsageError
        There is no column of files, or nobody could tell the sexes apart.
    """

    def __init__(self, cells: Cells) -> None:
        self.path = cells.path
        self.columns = cells.columns
        self._file = self.column(FILES)
        check_sexes(cells.path, (values.get(SEX, "") for _, values in cells.rows))

    def column(self, names: Sequence[str], others: Sequence[str] = ()) -> str:
        """Return the first of some columns that is there; `others` are names that would do as well."""
        found = next((name for name in names if name in self.columns), None)
        if found is None:
            expected = " or ".join([*names, *others])
            has = ", ".join(self.columns) or "none"
            raise UsageError(f"Reading {self.path}: found the columns {has}; expected {expected}.")
        return found

    def scan(self, row: int, values: Mapping[str, str]) -> Path:
        """Return the scan of a row, absolute."""
        return self.file(row, values[self._file], f"the scan in the column {self._file!r}")

    def file(self, row: int, text: str, what: str) -> Path:
        """Return a file or folder that a row names, as seen from the table."""
        place = Path(os.path.normpath((self.path.parent / text).absolute()))
        if not text or not place.exists():
            raise UsageError(f"Reading {self.path}, line {row}: {what} is not there.")
        return place

    def patient(self, row: int, values: Mapping[str, str]) -> str:
        """Return whose scan it is; where the table does not tell, somebody else's than all others."""
        return values.get(PATIENT) or f"row {row}"

    def told(self, row: int, values: Mapping[str, str]) -> dict[str, str]:
        """Return what else is told of the scan, by column."""
        told = {name: values[name] for name in TOLD if values.get(name)}
        if AGE in told:
            told[AGE] = self._age(row, told[AGE])
        if SEX in told:
            told[SEX] = sex_of(told[SEX])
        return told

    def _age(self, row: int, text: str) -> str:
        try:
            years = float(text.replace(",", "."))
        except ValueError:
            years = math.nan
        if not 0 <= years <= 130:
            raise UsageError(f"Reading {self.path}, line {row}: found another age than a number of years.")
        return str(years)
